"""A hub of small hand-made models, and a real service over it."""

from __future__ import annotations

import http.client
import json
import os
import signal
import socket
import subprocess
import sys
import time
from collections.abc import Callable, Iterator
from dataclasses import dataclass
from pathlib import Path
from types import SimpleNamespace
from typing import Any

import numpy as np
import onnx
import onnx.helper as oh
import onnx.numpy_helper as nh
import pytest
from onnx.reference import ReferenceEvaluator

from tests.serving import decoder
from zoo.hub import Hub
from zoo.manifest import Certificate, Manifest, file_hashes
from zoo.run import save_arrays
from zoo.spec import Axis, Graph, Port

ROOT = Path(__file__).parents[2]
WEIGHT = np.array([[1, 0, 0.5], [0, 2, 0], [3, 0, 0], [0, 0, -1]], np.float32)
BIAS = np.array([0.25, -0.5, 1], np.float32)
TABLE = np.array([[0, 1], [10, 11], [20, 21]], np.float32)
ONNX_TYPES = {"float32": onnx.TensorProto.FLOAT, "int64": onnx.TensorProto.INT64, "bool": onnx.TensorProto.BOOL}


def port(name: str, *shape: int | str, dtype: str = "float32", **more: Any) -> Port:
    return Port(name=name, dtype=dtype, shape=shape, **more)


def write_onnx(path: Path, graph: Graph, nodes: list[Any], weights: dict[str, np.ndarray]) -> None:
    values = [
        [oh.make_tensor_value_info(p.name, ONNX_TYPES[p.dtype], list(p.shape)) for p in ports]
        for ports in (graph.inputs, graph.outputs)
    ]
    constants = [nh.from_array(value, name) for name, value in weights.items()]
    proto = oh.make_graph(nodes, graph.name, *values, constants)
    onnx.save(oh.make_model(proto, ir_version=10, opset_imports=[oh.make_opsetid("", 20)]), path)


def affine(graph: Graph, weight: np.ndarray, bias: np.ndarray) -> tuple[Graph, list[Any], dict[str, np.ndarray]]:
    """output = input · weight + bias, for a graph with one input and one output."""
    nodes = [
        oh.make_node("MatMul", [graph.inputs[0].name, "weight"], ["product"]),
        oh.make_node("Add", ["product", "bias"], [graph.outputs[0].name]),
    ]
    return graph, nodes, {"weight": weight, "bias": bias}


def classifier() -> list[Any]:
    """(batch, 4) → (batch, 3)."""
    return [affine(Graph(inputs=(port("x", "batch", 4),), outputs=(port("logits", "batch", 3),)), WEIGHT, BIAS)]


def colours() -> list[Any]:
    """(batch, 12), a picture of four pixels in colours, → (batch, 3): how much there is of each."""
    graph = Graph(inputs=(port("x", "batch", 12),), outputs=(port("logits", "batch", 3),))
    return [affine(graph, np.tile(np.eye(3, dtype=np.float32), (4, 1)), np.zeros(3, np.float32))]


def series() -> list[Any]:
    """(batch, steps, 2) and a length a row → (batch, 2): the sum of the valid steps."""
    graph = Graph(
        inputs=(port("x", "batch", "steps", 2), port("length", "batch", dtype="int64", role="length", axis="steps")),
        outputs=(port("logits", "batch", 2),),
        axes=(Axis(name="steps", high=29, padded=True),),
    )
    constants = {
        "zero": np.array(0, np.int64),
        "one": np.array(1, np.int64),
        "axis1": np.array([1], np.int64),
        "axis2": np.array([2], np.int64),
        "minus1": np.array([-1], np.int64),
    }
    nodes = [
        oh.make_node("Shape", ["x"], ["steps_1"], start=1, end=2),
        oh.make_node("Squeeze", ["steps_1"], ["steps"]),
        oh.make_node("Range", ["zero", "steps", "one"], ["index"]),
        oh.make_node("Unsqueeze", ["length", "minus1"], ["length_B1"]),
        oh.make_node("Less", ["index", "length_B1"], ["valid"]),
        oh.make_node("Cast", ["valid"], ["valid_float"], to=onnx.TensorProto.FLOAT),
        oh.make_node("Unsqueeze", ["valid_float", "axis2"], ["mask"]),
        oh.make_node("Mul", ["x", "mask"], ["masked"]),
        oh.make_node("ReduceSum", ["masked", "axis1"], ["logits"], keepdims=0),
    ]
    return [(graph, nodes, constants)]


