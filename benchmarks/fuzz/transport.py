"""Mutations of what is around a request's body: compression, headers, method and path, framing."""

from __future__ import annotations

import gzip
import zlib
from dataclasses import replace
from functools import cache
from random import Random
from typing import Any

from benchmarks.fuzz.bodies import LENGTH
from benchmarks.fuzz.corpus import Seed
from benchmarks.fuzz.wire import Request, render

_WEBSOCKET = b"Connection: Upgrade\r\nUpgrade: websocket\r\nSec-WebSocket-Version: 13\r\nSec-WebSocket-Key: eHh4eA==\r\n\r\n"
_BOMB_BYTES = 48 * 2**20


def compression(seed: Seed, random: Random) -> Request:
    """Bodies that are compressed, pretend to be, are damaged, or become very large."""
    packed = random.choice((gzip.compress(seed.body, 1), zlib.compress(seed.body, 1), seed.body))
    if random.random() < 0.02:
        packed = _bomb(random.choice(("gzip", "zlib")))
    elif random.random() < 0.5 and packed:
        place = random.randrange(len(packed))
        packed = random.choice((packed[:place], packed + packed, packed[:place] + b"\xff" + packed[place + 1 :]))
    names = ("gzip", "deflate", "x-gzip", "br", "identity", "gzip, gzip", "GZIP", "zstd", "", "*", "gzip;q=1", "x" * 200)
    return seed.with_body(packed, **{"Content-Encoding": random.choice(names)}).request("compression")


def header_lies(seed: Seed, random: Random) -> Request:
    """A wrong length of the JSON, a wrong media type, a deadline that is none."""
    length = seed.json_size or len(seed.body)
    lies: dict[str, tuple[Any, ...]] = {
        LENGTH: (
            length + random.choice((-1, 1, 7)),
            0,
            -1,
            2**63,
            10**25,
            "",
            "x",
            "1.5",
            "0x10",
            "١",
            " 5",
            "5,5",
            len(seed.body) + 1,
        ),
        "Content-Type": (
            "",
            "text/csv",
            "image/png",
            "application/octet-stream",
            "text/plain; charset=utf-16",
            "x/y",
            ";" * 500,
            "é",
        ),
        "X-Request-Timeout-Ms": ("1", "0", "-1", "x", "99999999999999", "1.5", ""),
        "Accept-Encoding": ("gzip", "deflate", "gzip;q=0", "*", "br", ";" * 200),
        "X-API-Key": ("x", "", "é" * 100),
        "Authorization": ("Bearer", "Bearer x", "Basic eDp4", ""),
        "traceparent": ("00-x", "00-" + "f" * 32 + "-" + "f" * 16 + "-01"),
        "Expect": ("100-continue", "x"),
        "Range": ("bytes=0-1", "bytes=-1,5-"),
        "X-Forwarded-For": ("127.0.0.1", "x" * 3000),
    }
    headers = dict(seed.headers)
    for name in random.sample(list(lies), k=random.randrange(1, 4)):
        headers[name] = str(random.choice(lies[name]))
    return replace(seed, headers=headers).request("header lies")


def targets(seed: Seed, random: Random) -> Request:
    """Other methods and other paths."""
    method = random.choice((seed.method, "GET", "HEAD", "PUT", "DELETE", "OPTIONS", "PATCH", "TRACE", "POST"))
    path = seed.path
    for _ in range(random.randrange(3)):
        place = random.randrange(1, len(path) + 1)
        odd = random.choice(
            ("%00", "%2e%2e/", "../", "//", "%ff", "%C3%A9", "a" * 3000, "?x=%", ";", "%25", "@2", "/versions/9", ".")
        )
        path = path[:place] + odd + random.choice((path[place:], ""))
    return replace(seed, method=method, path=path).request("methods and paths")


def chunks(seed: Seed, random: Random) -> Request:
    """A good request whose body comes in pieces of any size, its length unknown."""
    data = render(seed.method, seed.path, {**seed.headers, "Transfer-Encoding": "chunked"}, b"", length=False)
    rest = seed.body
    while rest:
        piece, rest = rest[: (size := random.choice((1, 7, 1000, len(rest))))], rest[size:]
        data += b"%x\r\n" % len(piece) + piece + b"\r\n"
    return Request("chunks", data + b"0\r\n\r\n", method=seed.method)


def framing(seed: Seed, random: Random) -> Request:
    """What HTTP itself forbids, or allows and few use; the server may hang up instead of answering."""
    size = len(seed.body)
    headers = "\r\n".join(["Host: x", *(f"{name}: {value}" for name, value in seed.headers.items())])
    start = f"{seed.method} {seed.path} HTTP/1.1\r\n{headers}\r\n".encode("latin-1", "replace")
    chunk = b"%x\r\n" % size + seed.body + b"\r\n"
    odd = random.choice(
        (
            start + b"Content-Length: %d\r\n\r\n" % (size + random.randrange(1, 10**6)) + seed.body,
            start
            + random.choice((b"-1", b"x", b"", b"99999999999999999999", b"1, 1")).join((b"Content-Length: ", b"\r\n\r\n"))
            + seed.body,
            start + b"Content-Length: %d\r\nContent-Length: 3\r\n\r\n" % size + seed.body,
            start + b"Transfer-Encoding: chunked\r\n\r\n" + chunk,
            start + b"Transfer-Encoding: chunked\r\n\r\nzz\r\n" + seed.body,
            start + b"Transfer-Encoding: chunked\r\nContent-Length: %d\r\n\r\n" % size + chunk + b"0\r\n\r\n",
            start.replace(b"HTTP/1.1", random.choice((b"HTTP/1.0", b"HTTP/3.0", b"http", b""))) + b"\r\n" + seed.body,
            start + _WEBSOCKET,
            start + b"Connection: Upgrade, HTTP2-Settings\r\nUpgrade: h2c\r\nHTTP2-Settings: x\r\n\r\n",
            start + b"X: " + b"y" * random.choice((100, 70_000)) + b"\r\nContent-Length: %d\r\n\r\n" % size + seed.body,
            start + b"".join(b"X%d: y\r\n" % number for number in range(2000)) + b"\r\n",
            start + b"Bad Header\x00: \x01\r\n\r\n",
            start[: random.randrange(len(start))],
            random.randbytes(random.randrange(200)),
        )
    )
    return Request("framing", odd, whole=False, method=seed.method)


def large_bodies(seed: Seed, random: Random) -> Request:
    """Close to the limit of 32 MiB, and above; by declared length, which is refused before it is sent."""
    if random.random() < 0.9:
        length = random.choice((2**25 + 1, 2**31, 2**62))
        head = render(seed.method, seed.path, {**seed.headers, "Content-Length": str(length)}, b"", length=False)
        return Request("large bodies", head, whole=False, method=seed.method)
    return seed.with_body(b"[" + b"1," * random.choice((2**20, 2**24)) + b"1]").request("large bodies")


@cache
def _bomb(form: str) -> bytes:
    return gzip.compress(bytes(_BOMB_BYTES)) if form == "gzip" else zlib.compress(bytes(_BOMB_BYTES))
