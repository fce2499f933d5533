"""What a client needs to know to use each model: `GET /v1/models` and `GET /v1/models/{model}/examples`."""

from __future__ import annotations

import dataclasses
from collections.abc import Callable, Mapping
from datetime import datetime
from typing import Any

import numpy as np

from serving.asgi.protocol import DATATYPES
from serving.catalogue import Catalogue
from serving.served import ServedModel, smallest_inputs
from zoo import __version__
from zoo.hub import GOLDEN, Artifact
from zoo.run import graph_inputs, load_arrays, raw_items
from zoo.spec import Arrays, Graph, Port

NUM_EXAMPLES = 10
MAX_NUMBERS = 200_000  # of all examples together: an answer of about a megabyte


def models_document(catalogue: Catalogue) -> dict[str, Any]:
    """The service, and every model with its task, metrics, codec settings, graphs and ports.

    `object` and `data` are what clients of OpenAI's API look for: the models that complete texts.
    """
    models = [catalogue.models[name] for name in sorted(catalogue.models)]
    completing = [model for model in models if model.generator is not None and model.generator.completes()]
    return {
        "service": f"zoo {__version__}",
        "models": [_model(model) for model in models],
        "health": ["/v2/health/live", "/v2/health/ready"],
        "object": "list",
        "data": [_listed(model) for model in completing],
    }


def model_entry(model: ServedModel) -> dict[str, Any]:
    """One model as `models_document` has it, and as clients of OpenAI's API want it."""
    return {**_model(model), **_listed(model)}


def examples_document(model: ServedModel) -> dict[str, Any]:
    """Inputs that are known to work: `instances` for the task endpoint, `tensors` for each graph of protocol v2.

    They are the artifact's golden samples, of which a label is the truth. Where there are none, `instances` is empty
    and the tensors are as small as they may be.
    """
    arrays = _golden(model.artifact)
    labels = model.manifest.codec.get("labels")
    return {
        "name": model.name,
        "version": model.version,
        "instances": _instances(arrays, labels, getattr(model.codec, "instance", _plain)) if "raw" in arrays else [],
        "tensors": {graph.name: _tensors(graph, arrays) for graph in model.manifest.graphs},
    }


def _model(model: ServedModel) -> dict[str, Any]:
    manifest = model.manifest
    return {
        "name": model.name,
        "version": model.version,
        "task": manifest.task,
        "summary": manifest.summary,
        "parameters": manifest.parameters,
        "metrics": manifest.metrics,
        "data": {key: manifest.data[key] for key in ("name", "licence") if key in manifest.data},
        "paper": manifest.paper,
        "codec": _settings(model),
        "predict": f"/v1/models/{model.name}/predict",
        "examples": f"/v1/models/{model.name}/examples",
        "generate": None if model.generator is None else f"/v2/models/{model.name}/generate_stream",
        "completes": model.generator is not None and model.generator.completes(),
        "graphs": [_graph(endpoint.graph, endpoint.name) for endpoint in model.first_endpoints()],
    }


def _listed(model: ServedModel) -> dict[str, Any]:
    """https://platform.openai.com/docs/api-reference/models/object; `created` is when training began, as far as is known."""
    started = str(model.manifest.training.get("started", ""))
    try:
        created = int(datetime.fromisoformat(started).timestamp())
    except ValueError:
        created = 0
    return {"id": model.name, "object": "model", "created": created, "owned_by": "zoo"}


def _settings(model: ServedModel) -> dict[str, Any]:
    """The codec's settings, those that the manifest leaves out included."""
    if not dataclasses.is_dataclass(model.codec):
        return model.manifest.codec
    settings = {field.name: getattr(model.codec, field.name) for field in dataclasses.fields(model.codec)}
    return {name: value for name, value in settings.items() if name != "files"}  # where its files are is nobody's business


def _graph(graph: Graph, endpoint: str) -> dict[str, Any]:
    """A graph under the v2 name that it is served by."""
    return {
        "name": graph.name,
        "endpoint": endpoint,
        "infer": f"/v2/models/{endpoint}/infer",
        "inputs": [_port(port) for port in graph.inputs],
        "outputs": [_port(port) for port in graph.outputs],
        "axes": [dataclasses.asdict(axis) for axis in graph.axes],
    }


def _port(port: Port) -> dict[str, Any]:
    """A port without what is not set; a free axis keeps its name."""
    fields = {name: value for name, value in dataclasses.asdict(port).items() if value not in (None, "")}
    return {**fields, "datatype": DATATYPES[port.dtype]}


def _golden(artifact: Artifact) -> Arrays:
    path = artifact.folder / GOLDEN
    return load_arrays(path) if path.is_file() else {}


def _instances(
    arrays: Mapping[str, np.ndarray], labels: list[str] | None, instance: Callable[[np.ndarray], Any]
) -> list[dict[str, Any]]:
    """One sample of each target where targets repeat, in the order of the targets; else the first ones.

    `instance` gives a raw item as a JSON body has it.
    """
    raws = raw_items(arrays)
    targets = arrays.get("targets", np.arange(len(raws)))
    classes, firsts = np.unique(targets, return_index=True) if targets.ndim == 1 else (targets, np.arange(len(raws)))
    rows = firsts if len(classes) < len(raws) else np.arange(len(raws))
    found: list[dict[str, Any]] = []
    numbers = 0
    for row in rows[:NUM_EXAMPLES]:
        numbers += raws[row].size
        if found and numbers > MAX_NUMBERS:
            break
        found.append({"label": _label(targets, row, labels), "instance": instance(raws[row])})
    return found


def _label(targets: np.ndarray, row: int, labels: list[str] | None) -> str | None:
    """The name of a sample's class; None where its target is no class."""
    if targets.ndim != 1 or targets.dtype.kind not in "iu":
        return None
    target = int(targets[row])
    return labels[target] if labels and 0 <= target < len(labels) else str(target)


def _tensors(graph: Graph, arrays: Mapping[str, np.ndarray]) -> list[dict[str, Any]]:
    """A request of one row, in the form of protocol v2."""
    chosen = _first_row(graph, graph_inputs(arrays, graph)) or smallest_inputs(graph)
    return [
        {
            "name": port.name,
            "datatype": DATATYPES[port.dtype],
            "shape": list(chosen[port.name].shape),
            "data": _plain(chosen[port.name].reshape(-1)),
        }
        for port in graph.inputs
    ]


def _first_row(graph: Graph, golden: Arrays) -> Arrays:
    """The golden inputs of one row; empty where they are not all there, or too large to read."""
    row = {name: array[:1] if _batched(graph, name) else array for name, array in golden.items()}
    complete = len(row) == len(graph.inputs) and sum(array.size for array in row.values()) <= MAX_NUMBERS
    return row if complete else {}


def _batched(graph: Graph, name: str) -> bool:
    return any(port.name == name and graph.batch in port.shape[:1] for port in graph.inputs)


def _plain(array: np.ndarray) -> Any:
    """Nested lists of the shortest decimals that give the same float32 again."""
    if array.dtype != np.float32:
        return array.tolist()
    return np.array([float(str(value)) for value in array.reshape(-1)]).reshape(array.shape).tolist()
