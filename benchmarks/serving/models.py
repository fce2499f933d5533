"""`python -m benchmarks.serving.models FOLDER`: a hub of all published models and of networks made here from a fixed seed.

One sample of each model that is compared, with its answer, lies beside it.
"""

from __future__ import annotations

import shutil
import sys
from pathlib import Path

import numpy as np
import onnx
import onnx.helper as oh

from benchmarks.serving.hub import model_proto, publish
from benchmarks.serving.subjects import LARGE, MIDDLE, SAMPLES, SMALL
from zoo.hub import EMBEDDED, GOLDEN, Hub
from zoo.run import graph_inputs, load_arrays, save_arrays
from zoo.session import Session
from zoo.spec import Graph, Port

SIDE = 64  # of the pictures of MIDDLE
FILTERS = ((3, 32, 1), (32, 64, 2), (64, 128, 2), (128, 128, 2))  # channels in, channels out, stride
WIDTH, LAYERS = 2500, 4  # of LARGE: 4 matrices of 25 MB
CLASSES = 10


def make(root: Path) -> None:
    """The hub: all that is published, the network of 100 MFLOP, and one of 100 MB for the memory."""
    shutil.copytree(EMBEDDED, root, ignore=shutil.ignore_patterns("original"))
    rng = np.random.default_rng(0)
    publish(root, MIDDLE, *_convnet(rng))
    publish(root, LARGE, *_perceptron(rng))
    samples = {}
    for name in (SMALL, MIDDLE):
        artifact = Hub(root).artifact(name)
        graph = artifact.manifest.graphs[0]
        inputs = graph_inputs(load_arrays(artifact.folder / GOLDEN), graph)
        row = {port: array[:1] for port, array in inputs.items()}
        samples[f"{name}/x"] = row[graph.inputs[0].name]
        samples[f"{name}/y"] = Session(artifact.graph_path(graph), graph, threads=1).run(row)[graph.outputs[0].name]
    save_arrays(root / SAMPLES, samples)


def _convnet(rng: np.random.Generator) -> tuple[Graph, onnx.ModelProto, dict[str, np.ndarray], dict[str, object]]:
    """Four convolutions, 50.7 million multiplications with as many additions; the mean over the picture; ten scores."""
    nodes, weights, value = [], {}, "x"
    for number, (before, after, stride) in enumerate(FILTERS):
        weight, bias = f"weight_{number}", f"bias_{number}"
        weights[weight] = _normal(rng, (after, before, 3, 3), 9 * before)
        weights[bias] = np.zeros(after, np.float32)
        options = {"kernel_shape": [3, 3], "pads": [1, 1, 1, 1], "strides": [stride, stride]}
        nodes.append(oh.make_node("Conv", [value, weight, bias], [f"conv_{number}"], **options))
        nodes.append(oh.make_node("Relu", [f"conv_{number}"], [f"relu_{number}"]))
        value = f"relu_{number}"
    weights["head"] = _normal(rng, (FILTERS[-1][1], CLASSES), FILTERS[-1][1])
    nodes.append(oh.make_node("GlobalAveragePool", [value], ["pooled"]))
    nodes.append(oh.make_node("Flatten", ["pooled"], ["features"]))
    nodes.append(oh.make_node("MatMul", ["features", "head"], ["logits"]))
    graph = _graph(("batch", 3, SIDE, SIDE))
    codec = {"height": SIDE, "width": SIDE, "channels": 3, "layout": "channels-first", "labels": list("0123456789")}
    return graph, model_proto(graph, nodes, weights), {"x": rng.random((8, 3, SIDE, SIDE), np.float32)}, codec


def _perceptron(rng: np.random.Generator) -> tuple[Graph, onnx.ModelProto, dict[str, np.ndarray], dict[str, object]]:
    nodes, weights, value = [], {}, "x"
    for number in range(LAYERS):
        weights[f"weight_{number}"] = _normal(rng, (WIDTH, WIDTH), WIDTH)
        nodes.append(oh.make_node("MatMul", [value, f"weight_{number}"], [f"product_{number}"]))
        nodes.append(oh.make_node("Relu", [f"product_{number}"], [f"relu_{number}"]))
        value = f"relu_{number}"
    weights["head"] = _normal(rng, (WIDTH, CLASSES), WIDTH)
    nodes.append(oh.make_node("MatMul", [value, "head"], ["logits"]))
    graph = _graph(("batch", WIDTH))
    side = int(WIDTH**0.5)
    codec = {"height": side, "width": side, "labels": list("0123456789")}
    return graph, model_proto(graph, nodes, weights), {"x": rng.random((8, WIDTH), np.float32)}, codec


def _normal(rng: np.random.Generator, shape: tuple[int, ...], inputs: int) -> np.ndarray:
    """Weights that keep the spread of values from layer to layer (He et al. 2015)."""
    return (rng.normal(size=shape) * (2 / inputs) ** 0.5).astype(np.float32)


def _graph(shape: tuple[int | str, ...]) -> Graph:
    x = Port(name="x", dtype="float32", shape=shape, low=0, high=1)
    return Graph(inputs=(x,), outputs=(Port(name="logits", dtype="float32", shape=("batch", CLASSES)),))


if __name__ == "__main__":
    make(Path(sys.argv[1]))
