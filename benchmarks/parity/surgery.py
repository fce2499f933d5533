"""Editing ONNX graphs: finding tensors and nodes, replacing them, putting nodes between others."""

from __future__ import annotations

from collections.abc import Sequence

import numpy as np
import onnx
from onnx import ModelProto, NodeProto, TensorProto, helper, numpy_helper


def copy(model: ModelProto) -> ModelProto:
    other = ModelProto()
    other.CopyFrom(model)
    return other


def floats(model: ModelProto) -> dict[str, np.ndarray]:
    """The float32 tensors that the file stores."""
    stored = (tensor for tensor in model.graph.initializer if tensor.data_type == TensorProto.FLOAT)
    return {tensor.name: numpy_helper.to_array(tensor) for tensor in stored}


def weights(model: ModelProto) -> list[str]:
    """Names of stored tensors with two axes or more."""
    return [name for name, array in floats(model).items() if array.ndim > 1 and array.size > 3]


def vectors(model: ModelProto) -> list[str]:
    """Names of stored tensors with one axis: biases, scales of norms."""
    return [name for name, array in floats(model).items() if array.ndim == 1]


def store(model: ModelProto, name: str, array: np.ndarray) -> None:
    """Replace the tensor of this name, or add it."""
    tensor = numpy_helper.from_array(np.ascontiguousarray(array), name)
    for stored in model.graph.initializer:
        if stored.name == name:
            stored.CopyFrom(tensor)
            return
    model.graph.initializer.append(tensor)


def nodes(model: ModelProto, *op_types: str) -> list[NodeProto]:
    return [node for node in model.graph.node if node.op_type in op_types]


def attribute(node: NodeProto, name: str, default: object = None) -> object:
    return next((helper.get_attribute_value(each) for each in node.attribute if each.name == name), default)


def set_attribute(node: NodeProto, name: str, value: object) -> None:
    for each in [each for each in node.attribute if each.name == name]:
        node.attribute.remove(each)
    node.attribute.append(helper.make_attribute(name, value))


def become(node: NodeProto, op_type: str, **attributes: object) -> None:
    """Make the node another operator on the same inputs and outputs."""
    node.op_type = op_type
    del node.attribute[:]
    for name, value in attributes.items():
        node.attribute.append(helper.make_attribute(name, value))


def insert_before(model: ModelProto, node: NodeProto, number: int, added: Sequence[NodeProto]) -> None:
    """Let input `number` of `node` come from `added`, of which the first reads "in" and the last writes "out"."""
    place = next(index for index, each in enumerate(model.graph.node) if each is node or each == node)
    source, target = node.input[number], f"{node.output[0]}/edited/{number}"
    _connect(added, source, target, target)
    node.input[number] = target
    for index, each in enumerate(added):
        model.graph.node.insert(place + index, each)


def insert_after(model: ModelProto, value: str, added: Sequence[NodeProto]) -> None:
    """Let whoever reads `value`, the graph's outputs too, read what `added` makes of it."""
    place, producer = next((i, node) for i, node in enumerate(model.graph.node) if value in node.output)
    raw = f"{value}/raw"
    producer.output[list(producer.output).index(value)] = raw
    _connect(added, raw, value, raw)
    for index, each in enumerate(added):
        model.graph.node.insert(place + 1 + index, each)


def replace_input(model: ModelProto, value: str, added: Sequence[NodeProto]) -> None:
    """Let whoever reads the graph's input `value` read what `added` makes of it."""
    changed = f"{value}/changed"
    for node in model.graph.node:
        for number, name in enumerate(node.input):
            if name == value:
                node.input[number] = changed
    _connect(added, value, changed, changed)
    for index, each in enumerate(added):
        model.graph.node.insert(index, each)


def types(model: ModelProto) -> dict[str, tuple[int, int | None]]:
    """Element type and rank of every value that shape inference knows."""
    inferred = onnx.shape_inference.infer_shapes(model).graph
    found = {}
    for value in (*inferred.input, *inferred.value_info, *inferred.output):
        tensor = value.type.tensor_type
        found[value.name] = (tensor.elem_type, len(tensor.shape.dim) if tensor.HasField("shape") else None)
    return found


def hidden(model: ModelProto) -> list[str]:
    """Float values between the first and the last node that depend on the inputs."""
    known, outputs = types(model), {value.name for value in model.graph.output}
    stored = {tensor.name for tensor in model.graph.initializer}
    from_input = {value.name for value in model.graph.input} - stored
    found = []
    for node in model.graph.node:
        if node.op_type not in ("Shape", "Size") and from_input & set(node.input):
            from_input |= set(node.output)
            if node.output[0] not in outputs and known.get(node.output[0], (0, 0))[0] == TensorProto.FLOAT:
                found.append(node.output[0])
    return found


def _connect(added: Sequence[NodeProto], source: str, target: str, prefix: str) -> None:
    """Give the names "in" and "out" their values, and every other name but stored ones a prefix of its own."""
    made = {name for node in added for name in node.output}
    for node in added:
        for names in (node.input, node.output):
            for number, name in enumerate(names):
                if name == "in":
                    names[number] = source
                elif name == "out":
                    names[number] = target
                elif name in made:
                    names[number] = f"{prefix}/{name}"
