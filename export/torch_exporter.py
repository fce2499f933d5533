"""A torch module's graph as ONNX, by `torch.export`."""

from __future__ import annotations

import contextlib
import io
import logging
import warnings
from collections.abc import Iterator
from typing import Any

import onnx
import torch
from torch import nn

from zoo.errors import ExportError
from zoo.spec import Graph, Port

_NOISY = ("torch.onnx", "torch.onnx._internal.exporter._registration", "onnxscript", "onnx_ir")
_LOCAL = ("pkg.torch.onnx.stack_trace", "pkg.torch.onnx.fx_node")  # hold absolute paths of this machine
_SCOPES = ("pkg.torch.onnx.name_scopes", "pkg.torch.onnx.class_hierarchy")


class View(nn.Module):
    """The original seen through one of its methods; holds it, and adds nothing."""

    def __init__(self, original: nn.Module, method: str) -> None:
        super().__init__()
        self.original = original
        self._method = method

    def forward(self, *inputs: torch.Tensor) -> Any:
        return getattr(self.original, self._method)(*inputs)


def export_module(module: nn.Module, graph: Graph, opset: int) -> onnx.ModelProto:
    """The graph of `module` (in float32, on the CPU) with the free axes of its ports. Raises ExportError."""
    model: onnx.ModelProto = trace_module(module, graph, opset).model_proto
    strip_local(model)
    return model


def trace_module(module: nn.Module, graph: Graph, opset: int) -> torch.onnx.ONNXProgram:
    """The exporter's program: the conversion together with the trace that it was made from. Raises ExportError."""
    _forget_recurrent_shapes()
    with _quiet(), torch.no_grad():  # else a loop's body is traced a second time, for gradients
        try:
            program = torch.onnx.export(
                View(module.eval(), graph.methods[0]),
                tuple(example_tensor(graph, port) for port in graph.inputs),
                dynamo=True,
                dynamic_shapes=(tuple(_dynamic_axes(port) for port in graph.inputs),),
                input_names=[port.name for port in graph.inputs],
                output_names=[port.name for port in graph.outputs],
                opset_version=opset,
                external_data=False,
                verbose=False,
            )
        except Exception as error:  # the exporter wraps whatever its passes raise
            reason = str(error).strip().splitlines()[0]
            raise ExportError(f"torch.export cannot trace graph {graph.name!r}: {reason}") from error
    if program is None:
        raise ExportError(f"torch.onnx.export returned no program for graph {graph.name!r}.")
    return program


def example_sizes(graph: Graph) -> dict[str, int]:
    """A different size for every free axis, none of them 1, within its bounds where they leave room."""
    sizes: dict[str, int] = {}
    for number, name in enumerate(graph.free_axes):
        axis = graph.axis(name)
        size = max(axis.low, 3 + 2 * number)
        sizes[name] = size if axis.high is None else min(size, axis.high)
    return sizes


def example_tensor(graph: Graph, port: Port) -> torch.Tensor:
    sizes = example_sizes(graph)
    shape = [size if isinstance(size, int) else sizes[size] for size in port.shape]
    if port.is_float:
        return torch.full(shape, 0.5, dtype=getattr(torch, port.dtype))
    return torch.full(shape, int(max(port.low or 0, 1 if port.role == "length" else 0)), dtype=getattr(torch, port.dtype))


def _dynamic_axes(port: Port) -> dict[int, str]:
    return {number: size for number, size in enumerate(port.shape) if isinstance(size, str)}


def _forget_recurrent_shapes() -> None:
    """A second network of one kind would keep the first one's sequence length: drop the stale entries of the cache."""
    operators = torch.ops.aten
    for recurrent in (operators.lstm, operators.gru, operators.rnn_tanh, operators.rnn_relu):
        cache = getattr(recurrent.input, "_dispatch_cache", None)
        if cache is not None:
            cache.clear()


def strip_local(model: onnx.ModelProto) -> None:
    """Remove what names local files, and what is empty; keep the map from nodes to module paths, seen from the original."""
    _strip_graph(model.graph)


def _strip_graph(graph: onnx.GraphProto) -> None:
    for node in graph.node:
        kept = [(entry.key, entry.value) for entry in node.metadata_props if entry.key in _SCOPES]
        del node.metadata_props[:]
        for key, value in kept:
            node.metadata_props.add(key=key, value=value.replace("original.", "").replace("'original'", "''"))
        node.doc_string = ""
        for attribute in list(node.attribute):
            if node.op_type == "Scan" and attribute.type == onnx.AttributeProto.INTS and not attribute.ints:
                node.attribute.remove(attribute)  # nothing, as where it is left out; onnx's own tools cannot copy it
        for attribute in node.attribute:
            if attribute.type == onnx.AttributeProto.GRAPH:  # the body of a loop
                _strip_graph(attribute.g)
    for values in (graph.input, graph.output, graph.value_info, graph.initializer):
        for value in values:
            for key in _LOCAL:
                for entry in [entry for entry in value.metadata_props if entry.key == key]:
                    value.metadata_props.remove(entry)


@contextlib.contextmanager
def _quiet() -> Iterator[None]:
    """The exporter's advice about torchvision and its progress marks are not for our users."""
    levels = {name: logging.getLogger(name).level for name in _NOISY}
    for name in _NOISY:
        logging.getLogger(name).setLevel(logging.ERROR)
    try:
        with warnings.catch_warnings(), contextlib.redirect_stdout(io.StringIO()):
            warnings.simplefilter("ignore")
            yield
    finally:
        for name, level in levels.items():
            logging.getLogger(name).setLevel(level)
