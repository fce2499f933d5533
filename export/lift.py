"""An ONNX graph lifted to float64: the reference where there is nothing but a file.

Every float32 tensor, type and cast of the file becomes float64; the graph is run by onnx's reference evaluator. Its float32
reference is the file as it is, run by the same evaluator.
"""

from __future__ import annotations

from collections.abc import Iterator
from pathlib import Path

import numpy as np
import onnx
from onnx import AttributeProto, GraphProto, ModelProto, TensorProto, numpy_helper
from onnx.reference import ReferenceEvaluator

from export.inputs import Case, few_cases, num_rows
from zoo.errors import ArtifactError, ParityError
from zoo.spec import Arrays, Graph

_CASTS = {"Cast": "to", "EyeLike": "dtype", "RandomNormalLike": "dtype", "SequenceEmpty": "dtype", "Bernoulli": "dtype"}


class FileReference:
    """float64 and float32 outputs of an ONNX file."""

    def __init__(self, path: Path) -> None:
        """Raises ArtifactError where the file cannot be read."""
        model = read_model(path)
        self._single, self._double = ReferenceEvaluator(model), ReferenceEvaluator(lift(model))

    def ref64(self, graph: Graph, inputs: Arrays) -> Arrays:
        wide = {
            port.name: inputs[port.name].astype(np.float64) if port.is_float else inputs[port.name] for port in graph.inputs
        }
        return _run(self._double, graph, wide)

    def floor_cases(self, cases: list[Case]) -> list[Case]:
        """Cases with 64 rows of each kind or a few more: the evaluator is slow."""
        return few_cases(cases)

    def pairs(self, graph: Graph, inputs: Arrays) -> list[tuple[Arrays, Arrays]]:
        return [(_run(self._single, graph, inputs), self.ref64(graph, inputs))]

    def unsteady_rows(self, graph: Graph, inputs: Arrays) -> np.ndarray:
        return np.zeros(num_rows(next(iter(inputs.values()))), dtype=bool)


def read_model(path: Path) -> ModelProto:
    """The model of a file whose external data, if any, lie beside it.

    Raises ArtifactError for a missing, truncated or malformed file, and for external data outside its folder or behind
    a link.
    """
    if not path.is_file():
        raise ArtifactError(f"There is no file {path}; name an ONNX file.")
    try:
        model = onnx.load(path, load_external_data=False)
    except Exception as error:  # protobuf raises a type of its own
        raise ArtifactError(f"{path} is no ONNX file, or is cut short ({error}); export it again.") from error
    if not model.graph.node:
        raise ArtifactError(f"{path} holds no node; export it again.")
    for tensor in _tensors(model.graph):
        for entry in tensor.external_data:
            if entry.key == "location":
                _check_location(path, tensor.name, entry.value)
    try:
        onnx.load_external_data_for_model(model, str(path.parent))
    except Exception as error:
        raise ArtifactError(f"The external data of {path} cannot be read ({error}); fetch them again.") from error
    return model


def _check_location(path: Path, tensor: str, location: str) -> None:
    target = path.parent / location
    if Path(location).is_absolute() or ".." in Path(location).parts:
        raise ArtifactError(f"Tensor {tensor!r} of {path} lies at {location!r}, outside the file's folder; move it there.")
    if any(
        part.is_symlink() for part in (target, *target.parents) if part.is_relative_to(path.parent) and part != path.parent
    ):
        raise ArtifactError(f"Tensor {tensor!r} of {path} lies behind the link {location!r}; put the file itself there.")
    if not target.is_file():
        raise ArtifactError(f"Tensor {tensor!r} of {path} lies in {location!r}, which does not exist; fetch it again.")


def lift(model: ModelProto) -> ModelProto:
    """A copy that computes in float64 wherever `model` computes in float32."""
    wide = ModelProto()
    wide.CopyFrom(model)
    _lift_graph(wide.graph)
    return wide


def _lift_graph(graph: GraphProto) -> None:
    for tensor in graph.initializer:
        _lift_tensor(tensor)
    for value in (*graph.input, *graph.output, *graph.value_info):
        if value.type.tensor_type.elem_type == TensorProto.FLOAT:
            value.type.tensor_type.elem_type = TensorProto.DOUBLE
    for node in graph.node:
        for attribute in node.attribute:
            if attribute.type == AttributeProto.TENSOR:
                _lift_tensor(attribute.t)
            elif attribute.type == AttributeProto.GRAPH:
                _lift_graph(attribute.g)
            elif attribute.name == _CASTS.get(node.op_type) and attribute.i == TensorProto.FLOAT:
                attribute.i = TensorProto.DOUBLE
        if node.op_type == "Constant":
            _lift_constant(node)
        elif node.op_type == "ConstantOfShape" and not node.attribute:
            zero = numpy_helper.from_array(np.zeros(1, dtype=np.float64))
            node.attribute.append(onnx.helper.make_attribute("value", zero))


def _lift_constant(node: onnx.NodeProto) -> None:
    """`value_float` and `value_floats` can hold float32 only: they become tensors."""
    for attribute in list(node.attribute):
        if attribute.name in ("value_float", "value_floats"):
            value = attribute.f if attribute.name == "value_float" else list(attribute.floats)
            node.attribute.remove(attribute)
            node.attribute.append(onnx.helper.make_attribute("value", numpy_helper.from_array(np.array(value, np.float64))))


def _lift_tensor(tensor: TensorProto) -> None:
    if tensor.data_type == TensorProto.FLOAT:
        name = tensor.name
        tensor.CopyFrom(numpy_helper.from_array(numpy_helper.to_array(tensor).astype(np.float64), name))


def _tensors(graph: GraphProto) -> Iterator[TensorProto]:
    yield from graph.initializer
    for node in graph.node:
        for attribute in node.attribute:
            if attribute.type == AttributeProto.TENSOR:
                yield attribute.t
            elif attribute.type == AttributeProto.GRAPH:
                yield from _tensors(attribute.g)


def _run(evaluator: ReferenceEvaluator, graph: Graph, inputs: Arrays) -> Arrays:
    names = [port.name for port in graph.outputs]
    try:
        return dict(zip(names, map(np.asarray, evaluator.run(names, inputs)), strict=True))
    except Exception as error:  # operators of the evaluator raise what NumPy raises
        reason = str(error).strip().splitlines()[0][:200]
        raise ParityError(f"onnx's reference evaluator cannot run graph {graph.name!r}: {reason}") from error
