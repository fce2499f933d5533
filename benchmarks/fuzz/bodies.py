"""Mutations of a request's body: each takes a good request and a source of randomness, and gives a request."""

from __future__ import annotations

import json
import math
import re
import struct
from dataclasses import replace
from random import Random
from typing import Any

from benchmarks.fuzz.corpus import Seed
from benchmarks.fuzz.wire import Request

LENGTH = "Inference-Header-Content-Length"
_NUMBERS = (0, 1, -1, 2, 3, 31, 1000, 2**31 - 1, 2**31, 2**32, 2**62, 2**63 - 1, 2**63, 2**64, 10**30, 0.5, 1e308, -0.0)
_ODD: tuple[Any, ...] = (
    None,
    True,
    False,
    "",
    "x",
    "x" * 5000,
    "\x00",
    "é𝄞",
    "FP32",
    "BYTES",
    [],
    {},
    [[]],
    [None],
    {"a": {}},
    *_NUMBERS,
)
_KEYS = ("name", "shape", "datatype", "data", "inputs", "outputs", "parameters", "id", "binary_data_size", "instances")


def bit_flips(seed: Seed, random: Random) -> Request:
    body = bytearray(seed.body)
    for _ in range(min(len(body), 2 ** random.randrange(8))):
        body[random.randrange(len(body))] ^= 1 << random.randrange(8)
    return seed.with_body(bytes(body)).request("bit flips")


def splices(seed: Seed, random: Random) -> Request:
    """Bytes taken out, doubled, put elsewhere, or made up."""
    body = seed.body
    for _ in range(random.randrange(1, 4)):
        start, end = sorted(random.choices(range(len(body) + 1), k=2))
        piece = random.choice((b"", body[start:end] * 2, random.randbytes(random.randrange(64))))
        body = body[:start] + piece + body[end:]
    return seed.with_body(body).request("splices")


def truncation(seed: Seed, random: Random) -> Request:
    return seed.with_body(seed.body[: random.randrange(len(seed.body) + 1)]).request("truncation")


def extension(seed: Seed, random: Random) -> Request:
    more = random.choice((b"\x00", b" ", b"{}", seed.body, random.randbytes(random.randrange(1, 5000))))
    return seed.with_body(seed.body + more).request("extension")


def noise(seed: Seed, random: Random) -> Request:
    return seed.with_body(random.randbytes(random.randrange(2000))).request("noise")


def values(seed: Seed, random: Random) -> Request:
    """JSON of the right form with wrong values: sizes, types, names, what is missing and what is too much."""
    head, blob = _parts(seed)
    try:
        document = json.loads(head)
    except ValueError:
        return bit_flips(seed, random)
    for _ in range(random.randrange(1, 4)):
        document = _changed(document, random)
    text = json.dumps(document, ensure_ascii=random.random() < 0.5).encode("utf-8", "surrogatepass")
    return _joined(seed, text, blob).request("values")


def dimensions(seed: Seed, random: Random) -> Request:
    """Shapes and sizes that are huge, negative, zero, or no numbers, in the JSON before binary tensors."""
    head, blob = _parts(seed)
    odd = json.dumps(random.choice((*_NUMBERS, "2", None, [2], True)))
    sizes = [match.span(1) for match in re.finditer(rb'(?:"binary_data_size": ?|[\[,] ?)(-?\d+)', head)]
    if not sizes:
        return values(seed, random)
    start, end = random.choice(sizes)
    return _joined(seed, head[:start] + odd.encode() + head[end:], blob).request("dimensions")


def not_finite(seed: Seed, random: Random) -> Request:
    """NaN, infinities and numbers that overflow, as bytes and as the words that JSON does not have."""
    head, blob = _parts(seed)
    if len(blob) >= 4:
        place = random.randrange(len(blob) // 4) * 4
        value = struct.pack("<f", random.choice((math.nan, math.inf, -math.inf, 3.4e38, 1e-45)))
        return _joined(seed, head, blob[:place] + value + blob[place + 4 :]).request("not finite")
    word = random.choice(
        (b"NaN", b"Infinity", b"-Infinity", b"1e999", b"-1e999", b"1e-999", b"9" * 400, b"0x1", b"+1", b"01")
    )
    return seed.with_body(re.sub(rb"\d+(?:\.\d+)?", word, head, count=random.randrange(1, 5))).request("not finite")


def nesting(seed: Seed, random: Random) -> Request:
    depth = random.choice((10, 33, 100, 1000, 10_000, 100_000))
    opener, closer = random.choice(((b"[", b"]"), (b'{"a":', b"}"), (b'{"inputs":[', b"]}")))
    inside = random.choice((b"1", b"", seed.body if depth <= 100 else b"0"))
    body = opener * depth + inside + closer * random.choice((depth, depth, 0, depth + 1))
    headers = {"Content-Type": "application/json"} | ({LENGTH: str(len(body))} if random.random() < 0.3 else {})
    return replace(seed, headers=headers, body=body).request("nesting")


def encodings(seed: Seed, random: Random) -> Request:
    """Text in encodings that JSON and CSV are not in."""
    text = _parts(seed)[0].decode("latin-1")
    encoding = random.choice(("utf-16", "utf-16-le", "utf-32", "utf-8-sig", "utf-7", "cp037"))
    body = random.choice(
        (text.encode(encoding), text.replace("a", "\xe9").encode("latin-1"), text.encode() + b"\xed\xa0\x80")
    )
    return _joined(seed, body, b"").request("encodings")


def _parts(seed: Seed) -> tuple[bytes, bytes]:
    """The JSON (or all there is), and the binary tensors after it."""
    size = len(seed.body) if seed.json_size is None else seed.json_size
    return seed.body[:size], seed.body[size:]


def _joined(seed: Seed, head: bytes, blob: bytes) -> Seed:
    return seed.with_body(head + blob, **({} if seed.json_size is None else {LENGTH: str(len(head))}))


def _changed(value: Any, random: Random) -> Any:
    """The document with one place in it changed."""
    if isinstance(value, dict) and value and random.random() < 0.9:
        key = random.choice(list(value))
        if (chance := random.random()) < 0.1:
            return {name: one for name, one in value.items() if name != key}
        if chance < 0.2:
            return {**value, random.choice(_KEYS): random.choice(_ODD)}
        return {**value, key: _changed(value[key], random)}
    if isinstance(value, list) and value and random.random() < 0.8:
        place = random.randrange(len(value))
        if (chance := random.random()) < 0.1:
            return value[:place] + value[place + 1 :]
        if chance < 0.2:
            return value[: place + 1] + value[place:]
        return [*value[:place], _changed(value[place], random), *value[place + 1 :]]
    return random.choice(_ODD)
