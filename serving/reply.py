"""Answers of the Open Inference Protocol v2: arrays as JSON numbers, or as bytes after the JSON."""

from __future__ import annotations

from typing import Any

import numpy as np
import orjson

from serving.errors import ProtocolError
from serving.protocol import DATATYPES, Request
from zoo.spec import Arrays

Headers = list[tuple[bytes, bytes]]

_DATATYPES = {np.dtype(name): datatype for name, datatype in DATATYPES.items()}  # a dtype's name is slow to ask for

JSON = (b"content-type", b"application/json")
_BYTES = (b"content-type", b"application/octet-stream")


def render(request: Request, outputs: Arrays, model: str, version: str) -> tuple[Headers, bytes]:
    """Headers and body of the answer to `request`.

    Raises ProtocolError when NaN or infinity is asked for as JSON, which has no word for them.
    """
    tensors: list[dict[str, Any]] = []
    blobs: list[bytes] = []
    for name, binary in request.outputs:
        array = np.ascontiguousarray(outputs[name])
        tensor: dict[str, Any] = {"name": name, "datatype": _DATATYPES[array.dtype], "shape": array.shape}
        if binary:
            blobs.append(array.tobytes())
            tensor["parameters"] = {"binary_data_size": array.nbytes}
        else:
            tensor["data"] = _finite(name, array).reshape(-1)
        tensors.append(tensor)
    document: dict[str, Any] = {"model_name": model, "model_version": version, "outputs": tensors}
    if request.id is not None:
        document["id"] = request.id
    header = orjson.dumps(document, option=orjson.OPT_SERIALIZE_NUMPY)
    if not blobs:
        return [JSON, length(header)], header
    body = b"".join((header, *blobs))
    return [_BYTES, length(body), (b"inference-header-content-length", b"%d" % len(header))], body


def render_error(status: int, sentence: str) -> tuple[Headers, bytes]:
    """Headers and body of the one form that every error has."""
    body = orjson.dumps({"error": sentence})
    headers = [JSON, length(body)]
    if status == 429:
        headers.append((b"retry-after", b"1"))
    return headers, body


def length(body: bytes) -> tuple[bytes, bytes]:
    return (b"content-length", b"%d" % len(body))


def _finite(name: str, array: np.ndarray) -> np.ndarray:
    if array.dtype.kind == "f" and not np.isfinite(array).all():
        raise ProtocolError(
            f"Output {name!r} holds NaN or infinity, which JSON cannot carry; ask for it with binary_data.", status=422
        )
    return array
