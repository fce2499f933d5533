"""Faults of the graph: each changes the model in place and says where, or finds no place."""

from __future__ import annotations

import numpy as np
import onnxruntime
from onnx import ModelProto, NodeProto, TensorProto
from onnx.helper import make_node, make_tensor_value_info

from benchmarks.parity import surgery
from benchmarks.parity.surgery import attribute, become, insert_after, insert_before, nodes, set_attribute, store
from benchmarks.parity.weight_faults import Plant, Rng
from export.inputs import draw
from export.torch_exporter import example_sizes
from zoo.spec import Graph

ACTIVATIONS: dict[str, tuple[str, dict[str, object]]] = {
    "Relu": ("LeakyRelu", {"alpha": 0.01}),
    "LeakyRelu": ("LeakyRelu", {"alpha": 0.01}),
    "Elu": ("Celu", {"alpha": 0.5}),
    "Tanh": ("Softsign", {}),
    "Sigmoid": ("HardSigmoid", {}),
    "HardSwish": ("Mish", {}),
    "Softplus": ("Relu", {}),
    "Gelu": ("Mish", {}),
}


def _pick(found: list[NodeProto], rng: Rng) -> NodeProto | None:
    return found[int(rng.integers(len(found)))] if found else None


def _name(node: NodeProto) -> str:
    return f"{node.op_type} {node.name or node.output[0]}"


def swap_activation(model: ModelProto, graph: Graph, rng: Rng) -> str | None:
    node = _pick(nodes(model, *ACTIVATIONS), rng)
    if node is None:
        return None
    where = _name(node)
    op_type, attributes = ACTIVATIONS[node.op_type]
    become(node, op_type, **attributes)
    return where


def tanh_gelu(model: ModelProto, graph: Graph, rng: Rng) -> str | None:
    node = _pick(nodes(model, "Gelu"), rng)
    if node is None:
        return None
    set_attribute(node, "approximate", "tanh")
    return _name(node)


def wrong_epsilon(model: ModelProto, graph: Graph, rng: Rng) -> str | None:
    """A hundred times the epsilon of one norm; a norm that was folded away is damaged in the source instead."""
    node = _pick(nodes(model, "LayerNormalization", "BatchNormalization", "InstanceNormalization"), rng)
    if node is None:
        return None
    set_attribute(node, "epsilon", 100 * float(attribute(node, "epsilon", 1e-5)))
    return _name(node)


def train_dropout(model: ModelProto, graph: Graph, rng: Rng) -> str | None:
    """Dropout that is still on, with a share of 0.1."""
    value = _hidden(model, rng)
    if value is None:
        return None
    store(model, "drop/ratio", np.float32(0.1))
    store(model, "drop/training", np.bool_(True))
    insert_after(model, value, [make_node("Dropout", ["in", "drop/ratio", "drop/training"], ["out"], seed=1)])
    return value


def half_hidden(model: ModelProto, graph: Graph, rng: Rng) -> str | None:
    """A hidden value that passes through half precision."""
    value = _hidden(model, rng)
    if value is None:
        return None
    down = make_node("Cast", ["in"], ["small"], to=TensorProto.FLOAT16)
    insert_after(model, value, [down, make_node("Cast", ["small"], ["out"], to=TensorProto.FLOAT)])
    return value


def clamp_hidden(model: ModelProto, graph: Graph, rng: Rng) -> str | None:
    """A hidden value cut at nine tenths of the largest that 256 drawn rows show, as a bad calibration would."""
    value = _hidden(model, rng)
    if value is None:
        return None
    sizes = {**example_sizes(graph), **({graph.batch: 256} if graph.batch else {})}
    largest = 0.9 * float(np.abs(_observe(model, graph, value, sizes, rng)).max())
    store(model, "clamp/low", np.float32(-largest))
    store(model, "clamp/high", np.float32(largest))
    insert_after(model, value, [make_node("Clip", ["in", "clamp/low", "clamp/high"], ["out"])])
    return value


def leak_batch(model: ModelProto, graph: Graph, rng: Rng) -> str | None:
    """A thousandth of the batch's mean in place of the row's own: nothing changes for a row alone."""
    known = surgery.types(model)
    values = [value for value in surgery.hidden(model) if (known[value][1] or 0) > 1]
    if not values or graph.batch is None:
        return None
    value = str(rng.choice(values))
    store(model, "leak/axis", np.array([0]))
    store(model, "leak/share", np.float32(0.001))
    added = [
        make_node("ReduceMean", ["in", "leak/axis"], ["mean"]),
        make_node("Sub", ["mean", "in"], ["off"]),
        make_node("Mul", ["off", "leak/share"], ["part"]),
        make_node("Add", ["in", "part"], ["out"]),
    ]
    insert_after(model, value, added)
    return value


