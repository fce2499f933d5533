"""Faults planted in a known layer of many networks: that layer must be named, and nothing where all is right."""

import math
import shutil
from functools import cache

import numpy as np
import onnx
import onnxruntime
import pytest
import torch
import torch.nn.functional as F
from onnx import helper, numpy_helper
from torch import nn

from export.bisect import bisect, bisect_module, first_divergence
from export.bisect_sources import EstimatorSource, TraceSource
from export.bisect_values import ValueReference
from export.reference import EstimatorReference
from export.torch_exporter import export_module
from zoo.errors import ArtifactError, CheckpointError, DataError, SpecError, UnknownNameError
from zoo.manifest import Manifest
from zoo.run import save_arrays
from zoo.spec import Graph, Port

OPSET = 20


# Networks of the test, beside the zoo's families


class Block(nn.Module):
    """Pre-activation residual block, whose normalisation cannot be folded into a convolution."""

    def __init__(self, channels):
        super().__init__()
        self.norm = nn.BatchNorm2d(channels, eps=1e-3)
        self.conv = nn.Conv2d(channels, channels, 3, padding=1)

    def forward(self, x):
        return x + self.conv(F.relu(self.norm(x)))


class Residual(nn.Module):
    def __init__(self):
        super().__init__()
        self.stem = nn.Conv2d(2, 4, 3, padding=1)
        self.layer1 = nn.Sequential(Block(4), Block(4))
        self.fc = nn.Linear(4, 3)

    def forward(self, x):
        return self.fc(self.layer1(self.stem(x)).mean((2, 3)))


class Transformer(nn.Module):
    def __init__(self):
        super().__init__()
        self.embed = nn.Linear(3, 8)
        self.layer = nn.TransformerEncoderLayer(8, 2, 12, activation="gelu", batch_first=True, norm_first=True)
        self.norm = nn.LayerNorm(8)
        self.head = nn.Linear(8, 2)

    def forward(self, x):
        return self.head(self.norm(self.layer(self.embed(x)))[:, 0])


class UNet(nn.Module):
    def __init__(self):
        super().__init__()
        self.down = nn.Sequential(nn.Conv2d(1, 4, 3, padding=1), nn.SiLU())
        self.middle = nn.Sequential(nn.Conv2d(4, 6, 3, stride=2, padding=1), nn.GroupNorm(2, 6), nn.SiLU())
        self.up = nn.ConvTranspose2d(6, 4, 2, stride=2)
        self.merge = nn.Conv2d(8, 4, 3, padding=1)
        self.out = nn.Conv2d(4, 1, 1)

    def forward(self, x):
        skip = self.down(x)
        return self.out(F.relu(self.merge(torch.cat([self.up(self.middle(skip)), skip], 1))))


class Gated(nn.Module):
    def __init__(self):
        super().__init__()
        self.embed = nn.Embedding(7, 5)
        self.gru = nn.GRU(5, 6, batch_first=True)
        self.head = nn.Linear(6, 3)

    def forward(self, tokens):
        return self.head(self.gru(self.embed(tokens))[0][:, -1])


class Depthwise(nn.Module):
    def __init__(self):
        super().__init__()
        self.depth = nn.Conv2d(4, 4, 3, padding=1, groups=4)
        self.point = nn.Conv2d(4, 6, 1)
        self.act = nn.Hardswish()
        self.squeeze = nn.Linear(6, 2)
        self.excite = nn.Linear(2, 6)
        self.fc = nn.Linear(6, 3)

    def forward(self, x):
        x = self.act(self.point(self.depth(x)))
        gate = torch.sigmoid(self.excite(F.relu(self.squeeze(x.mean((2, 3))))))
        return self.fc((x * gate[:, :, None, None]).mean((2, 3)))


