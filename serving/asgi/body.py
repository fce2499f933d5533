"""Bodies of requests, read with a limit: by declared, by real and by decompressed length."""

from __future__ import annotations

import asyncio
import zlib
from collections.abc import Awaitable, Callable, Iterable, MutableMapping
from typing import Any

from serving.errors import GoneError, ProtocolError

Scope = MutableMapping[str, Any]
Message = MutableMapping[str, Any]
Receive = Callable[[], Awaitable[Message]]
Send = Callable[[Message], Awaitable[None]]
App = Callable[[Scope, Receive, Send], Awaitable[None]]

_THREAD_BYTES = 2**12  # decompressing more than this would keep other requests waiting


async def read_body(headers: dict[bytes, bytes], receive: Receive, limit: int) -> bytes:
    """The whole body, decompressed as its Content-Encoding says.

    Raises ProtocolError: 413 beyond `limit` bytes, 415 for an unknown encoding, 400 for a damaged body; and GoneError.
    """
    declared = content_length(headers, b"content-length")
    if declared is not None and declared > limit:
        raise too_large(limit)
    message = await receive()
    body = _chunk(message)
    if message.get("more_body", False):
        body = await _rest(body, receive, limit)
    if len(body) > limit:
        raise too_large(limit)
    encoding = headers.get(b"content-encoding")
    return body if encoding is None else await _decode(body, encoding, limit)


def content_length(headers: dict[bytes, bytes], name: bytes) -> int | None:
    """A header that counts bytes. Raises ProtocolError for anything but digits."""
    value = headers.get(name)
    if value is None:
        return None
    if not value.isdigit() or len(value) > 18:
        raise ProtocolError(f"{name.decode().title()} is {value[:40].decode('latin-1')!r}; send a number of bytes.")
    return int(value)


def too_large(limit: int) -> ProtocolError:
    return ProtocolError(f"The body is larger than {limit:,} bytes (ZOO_MAX_BODY_BYTES); send less at once.", status=413)


def hung_up(receive: Receive) -> bool:
    """Whether the client has disconnected, asked without waiting; to be called after the whole body was read.

    `receive` is taken one step: with a disconnect at hand it ends there, else it would wait and is given up again.
    """
    call = receive()
    steps: Any = call.__await__() if not hasattr(call, "send") else call
    try:
        steps.send(None)
    except StopIteration as stop:
        return stop.value["type"] == "http.disconnect"
    except Exception:  # a connection that cannot even be asked
        return True
    steps.close()
    return False


def _chunk(message: Message) -> bytes:
    if message["type"] == "http.disconnect":
        raise GoneError("The client hung up before it had sent its request.")
    return message.get("body", b"")


async def _rest(first: bytes, receive: Receive, limit: int) -> bytes:
    chunks, size, more = [first], len(first), True
    while more:
        message = await receive()
        chunks.append(_chunk(message))
        size += len(chunks[-1])
        if size > limit:
            raise too_large(limit)
        more = message.get("more_body", False)
    return b"".join(chunks)


async def _decode(body: bytes, encoding: bytes, limit: int) -> bytes:
    name = encoding.decode("latin-1").strip().lower()
    if name in ("", "identity"):
        return body
    if name not in ("gzip", "x-gzip", "deflate"):
        raise ProtocolError(f"The content encoding {name[:40]!r} is not read here; send gzip, deflate or none.", status=415)
    # A deflate body is a zlib stream by the standard; some clients send the bare one.
    windows: Iterable[int] = (15, -15) if name == "deflate" else (31,)
    if len(body) < _THREAD_BYTES:
        return _inflate(body, name, windows, limit)
    return await asyncio.to_thread(_inflate, body, name, windows, limit)


def _inflate(body: bytes, name: str, windows: Iterable[int], limit: int) -> bytes:
    reason = ""
    for window in windows:
        stream = zlib.decompressobj(window)
        try:
            data = stream.decompress(body, limit + 1)
        except zlib.error as error:
            reason = reason or str(error)
            continue
        if len(data) > limit:
            raise ProtocolError(
                f"The body decompresses to more than {limit:,} bytes (ZOO_MAX_BODY_BYTES); send less at once.", status=413
            )
        if stream.eof and not stream.unused_data:
            return data
        reason = reason or ("bytes follow its end" if stream.unused_data else "it ends too early")
    raise ProtocolError(f"The body is no whole {name} stream ({reason}); compress it again.")