def wrong_layout(model: ModelProto, graph: Graph, rng: Rng) -> str | None:
    """Channels last where a picture is made flat, as TensorFlow stores it."""
    known = surgery.types(model)
    ranks = {name: rank for name, (_, rank) in known.items()}
    flat = [n for n in nodes(model, "Reshape", "Flatten") if (ranks.get(n.input[0]), ranks.get(n.output[0])) == (4, 2)]
    node = _pick(flat, rng)
    if node is None:
        return None
    insert_before(model, node, 0, [make_node("Transpose", ["in"], ["out"], perm=[0, 2, 3, 1])])
    return _name(node)


def wrong_transpose(model: ModelProto, graph: Graph, rng: Rng) -> str | None:
    node = _pick(nodes(model, "Transpose"), rng)
    if node is None:
        return None
    order = list(attribute(node, "perm"))
    first, second = rng.choice(len(order), 2, replace=False)
    order[first], order[second] = order[second], order[first]
    set_attribute(node, "perm", order)
    return _name(node)


def wrong_softmax_axis(model: ModelProto, graph: Graph, rng: Rng) -> str | None:
    known = surgery.types(model)
    node = _pick([n for n in nodes(model, "Softmax", "LogSoftmax") if (known[n.input[0]][1] or 0) > 1], rng)
    if node is None:
        return None
    set_attribute(node, "axis", (known[node.input[0]][1] or 2) - 2)
    return _name(node)


def old_softmax(model: ModelProto, graph: Graph, rng: Rng) -> str | None:
    """Softmax as before opset 13: over everything but the first axis."""
    known = surgery.types(model)
    node = _pick([n for n in nodes(model, "Softmax", "LogSoftmax") if (known[n.input[0]][1] or 0) > 2], rng)
    if node is None:
        return None
    where, source, value = _name(node), node.input[0], node.output[0]
    insert_before(model, node, 0, [make_node("Flatten", ["in"], ["out"], axis=1)])
    set_attribute(node, "axis", 1)
    shape = make_node("Shape", [source], ["full"])
    insert_after(model, value, [shape, make_node("Reshape", ["in", "full"], ["out"])])
    return where


def uneven_padding(model: ModelProto, graph: Graph, rng: Rng) -> str | None:
    """All padding at one end, as another framework's "same" has it."""
    found = [n for n in nodes(model, "Conv", "ConvTranspose", "MaxPool", "AveragePool") if any(attribute(n, "pads", [0]))]
    node = _pick(found, rng)
    if node is None:
        return None
    pads = list(attribute(node, "pads"))
    sides = len(pads) // 2
    both = [pads[i] + pads[sides + i] for i in range(sides)]
    set_attribute(node, "pads", [0] * sides + both)
    return _name(node)


def wrong_border(model: ModelProto, graph: Graph, rng: Rng) -> str | None:
    """Edge values where the border is reflected."""
    node = _pick([n for n in nodes(model, "Pad") if attribute(n, "mode") == b"reflect"], rng)
    if node is None:
        return None
    set_attribute(node, "mode", "edge")
    return _name(node)


def average_pool(model: ModelProto, graph: Graph, rng: Rng) -> str | None:
    node = _pick(nodes(model, "MaxPool"), rng)
    if node is None:
        return None
    where = _name(node)
    kept = {name: attribute(node, name) for name in ("kernel_shape", "strides", "pads") if attribute(node, name)}
    become(node, "AveragePool", **kept)
    return where


def wrong_interpolation(model: ModelProto, graph: Graph, rng: Rng) -> str | None:
    node = _pick(nodes(model, "Resize"), rng)
    if node is None:
        return None
    set_attribute(node, "coordinate_transformation_mode", "asymmetric")
    return _name(node)


def reset_early(model: ModelProto, graph: Graph, rng: Rng) -> str | None:
    """The reset gate applied before the product, as Cho et al. have it and PyTorch has not."""
    node = _pick(nodes(model, "GRU"), rng)
    if node is None:
        return None
    set_attribute(node, "linear_before_reset", 0)
    return _name(node)


def drop_residual(model: ModelProto, graph: Graph, rng: Rng) -> str | None:
    alive = {*surgery.hidden(model), *(value.name for value in model.graph.input)}
    node = _pick([n for n in nodes(model, "Add") if set(n.input) <= alive], rng)
    if node is None:
        return None
    where = _name(node)
    del node.input[int(rng.integers(2))]
    node.op_type = "Identity"
    return where


def swap_operands(model: ModelProto, graph: Graph, rng: Rng) -> str | None:
    alive = set(surgery.hidden(model))
    node = _pick([n for n in nodes(model, "Sub", "Div", "Concat") if len(n.input) == 2 and alive & set(n.input)], rng)
    if node is None:
        return None
    node.input[0], node.input[1] = node.input[1], node.input[0]
    return _name(node)


