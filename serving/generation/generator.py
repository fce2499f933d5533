"""A model's generations: the codec makes them, an engine for each graph that they need goes on with them."""

from __future__ import annotations

import asyncio
import secrets
from collections import Counter
from collections.abc import Awaitable, Callable, Mapping, Sequence
from dataclasses import dataclass, field
from typing import Any

import numpy as np
import orjson

from serving.batching.batches import Run
from serving.batching.limits import Limits
from serving.errors import NotReadyError, ProtocolError
from serving.generation.counts import Counts, Snapshot, add
from serving.generation.engine import Engine
from serving.generation.stopping import Stopping
from serving.generation.stream import Stream
from zoo.calls import drive_async
from zoo.codecs.read import JSON_TYPE
from zoo.errors import UnknownNameError, ZooError
from zoo.generation import GeneratingCodec, Generation
from zoo.spec import Arrays, Graph

_THREAD_BYTES = 2**16  # reading more than this would keep other requests waiting


@dataclass(frozen=True, kw_only=True)
class Wish:
    """One answer that is wanted: to what, with which of the codec's options, ending before which words.

    `given` is what the codec reads as an instance of JSON, a text for most; None for an answer to nothing.
    """

    given: Any = None
    options: Mapping[str, Any] = field(default_factory=dict)
    stop: Sequence[str] = ()


class Generator:
    """`runs` are what computes each graph, `submit` the model's batchers, by which a codec encodes what it is given."""

    def __init__(
        self,
        codec: GeneratingCodec,
        runs: Mapping[str, tuple[Graph, Run, Limits]],
        submit: Callable[[str, Arrays], Awaitable[Arrays]],
        limits: Limits,
    ) -> None:
        self.responses: Counter[int] = Counter()
        self._codec = codec
        self._runs = dict(runs)
        self._submit = submit
        self._limits = limits
        self._engines: dict[str, Engine] = {}
        self._closed = False

    async def start(self, wishes: Sequence[Wish]) -> Stream:
        """The answers in the making, to be closed in any case.

        Raises CodecError for options that the codec does not take, QueueFullError, NotReadyError after `close`, and what a
        batcher raises.
        """
        if self._closed:
            raise NotReadyError("The service is shutting down; send the request again in a moment.")
        if len(wishes) > self._limits.max_slots + self._limits.max_waiting:
            most = self._limits.max_slots + self._limits.max_waiting
            raise ProtocolError(f"The request wants {len(wishes)} answers; ask for at most {most} at once.", status=413)
        plans = [self._codec.generate(await self._read(wish.given), wish.options) for wish in wishes]
        generations = await asyncio.gather(*(drive_async(plan, self._submit) for plan in plans))
        stream = Stream()
        try:
            for engine in self._engines.values():
                engine.require_room(len(wishes))
            for wish, generation in zip(wishes, generations, strict=True):
                stream.add(self._engine(generation.graph), _stopping(generation, wish.stop))
        except BaseException:
            stream.close()
            raise
        return stream

    def completes(self) -> bool:
        """Whether the codec takes a text."""
        try:
            return bool(self._codec.read(_instance("a"), JSON_TYPE))
        except ZooError:
            return False

    def snapshot(self) -> Snapshot:
        return add([Counts().snapshot(), *(engine.counts.snapshot() for engine in self._engines.values())])

    async def close(self) -> None:
        """Take no more, and return when every answer has ended."""
        self._closed = True
        await asyncio.gather(*(engine.close() for engine in self._engines.values()))
        self._runs.clear()

    async def _read(self, given: Any) -> np.ndarray:
        if given is None:
            return np.empty(0, np.uint8)
        data = _instance(given)
        small = len(data) <= _THREAD_BYTES
        raws = self._codec.read(data, JSON_TYPE) if small else await asyncio.to_thread(self._codec.read, data, JSON_TYPE)
        if len(raws) != 1:
            raise ProtocolError(f"The request holds {len(raws)} inputs for one answer; send one.")
        return raws[0]

    def _engine(self, graph: str) -> Engine:
        if graph not in self._engines:
            if graph not in self._runs:
                raise UnknownNameError("graph", graph, self._runs)
            self._engines[graph] = Engine(*self._runs[graph])
        return self._engines[graph]


def seeds(seed: Any, count: int) -> list[dict[str, Any]]:
    """An option for each of `count` answers to one input, so that they differ: `seed` and on, or from any one."""
    if seed is None:
        seed = secrets.randbelow(2**31)
    elif type(seed) is not int:
        return [{"seed": seed}] * count  # which the codec refuses in its own words
    return [{"seed": seed + number} for number in range(count)]


def _instance(given: Any) -> bytes:
    return orjson.dumps({"instances": [given]})


def _stopping(generation: Generation, words: Sequence[str]) -> Generation:
    return Stopping(generation, words) if words else generation
