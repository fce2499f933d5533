"""Bodies with a limit, and clients that hang up."""

from __future__ import annotations

import asyncio
import gzip
import tracemalloc
import zlib
from typing import Any

import pytest

from serving.asgi.body import hung_up, read_body
from serving.errors import GoneError, ProtocolError

LIMIT = 1000


def read(*messages: bytes | None, limit: int = LIMIT, **headers: str) -> bytes:
    """`read_body` of these chunks; None is a client that hangs up. Header names have _ for -."""
    events: list[dict[str, Any]] = [
        {"type": "http.disconnect"} if chunk is None else {"type": "http.request", "body": chunk, "more_body": True}
        for chunk in messages
    ]
    events[-1]["more_body"] = False

    async def receive() -> dict[str, Any]:
        return events.pop(0)

    pairs = {name.replace("_", "-").encode(): value.encode() for name, value in headers.items()}
    return asyncio.run(read_body(pairs, receive, limit))


def bare_deflate(data: bytes) -> bytes:
    stream = zlib.compressobj(wbits=-15)
    return stream.compress(data) + stream.flush()


def test_chunks_are_put_together() -> None:
    assert read(b"ab", b"", b"c") == b"abc"


@pytest.mark.parametrize(
    ("encoding", "compress"),
    [("gzip", gzip.compress), ("deflate", zlib.compress), ("deflate", bare_deflate), ("GZIP", gzip.compress)],
)
def test_compressed_bodies(encoding: str, compress: Any) -> None:
    data = b"a" * LIMIT
    assert read(compress(data), content_encoding=encoding) == data
    large = bytes(range(256)) * 40
    assert read(compress(large), content_encoding=encoding, limit=len(large)) == large
    with pytest.raises(ProtocolError, match="decompresses to more than 1,000 bytes") as error:
        read(compress(b"a" * (LIMIT + 1)), content_encoding=encoding)
    assert error.value.http_status == 413


def test_a_bomb_is_not_unpacked() -> None:
    bomb = gzip.compress(b"\0" * 2**26, 1)
    tracemalloc.start()
    try:
        with pytest.raises(ProtocolError, match="decompresses to more than 2,000,000 bytes"):
            read(bomb, content_encoding="gzip", limit=2_000_000)
        assert tracemalloc.get_traced_memory()[1] < 2**24
    finally:
        tracemalloc.stop()


@pytest.mark.parametrize(
    "damaged",
    [b"", b"nonsense", gzip.compress(b"abc")[:-9], gzip.compress(b"abc") + b"more"],
    ids=["empty", "nonsense", "cut", "more"],
)
def test_a_damaged_stream_is_refused(damaged: bytes) -> None:
    with pytest.raises(ProtocolError, match="no whole gzip stream") as error:
        read(damaged, content_encoding="gzip")
    assert error.value.http_status == 400


def test_an_unknown_encoding_is_named() -> None:
    with pytest.raises(ProtocolError, match="'br' is not read here") as error:
        read(b"abc", content_encoding="br")
    assert error.value.http_status == 415


@pytest.mark.parametrize("declared", ["1001", None])
def test_a_large_body_is_refused_by_declared_and_by_real_length(declared: str | None) -> None:
    headers = {} if declared is None else {"content_length": declared}
    with pytest.raises(ProtocolError, match="larger than 1,000 bytes") as error:
        read(*([b"x" * 100] * 11), **headers)
    assert error.value.http_status == 413
    with pytest.raises(ProtocolError, match="larger than 1,000 bytes"):
        read(b"x" * 1001, **headers)
    assert len(read(*([b"x" * 100] * 10))) == LIMIT


def test_what_is_declared_too_large_is_not_waited_for() -> None:
    async def receive() -> dict[str, Any]:
        raise AssertionError("nothing was to be read")

    with pytest.raises(ProtocolError, match="larger than 1,000 bytes"):
        asyncio.run(read_body({b"content-length": b"1001"}, receive, LIMIT))


@pytest.mark.parametrize("value", ["-1", "1e3", "", "9" * 30])
def test_a_length_is_a_number(value: str) -> None:
    with pytest.raises(ProtocolError, match="Content-Length is"):
        read(b"", content_length=value)


def test_who_hangs_up_while_sending_is_gone() -> None:
    with pytest.raises(GoneError):
        read(b"ab", None)


def test_hanging_up_is_seen_without_waiting_and_without_losing_anything() -> None:
    async def scenario() -> list[bool]:
        gone = asyncio.Event()

        async def receive() -> dict[str, Any]:
            await gone.wait()
            return {"type": "http.disconnect"}

        seen = [hung_up(receive), hung_up(receive)]
        gone.set()
        seen.append(hung_up(receive))
        assert await receive() == {"type": "http.disconnect"}
        return seen

    assert asyncio.run(scenario()) == [False, False, True]


def test_a_connection_that_cannot_be_asked_counts_as_hung_up() -> None:
    async def receive() -> dict[str, Any]:
        raise ConnectionError("torn")

    assert hung_up(receive)