def drop_bias(model: ModelProto, graph: Graph, rng: Rng) -> str | None:
    node = _pick([n for n in nodes(model, "Gemm", "Conv", "ConvTranspose") if len(n.input) == 3], rng)
    if node is None:
        return None
    del node.input[2]
    return _name(node)


def drop_guard(model: ModelProto, graph: Graph, rng: Rng) -> str | None:
    """What keeps a divisor from zero left out."""
    divisors = {node.input[1] for node in nodes(model, "Div", "Expand")} | {node.input[0] for node in nodes(model, "Expand")}
    node = _pick([n for n in nodes(model, "Max", "Clip") if n.output[0] in divisors], rng)
    if node is None:
        return None
    where = _name(node)
    del node.input[1:]
    become(node, "Identity")
    return where


def freeze_batch(model: ModelProto, graph: Graph, rng: Rng) -> str | None:
    """A reshape to the sizes that the exporter's example had."""
    node = _pick(nodes(model, "Reshape", "Expand"), rng)
    if node is None:
        return None
    store(model, "frozen/shape", _observe(model, graph, node.output[0], example_sizes(graph), rng, shape=True))
    node.input[1] = "frozen/shape"
    return _name(node)


def declare_batch(model: ModelProto, graph: Graph, rng: Rng) -> str | None:
    """A first axis that the file declares as one long."""
    for value in model.graph.input:
        if value.type.tensor_type.shape.dim[0].dim_param:
            value.type.tensor_type.shape.dim[0].dim_value = 1
            return value.name
    return None


def cut_steps(model: ModelProto, graph: Graph, rng: Rng) -> str | None:
    """Everything after the example's number of steps left out."""
    for port in graph.inputs:
        for axis, size in enumerate(port.shape):
            if isinstance(size, str) and size != graph.batch and port.is_float and port.role == "data":
                high = graph.axis(size).high or 16
                for name, number in (("start", 0), ("end", max(2, high // 2)), ("axis", axis)):
                    store(model, f"cut/{name}", np.array([number]))
                cut = make_node("Slice", ["in", "cut/start", "cut/end", "cut/axis"], ["out"])
                surgery.replace_input(model, port.name, [cut])
                return port.name
    return None


def normalise_twice(model: ModelProto, graph: Graph, rng: Rng) -> str | None:
    """An input that is scaled by 1.01 on its way in: a preprocessing constant of another library."""
    ports = [port.name for port in graph.inputs if port.is_float]
    if not ports or not model.graph.initializer:
        return None
    store(model, "input/scale", np.float32(1.01))
    port = str(rng.choice(ports))
    surgery.replace_input(model, port, [make_node("Mul", ["in", "input/scale"], ["out"])])
    return port


def _hidden(model: ModelProto, rng: Rng) -> str | None:
    values = surgery.hidden(model)
    return str(rng.choice(values)) if values else None


def _observe(
    model: ModelProto, graph: Graph, value: str, sizes: dict[str, int], rng: Rng, *, shape: bool = False
) -> np.ndarray:
    """A value, or its shape, when drawn inputs of these sizes enter the graph."""
    probed = surgery.copy(model)
    if value not in [output.name for output in probed.graph.output]:
        probed.graph.output.append(make_tensor_value_info(value, surgery.types(model)[value][0], None))
    options = onnxruntime.SessionOptions()
    options.intra_op_num_threads = 1
    session = onnxruntime.InferenceSession(probed.SerializeToString(), options, providers=["CPUExecutionProvider"])
    (found,) = session.run([value], draw(graph, sizes, rng))
    return np.array(found.shape) if shape else found


GRAPH_FAULTS: dict[str, Plant] = {
    "activation swapped": swap_activation,
    "tanh-GELU for GELU": tanh_gelu,
    "wrong epsilon": wrong_epsilon,
    "dropout in training mode": train_dropout,
    "hidden value rounded to half precision": half_hidden,
    "hidden value clamped": clamp_hidden,
    "rows of a batch mixed": leak_batch,
    "flattened in the wrong layout": wrong_layout,
    "wrong transpose": wrong_transpose,
    "wrong softmax axis": wrong_softmax_axis,
    "softmax of an old opset": old_softmax,
    "uneven padding": uneven_padding,
    "wrong border": wrong_border,
    "average for maximum": average_pool,
    "wrong interpolation": wrong_interpolation,
    "reset gate applied early": reset_early,
    "residual dropped": drop_residual,
    "operands swapped": swap_operands,
    "bias left out": drop_bias,
    "guard of a division left out": drop_guard,
    "frozen batch": freeze_batch,
    "batch declared as one": declare_batch,
    "steps cut off": cut_steps,
    "input scaled by 1.01": normalise_twice,
}