class Branches(nn.Module):
    def __init__(self):
        super().__init__()
        self.left = nn.Sequential(nn.Linear(6, 5), nn.Tanh(), nn.Linear(5, 4))
        self.right = nn.Sequential(nn.Linear(6, 5), nn.ReLU(), nn.Linear(5, 4))
        self.join = nn.Bilinear(4, 4, 3)
        self.score = nn.Linear(3, 1)

    def forward(self, x):
        joint = self.join(self.left(x), self.right(x))
        return joint, self.score(F.softplus(joint))


class FoldedNorm(nn.Module):
    def __init__(self):
        super().__init__()
        self.features = nn.Sequential(
            nn.Conv2d(1, 3, 3, bias=False), nn.BatchNorm2d(3), nn.ReLU(), nn.Conv2d(3, 4, 3), nn.BatchNorm2d(4), nn.ELU()
        )
        self.fc = nn.Linear(4 * 16, 2)

    def forward(self, x):
        return self.fc(self.features(x).flatten(1))


class Shared(nn.Module):
    """One layer that is called three times, and an attention over the results."""

    def __init__(self):
        super().__init__()
        self.cell = nn.Linear(4, 4)
        self.attention = nn.MultiheadAttention(4, 2, batch_first=True)
        self.head = nn.Linear(4, 2)

    def forward(self, x):
        first = torch.tanh(self.cell(x))
        second = torch.tanh(self.cell(first))
        states = torch.stack([x, first, second], 1)
        return self.head(self.attention(states, states, states, need_weights=False)[0].mean(1))


class Deep(nn.Module):
    """Sixteen layers in a row: a long way to bisect."""

    def __init__(self):
        super().__init__()
        self.layers = nn.Sequential(*(nn.Sequential(nn.Linear(6, 6), nn.ReLU(), nn.LayerNorm(6)) for _ in range(16)))

    def forward(self, x):
        return self.layers(x)


class Traitor(nn.Module):
    """A layer that computes something else while it is exported."""

    def __init__(self):
        super().__init__()
        self.first = nn.Linear(4, 4)
        self.sneaky = Sneaky()
        self.last = nn.Linear(4, 2)

    def forward(self, x):
        return self.last(self.sneaky(self.first(x)))


class Sneaky(nn.Module):
    def forward(self, x):
        return F.relu(x) if torch.compiler.is_exporting() else F.gelu(x)


def graph_of(*shape, outputs=("y",), ranks=(2,), dtype="float32", high=2.0):
    low = 0 if dtype == "int64" else -high
    x = Port(name="x", dtype=dtype, shape=("batch", *shape), low=low, high=high)
    sizes = {port: tuple(f"{port}{axis}" for axis in range(1, rank)) for port, rank in zip(outputs, ranks, strict=True)}
    ports = tuple(Port(name=port, dtype="float32", shape=("batch", *sizes[port])) for port in outputs)
    return Graph(inputs=(x,), outputs=ports)


NETWORKS = {
    "residual": (Residual, graph_of(2, 6, 6)),
    "transformer": (Transformer, graph_of("time", 3)),
    "u-net": (UNet, graph_of(1, 8, 8, ranks=(4,))),
    "gru": (Gated, graph_of("time", dtype="int64", high=6)),
    "depthwise": (Depthwise, graph_of(4, 5, 5)),
    "branches": (Branches, graph_of(6, outputs=("joint", "score"), ranks=(2, 2))),
    "folded": (FoldedNorm, graph_of(1, 8, 8)),
    "shared": (Shared, graph_of(4)),
    "deep": (Deep, graph_of(6)),
}
FAMILIES = ("convnet", "lenet5", "mlp", "lstm", "vae/encode", "vae/decode", "softmax-regression", "random-forest")
ALL = (*NETWORKS, *FAMILIES)


@pytest.fixture(scope="module", autouse=True)
def _one_thread():
    threads = torch.get_num_threads()
    torch.set_num_threads(1)
    yield
    torch.set_num_threads(threads)


