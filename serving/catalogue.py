"""The models that one worker serves, found by name, version and path. Models come and go while it serves."""

from __future__ import annotations

from serving.errors import NotReadyError, ProtocolError
from serving.served import Endpoint, ServedModel
from serving.settings import Settings
from zoo.errors import UnknownNameError


class Catalogue:
    """What one worker serves. Empty, and not ready, until the worker has started."""

    def __init__(self) -> None:
        self.settings = Settings()
        self.models: dict[str, ServedModel] = {}
        self.endpoints: dict[str, Endpoint] = {}
        self.infer_paths: dict[str, Endpoint] = {}
        self.predict_paths: dict[str, ServedModel] = {}
        self.generate_paths: dict[str, tuple[ServedModel, bool]] = {}  # whether the answer streams
        self.not_ready = "The models are being loaded; try again in a moment."

    @property
    def ready(self) -> bool:
        return not self.not_ready

    def install(self, model: ServedModel) -> ServedModel | None:
        """Serve `model` from now on. The one whose place it takes is given back, to be closed."""
        old = self.remove(model.name)
        self.models[model.name] = model
        self.predict_paths[_predict_path(model)] = model
        self.generate_paths |= {path: (model, streams) for path, streams in _generate_paths(model).items()}
        for endpoint in model.endpoints:
            self.endpoints[endpoint.name] = endpoint
            self.infer_paths |= dict.fromkeys(_infer_paths(endpoint), endpoint)
        return old

    def remove(self, name: str) -> ServedModel | None:
        """Serve the model no more. It is given back, to be closed."""
        model = self.models.pop(name, None)
        if model is not None:
            del self.predict_paths[_predict_path(model)]
            for path in _generate_paths(model):
                del self.generate_paths[path]
            for endpoint in model.endpoints:
                del self.endpoints[endpoint.name]
                for path in _infer_paths(endpoint):
                    del self.infer_paths[path]
        return model

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

    def generating(self, path: str) -> tuple[ServedModel, bool]:
        """The model that generates at this path, and whether it streams there. Raises NotReadyError and ProtocolError."""
        self.require_ready()
        if path not in self.generate_paths:
            raise ProtocolError(f"No model generates at {path[:80]}; GET /v1/models has those that do.", status=404)
        return self.generate_paths[path]

    def first_endpoints(self) -> list[Endpoint]:
        """One endpoint for each graph."""
        return [endpoint for model in self.models.values() for endpoint in model.first_endpoints()]

    def require_ready(self) -> None:
        """Raises NotReadyError, which says why."""
        if self.not_ready:
            raise NotReadyError(self.not_ready)


def _predict_path(model: ServedModel) -> str:
    return f"/v1/models/{model.name}/predict"


def _generate_paths(model: ServedModel) -> dict[str, bool]:
    """Paths of Triton's generate extension, and whether the answer streams there; none unless the model generates."""
    if model.generator is None:
        return {}
    bases = (f"/v2/models/{model.name}", f"/v2/models/{model.name}/versions/{model.version}")
    return {f"{base}/{verb}": verb.endswith("stream") for base in bases for verb in ("generate", "generate_stream")}


def _infer_paths(endpoint: Endpoint) -> tuple[str, str]:
    return (
        f"/v2/models/{endpoint.name}/infer",
        f"/v2/models/{endpoint.name}/versions/{endpoint.version}/infer",
    )


def _require_version(name: str, version: str | None, served: str) -> None:
    if version not in (None, "", served):
        raise UnknownNameError(f"version of {name}", str(version), [served])
