"""The one call that turns a graph of an original into an ONNX file, whatever the original is."""

from __future__ import annotations

from pathlib import Path

import onnx

from export.rewrite import rewrite
from zoo.errors import ExportError
from zoo.original import Original
from zoo.spec import Graph, Port

OPSET = 20


def export_graph(original: Original, graph: Graph, path: Path, *, opset: int = OPSET) -> None:
    """Write the graph to `path`; equal originals give equal bytes.

    Raises ExportError where the traced graph's inputs and outputs are not exactly the ports.
    """
    model = convert(original, graph, opset=opset)
    path.parent.mkdir(parents=True, exist_ok=True)
    path.write_bytes(model.SerializeToString(deterministic=True))


def convert(original: Original, graph: Graph, *, opset: int = OPSET) -> onnx.ModelProto:
    """The graph as a checked ONNX model in memory."""
    if original.family.kind == "estimator":
        from export.estimator_exporter import export_estimator

        model = export_estimator(original.model, graph, opset)
    else:
        from export.torch_exporter import export_module

        model = export_module(original.cast("float32").model, graph, opset)
    rewrite(model.graph)
    _declare_ports(model, graph)
    model.producer_name, model.producer_version = "proven-onnx-zoo", ""
    model.doc_string = ""
    onnx.checker.check_model(model, full_check=True)
    return model


def _declare_ports(model: onnx.ModelProto, graph: Graph) -> None:
    """Give inputs and outputs the names of the ports' axes; refuse a graph that has fixed one of them."""
    for ports, values in ((graph.inputs, model.graph.input), (graph.outputs, model.graph.output)):
        if [port.name for port in ports] != [value.name for value in values]:
            found = ", ".join(value.name for value in values)
            raise ExportError(f"Graph {graph.name!r} came out with {found}; its ports are {[port.name for port in ports]}.")
        for port, value in zip(ports, values, strict=True):
            _declare_port(port, value, graph.name)


def _declare_port(port: Port, value: onnx.ValueInfoProto, graph: str) -> None:
    tensor = value.type.tensor_type
    found = onnx.helper.tensor_dtype_to_np_dtype(tensor.elem_type).name
    if found != port.dtype:
        raise ExportError(f"Port {port.name!r} of graph {graph!r} came out as {found}; it is declared {port.dtype}.")
    sizes = tensor.shape.dim
    if len(sizes) != len(port.shape):
        if len(sizes):
            raise ExportError(
                f"Port {port.name!r} of graph {graph!r} came out with {len(sizes)} axes, not {len(port.shape)}."
            )
        for _ in port.shape:
            sizes.add()
    for size, expected in zip(sizes, port.shape, strict=True):
        if size.HasField("dim_value") and size.dim_value != expected:
            raise ExportError(
                f"Axis {expected!r} of port {port.name!r} in graph {graph!r} came out fixed at {size.dim_value}; "
                "the original's code depends on that size."
            )
        if isinstance(expected, str):
            size.dim_param = expected
        else:
            size.dim_value = expected
