"""A valid request to a model of any server of the Open Inference Protocol, made from what the server says of the model."""

from __future__ import annotations

import json
import urllib.error
import urllib.parse
import urllib.request
from collections.abc import Iterator, Mapping
from dataclasses import dataclass
from typing import Any

import numpy as np

from serving.asgi.protocol import DATATYPES
from serving.errors import ServingError
from zoo.errors import UsageError, ZooError
from zoo.hub import GOLDEN, Hub
from zoo.run import graph_inputs, load_arrays
from zoo.spec import Arrays, Graph

TIMEOUT_S = 20
_DTYPES = {datatype: np.dtype(name) for name, datatype in DATATYPES.items()}
Headers = dict[str, str]


class RefusedError(ServingError):
    """The server did not answer a request as it should."""


@dataclass(frozen=True)
class Tensor:
    """An input as the model's metadata has it; -1 is a free axis."""

    name: str
    datatype: str
    shape: tuple[int, ...]


@dataclass(frozen=True)
class Prepared:
    """A request that the server has answered with 200, and how its inputs came about."""

    url: str
    body: bytes
    headers: Headers
    rows: int
    inputs: str
    binary: bool


def prepare(url: str, model: str, rows: int, headers: Headers) -> Prepared:
    """A request of `rows` rows that the server accepts: real samples where this hub has the model, else zeros or ones,
    binary where the server takes that, else JSON.

    Raises UsageError when no server answers, RefusedError, with the server's words, when it accepts none of them.
    """
    base = f"{url.rstrip('/')}/v2/models/{urllib.parse.quote(model)}"
    tensors = _tensors(fetch(base, headers), model)
    refusal: RefusedError | None = None
    for origin, arrays in _candidates(model, tensors, rows):
        for binary in (True, False):
            body, more = encode(arrays, binary=binary)
            try:
                fetch(f"{base}/infer", {**headers, **more}, body)
            except RefusedError as error:
                refusal = refusal or error
            else:
                return Prepared(f"{base}/infer", body, {**headers, **more}, _rows(tensors, rows), origin, binary)
    raise refusal or RefusedError(f"{url} says that {model!r} has no inputs; name another model.")


def models(url: str, headers: Headers) -> list[str]:
    """Names of what is served, by the model repository extension; none where the server lacks it."""
    try:
        listed = json.loads(fetch(f"{url.rstrip('/')}/v2/repository/index", headers, b"{}"))
    except (RefusedError, ValueError):
        return []
    return [entry["name"] for entry in listed if entry.get("state", "READY") == "READY"]


def encode(arrays: Mapping[str, np.ndarray], *, binary: bool) -> tuple[bytes, Headers]:
    """Body and headers of an inference request, answers asked for in the same form."""
    tensors: list[dict[str, Any]] = []
    for name, array in arrays.items():
        tensor = {"name": name, "datatype": DATATYPES[array.dtype.name], "shape": list(array.shape)}
        data = {"parameters": {"binary_data_size": array.nbytes}} if binary else {"data": array.reshape(-1).tolist()}
        tensors.append({**tensor, **data})
    document: dict[str, Any] = {"inputs": tensors}
    if not binary:
        return json.dumps(document).encode(), {"Content-Type": "application/json"}
    head = json.dumps({**document, "parameters": {"binary_data_output": True}}, separators=(",", ":")).encode()
    blobs = b"".join(np.ascontiguousarray(array).tobytes() for array in arrays.values())
    return head + blobs, {"Content-Type": "application/octet-stream", "Inference-Header-Content-Length": str(len(head))}


def fetch(url: str, headers: Headers, body: bytes | None = None) -> bytes:
    """The body of a 200. Raises RefusedError for another status, UsageError where nothing answers."""
    try:
        with urllib.request.urlopen(urllib.request.Request(url, body, headers), timeout=TIMEOUT_S) as answer:
            return bytes(answer.read())
    except urllib.error.HTTPError as error:
        sentence = error.read(500).decode(errors="replace").strip()
        raise RefusedError(f"{url} answered {error.code}: {sentence or error.reason}") from error
    except (OSError, ValueError) as error:
        raise UsageError(f"{url} does not answer ({error}); check the address, and start the service first.") from error


def _tensors(document: bytes, model: str) -> list[Tensor]:
    try:
        inputs = json.loads(document)["inputs"]
        tensors = [Tensor(one["name"], one["datatype"], tuple(map(int, one["shape"]))) for one in inputs]
    except (ValueError, KeyError, TypeError) as error:
        raise RefusedError(f"The metadata of {model!r} names no inputs ({error}); this is no v2 server.") from error
    unknown = [tensor.datatype for tensor in tensors if tensor.datatype not in _DTYPES]
    if unknown:
        raise RefusedError(f"Model {model!r} takes {', '.join(unknown)}, which cannot be made up here; name another model.")
    return tensors


def _rows(tensors: list[Tensor], rows: int) -> int:
    return rows if all(tensor.shape[:1] == (-1,) for tensor in tensors) else 1


def _candidates(model: str, tensors: list[Tensor], rows: int) -> Iterator[tuple[str, Arrays]]:
    real = _real(model, tensors, rows)
    if real:
        yield "real samples", real
    for word, value in (("zeros", 0), ("ones", 1)):
        yield word, {tensor.name: np.full(_shape(tensor, rows), value, _DTYPES[tensor.datatype]) for tensor in tensors}


def _shape(tensor: Tensor, rows: int) -> list[int]:
    """Free axes as small as they can be, but for the first, which is the batch."""
    return [(rows if not axis else 1) if size == -1 else size for axis, size in enumerate(tensor.shape)]


def _real(model: str, tensors: list[Tensor], rows: int) -> Arrays:
    """Rows of the golden samples of this hub's model of the same name and inputs; none where it has none."""
    name, _, part = model.partition(".")
    try:
        artifact = Hub().artifact(name)
        graph = artifact.manifest.graph(part or artifact.manifest.graphs[0].name)
        samples = graph_inputs(load_arrays(artifact.folder / GOLDEN), graph)
    except ZooError:
        return {}
    if [tensor.name for tensor in tensors] != list(samples):
        return {}
    if graph.batch is None:
        return samples  # what is one input is not cut, nor put together
    return {name: _take(samples[name], graph, name, rows) for name in samples}


def _take(array: np.ndarray, graph: Graph, name: str, rows: int) -> np.ndarray:
    port = next(port for port in graph.inputs if port.name == name)
    return np.resize(array, (rows, *array.shape[1:])) if port.shape[:1] == (graph.batch,) else array
