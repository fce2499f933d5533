"""An estimator's graph as ONNX, by skl2onnx."""

from __future__ import annotations

import warnings
from typing import Any

import numpy as np
import onnx
from skl2onnx import convert_sklearn
from skl2onnx.common.data_types import FloatTensorType

from zoo.errors import ExportError
from zoo.spec import Graph

ML_OPSET = 3


def export_estimator(estimator: Any, graph: Graph, opset: int) -> onnx.ModelProto:
    """The graph of a fitted estimator, its outputs renamed to the ports in order. Raises ExportError."""
    (port,) = graph.inputs
    try:
        with warnings.catch_warnings():
            warnings.simplefilter("ignore")  # about opsets that skl2onnx has not been tested with: the graph is, here
            model = convert_sklearn(
                estimator,
                initial_types=[(port.name, FloatTensorType([None, *port.shape[1:]]))],
                target_opset={"": opset, "ai.onnx.ml": ML_OPSET},
                options={id(estimator): options} if (options := _options(estimator, graph)) else None,
                name=graph.name,
            )
    except Exception as error:  # skl2onnx raises what the operator's converter leads to
        reason = str(error).strip().splitlines()[0]
        raise ExportError(f"skl2onnx cannot convert {type(estimator).__name__}: {reason}") from error
    if len(model.graph.output) != len(graph.outputs):
        found = ", ".join(output.name for output in model.graph.output)
        raise ExportError(f"skl2onnx gives {found}; graph {graph.name!r} declares {len(graph.outputs)} outputs.")
    _sort_operator_sets(model)
    _drop_ones(model, graph)
    _rename_outputs(model, {found.name: port.name for found, port in zip(model.graph.output, graph.outputs, strict=True)})
    return model


def _options(estimator: Any, graph: Graph) -> dict[str, bool]:
    """What the converter must be told: scores as a tensor, and the raw ones where the decision function is asked for."""
    if "decision_function" in graph.methods:
        return {"zipmap": False, "raw_scores": True}
    return {"zipmap": False} if hasattr(estimator, "predict_proba") else {}


def _sort_operator_sets(model: onnx.ModelProto) -> None:
    """skl2onnx collects them in a Python set, whose order is another in another process."""
    operator_sets = sorted(model.opset_import, key=lambda each: each.domain, reverse=True)
    del model.opset_import[:]
    model.opset_import.extend(operator_sets)


def _drop_ones(model: onnx.ModelProto, graph: Graph) -> None:
    """Take away the last axis of outputs that are a column where the port, like the estimator, has one number a row."""
    for port, output in zip(graph.outputs, model.graph.output, strict=True):
        sizes = output.type.tensor_type.shape.dim
        if len(port.shape) == 1 and len(sizes) == 2 and sizes[1].dim_value == 1:
            column = f"{output.name}_column"
            for node in model.graph.node:
                for number, value in enumerate(node.output):
                    if value == output.name:
                        node.output[number] = column
            axes = onnx.numpy_helper.from_array(np.array([1]), f"{output.name}_axes")
            model.graph.initializer.append(axes)
            model.graph.node.append(onnx.helper.make_node("Squeeze", [column, axes.name], [output.name]))
            del sizes[1]


def _rename_outputs(model: onnx.ModelProto, names: dict[str, str]) -> None:
    taken = {value for node in model.graph.node for value in (*node.input, *node.output)} - set(names)
    for new in names.values():
        if new in taken:
            raise ExportError(f"The converted graph has an inner value {new!r}; give that output port another name.")
    for node in model.graph.node:
        for values in (node.input, node.output):
            for number, value in enumerate(values):
                values[number] = names.get(value, value)
    for output in model.graph.output:
        output.name = names[output.name]
