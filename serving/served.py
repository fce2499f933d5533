"""A model that is served: every graph open behind a batcher and warm, under the names that clients call it by.

A model with one graph is one v2 model of the same name. A model with several graphs is one v2 model for each, named
`model.graph` (a model with one graph answers to that too), so that clients that know nothing of graphs can call them.
"""

from __future__ import annotations

import asyncio
import contextlib
import itertools
import logging
import time
from collections import Counter
from collections.abc import Callable, Iterator, Mapping
from dataclasses import replace
from typing import Any

import numpy as np

from serving.batching.batcher import Backlog, Batcher
from serving.batching.batches import Run
from serving.batching.limits import Limits
from serving.batching.stats import Statistics
from serving.errors import too_many_rows
from serving.generation.generator import Generator
from serving.settings import Settings
from zoo.calls import drive_async
from zoo.errors import RuntimeUnavailableError
from zoo.generation import GeneratingCodec
from zoo.hub import Artifact
from zoo.model import Model
from zoo.spec import Arrays, Graph, Port

log = logging.getLogger("bentoml.serve")

_THREAD_BYTES = 2**16  # reading more than this would keep other requests waiting
_THREADS_PAY_MS = 5.0  # of one row on one thread
_WARM_UP_SECONDS = 1.0  # for all shapes of a graph; a slow one meets the rest of its shapes in use

FindBacklog = Callable[[str], Backlog]


class Endpoint:
    """One graph under one v2 name; `responses` counts the answers by HTTP status.

    Two names of one graph are counted as one, `counted_as`.
    """

    def __init__(self, name: str, version: str, batcher: Batcher, responses: Counter[int], *, counted_as: str = "") -> None:
        self.name = name
        self.counted_as = counted_as or name
        self.version = version
        self.batcher = batcher
        self.graph = batcher.graph
        self.responses = responses


class ServedModel:
    """A model whose every graph is open.

    Raises IntegrityError when its bytes are not the certified ones, and what `require_provider` raises.
    """

    def __init__(self, artifact: Artifact, settings: Settings, find_backlog: FindBacklog) -> None:
        model = Model(artifact)
        self.artifact = artifact
        self.manifest = model.manifest
        self.name = model.manifest.model
        self.version = str(model.manifest.version)
        self.variant = settings.variant
        self.codec = model.codec
        self.responses: Counter[int] = Counter()
        self._busy = 0
        self._idle = asyncio.Event()
        self._idle.set()
        self._find_backlog = find_backlog
        self.batchers: dict[str, Batcher] = {}
        runs: dict[str, tuple[Graph, Run, Limits]] = {}
        for graph in self.manifest.graphs:
            self.batchers[graph.name], run = _open(artifact, graph, settings)
            runs[graph.name] = (graph, run, self.batchers[graph.name].limits)
        self.endpoints = _endpoints(self.name, self.version, self.batchers)
        self.generator = self._generator(runs, settings)

    def first_endpoints(self) -> list[Endpoint]:
        """One endpoint for each graph."""
        return self.endpoints[: len(self.batchers)]

    async def predict(
        self,
        data: bytes,
        media_type: str,
        *,
        is_gone: Callable[[], bool] | None = None,
        deadline_ns: int | None = None,
        priority: int = 0,
    ) -> list[dict[str, Any]]:
        """The codec's answers to a request body. Raises CodecError, and what `Batcher.submit` raises."""

        async def run(graph: str, inputs: Arrays) -> Arrays:
            return await self.batchers[graph].submit(inputs, is_gone=is_gone, deadline_ns=deadline_ns, priority=priority)

        with self.at_work():
            if media_type.startswith("image/") or len(data) > _THREAD_BYTES:
                raws = await asyncio.to_thread(self.codec.read, data, media_type)
            else:
                raws = self.codec.read(data, media_type)
            limit = min(batcher.limits.max_queue_rows for batcher in self.batchers.values())
            if len(raws) > limit:
                raise too_many_rows(len(raws), limit)
            return await drive_async(self.codec.predict(raws), run)

    @contextlib.contextmanager
    def at_work(self) -> Iterator[None]:
        """`close` waits for what is done meanwhile."""
        self._busy += 1
        self._idle.clear()
        try:
            yield
        finally:
            self._busy -= 1
            if not self._busy:
                self._idle.set()

    def enter(self) -> None:
        """Count from now on, and keep one queue with the other workers: nobody has been served while it was proven."""
        for endpoint in self.first_endpoints():
            endpoint.batcher.statistics = Statistics()
            endpoint.responses.clear()
        for graph, batcher in self.batchers.items():
            batcher.share(self._find_backlog(f"{self.name}.{graph}"))

    async def close(self) -> None:
        """Answer what has begun, take no more, and let the sessions go."""
        await self._idle.wait()
        if self.generator is not None:
            await self.generator.close()
        await asyncio.gather(*(batcher.close() for batcher in self.batchers.values()))

    def _generator(self, runs: Mapping[str, tuple[Graph, Run, Limits]], settings: Settings) -> Generator | None:
        """None for a model whose answers do not grow."""
        if not isinstance(self.codec, GeneratingCodec):
            return None
        return Generator(
            self.codec, runs, lambda graph, inputs: self.batchers[graph].submit(inputs), settings.limits_of(self.name)
        )


