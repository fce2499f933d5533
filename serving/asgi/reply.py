"""Answers of the Open Inference Protocol v2: arrays as JSON numbers, or as bytes after the JSON; compressed if it pays."""

from __future__ import annotations

import asyncio
import re
import zlib
from collections.abc import Mapping
from typing import Any

import numpy as np
import orjson

from serving.asgi.body import Send
from serving.asgi.protocol import DATATYPES, Request
from serving.errors import RETRY_AFTER_SECONDS, ProtocolError, explain
from zoo.spec import Arrays

Headers = list[tuple[bytes, bytes]]

_DATATYPES = {np.dtype(name): datatype for name, datatype in DATATYPES.items()}  # a dtype's name is slow to ask for

JSON = (b"content-type", b"application/json")
_BYTES = (b"content-type", b"application/octet-stream")
_RETRY_AFTER = (b"retry-after", b"%d" % RETRY_AFTER_SECONDS)
_CHALLENGE = (b"www-authenticate", b'Bearer realm="zoo"')
_MIN_BYTES = 4096  # below, compressing takes longer than sending the rest on any network
_MOST_LEFT = 0.9  # of the bytes, or the client would unpack for nothing
_THREAD_BYTES = 2**16  # compressing more than this would keep other requests waiting
_WINDOWS = {b"gzip": 31, b"deflate": 15}  # as zlib counts them
_REFUSED = re.compile(rb"q=0(\.0*)?$")


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


async def respond(send: Send, status: int, headers: Headers, body: bytes) -> None:
    await send({"type": "http.response.start", "status": status, "headers": headers})
    await send({"type": "http.response.body", "body": body})


def render_failure(error: BaseException) -> tuple[int, Headers, bytes]:
    """Status, headers and body for `error`."""
    status, sentence = explain(error)
    return status, *render_error(status, sentence)


def render_error(status: int, sentence: str, document: Mapping[str, Any] | None = None) -> tuple[Headers, bytes]:
    """Headers and body of the one form that errors have, or of `document` where a client expects another one."""
    body = orjson.dumps({"error": sentence} if document is None else document)
    headers = [JSON, length(body)]
    if status in (429, 503):
        headers.append(_RETRY_AFTER)
    elif status == 401:
        headers.append(_CHALLENGE)
    return headers, body


def pays_compressed(body: bytes, sent: Mapping[bytes, bytes]) -> bool:
    """Whether to try and compress an answer to a request with these headers."""
    return len(body) >= _MIN_BYTES and b"accept-encoding" in sent


async def compress(headers: Headers, body: bytes, sent: Mapping[bytes, bytes]) -> tuple[Headers, bytes]:
    """The answer in an encoding that the client accepts, unless that is none of ours or hardly makes it smaller."""
    encoding = _accepted(sent[b"accept-encoding"])
    if not encoding:
        return headers, body
    if len(body) <= _THREAD_BYTES:
        packed = zlib.compress(body, 1, _WINDOWS[encoding])
    else:
        packed = await asyncio.to_thread(zlib.compress, body, 1, _WINDOWS[encoding])
    if len(packed) > _MOST_LEFT * len(body):
        return headers, body
    rest = [pair for pair in headers if pair[0] != b"content-length"]
    return [*rest, length(packed), (b"content-encoding", encoding), (b"vary", b"accept-encoding")], packed


def _accepted(header: bytes) -> bytes:
    """The encoding to use of those that Accept-Encoding names; empty for none."""
    wanted = [part.partition(b";") for part in header.lower().split(b",")]
    names = {name.strip() for name, _, weight in wanted if not _REFUSED.search(weight.replace(b" ", b""))}
    return next((encoding for encoding in _WINDOWS if encoding in names), b"")


def length(body: bytes) -> tuple[bytes, bytes]:
    return (b"content-length", b"%d" % len(body))


def _finite(name: str, array: np.ndarray) -> np.ndarray:
    if array.dtype.kind == "f" and not np.isfinite(array).all():
        raise ProtocolError(
            f"Output {name!r} holds NaN or infinity, which JSON cannot carry; ask for it with binary_data.", status=422
        )
    return array
