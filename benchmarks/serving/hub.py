"""Artifacts that a benchmark makes for itself, in a hub of its own: right in form, proven by nobody."""

from __future__ import annotations

import shutil
from pathlib import Path
from typing import Any

import numpy as np
import onnx
import onnx.helper as oh
import onnx.numpy_helper as nh

from zoo.hub import GOLDEN, Hub
from zoo.manifest import CARD, Certificate, Manifest, file_hashes
from zoo.run import save_arrays
from zoo.session import Session
from zoo.spec import Arrays, Graph

TYPES = {"float32": onnx.TensorProto.FLOAT, "int64": onnx.TensorProto.INT64}
BOUND = 1e-4  # of the largest golden value; what other batch sizes do to float32 stays far below


def model_proto(graph: Graph, nodes: list[onnx.NodeProto], weights: dict[str, np.ndarray]) -> onnx.ModelProto:
    values = [
        [oh.make_tensor_value_info(port.name, TYPES[port.dtype], list(port.shape)) for port in ports]
        for ports in (graph.inputs, graph.outputs)
    ]
    constants = [nh.from_array(value, name) for name, value in weights.items()]
    return oh.make_model(
        oh.make_graph(nodes, graph.name, *values, constants), ir_version=10, opset_imports=[oh.make_opsetid("", 20)]
    )


def publish(
    root: Path,
    name: str,
    graph: Graph,
    proto: onnx.ModelProto,
    golden: Arrays,
    codec: dict[str, Any],
    answers: Arrays | None = None,
) -> None:
    """Put an artifact of one graph into the hub, as the next version, whole or not at all.

    `golden` are inputs by port name; `answers` what they should give, what the graph gives when left out.
    """
    entry = Hub(root).index.get(name)
    version = entry["version"] + 1 if entry else 1
    folder, old = root / f".{name}.new", root / f".{name}.old"
    for leftover in (folder, old):
        shutil.rmtree(leftover, ignore_errors=True)
    folder.mkdir(parents=True)
    onnx.save(proto, folder / graph.file)
    outputs = answers or Session(folder / graph.file, graph, threads=1).run(golden)
    save_arrays(folder / GOLDEN, {f"{graph.name}/{port}": array for port, array in {**golden, **outputs}.items()})
    _describe(folder, name, version, graph, sum(nh.to_array(weight).size for weight in proto.graph.initializer), codec)
    _certify(folder, name, version, graph, outputs)
    if entry:
        (root / name).replace(old)
    folder.replace(root / name)
    shutil.rmtree(old, ignore_errors=True)
    Hub(root).write_index()


def _describe(folder: Path, name: str, version: int, graph: Graph, parameters: int, codec: dict[str, Any]) -> None:
    nothing: dict[str, Any] = {"config": {}, "training": {}, "metrics": {}, "data": {"licence": "none"}}
    Manifest(
        model=name,
        version=version,
        family="none",
        task="image-classification",
        kind="torch",
        paper="none",
        summary="made for a benchmark",
        parameters=parameters,
        graphs=(graph,),
        codec=codec,
        **nothing,
    ).write(folder)
    (folder / CARD).write_text(f"# {name}\n", encoding="utf-8")


def _certify(folder: Path, name: str, version: int, graph: Graph, outputs: Arrays) -> None:
    bounds = {port: BOUND * max(float(np.abs(array).max()), 1.0) for port, array in outputs.items()}
    nothing: dict[str, Any] = {"inputs": {}, "versions": {}, "options": {}}
    Certificate(
        model=name,
        version=version,
        passed=True,
        files=file_hashes(folder),
        graphs={graph.name: {"bounds": bounds, "outputs": {}}},
        factor=8,
        seed=0,
        **nothing,
    ).write(folder)
