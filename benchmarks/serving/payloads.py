"""The forms in which a row goes to a server and comes back."""

from __future__ import annotations

import base64
import json
from collections.abc import Callable, Mapping
from dataclasses import dataclass

import numpy as np

from serving.load.request import Headers, encode

JSON = {"Content-Type": "application/json"}
BYTES = {"Content-Type": "application/octet-stream"}


@dataclass(frozen=True)
class Payload:
    """`encode` gives body and headers for an input's name and array, `decode` the numbers of an answer, flat."""

    name: str
    encode: Callable[[str, np.ndarray], tuple[bytes, Headers]]
    decode: Callable[[bytes, Mapping[str, str]], np.ndarray]


def _after_header(body: bytes, headers: Mapping[str, str]) -> np.ndarray:
    return np.frombuffer(body[int(headers["inference-header-content-length"]) :], "<f4")


def _numbers(value: object) -> np.ndarray:
    return np.array(value, np.float32).reshape(-1)


V2_BINARY = Payload("v2 binary", lambda name, x: encode({name: x}, binary=True), _after_header)
V2_JSON = Payload(
    "v2 JSON",
    lambda name, x: encode({name: x}, binary=False),
    lambda body, headers: _numbers(json.loads(body)["outputs"][0]["data"]),
)
RAW = Payload("raw float32", lambda name, x: (x.tobytes(), BYTES), lambda body, headers: np.frombuffer(body, "<f4"))
PLAIN_JSON = Payload(
    "JSON",
    lambda name, x: (json.dumps({name: x.tolist()}).encode(), JSON),
    lambda body, headers: _numbers(json.loads(body)),
)
NAMED_JSON = Payload(
    "JSON",
    lambda name, x: (json.dumps({"x": x.tolist()}).encode(), JSON),
    lambda body, headers: _numbers(json.loads(body)["y"]),
)
BASE64 = Payload(
    "base64 in JSON",
    lambda name, x: (json.dumps({"x": base64.b64encode(x.tobytes()).decode()}).encode(), JSON),
    lambda body, headers: np.frombuffer(base64.b64decode(json.loads(body)["y"]), "<f4"),
)
