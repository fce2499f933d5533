"""The models that are served: loaded, checked against their certificates, each graph behind a batcher.

A model with one graph is one v2 model of the same name. A model with several graphs is one v2 model for each, named
`model.graph` (a model with one graph answers to that too), so that clients that know nothing of graphs can call them.
"""

from __future__ import annotations

import asyncio
import gc
from collections.abc import Callable
from typing import Any

import numpy as np

from serving.batcher import Batcher
from serving.errors import NotReadyError, ProtocolError
from serving.settings import Settings
from zoo.calls import drive_async
from zoo.errors import UnknownNameError, UsageError, ZooError
from zoo.hub import Artifact, Hub
from zoo.model import Model
from zoo.spec import Arrays, Graph, Port

_THREAD_BYTES = 2**16  # reading more than this would keep other requests waiting
_THREADS_PAY_MS = 0.3  # of one row on one thread


class Endpoint:
    """One graph under one v2 name."""

    def __init__(self, name: str, version: str, batcher: Batcher) -> None:
        self.name = name
        self.version = version
        self.batcher = batcher
        self.graph = batcher.graph


class ServedModel:
    """A model whose every graph is open. Raises ArtifactError when its bytes are not the certified ones."""

    def __init__(self, artifact: Artifact, settings: Settings) -> None:
        model = Model(artifact, provider=settings.provider)
        self.manifest = model.manifest
        self.name = model.manifest.model
        self.version = str(model.manifest.version)
        self.codec = model.codec
        self.batchers: dict[str, Batcher] = {}
        for graph in self.manifest.graphs:
            self.batchers[graph.name] = _open(model, graph, settings)

    def endpoints(self) -> list[Endpoint]:
        """The first one carries the model's own name when there is only one graph."""
        named = [Endpoint(f"{self.name}.{graph}", self.version, batcher) for graph, batcher in self.batchers.items()]
        return named if len(named) > 1 else [Endpoint(self.name, self.version, named[0].batcher), *named]

    async def predict(
        self, data: bytes, media_type: str, *, is_gone: Callable[[], bool] | None = None
    ) -> list[dict[str, Any]]:
        """The codec's answers to a request body. Raises CodecError, and what `Batcher.submit` raises."""
        if media_type.startswith("image/") or len(data) > _THREAD_BYTES:
            raws = await asyncio.to_thread(self.codec.read, data, media_type)
        else:
            raws = self.codec.read(data, media_type)

        async def run(graph: str, inputs: Arrays) -> Arrays:
            return await self.batchers[graph].submit(inputs, is_gone=is_gone)

        return await drive_async(self.codec.predict(raws), run)