def _endpoints(model: str, version: str, batchers: Mapping[str, Batcher]) -> list[Endpoint]:
    """The first ones are one for each graph; of a model with one graph, that one carries the model's own name."""
    if len(batchers) > 1:
        return [Endpoint(f"{model}.{graph}", version, batcher, Counter()) for graph, batcher in batchers.items()]
    [(graph, batcher)] = batchers.items()
    first = Endpoint(model, version, batcher, Counter())
    return [first, Endpoint(f"{model}.{graph}", version, batcher, first.responses, counted_as=model)]


def require_provider(artifact: Artifact, graph: Graph, settings: Settings) -> str:
    """The provider to open a graph with: the one that was asked for, or the CPU where that is allowed.

    Raises RuntimeUnavailableError when the provider does not start, leaves nodes to the CPU, or was never validated.
    """
    if settings.provider == "cpu":
        return "cpu"
    from zoo.placement import nodes_elsewhere
    from zoo.proofs import covers

    name, provider = artifact.manifest.model, settings.provider
    try:
        if not covers(artifact, provider, settings.variant):
            raise RuntimeUnavailableError(
                f"{name} is not proven on {provider} here; run `zoo validate {name} --provider {provider}` on this machine."
            )
        nodes = nodes_elsewhere(artifact.graph_path(graph, settings.variant), smallest_inputs(graph), provider)
        if nodes:
            raise RuntimeUnavailableError(
                f"{len(nodes)} nodes of {name} ran on the CPU instead of {provider} ({', '.join(nodes[:3])}); "
                "install the extra [gpu], or allow it with --allow-cpu."
            )
    except RuntimeUnavailableError as error:
        if not settings.allow_cpu:
            raise
        log.warning("%s Served on the CPU, which is allowed.", error)
        return "cpu"
    return provider


def _open(artifact: Artifact, graph: Graph, settings: Settings) -> tuple[Batcher, Run]:
    """The graph behind a batcher, warm, and what computes it; with one thread unless told otherwise or a row is worth more.

    Threads of ONNX Runtime that wait for the next operator keep a core busy, which the service needs: two executions of
    one thread each give as many rows a second as one of two, and suffer less beside others. A slow row has all cores, one
    execution at a time.
    """
    from zoo.session import Session  # the supervisor, which opens no graph, starts sooner without ONNX Runtime

    provider = require_provider(artifact, graph, settings)
    threads = 1 if settings.threads is None else settings.threads
    path = artifact.graph_path(graph, settings.variant)
    limits = settings.limits_of(artifact.manifest.model)
    while True:
        session = Session(path, graph, provider=provider, threads=threads)
        batcher = Batcher(graph, session.run, limits)
        row_ms = batcher.warm_up(smallest_inputs(graph))
        if settings.threads is not None or threads == 0 or row_ms < _THREADS_PAY_MS:
            _warm_up(graph, session.run, limits.max_rows)
            return batcher, session.run
        threads, limits = 0, replace(limits, max_in_flight=1)


def _warm_up(graph: Graph, run: Callable[[Arrays], Arrays], max_rows: int) -> None:
    """Have the runtime meet every shape that it will see often, while nobody waits."""
    end = time.perf_counter() + _WARM_UP_SECONDS
    for sizes in _shapes(graph, max_rows):
        run({port.name: _nearest_to_zero(port, sizes) for port in graph.inputs})
        if time.perf_counter() > end:
            return


def _shapes(graph: Graph, max_rows: int) -> Iterator[dict[str, int]]:
    """Powers of two rows up to `max_rows`, by the smallest and the largest size of the other axes."""
    rows = [2**power for power in range(max_rows.bit_length()) if 2**power < max_rows] + [max_rows]
    choices = []
    for name in graph.free_axes:
        axis = graph.axis(name)
        choices.append(rows if name == graph.batch else sorted({max(1, axis.low), axis.high or max(1, axis.low)}))
    for sizes in itertools.product(*choices):
        yield dict(zip(graph.free_axes, sizes, strict=True))


def smallest_inputs(graph: Graph) -> Arrays:
    """Valid inputs with every free axis as small as it may be: zeros, or what is nearest to zero."""
    sizes = {axis: max(1, graph.axis(axis).low) for axis in graph.free_axes}
    return {port.name: _nearest_to_zero(port, sizes) for port in graph.inputs}


def _nearest_to_zero(port: Port, sizes: dict[str, int]) -> np.ndarray:
    shape = tuple(size if isinstance(size, int) else sizes[size] for size in port.shape)
    low = 1 if port.role == "length" else port.low
    value = np.clip(0, -np.inf if low is None else low, np.inf if port.high is None else port.high)
    return np.full(shape, value, port.dtype)