def build(make):
    """A network with random weights and, in its normalisations, random statistics."""
    torch.manual_seed(0)
    module = make().eval()
    for part in module.modules():
        if isinstance(part, nn.BatchNorm2d | nn.LayerNorm | nn.GroupNorm):
            nn.init.normal_(part.weight, 1, 0.2)
            nn.init.normal_(part.bias, 0, 0.2)
        if isinstance(part, nn.BatchNorm2d):
            nn.init.normal_(part.running_mean, 0, 0.2)
            nn.init.uniform_(part.running_var, 0.5, 2)
    return module


@pytest.fixture(scope="module")
def prepared(tiny_export):
    """`prepared(name)`: the reference of a network and the bytes of its exported graph, each made once."""

    @cache
    def make(name):
        if name in NETWORKS:
            factory, graph = NETWORKS[name]
            source = TraceSource(build(factory), graph, OPSET)
            content = source.model.SerializeToString()
        else:
            family, _, graph_name = name.partition("/")
            made = tiny_export(family)
            graph = made.original.graph(graph_name or "predict")
            content = made.files[graph.name].read_bytes()
            source = (
                EstimatorSource(EstimatorReference(made.original), graph, OPSET)
                if made.original.family.kind == "estimator"
                else TraceSource(made.original.model, graph, OPSET)
            )
        return ValueReference(source, graph, {}, np.random.default_rng(0)), content

    return make


@pytest.fixture
def diverge(prepared, tmp_path):
    """`diverge(name, fault)`: the first divergence of the network's file after `fault` has changed it."""

    def run(name, fault=None):
        reference, content = prepared(name)
        model = onnx.load_from_string(content)
        if fault:
            fault(model)
        path = tmp_path / "graph.onnx"
        path.write_bytes(model.SerializeToString())
        found = first_divergence(path, reference)
        if found is not None:
            assert found.num_nodes == len(model.graph.node)
            assert found.openings <= math.ceil(math.log2(found.num_nodes)) + 1
        return found

    return run


# Faults


def weight(part, change):
    """Change the only float weight whose name has `part`, or the one of that exact name."""

    def fault(model):
        tensors = [each for each in model.graph.initializer if part in each.name]
        [tensor] = [each for each in tensors if each.name.endswith(part)] if len(tensors) > 1 else tensors
        array = np.array(change(numpy_helper.to_array(tensor)), dtype=np.float32)
        tensor.CopyFrom(numpy_helper.from_array(array, tensor.name))

    return fault


def operand(node, number, change):
    """Change the weight that is an input of the `number`-th node of this operator."""
    op, nth = node

    def fault(model):
        found = [each for each in model.graph.node if each.op_type == op][nth]
        weight(found.input[number], change)(model)

    return fault


def swap(one, other):
    def fault(model):
        first, second = (next(t for t in model.graph.initializer if t.name.endswith(name)) for name in (one, other))
        arrays = numpy_helper.to_array(second), numpy_helper.to_array(first)
        for tensor, array in zip((first, second), arrays, strict=True):
            tensor.CopyFrom(numpy_helper.from_array(array.copy(), tensor.name))

    return fault


def operator(op, nth, new, **attributes):
    """Let the `nth` node of this operator be another operator."""

    def fault(model):
        node = [each for each in model.graph.node if each.op_type == op][nth]
        node.op_type = new
        del node.attribute[:]
        node.attribute.extend(helper.make_attribute(name, value) for name, value in attributes.items())

    return fault


def attribute(op, nth, name, value):
    def fault(model):
        node = [each for each in model.graph.node if each.op_type == op][nth]
        for old in [each for each in node.attribute if each.name == name]:
            node.attribute.remove(old)
        node.attribute.append(helper.make_attribute(name, value))

    return fault


def bypass(op, nth):
    """Remove a node: what read its output reads its input."""

    def fault(model):
        node = [each for each in model.graph.node if each.op_type == op][nth]
        source, gone = node.input[0], node.output[0]
        model.graph.node.remove(node)
        for other in model.graph.node:
            for number, value in enumerate(other.input):
                other.input[number] = source if value == gone else value

    return fault