def two_graphs() -> list[Any]:
    """encode: (batch, 4) → mean (batch, 2); decode: z (batch, 2) → logits (batch, 4)."""
    encode = Graph(name="encode", inputs=(port("x", "batch", 4),), outputs=(port("mean", "batch", 2),))
    decode = Graph(name="decode", inputs=(port("z", "batch", 2),), outputs=(port("logits", "batch", 4),))
    return [
        affine(encode, WEIGHT[:, :2].copy(), np.zeros(2, np.float32)),
        affine(decode, WEIGHT[:, :2].T.copy(), np.zeros(4, np.float32)),
    ]


def lookup() -> list[Any]:
    """Rows of a table of three, by an index whose range is not declared: an index of 3 passes every check and fails."""
    graph = Graph(inputs=(port("index", "batch", dtype="int64"),), outputs=(port("row", "batch", 2),))
    return [(graph, [oh.make_node("Gather", ["table", "index"], ["row"])], {"table": TABLE})]


PICTURE = {"height": 2, "width": 2}
MODELS: dict[str, tuple[str, dict[str, Any], Callable[[], list[Any]]]] = {
    "tiny-picture": ("image-classification", {**PICTURE, "labels": ["a", "b", "c"]}, classifier),
    "tiny-series": (
        "series-classification",
        {"labels": ["up", "down"], "channels": 2, "max_steps": 29, "mean": [0, 0], "std": [1, 1]},
        series,
    ),
    "tiny-code": ("image-reconstruction", PICTURE, two_graphs),
    "tiny-text": ("text-generation", decoder.CODEC, decoder.decoder),
    "tiny-table": ("image-classification", {**PICTURE, "labels": ["a", "b"], "port": "index", "output": "row"}, lookup),
}
COLOURS = {"channels": 3, "light_on_dark": False, "mean": [0.5] * 3, "std": [0.5] * 3, "labels": ["red", "green", "blue"]}
MORE: dict[str, tuple[str, dict[str, Any], Callable[[], list[Any]]]] = {  # not in the hub of all tests
    "tiny-colours": ("image-classification", {**PICTURE, **COLOURS}, colours),
    "tiny-noise": ("image-generation", decoder.PICTURES, decoder.denoiser),
}


def publish(root: Path, name: str, version: int = 1) -> None:
    """Write an artifact as `zoo publish` would, with a certificate of its bytes."""
    task, codec, build = {**MODELS, **MORE}[name]
    folder = root / name
    folder.mkdir(parents=True)
    parts = build()
    for graph, nodes, weights in parts:
        write_onnx(folder / graph.file, graph, nodes, weights)
    about = dict.fromkeys(("paper", "summary"), "made by hand for a test")
    more: dict[str, Any] = {"config": {}, "training": {}, "metrics": {}, "data": {"licence": "none"}}
    graphs = tuple(graph for graph, _, _ in parts)
    Manifest(
        model=name,
        version=version,
        family="none",
        task=task,
        kind="torch",
        parameters=0,
        graphs=graphs,
        codec=codec,
        **about,
        **more,
    ).write(folder)
    (folder / "card.md").write_text(f"# {name}\n")
    golden = {key: array for graph, _, _ in parts for key, array in golden_samples(folder / graph.file, graph).items()}
    save_arrays(folder / "golden.npz", golden)
    bounds = {graph.name: {"bounds": {port.name: 1e-5 for port in graph.outputs}} for graph in graphs}
    rest: dict[str, Any] = {"inputs": {}, "versions": {}, "options": {"provider": "CPUExecutionProvider"}}
    files = file_hashes(folder)
    Certificate(model=name, version=version, passed=True, files=files, graphs=bounds, factor=8, seed=0, **rest).write(folder)


