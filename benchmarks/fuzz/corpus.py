"""Requests that are right, one of each form for every model: what mutations start from, and what must go on working."""

from __future__ import annotations

import io
import json
from dataclasses import dataclass, replace
from typing import Any

import httpx
import numpy as np
from PIL import Image

from benchmarks.fuzz.wire import Request, render
from serving.client.tensors import encode

_DTYPES = {
    "FP32": np.float32,
    "FP64": np.float64,
    "FP16": np.float16,
    "INT64": np.int64,
    "INT32": np.int32,
    "BOOL": np.bool_,
}
_LARGEST = 20_000  # bytes of a seed: more only takes longer


@dataclass(frozen=True)
class Seed:
    """The parts of a good request. `json_size` is the length of the JSON before binary tensors, None without any."""

    path: str
    headers: dict[str, str]
    body: bytes
    method: str = "POST"
    json_size: int | None = None

    def with_body(self, body: bytes, **headers: str) -> Seed:
        return replace(self, body=body, headers={**self.headers, **headers})

    def request(self, kind: str) -> Request:
        return Request(kind, render(self.method, self.path, self.headers, self.body), method=self.method)


def read_corpus(url: str) -> list[Seed]:
    """Every form of request that the service at `url` answers."""
    with httpx.Client(base_url=url, timeout=30) as http:
        models = [model["name"] for model in http.get("/v1/models").raise_for_status().json()["models"]]
        examples = [http.get(f"/v1/models/{model}/examples").raise_for_status().json() for model in models]
    seeds = [seed for example in examples for seed in (*_infer_seeds(example), *_predict_seeds(example))]
    gets = (
        "/",
        "/v2",
        "/v2/health/ready",
        "/v2/models/stats",
        "/metrics",
        "/openapi.json",
        f"/v2/models/{models[0]}/config",
    )
    index = Seed("/v2/repository/index", {"Content-Type": "application/json"}, b"{}")
    return [seed for seed in seeds if len(seed.body) <= _LARGEST] + [index, *(Seed(path, {}, b"", "GET") for path in gets)]


def _infer_seeds(example: dict[str, Any]) -> list[Seed]:
    seeds = []
    for graph, tensors in example["tensors"].items():
        inputs = {one["name"]: np.array(one["data"], _DTYPES[one["datatype"]]).reshape(one["shape"]) for one in tensors}
        rows = {name: array[:2] for name, array in inputs.items()}
        path = f"/v2/models/{example['name']}.{graph}"
        for where, binary in ((path, True), (f"{path}/versions/{example['version']}", True), (path, False)):
            headers, body = encode(rows, None, binary=binary, request_id="seed", parameters={})
            size = int(headers["Inference-Header-Content-Length"]) if binary else None
            seeds.append(Seed(f"{where}/infer", headers, body, json_size=size))
    return seeds


def _predict_seeds(example: dict[str, Any]) -> list[Seed]:
    path = f"/v1/models/{example['name']}/predict"
    if not example["instances"]:
        return []
    raw = example["instances"][0]["instance"]
    body = json.dumps({"instances": [raw]}).encode()
    native = json.dumps({"model": example["name"], "instances": [raw]}).encode()
    seeds = [Seed(where, {"Content-Type": "application/json"}, text) for where, text in ((path, body), ("/predict", native))]
    row = np.array(raw)
    table = row.reshape(1, -1) if row.ndim != 2 or row.shape[0] == row.shape[1] else row
    lines = "\n".join(",".join(map(str, line)) for line in table.tolist())
    seeds.append(Seed(path, {"Content-Type": "text/csv"}, lines.encode()))
    if row.ndim == 2 and row.shape[0] == row.shape[1] and row.min() >= 0:
        for form, media_type in (("PNG", "image/png"), ("JPEG", "image/jpeg")):
            buffer = io.BytesIO()
            Image.fromarray(row.astype(np.uint8)).save(buffer, form)
            seeds.append(Seed(path, {"Content-Type": media_type}, buffer.getvalue()))
    return seeds
