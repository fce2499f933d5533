"""An estimator's graph as ONNX, by skl2onnx."""

from __future__ import annotations

import warnings
from typing import Any

import onnx
from skl2onnx import convert_sklearn
from skl2onnx.common.data_types import FloatTensorType

from zoo.errors import ExportError
from zoo.spec import Graph

ML_OPSET = 3


def export_estimator(estimator: Any, graph: Graph, opset: int) -> onnx.ModelProto:
    """The graph of a fitted estimator, its outputs renamed to the ports in order. Raises ExportError."""
    (port,) = graph.inputs
    options = {id(estimator): {"zipmap": False}} if hasattr(estimator, "predict_proba") else None
    try:
        with warnings.catch_warnings():
            warnings.simplefilter("ignore")  # about opsets that skl2onnx has not been tested with: the graph is, here
            model = convert_sklearn(
                estimator,
                initial_types=[(port.name, FloatTensorType([None, *port.shape[1:]]))],
                target_opset={"": opset, "ai.onnx.ml": ML_OPSET},
                options=options,
                name=graph.name,
            )
    except Exception as error:  # skl2onnx raises what the operator's converter leads to
        reason = str(error).strip().splitlines()[0]
        raise ExportError(f"skl2onnx cannot convert {type(estimator).__name__}: {reason}") from error
    if len(model.graph.output) != len(graph.outputs):
        found = ", ".join(output.name for output in model.graph.output)
        raise ExportError(f"skl2onnx gives {found}; graph {graph.name!r} declares {len(graph.outputs)} outputs.")
    _rename_outputs(model, {found.name: port.name for found, port in zip(model.graph.output, graph.outputs, strict=True)})
    return model


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