class Catalogue:
    """What one worker serves. Empty until `load`."""

    def __init__(self) -> None:
        self.settings = Settings()
        self.models: dict[str, ServedModel] = {}
        self.endpoints: dict[str, Endpoint] = {}
        self.infer_paths: dict[str, Endpoint] = {}
        self.predict_paths: dict[str, ServedModel] = {}
        self.not_ready = "The models are being loaded; try again in a moment."

    @property
    def ready(self) -> bool:
        return not self.not_ready

    def load(self, settings: Settings) -> None:
        """Open every model, or none and remember why: a worker that cannot serve says so instead of dying."""
        self.settings = settings
        try:
            models = [ServedModel(artifact, settings) for artifact in find_artifacts(settings)]
        except ZooError as error:
            self.not_ready = str(error)
            return
        self.models = {model.name: model for model in models}
        self.endpoints = {endpoint.name: endpoint for model in models for endpoint in model.endpoints()}
        self.infer_paths = {path: endpoint for endpoint in self.endpoints.values() for path in _infer_paths(endpoint)}
        self.predict_paths = {f"/v1/models/{model.name}/predict": model for model in models}
        self.not_ready = ""
        _settle_memory()

    def model(self, model: str, version: str | None = None) -> ServedModel:
        """Raises NotReadyError and UnknownNameError."""
        self.require_ready()
        if model not in self.models:
            raise UnknownNameError("model", model, self.models)
        _require_version(model, version, self.models[model].version)
        return self.models[model]

    def endpoint(self, model: str, version: str | None = None) -> Endpoint:
        """Raises NotReadyError, UnknownNameError, and ProtocolError for a model with several graphs."""
        self.require_ready()
        if model not in self.endpoints:
            if model in self.models:
                names = " or ".join(f"{model}.{graph}" for graph in self.models[model].batchers)
                raise ProtocolError(f"Model {model!r} has several graphs; ask for {names}.", status=404)
            raise UnknownNameError("model", model, self.endpoints)
        _require_version(model, version, self.endpoints[model].version)
        return self.endpoints[model]

    def first_endpoints(self) -> list[Endpoint]:
        """One endpoint for each graph."""
        return list({id(endpoint.batcher): endpoint for endpoint in reversed(self.endpoints.values())}.values())[::-1]

    def require_ready(self) -> None:
        """Raises NotReadyError, which says why."""
        if self.not_ready:
            raise NotReadyError(self.not_ready)

    async def close(self) -> None:
        """Answer what is queued and take no more."""
        self.not_ready = "The service is shutting down."
        await asyncio.gather(*(batcher.close() for model in self.models.values() for batcher in model.batchers.values()))


def find_artifacts(settings: Settings) -> list[Artifact]:
    """The artifacts that the settings name, nothing opened yet. Raises UsageError when they name none, UnknownNameError."""
    hub = Hub()
    if not settings.models:
        known = ", ".join(hub.names()) or f"none, {hub.root} is empty"
        raise UsageError(f"ZOO_MODELS is not set; set it to the models to serve, separated by commas (known: {known}).")
    return [hub.artifact(name) for name in settings.models]


def _open(model: Model, graph: Graph, settings: Settings) -> Batcher:
    """The graph behind a batcher, run a few times; with one thread unless told otherwise or a row is worth more.

    Threads of ONNX Runtime that wait for the next operator keep a core busy, which the service needs.
    """
    from zoo.session import Session  # the supervisor, which opens no graph, starts sooner without ONNX Runtime

    threads = 1 if settings.threads is None else settings.threads
    path = model.artifact.graph_path(graph, settings.variant)
    while True:
        session = Session(path, graph, provider=settings.provider, threads=threads)
        batcher = Batcher(graph, session.run, settings.limits)
        row_ms = batcher.warm_up(smallest_inputs(graph))
        if settings.threads is not None or threads == 0 or row_ms < _THREADS_PAY_MS:
            return batcher
        threads = 0


def smallest_inputs(graph: Graph) -> Arrays:
    """Valid inputs with every free axis as small as it may be: zeros, or what is nearest to zero."""
    sizes = {axis: max(1, graph.axis(axis).low) for axis in graph.free_axes}
    return {port.name: _nearest_to_zero(port, sizes) for port in graph.inputs}


def _nearest_to_zero(port: Port, sizes: dict[str, int]) -> np.ndarray:
    shape = tuple(size if isinstance(size, int) else sizes[size] for size in port.shape)
    low = 1 if port.role == "length" else port.low
    value = np.clip(0, -np.inf if low is None else low, np.inf if port.high is None else port.high)
    return np.full(shape, value, port.dtype)


def _infer_paths(endpoint: Endpoint) -> tuple[str, str]:
    return (
        f"/v2/models/{endpoint.name}/infer",
        f"/v2/models/{endpoint.name}/versions/{endpoint.version}/infer",
    )


def _require_version(name: str, version: str | None, served: str) -> None:
    if version not in (None, "", served):
        raise UnknownNameError(f"version of {name}", str(version), [served])


def _settle_memory() -> None:
    """Spare the garbage collector what lives as long as the service: full collections are what delays a request."""
    gc.collect()
    gc.freeze()
    gc.set_threshold(50_000, 20, 100)