def absorb(op, nth):
    """Remove a node: the one before it computes its output."""

    def fault(model):
        node = [each for each in model.graph.node if each.op_type == op][nth]
        before = next(each for each in model.graph.node if node.input[0] in each.output)
        model.graph.node.remove(node)
        before.output[0] = node.output[0]

    return fault


def as_tanh_gelu(op, nth):
    """x σ(1.702 x) in place of an activation: several nodes for one."""

    def fault(model):
        number = [n for n, each in enumerate(model.graph.node) if each.op_type == op][nth]
        node = model.graph.node[number]
        x, y = node.input[0], node.output[0]
        model.graph.initializer.append(numpy_helper.from_array(np.float32(1.702), "slope"))
        nodes = [
            helper.make_node("Mul", [x, "slope"], ["steep"]),
            helper.make_node("Sigmoid", ["steep"], ["gate"]),
            helper.make_node("Mul", [x, "gate"], [y]),
        ]
        rest = list(model.graph.node)
        del model.graph.node[:]
        model.graph.node.extend([*rest[:number], *nodes, *rest[number + 1 :]])

    return fault


def scaled_after(op, nth):
    """A multiplication by 1.01 behind a node."""

    def fault(model):
        number = [n for n, each in enumerate(model.graph.node) if each.op_type == op][nth]
        node = model.graph.node[number]
        model.graph.initializer.append(numpy_helper.from_array(np.float32(1.01), "one_percent"))
        extra = helper.make_node("Mul", [node.output[0], "one_percent"], ["scaled"], name="extra")
        for other in list(model.graph.node)[number + 1 :]:
            for place, value in enumerate(other.input):
                other.input[place] = "scaled" if value == node.output[0] else value
        model.graph.node.insert(number + 1, extra)

    return fault


def scale(array):
    return array * 1.01


def zero(array):
    return array * 0


def shift(array):
    return array + 0.01