def golden_samples(path: Path, graph: Graph) -> dict[str, np.ndarray]:
    """Inputs and what onnx's own evaluator makes of them."""
    sizes = dict.fromkeys(graph.free_axes, 3)
    inputs = {port.name: golden_input(port, [sizes.get(size, size) for size in port.shape]) for port in graph.inputs}
    outputs = ReferenceEvaluator(str(path)).run(None, inputs)
    named = dict(zip([port.name for port in graph.outputs], outputs, strict=True))
    return {f"{graph.name}/{name}": array for name, array in (inputs | named).items()}


def golden_input(port: Port, shape: list[Any]) -> np.ndarray:
    if port.role == "length":
        return np.arange(1, shape[0] + 1, dtype=port.dtype)
    if port.low:
        return np.full(shape, port.low, port.dtype)
    return (np.arange(np.prod(shape)) % 3).reshape(shape).astype(port.dtype)


def make_hub(root: Path, *names: str) -> Path:
    for name in names or MODELS:
        publish(root, name)
    Hub(root).write_index()
    return root


@pytest.fixture(scope="session")
def hub(tmp_path_factory: pytest.TempPathFactory) -> Path:
    """A hub with all the models above; not to be changed."""
    return make_hub(tmp_path_factory.mktemp("hub"))


@pytest.fixture(scope="session")
def tiny() -> SimpleNamespace:
    """How the models are made, and their weights."""
    return SimpleNamespace(
        make_hub=make_hub, publish=publish, weight=WEIGHT, bias=BIAS, table=TABLE, free_port=free_port, names=tuple(MODELS)
    )


@dataclass
class Server:
    process: subprocess.Popen[bytes]
    port: int
    log: Path

    @property
    def address(self) -> str:
        return f"127.0.0.1:{self.port}"

    def request(
        self, method: str, path: str, body: bytes | str | None = None, headers: dict[str, str] | None = None
    ) -> tuple[int, dict[str, str], bytes]:
        """Status, headers in lower case, and body."""
        connection = http.client.HTTPConnection("127.0.0.1", self.port, timeout=20)
        try:
            connection.request(method, path, body, headers or {})
            response = connection.getresponse()
            return response.status, {name.lower(): value for name, value in response.getheaders()}, response.read()
        finally:
            connection.close()

    def error(self, *request: Any) -> tuple[int, str]:
        """Status and sentence of a request that must fail in the one form."""
        status, headers, body = self.request(*request)
        document = json.loads(body)
        assert headers["content-type"].startswith("application/json")
        assert list(document) == ["error"]
        return status, document["error"]

    def json(self, path: str) -> Any:
        status, _, body = self.request("GET", path)
        assert status == 200, body
        return json.loads(body)

    def stop(self) -> int:
        if self.process.poll() is None:
            self.process.send_signal(signal.SIGTERM)
        return self.process.wait(timeout=20)


def free_port() -> int:
    with socket.socket() as probe:
        probe.bind(("127.0.0.1", 0))
        return probe.getsockname()[1]


def command(port: int, *models: str) -> list[str]:
    return [sys.executable, "-m", "serving", "--host", "127.0.0.1", "--port", str(port), *models]


def start(hub: Path, log: Path, *models: str, arguments: list[str] | None = None, **environment: str) -> Server:
    """A service that answers, ready or not; `arguments` replaces `python -m serving`. The caller stops it."""
    port = int(environment.pop("port", 0)) or free_port()
    with log.open("wb") as file:
        process = subprocess.Popen(
            arguments or command(port, *models),
            cwd=ROOT,
            env={**os.environ, "ZOO_HUB": str(hub), "BENTOML_DO_NOT_TRACK": "True", **environment},
            stdout=file,
            stderr=subprocess.STDOUT,
        )
    server = Server(process, port, log)
    deadline = time.monotonic() + 30
    while time.monotonic() < deadline and process.poll() is None:
        try:
            server.request("GET", "/v2/health/live")
        except OSError:
            time.sleep(0.05)
        else:
            return server
    server.stop()
    raise AssertionError(f"The service did not start:\n{log.read_text()}")


@pytest.fixture(scope="session")
def serve() -> Callable[..., Server]:
    return start


@pytest.fixture(scope="session")
def server(hub: Path, tmp_path_factory: pytest.TempPathFactory) -> Iterator[Server]:
    """The service with all models, shared by the tests: read its counters as differences."""
    server = start(hub, tmp_path_factory.mktemp("server") / "log", *MODELS)
    yield server
    server.stop()
