"""A graph that fails on one input which passes every check, quick or as slow as it takes to have others wait.

`row` is the entry of a table at `index`, whose range no port declares: beyond the table the runtime fails. The slow one
multiplies a matrix with itself first, over and over, which changes no answer. With its table a file weighs 20 MB, so that
a version that is not let go shows.
"""

from __future__ import annotations

import shutil
import time
from pathlib import Path
from typing import Any

import numpy as np
import onnx.helper as oh
from onnx import NodeProto, TensorProto

from benchmarks.serving.hub import model_proto, publish
from zoo.hub import EMBEDDED, Hub
from zoo.session import Session
from zoo.spec import Graph, Port

QUICK, SLOW = "table", "slow-table"
PUBLISHED = ("convnet-mnist", "lstm-japanese-vowels")
ENTRIES = 2_500_000  # of two float32 each
TABLE_BYTES = 8 * ENTRIES
POISON = ENTRIES  # the first index beyond the table
SIDE = 128  # of the matrix
SLOW_S = 0.25  # about what one execution of the slow one takes
TRIAL = 1000  # products

INDEX = Port(name="index", dtype="int64", shape=("batch",))
GRAPH = Graph(inputs=(INDEX,), outputs=(Port(name="row", dtype="float32", shape=("batch", 2)),))
CODEC = {"height": 1, "width": 1, "labels": ["a", "b"], "port": "index", "output": "row"}


def entries(index: np.ndarray) -> np.ndarray:
    """Entry i is (i, -2i), so that an answer tells whose it is."""
    return np.stack([index, -2 * index], axis=1).astype(np.float32)


def make_hub(hub: Path) -> Path:
    """A hub with both, and with published models beside them."""
    shutil.rmtree(hub, ignore_errors=True)
    for name in PUBLISHED:
        shutil.copytree(EMBEDDED / name, hub / name, ignore=shutil.ignore_patterns("original"))
    Hub(hub).write_index()
    add_version(hub)
    add_version(hub, SLOW, TRIAL)
    add_version(hub, SLOW, max(1, int(TRIAL * SLOW_S / _seconds(hub))))
    return hub


def add_version(hub: Path, name: str = QUICK, products: int = 0, *, wrong: bool = False) -> None:
    """Publish the model, or its next version; a wrong one has golden answers that it does not give."""
    nodes = [
        oh.make_node("Gather", ["table", "index"], ["entry"]),
        *_work(),
        oh.make_node("Add", ["entry", "nothing"], ["row"]),
    ]
    weights = {
        "table": entries(np.arange(ENTRIES)),
        "matrix": np.eye(SIDE, dtype=np.float32),
        "zero": np.array(0, np.float32),
        "go_on": np.array(True),
        "times": np.array(products, np.int64),
    }
    index = np.arange(8, dtype=np.int64)
    answers = {"row": entries(index + 1 if wrong else index).astype(np.float64)}
    publish(hub, name, GRAPH, model_proto(GRAPH, nodes, weights), {"index": index}, CODEC, answers)


def _work() -> list[NodeProto]:
    """`nothing`, a zero that takes `times` products to find."""

    def value(name: str, kind: int, *shape: int) -> Any:
        return oh.make_tensor_value_info(name, kind, shape)

    body = oh.make_graph(
        [oh.make_node("MatMul", ["state", "matrix"], ["after"]), oh.make_node("Identity", ["before"], ["stay"])],
        "body",
        [value("step", TensorProto.INT64), value("before", TensorProto.BOOL), value("state", TensorProto.FLOAT, SIDE, SIDE)],
        [value("stay", TensorProto.BOOL), value("after", TensorProto.FLOAT, SIDE, SIDE)],
    )
    return [
        oh.make_node("ReduceMax", ["index"], ["largest"], keepdims=0),  # without an input the runtime would fold all this
        oh.make_node("Cast", ["largest"], ["number"], to=TensorProto.FLOAT),
        oh.make_node("Mul", ["number", "zero"], ["no_number"]),
        oh.make_node("Add", ["matrix", "no_number"], ["start"]),
        oh.make_node("Loop", ["times", "go_on", "start"], ["worked"], body=body),
        oh.make_node("ReduceSum", ["worked"], ["sum"], keepdims=0),
        oh.make_node("Mul", ["sum", "zero"], ["nothing"]),
    ]


def _seconds(hub: Path) -> float:
    """What one execution of the slow one takes here."""
    session = Session(hub / SLOW / GRAPH.file, GRAPH, threads=1)
    runs = []
    for _ in range(3):
        began = time.perf_counter()
        session.run({"index": np.zeros(1, np.int64)})
        runs.append(time.perf_counter() - began)
    return min(runs)
