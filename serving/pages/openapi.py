"""The service as an OpenAPI 3.1 document, made of the models that are served.

Inference has a path for each model, so that its tensors can be exact; what only reads has one path with the names listed.
"""

from __future__ import annotations

from typing import Any

from serving.catalogue import Catalogue
from serving.pages.generation import generation_paths
from serving.pages.operations import (
    COMPUTE,
    CONTROL,
    MEANINGS,
    READ,
    SMALL,
    TEXT,
    error_response,
    open_operation,
    operation,
    parameter,
)
from serving.pages.schemas import Schema, infer_answer, infer_example, infer_request, record
from serving.served import Endpoint, ServedModel, smallest_inputs
from zoo import __version__
from zoo.errors import MediaTypeError, ZooError

_MEDIA_TYPES = ("application/json", "text/csv", "text/plain", "image/png", "image/jpeg", "audio/wav")
_MOST_EXAMPLE_NUMBERS = 1000
_OBJECT: Schema = {"type": "object"}
_KEYS: list[dict[str, Any]] = [{"key": []}, {"bearer": []}]
_LENGTH = "Inference-Header-Content-Length"
_LENGTH_HEADER = {
    "name": _LENGTH,
    "in": "header",
    "schema": {"type": "integer", "minimum": 0},
    "description": "bytes of JSON",
}
_BYTES: Schema = {"type": "string", "format": "binary"}
_BYTES_AFTER_JSON = (
    f"the JSON, {_LENGTH} bytes long, then the little-endian bytes of every input that has the parameter binary_data_size "
    "instead of data"
)
_TIMEOUT = {
    "name": "X-Request-Timeout-Ms",
    "in": "header",
    "schema": {"type": "integer", "minimum": 1, "maximum": 999_999_999},
    "description": "until when the answer is of use",
}


def openapi_document(catalogue: Catalogue) -> dict[str, Any]:
    """What the service answers now: routes, schemas from the ports of the served models, errors and keys."""
    models, endpoints = list(catalogue.models.values()), list(catalogue.endpoints.values())
    names = {id(endpoint.graph): endpoint.name for endpoint in catalogue.first_endpoints()}
    paths: dict[str, Any] = {}
    for model in models:
        paths |= _task_paths(model)
    for endpoint in endpoints:
        paths |= _infer_paths(endpoint, names[id(endpoint.graph)])
    paths |= generation_paths(models, _TIMEOUT) | _reading_paths(models, endpoints) | _health_paths() | _page_paths()
    if models:
        paths |= _native_paths(models)
    return {
        "openapi": "3.1.0",
        "info": {
            "title": "zoo",
            "version": __version__,
            "description": "Proven ONNX models behind the Open Inference Protocol v2, a task endpoint a model, and "
            'BentoML\'s own client. Every error is `{"error": "<sentence>"}`.',
        },
        "servers": [{"url": "/"}],
        "security": _KEYS if catalogue.settings.api_keys else [{}],
        "paths": paths,
        "components": {
            "schemas": {"Error": record(error=TEXT), **_tensor_schemas(catalogue.first_endpoints())},
            "responses": {str(status): error_response(status) for status in MEANINGS},
            "securitySchemes": {
                "key": {"type": "apiKey", "in": "header", "name": "X-API-Key"},
                "bearer": {"type": "http", "scheme": "bearer"},
            },
        },
    }


def _health_paths() -> dict[str, Any]:
    answers: dict[str, tuple[str, Schema | None]] = {
        "/v2/health/live": ("The process answers", record(live={"const": True})),
        "/v2/health/ready": ("Every model is loaded and proven", record(ready={"const": True})),
        "/livez": ("As /v2/health/live", None),
        "/readyz": ("As /v2/health/ready", None),
        "/healthz": ("As /v2/health/ready", None),
    }
    return {
        path: {"get": open_operation(path, summary, "health", schema, (503,))} for path, (summary, schema) in answers.items()
    }


def _reading_paths(models: list[ServedModel], endpoints: list[Endpoint]) -> dict[str, Any]:
    """Metadata, statistics, metrics and the repository."""
    paths: dict[str, Any] = {
        "/v2": {"get": operation("server", "Name, version and extensions", "metadata", _OBJECT, SMALL)},
        "/v1/models": {"get": operation("models", "What is served, and how to use it", "metadata", _OBJECT, SMALL)},
        "/v2/models/stats": {"get": operation("statistics", "Counters of all models", "statistics", _STATISTICS, SMALL)},
        "/metrics": {"get": operation("metrics", "Counters for Prometheus", "statistics", "text/plain", SMALL)},
        "/v2/repository/index": {"post": _repository("index", {"type": "array", "items": _OBJECT})},
    }
    for verb in ("load", "unload"):
        found = {**_repository(verb, None), "security": _KEYS}
        paths[f"/v2/repository/models/{{model}}/{verb}"] = {"post": found, "parameters": [parameter("model", None)]}
    if not models:
        return paths
    names = sorted({endpoint.name for endpoint in endpoints})
    versions = parameter("version", sorted({endpoint.version for endpoint in endpoints}))
    for base, more in (("/v2/models/{model}", []), ("/v2/models/{model}/versions/{version}", [versions])):
        for part, (summary, schema) in _PARTS.items():
            known = sorted({*names, *(model.name for model in models)}) if part == "/ready" else names
            found = operation(f"{summary} {'of a version' if more else ''}".strip(), summary, "metadata", schema, READ)
            paths[base + part] = {"get": found, "parameters": [parameter("model", known), *more]}
    served = [parameter("model", sorted(model.name for model in models))]
    for path, name, summary in (
        ("/v1/models/{model}", "model", "A model, and how to use it"),
        ("/v1/models/{model}/examples", "examples", "Inputs that are known to work"),
    ):
        paths[path] = {"get": operation(name, summary, "metadata", _OBJECT, READ), "parameters": served}
    return paths