def one_entry(array):
    changed = array.copy()
    changed.flat[changed.size // 2] += 0.05
    return changed


# Network, where the fault is, the module that must be named, the operator that must be named (None: any)
FAULTS = [
    ("residual", weight("stem.weight", scale), "stem", "Conv"),
    ("residual", weight("layer1.1.conv.weight", one_entry), "layer1.1.conv", "Conv"),
    ("residual", swap("layer1.0.conv.weight", "layer1.1.conv.weight"), "layer1.0.conv", "Conv"),
    ("residual", attribute("BatchNormalization", 1, "epsilon", 0.1), "layer1.1.norm", "BatchNormalization"),
    ("residual", operator("Relu", 0, "LeakyRelu", alpha=0.01), "layer1.0", "LeakyRelu"),
    ("residual", bypass("Relu", 1), "layer1.1", "Conv"),
    ("residual", absorb("Relu", 1), "layer1.1", "BatchNormalization"),
    ("residual", attribute("Conv", 1, "pads", [2, 2, 0, 0]), "layer1.0.conv", "Conv"),
    ("transformer", attribute("LayerNormalization", 1, "epsilon", 0.01), "layer.norm2", "LayerNormalization"),
    ("transformer", attribute("Gelu", 0, "approximate", "tanh"), "layer", "Gelu"),
    ("transformer", operator("Softmax", 0, "Softmax", axis=-2), "layer.self_attn", "Softmax"),
    ("transformer", weight("self_attn.in_proj_bias", shift), "layer.self_attn", "Add"),
    ("transformer", operand(("MatMul", 0), 1, scale), "embed", "MatMul"),
    ("transformer", weight("linear2.bias", one_entry), "layer.linear2", "Add"),
    ("transformer", absorb("LayerNormalization", 2), "norm", None),
    ("transformer", weight("norm.bias", shift), "norm", "LayerNormalization"),
    ("u-net", weight("down.0.bias", shift), "down.0", "Conv"),
    ("u-net", weight("up.weight", scale), "up", "ConvTranspose"),
    ("u-net", weight("merge.weight", zero), "merge", "Conv"),
    ("u-net", attribute("Conv", 1, "pads", [0, 0, 1, 1]), "middle.0", "Conv"),
    ("u-net", attribute("Conv", 1, "pads", [0, 0, 0, 0]), "middle.0", "Conv"),
    ("u-net", operator("Relu", 0, "Elu", alpha=0.05), "", "Elu"),
    ("gru", weight("embed.weight", one_entry), "embed", "Gather"),
    ("gru", operand(("GRU", 0), 1, one_entry), "gru", "GRU"),
    ("gru", operand(("GRU", 0), 2, scale), "gru", "GRU"),
    ("gru", attribute("GRU", 0, "linear_before_reset", 0), "gru", "GRU"),
    ("gru", weight("head.bias", shift), "head", "Gemm"),
    ("depthwise", weight("depth.weight", one_entry), "depth", "Conv"),
    ("depthwise", weight("point.bias", shift), "point", "Conv"),
    ("depthwise", operator("HardSwish", 0, "Relu"), "act", "Relu"),
    ("depthwise", as_tanh_gelu("HardSwish", 0), "act", "Mul"),
    ("depthwise", weight("excite.weight", scale), "excite", "Gemm"),
    ("depthwise", operator("Sigmoid", 0, "HardSigmoid"), "", "HardSigmoid"),
    ("branches", weight("right.0.bias", shift), "right.0", "Gemm"),
    ("branches", weight("left.2.weight", scale), "left.2", "Gemm"),
    ("branches", operator("Tanh", 0, "Softsign"), "left.1", "Softsign"),
    ("branches", bypass("Relu", 0), "right.1", "Gemm"),
    ("branches", weight("score.weight", one_entry), "score", "Gemm"),
    ("folded", operand(("Conv", 0), 1, scale), "features.1", "Conv"),
    ("folded", operand(("Conv", 1), 2, shift), "features.4", "Conv"),
    ("folded", attribute("Elu", 0, "alpha", 0.9), "features.5", "Elu"),
    ("folded", weight("fc.weight", one_entry), "fc", "Gemm"),
    ("shared", weight("cell.weight", one_entry), "cell", "Gemm"),
    ("shared", weight("out_proj.weight", one_entry), "attention", "Gemm"),
    ("shared", weight("head.weight", scale), "head", "Gemm"),
    *(("deep", weight(f"layers.{n}.0.bias", one_entry), f"layers.{n}.0", "Gemm") for n in (0, 1, 7, 11, 15)),
    ("deep", attribute("LayerNormalization", 12, "epsilon", 0.01), "layers.12.2", "LayerNormalization"),
    ("deep", as_tanh_gelu("Relu", 9), "layers.9.1", "Mul"),
    ("convnet", weight("block1.0.bias", shift), "block1.0", "Conv"),
    ("convnet", bypass("Relu", 1), "block2.1", "MaxPool"),
    ("convnet", absorb("Relu", 0), "block1.1", "Conv"),
    ("convnet", operator("MaxPool", 1, "AveragePool", kernel_shape=[2, 2], strides=[2, 2]), "block2.2", "AveragePool"),
    ("lenet5", weight("classifier.0.weight", one_entry), "classifier.0", "Gemm"),
    ("lenet5", operator("Tanh", 2, "Sigmoid"), "classifier.1", "Sigmoid"),
    ("lenet5", attribute("AveragePool", 0, "kernel_shape", [1, 1]), "features.2", "AveragePool"),
    ("mlp", weight("trunk.3.weight", scale), "trunk.3", "Gemm"),
    ("mlp", as_tanh_gelu("Relu", 1), "trunk.4", "Mul"),
    ("lstm", operand(("LSTM", 0), 1, one_entry), "lstm", "LSTM"),
    ("lstm", operand(("LSTM", 0), 2, one_entry), "lstm", "LSTM"),
    ("lstm", operand(("LSTM", 0), 3, shift), "lstm", "LSTM"),
    ("lstm", weight("head.weight", one_entry), "head", "Gemm"),
    ("vae/encode", weight("log_variance.bias", shift), "log_variance", "Gemm"),
    ("vae/encode", weight("encoder.0.weight", scale), "encoder.0", "Gemm"),
    ("vae/decode", operator("Relu", 0, "Sigmoid"), "decoder.1", "Sigmoid"),
    ("vae/decode", weight("decoder.2.bias", shift), "decoder.2", "Gemm"),
    ("softmax-regression", weight("affine.weight", one_entry), "affine", "Gemm"),
]


@pytest.mark.parametrize("name", ALL)
def test_a_right_graph_has_no_divergence(name, diverge):
    assert diverge(name) is None


@pytest.mark.parametrize(
    ("name", "fault", "module", "op"), FAULTS, ids=lambda value: value if isinstance(value, str) else ""
)
def test_the_layer_with_the_fault_is_named(name, fault, module, op, diverge):
    found = diverge(name, fault)
    assert found is not None
    assert found.module == module, found.describe()
    assert op in (None, found.op), found.describe()
    assert found.error > found.bound
    assert repr(module) in found.describe() or not module


def test_faults_are_planted_in_many_networks():
    assert len({name for name, *_ in FAULTS}) >= 10


def test_every_value_has_a_reference(prepared):
    """Otherwise cuts would be left out, and a search could end between two nodes."""
    for name in ALL:
        reference, content = prepared(name)
        values = {value for node in onnx.load_from_string(content).graph.node for value in node.output if value}
        assert values <= reference.known, name


@pytest.mark.parametrize("batch", [1, 3])
def test_a_graph_that_runs_at_one_batch_size_only(batch, diverge):
    def fault(model):
        [node] = [each for each in model.graph.node if each.op_type == "Reshape"]
        weight_of = {tensor.name: tensor for tensor in model.graph.initializer}
        fixed = np.array([batch, -1], dtype=np.int64)
        weight_of[node.input[1]].CopyFrom(numpy_helper.from_array(fixed, node.input[1]))

    found = diverge("convnet", fault)
    assert (found.module, found.op, found.error) == ("", "Reshape", float("inf"))


def test_an_operator_that_does_not_exist(diverge):
    found = diverge("deep", operator("LayerNormalization", 5, "NoSuchOperator"))
    assert (found.module, found.op) == ("layers.5.2", "NoSuchOperator")
    assert "not computed" in found.describe()


def test_an_output_that_nothing_computes(diverge):
    def fault(model):
        [node] = [each for each in model.graph.node if "score" in each.output]
        model.graph.node.remove(node)
        model.graph.initializer.append(numpy_helper.from_array(np.zeros((1, 1), dtype=np.float32), "score"))

    found = diverge("branches", fault)
    assert (found.value, found.node) == ("score", "")
    assert "passes a weight" in found.describe()


def test_a_node_that_was_put_in(diverge):
    found = diverge("deep", scaled_after("Gemm", 4))
    assert (found.node, found.op) == ("extra", "Mul")
    assert found.module.startswith("layers.4.")
    assert "no counterpart" in found.describe()


@pytest.mark.parametrize("nth", [0, 6, 15])
def test_names_and_metadata_of_the_file_may_be_lost(nth, diverge):
    def rename(model):
        new = {}
        for node in model.graph.node:
            del node.metadata_props[:]
            node.name = ""
            for value in node.output:
                new[value] = "y" if value == "y" else f"t{len(new)}"
        new.update({tensor.name: f"w{number}" for number, tensor in enumerate(model.graph.initializer)})
        for node in model.graph.node:
            for values in (node.input, node.output):
                for number, value in enumerate(values):
                    values[number] = new.get(value, value)
        for tensor in model.graph.initializer:
            tensor.name = new[tensor.name]
        del model.graph.value_info[:]

    def rename_and_damage(model):
        operand(("Gemm", nth), 2, one_entry)(model)
        rename(model)

    assert diverge("deep", rename) is None
    assert diverge("deep", rename_and_damage).module == f"layers.{nth}.0"


@pytest.mark.parametrize(
    ("name", "part", "module"),
    [("residual", "layer1.1.conv.bias", "layer1.1.conv"), ("u-net", "merge.bias", ""), ("depthwise", "excite.bias", "")],
)
def test_a_file_that_was_optimised(name, part, module, prepared, diverge, tmp_path):
    """Two modules in one node: the module of the value that leaves its bound is named."""

    def optimise(model):
        options, target = onnxruntime.SessionOptions(), str(tmp_path / "optimised.onnx")
        options.graph_optimization_level = onnxruntime.GraphOptimizationLevel.ORT_ENABLE_EXTENDED
        options.optimized_model_filepath = target
        onnxruntime.InferenceSession(model.SerializeToString(), options, providers=["CPUExecutionProvider"])
        model.CopyFrom(onnx.load(target))

    def damage(model):
        weight(part, shift)(model)
        optimise(model)

    assert diverge(name, optimise) is None
    found = diverge(name, damage)
    assert found.module == module, found.describe()


class Silenced(nn.Module):
    def __init__(self):
        super().__init__()
        self.hidden = nn.Linear(4, 5)
        self.last = nn.Linear(5, 2)
        nn.init.constant_(self.hidden.bias, -10_000)

    def forward(self, x):
        return self.last(F.relu(self.hidden(x)))


def export_to(path, module, graph):
    path.write_bytes(export_module(module, graph, OPSET).SerializeToString())
    return path


def test_a_fault_that_a_relu_hides(tmp_path):
    """The module that was given is left as it is."""
    module, graph = build(Silenced).train(), graph_of(4)
    before = {name: tensor.clone() for name, tensor in module.state_dict().items()}
    path = export_to(tmp_path / "predict.onnx", build(Silenced), graph)
    damage(path, weight("hidden.bias", lambda array: array + 100))
    found = bisect_module(module, graph, path)
    assert (found.module, found.value, found.openings) == ("hidden", "linear", 3)
    assert module.training
    assert all(torch.equal(before[name], tensor) for name, tensor in module.state_dict().items())
    assert torch.get_default_dtype() == torch.float32


def test_a_layer_that_is_traced_as_another(tmp_path):
    module, graph = build(Traitor), graph_of(4)
    found = bisect_module(module, graph, export_to(tmp_path / "predict.onnx", module, graph))
    assert found.module == "sneaky"
    assert found.error > found.bound
    assert "trace" in found.describe()


def test_a_converter_that_is_wrong(tmp_path, monkeypatch):
    """The file equals a fresh conversion, and both are wrong."""
    export = torch.onnx.export

    class Wrong:
        def __init__(self, *args, **kwargs):
            self._program = export(*args, **kwargs)
            self.exported_program = self._program.exported_program
            self.model_proto = self._program.model_proto
            operator("Tanh", 0, "Softsign")(self.model_proto)

    monkeypatch.setattr(torch.onnx, "export", Wrong)
    module, graph = build(Branches), NETWORKS["branches"][1]
    found = bisect_module(module, graph, export_to(tmp_path / "predict.onnx", module, graph))
    assert (found.module, found.op) == ("left.1", "Softsign")


def test_openings_leave_the_other_fusions_alone(prepared, tmp_path, monkeypatch):
    """Operators that ONNX Runtime fuses: at most one fusion fewer for each value that is shown."""
    reference, content = prepared("deep")
    model, seen, session = onnx.load_from_string(content), [], onnxruntime.InferenceSession
    weight("layers.9.0.bias", one_entry)(model)
    (tmp_path / "graph.onnx").write_bytes(model.SerializeToString())

    def opened(path, options, **kwargs):
        options.optimized_model_filepath = str(tmp_path / f"{len(seen)}.optimised")
        made = session(path, options, **kwargs)
        graph = onnx.load(options.optimized_model_filepath).graph
        fused = sum(node.op_type.startswith("Fused") for node in graph.node)
        seen.append((fused, len(graph.output) - 1, len(graph.node)))
        return made

    monkeypatch.setattr(onnxruntime, "InferenceSession", opened)
    found = first_divergence(tmp_path / "graph.onnx", reference)
    (fusions, shown, nodes), *others = seen
    assert found.openings == len(seen)
    assert (fusions, shown) == (16, 0)
    assert nodes == 32
    assert len(others) >= 4
    for fused, shown, _ in others:
        assert 0 < shown <= 2
        assert fusions - shown <= fused <= fusions


@pytest.fixture
def artifact(tiny_export, tmp_path):
    """`artifact(family)`: what bisection reads of a candidate."""

    def make(name):
        made, folder = tiny_export(name), tmp_path / name
        shutil.copytree(made.checkpoint, folder / "original")
        arrays, rng = {}, np.random.default_rng(0)
        for graph in made.original.graphs:
            shutil.copy(made.files[graph.name], folder / graph.file)
            for port in graph.inputs:
                arrays[f"{graph.name}/{port.name}"] = rng.uniform(size=(5, *port.shape[1:])).astype(port.dtype)
        save_arrays(folder / "golden.npz", arrays)
        empty = {key: {} for key in ("config", "codec", "data", "training", "metrics")}
        kind, graphs = made.original.family.kind, made.original.graphs
        manifest = Manifest(
            model="m", version=1, family=name, task="", kind=kind, paper="", summary="", parameters=1, graphs=graphs, **empty
        )
        manifest.write(folder)
        return folder

    return make


def damage(path, fault, target=None):
    model = onnx.load(path)
    fault(model)
    (target or path).write_bytes(model.SerializeToString())


def test_a_graph_of_an_artifact(artifact, tmp_path):
    folder = artifact("vae")
    damage(folder / "encode.onnx", weight("mean.weight", one_entry), tmp_path / "other.onnx")
    assert bisect(folder, "encode", onnx_path=tmp_path / "other.onnx").module == "mean"
    damage(folder / "decode.onnx", weight("decoder.0.bias", shift))
    assert bisect(folder, "decode", seed=3, samples={}).module == "decoder.0"


def test_an_estimator_has_nodes_but_no_modules(artifact):
    folder = artifact("random-forest")
    assert bisect(folder, "predict") is None

    def fault(model):
        [trees] = [node for node in model.graph.node if node.op_type == "TreeEnsembleClassifier"]
        [weights] = [each for each in trees.attribute if each.name == "class_weights"]
        weights.floats[0] += 0.05

    damage(folder / "predict.onnx", fault)
    found = bisect(folder, "predict")
    assert (found.module, found.op) == ("", "TreeEnsembleClassifier")


def rename_input(model):
    model.graph.input[0].name = model.graph.node[0].input[0] = "z"


def test_what_cannot_be_read_is_a_sentence(artifact):
    folder = artifact("mlp")
    with pytest.raises(UnknownNameError, match="predict"):
        bisect(folder, "predcit")
    damage(folder / "predict.onnx", rename_input)
    with pytest.raises(SpecError, match="export it again"):
        bisect(folder, "predict")
    (folder / "predict.onnx").write_bytes(b"no model")
    with pytest.raises(ArtifactError, match=r"predict\.onnx"):
        bisect(folder, "predict")
    (folder / "predict.onnx").unlink()
    with pytest.raises(ArtifactError, match=r"predict\.onnx"):
        bisect(folder, "predict")
    shutil.rmtree(folder / "original")
    with pytest.raises(CheckpointError, match="config"):
        bisect(folder, "predict", onnx_path=folder / "other.onnx")
    (folder / "golden.npz").unlink()
    with pytest.raises(DataError, match="golden"):
        bisect(folder, "predict")
    (folder / "manifest.json").unlink()
    with pytest.raises(ArtifactError, match="manifest"):
        bisect(folder, "predict")
