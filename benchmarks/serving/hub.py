"""Artifacts that a benchmark makes for itself, in a hub of its own: right in form, proven by nobody."""

from __future__ import annotations

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


def publish(root: Path, name: str, graph: Graph, proto: onnx.ModelProto, golden: Arrays, codec: dict[str, Any]) -> None:
    """Write an artifact of one graph into the hub, as the next version. `golden` are inputs by port name."""
    folder = root / name
    version = Hub(root).index[name]["version"] + 1 if folder.exists() else 1
    folder.mkdir(parents=True, exist_ok=True)
    onnx.save(proto, folder / graph.file)
    outputs = Session(folder / graph.file, graph, threads=1).run(golden)
    save_arrays(folder / GOLDEN, {f"{graph.name}/{port}": array for port, array in {**golden, **outputs}.items()})
    manifest: dict[str, Any] = {"config": {}, "training": {}, "metrics": {}, "data": {"licence": "none"}, "codec": codec}
    Manifest(
        model=name,
        version=version,
        family="none",
        task="image-classification",
        kind="torch",
        paper="none",
        summary="made for a benchmark",
        parameters=sum(nh.to_array(weight).size for weight in proto.graph.initializer),
        graphs=(graph,),
        **manifest,
    ).write(folder)
    (folder / CARD).write_text(f"# {name}\n", encoding="utf-8")
    bounds = {port: BOUND * max(float(np.abs(array).max()), 1.0) for port, array in outputs.items()}
    Certificate(
        model=name,
        version=version,
        passed=True,
        files=file_hashes(folder),
        graphs={graph.name: {"bounds": bounds, "outputs": {}}},
        inputs={},
        versions={},
        options={},
        factor=8,
        seed=0,
    ).write(folder)
    Hub(root).write_index()