_STATISTICS = record(model_stats={"type": "array", "items": _OBJECT})
_PARTS = {
    "": ("Tensors of a model", record(name=TEXT, versions={"type": "array", "items": TEXT})),
    "/ready": ("Readiness of a model", record(name=TEXT, ready={"const": True})),
    "/config": ("Configuration of a model, in Triton's form", record(name=TEXT)),
    "/stats": ("Counters of a model", _STATISTICS),
}


def _page_paths() -> dict[str, Any]:
    pages: dict[str, tuple[str, Schema | str]] = {
        "/": ("Playground", "text/html"),
        "/docs": ("This document, to read", "text/html"),
        "/openapi.json": ("This document", _OBJECT),
    }
    paths: dict[str, Any] = {
        path: {"get": open_operation(path, summary, "pages", answer, ())} for path, (summary, answer) in pages.items()
    }
    for folder in ("/playground", "/static_content"):
        found = open_operation(folder, "Files of the pages", "pages", "*/*", (404,))
        paths[f"{folder}/{{file}}"] = {"get": found, "parameters": [parameter("file", None)]}
    return paths


def _tensor_schemas(endpoints: list[Endpoint]) -> dict[str, Schema]:
    """Request and answer of every graph, under the graph's own name."""
    schemas: dict[str, Schema] = {}
    for endpoint in endpoints:
        inputs = smallest_inputs(endpoint.graph)
        request = infer_request(endpoint.graph)
        if sum(array.size for array in inputs.values()) <= _MOST_EXAMPLE_NUMBERS:
            request["examples"] = [infer_example(inputs, endpoint.graph)]
        schemas |= {f"{endpoint.name}.request": request, f"{endpoint.name}.answer": infer_answer(endpoint.graph)}
    return schemas


def _infer_paths(endpoint: Endpoint, schemas: str) -> dict[str, Any]:
    """`schemas` is the name that the schemas of the endpoint's graph are under."""
    content = {
        "application/json": {"schema": {"$ref": f"#/components/schemas/{schemas}.request"}},
        "application/octet-stream": {"schema": {**_BYTES, "description": _BYTES_AFTER_JSON}},
    }
    paths = {}
    for where in ("", f"/versions/{endpoint.version}"):
        path = f"/v2/models/{endpoint.name}{where}/infer"
        answer = {"$ref": f"#/components/schemas/{schemas}.answer"}
        found = operation(path, f"Run {endpoint.name}", "inference", answer, COMPUTE)
        found["responses"]["200"]["content"]["application/octet-stream"] = {"schema": _BYTES}
        found |= {"parameters": [_LENGTH_HEADER, _TIMEOUT], "requestBody": {"required": True, "content": content}}
        paths[path] = {"post": found}
    return paths


def _task_paths(model: ServedModel) -> dict[str, Any]:
    path = f"/v1/models/{model.name}/predict"
    documents = hasattr(model.codec, "instance")
    content = {
        media_type: {"schema": _task_schema(media_type, documents)}
        for media_type in _MEDIA_TYPES
        if _reads(model, media_type)
    }
    found = operation(path, model.manifest.summary, "tasks", _PREDICTIONS, COMPUTE)
    found |= {"parameters": [_TIMEOUT], "requestBody": {"required": True, "content": content}}
    return {path: {"post": found}}


_PREDICTIONS = record(model=TEXT, version=TEXT, predictions={"type": "array", "items": _OBJECT})


def _task_schema(media_type: str, documents: bool) -> Schema:
    """`documents`: an item is an object of its own, and no list of numbers."""
    if media_type != "application/json":
        return _BYTES if media_type.split("/")[0] in ("image", "audio") else TEXT
    items: Schema = {"type": "array", "minItems": 1, "description": "one item, or a list of them"}
    return {"anyOf": [items, record(instances=items), *([_OBJECT] if documents else [])]}


def _reads(model: ServedModel, media_type: str) -> bool:
    """Asked of the codec itself: of a type that it does not know it says so before it looks at the bytes."""
    try:
        model.codec.read(b"", media_type)
    except MediaTypeError:
        return False
    except ZooError:
        return True
    return True


def _native_paths(models: list[ServedModel]) -> dict[str, Any]:
    body = record(
        model={"enum": sorted(model.name for model in models)}, instances={"type": "array", "minItems": 1, "items": {}}
    )
    predict = operation("native", "As bentoml's own client calls it", "native", {"type": "array", "items": _OBJECT}, COMPUTE)
    predict["requestBody"] = {"required": True, "content": {"application/json": {"schema": body}}}
    described = {
        path: {"get": operation(path, summary, "native", _OBJECT, ())}
        for path, summary in (("/schema.json", "What bentoml's client asks first"), ("/docs.json", "BentoML's own document"))
    }
    return {"/predict": {"post": predict}, **described}


def _repository(verb: str, answer: Schema | None) -> dict[str, Any]:
    summaries = {
        "index": "Every model there is",
        "load": "Load, prove, then serve a model",
        "unload": "Serve a model no more",
    }
    found = operation(f"repository {verb}", summaries[verb], "repository", answer, CONTROL)
    version = {"parameters": {"type": "object", "properties": {"version": TEXT}}}
    options = {"index": {"ready": {"type": "boolean"}}, "load": version, "unload": {}}
    schema = {"type": "object", "properties": options[verb]}
    found["requestBody"] = {"required": False, "content": {"application/json": {"schema": schema}}}
    return found
