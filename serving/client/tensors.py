"""Arrays as requests of the Open Inference Protocol v2, and answers as arrays.

https://github.com/kserve/open-inference-protocol, with the binary tensor extension: raw little-endian bytes after the JSON.
"""

from __future__ import annotations

from collections.abc import Mapping, Sequence
from math import prod
from typing import Any

import httpx
import numpy as np
import orjson

from serving.client.errors import AnswerError, ClientError
from zoo.spec import Arrays

HEADER_LENGTH = "Inference-Header-Content-Length"
_DTYPES = {
    "BOOL": np.dtype("bool"),
    "UINT8": np.dtype("uint8"),
    "UINT16": np.dtype("<u2"),
    "UINT32": np.dtype("<u4"),
    "UINT64": np.dtype("<u8"),
    "INT8": np.dtype("int8"),
    "INT16": np.dtype("<i2"),
    "INT32": np.dtype("<i4"),
    "INT64": np.dtype("<i8"),
    "FP16": np.dtype("<f2"),
    "FP32": np.dtype("<f4"),
    "FP64": np.dtype("<f8"),
}
_DATATYPES = {dtype: datatype for datatype, dtype in _DTYPES.items()}


def encode(
    inputs: Mapping[str, np.ndarray],
    outputs: Sequence[str] | None,
    *,
    binary: bool,
    request_id: str | None,
    parameters: dict[str, Any],
) -> tuple[dict[str, str], bytes]:
    """Headers and body of an inference request. Raises ClientError for a dtype that the protocol has no word for."""
    arrays = {name: _little_endian(name, array) for name, array in inputs.items()}
    document: dict[str, Any] = {"inputs": [_tensor(name, array, binary) for name, array in arrays.items()]}
    if request_id is not None:
        document["id"] = request_id
    if outputs is not None:
        asked = {"parameters": {"binary_data": True}} if binary else {}
        document["outputs"] = [{"name": name, **asked} for name in outputs]
    elif binary:
        parameters = {**parameters, "binary_data_output": True}
    if parameters:
        document["parameters"] = parameters
    header = orjson.dumps(document, option=orjson.OPT_SERIALIZE_NUMPY)
    if not binary:
        return {"Content-Type": "application/json"}, header
    headers = {"Content-Type": "application/octet-stream", HEADER_LENGTH: str(len(header))}
    return headers, b"".join((header, *(array.tobytes() for array in arrays.values())))


def decode(response: httpx.Response, outputs: Sequence[str] | None, request_id: str | None) -> Arrays:
    """The arrays of an answer, writable and in native byte order. Raises AnswerError when it is not of the protocol."""
    try:
        document, blob = _split(response)
        arrays: Arrays = {}
        for tensor in document["outputs"]:
            arrays[tensor["name"]], blob = _array(tensor, blob)
    except (AttributeError, KeyError, TypeError, ValueError, OverflowError) as error:
        raise AnswerError(
            f"{response.request.url} answered what is no inference response ({type(error).__name__}: {error}); "
            "check that the address is that of an Open Inference Protocol server."
        ) from error
    if len(blob):
        raise AnswerError(f"{len(blob)} bytes follow the last tensor of the answer; check the server.")
    if request_id is not None and document.get("id", request_id) != request_id:
        raise AnswerError(f"The answer is for the request {document['id']!r}, not {request_id!r}; check the server.")
    if missing := [name for name in outputs or () if name not in arrays]:
        raise AnswerError(f"The answer has no output {', '.join(missing)}; it has {', '.join(arrays) or 'none'}.")
    return arrays


def _little_endian(name: str, array: np.ndarray) -> np.ndarray:
    array = np.asarray(array, order="C")
    dtype = array.dtype.newbyteorder("<")
    if dtype not in _DATATYPES:
        known = ", ".join(known.name for known in _DATATYPES)
        raise ClientError(f"Input {name!r} has dtype {array.dtype}, which cannot be sent; use one of {known}.")
    return array.astype(dtype, copy=False)


def _tensor(name: str, array: np.ndarray, binary: bool) -> dict[str, Any]:
    tensor = {"name": name, "datatype": _DATATYPES[array.dtype], "shape": array.shape}
    if binary:
        return {**tensor, "parameters": {"binary_data_size": array.nbytes}}
    return {**tensor, "data": array.reshape(-1)}


def _split(response: httpx.Response) -> tuple[dict[str, Any], memoryview]:
    """The JSON of an answer, and the bytes after it."""
    body = memoryview(response.content)
    size = int(response.headers.get(HEADER_LENGTH, len(body)))
    if not 0 <= size <= len(body):
        raise ValueError(f"{HEADER_LENGTH} is {size}, the body has {len(body)} bytes")
    return orjson.loads(body[:size]), body[size:]


def _array(tensor: dict[str, Any], blob: memoryview) -> tuple[np.ndarray, memoryview]:
    """One output, and what of `blob` belongs to the next."""
    dtype, shape = _DTYPES[tensor["datatype"]], tuple(map(int, tensor["shape"]))
    size = (tensor.get("parameters") or {}).get("binary_data_size")
    if size is None:
        return np.array(tensor["data"], dtype.newbyteorder("=")).reshape(shape), blob
    if size != prod(shape) * dtype.itemsize or size > len(blob):
        raise ValueError(f"{size} bytes for the shape {list(shape)} of {tensor['datatype']}, {len(blob)} are left")
    return np.frombuffer(blob[:size], dtype).astype(dtype.newbyteorder("=")).reshape(shape), blob[size:]
