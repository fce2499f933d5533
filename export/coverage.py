"""Whether a set of inputs exercises a graph: units that never fire, and outputs that sit at their limit; and sums that
threads may lose.

A comparison of zeros proves little. The activations of the shipped file are made outputs of a copy, which is run on the
cases of one kind; nothing is judged here, the report says what it found.
"""

from __future__ import annotations

from pathlib import Path

import numpy as np
import onnx
import onnxruntime

from export.inputs import Case
from zoo.spec import Graph

RECTIFIERS = ("Relu", "LeakyRelu", "Elu", "Selu", "ThresholdedRelu", "Clip")
SQUASHERS = {"Sigmoid": (0.0, 1.0), "Tanh": (-1.0, 1.0), "Softmax": (0.0, 1.0), "HardSigmoid": (0.0, 1.0)}
DEAD_SHARE = 0.05  # of a layer's units: fewer dead ones are not worth a remark
SATURATED_SHARE = 0.5  # of a layer's values
MAX_BYTES = 64_000_000  # the copy with more outputs is opened beside the graph itself
EDGE = 1e-6  # distance from a limit at which a value counts as saturated


def remarks(path: Path, graph: Graph, cases: list[Case]) -> list[str]:
    """A sentence for every kind of input that leaves units dead or values saturated, and for sums that threads may lose;
    none for a file over 64 MB."""
    if path.stat().st_size > MAX_BYTES:
        return []
    model = onnx.load(path)
    return [*_races(model), *_activations(model, cases)]


def _races(model: onnx.ModelProto) -> list[str]:
    """ScatterND adds on several threads at once: https://github.com/microsoft/onnxruntime/issues/18048. Chance hides it."""
    return [
        f"node {node.name!r} (ScatterND, {reduction}{_scope(node)}): ONNX Runtime loses some results on several threads, "
        "where many indices are equal; let the original use scatter_add or scatter_reduce, which become ScatterElements"
        for node in model.graph.node
        if node.op_type == "ScatterND"
        for reduction in (each.s.decode() for each in node.attribute if each.name == "reduction")
        if reduction != "none"
    ]


def _activations(model: onnx.ModelProto, cases: list[Case]) -> list[str]:
    watched = {node.output[0]: node for node in model.graph.node if node.op_type in (*RECTIFIERS, *SQUASHERS)}
    if not watched:
        return []
    existing = {output.name for output in model.graph.output}
    model.graph.output.extend(onnx.ValueInfoProto(name=name) for name in watched if name not in existing)
    options = onnxruntime.SessionOptions()
    options.log_severity_level = 3
    session = onnxruntime.InferenceSession(model.SerializeToString(), options, providers=["CPUExecutionProvider"])
    found = []
    for kind in dict.fromkeys(case.kind for case in cases):
        values: dict[str, list[np.ndarray]] = {name: [] for name in watched}
        for case in (case for case in cases if case.kind == kind):
            for name, value in zip(watched, session.run(list(watched), case.inputs), strict=True):
                values[name].append(value)
        found += [
            sentence for name, parts in values.items() if (sentence := _remark(kind, watched[name], parts)) is not None
        ]
    return found


def _remark(kind: str, node: onnx.NodeProto, parts: list[np.ndarray]) -> str | None:
    where = f"{kind} inputs: node {node.name!r} ({node.op_type}{_scope(node)})"
    if node.op_type in RECTIFIERS:
        if len({part.shape[1:] for part in parts}) != 1:
            return None
        fired = np.any([np.any(part > 0, axis=0) for part in parts], axis=0)
        share = 1 - float(np.mean(fired))
        return f"{where}: {share:.0%} of its {fired.size} units never fire" if share > DEAD_SHARE else None
    low, high = SQUASHERS[node.op_type]
    flat = np.concatenate([part.ravel() for part in parts])
    share = float(np.mean((flat < low + EDGE) | (flat > high - EDGE)))
    return f"{where}: {share:.0%} of its values are at a limit" if share > SATURATED_SHARE else None


def _scope(node: onnx.NodeProto) -> str:
    path = module_path(node)
    return f" in {path}" if path else ""


def module_path(node: onnx.NodeProto) -> str:
    """Path of the module that the node came from, '' where the file does not say."""
    import ast

    for entry in node.metadata_props:
        if entry.key == "pkg.torch.onnx.name_scopes":
            scopes: list[str] = ast.literal_eval(entry.value)
            return scopes[-2] if len(scopes) > 1 else ""
    return ""
