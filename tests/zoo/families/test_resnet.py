"""Residual networks beside what their papers print: parameters, work, shortcuts, stochastic depth."""

import dataclasses
import math

import numpy as np
import pytest
import torch

from export.exporter import export_graph
from export.prove import prove
from export.reference import load_reference
from zoo.families.vision.resnet import NETWORKS, Config, Pad, Residual, ResNet
from zoo.original import Original
from zoo.session import Session


def empty(config):
    """The network without numbers in it, however large it is."""
    with torch.device("meta"):
        return ResNet(config).eval()


def count(config):
    return sum(parameter.numel() for parameter in empty(config).parameters())


@pytest.mark.parametrize(
    ("name", "parameters"),
    [
        ("resnet18", 11_689_512),
        ("resnet34", 21_797_672),
        ("resnet50", 25_557_032),
        ("resnet101", 44_549_160),
        ("resnet152", 60_192_808),
    ],
)
def test_parameters_of_the_networks_for_imagenet(name, parameters):
    """As printed for each of them at https://docs.pytorch.org/vision/stable/models.html ("num_params")."""
    assert count(NETWORKS[name]) == parameters


@pytest.mark.parametrize(("depth", "millions"), [(20, 0.27), (32, 0.46), (44, 0.66), (56, 0.85), (110, 1.7), (1202, 19.4)])
def test_parameters_of_the_networks_for_cifar(depth, millions):
    """He et al. (2016), table 6: two digits, three for the largest."""
    digits = 1 if depth >= 110 else 2
    assert round(count(NETWORKS[f"resnet{depth}-cifar"]) / 1e6, digits) == millions


def test_parameters_of_resnet20_by_hand():
    """3x3 convolutions without bias, two numbers a channel for each normalisation, shortcuts without parameters."""

    def block(inputs, outputs):
        return 9 * inputs * outputs + 9 * outputs * outputs + 2 * 2 * outputs

    stem = 9 * 3 * 16 + 2 * 16
    blocks = 3 * block(16, 16) + block(16, 32) + 2 * block(32, 32) + block(32, 64) + 2 * block(64, 64)
    assert stem + blocks + 64 * 10 + 10 == 269_722
    assert count(Config()) == 269_722
    # option B has two projections instead
    assert count(Config(shortcut="project")) == 269_722 + 16 * 32 + 2 * 32 + 32 * 64 + 2 * 64


def work(config):
    """Multiplications of convolutions and dense layers for one picture."""
    network, total = empty(config), 0

    def note(module, inputs, output):
        nonlocal total
        total += module.weight.numel() * (math.prod(output.shape[2:]) if output.ndim == 4 else 1)

    for module in network.modules():
        if isinstance(module, torch.nn.Conv2d | torch.nn.Linear):
            module.register_forward_hook(note)
    network(torch.zeros(1, 3, config.size, config.size, device="meta"))
    return total


@pytest.mark.parametrize(
    ("name", "billions"),
    [("resnet18", 1.8), ("resnet34", 3.6), ("resnet50", 3.8), ("resnet101", 7.6), ("resnet152", 11.3)],
)
def test_work_is_that_of_table_1(name, billions):
    """He et al. (2016), "FLOPs (multiply-adds)". With the stride on the 3x3 convolution ResNet-50 would need 4.1."""
    assert work(NETWORKS[name]) / 1e9 == pytest.approx(billions, rel=0.025)


def test_depth_is_the_number_of_layers_with_weights():
    """The name's number counts convolutions on the way and the dense layer, not projections."""
    for name, config in NETWORKS.items():
        layers = sum(
            isinstance(module, torch.nn.Conv2d | torch.nn.Linear) and "shortcut" not in path
            for path, module in empty(config).named_modules()
        )
        assert name.split("-")[0] == f"resnet{layers}"


def test_option_a_takes_every_second_pixel_and_adds_zeros():
    x = torch.arange(32.0).view(1, 2, 4, 4)
    found = Pad(new=2, stride=2)(x)
    assert found.shape == (1, 4, 2, 2)
    assert found[0, :2].tolist() == [[[0, 2], [8, 10]], [[16, 18], [24, 26]]]
    assert found[0, 2:].abs().sum() == 0


def test_a_block_adds_what_it_was_given_before_the_relu():
    """Seed 001, line 4564: y = x + F(x)."""
    block = Residual(torch.nn.Identity(), torch.nn.Identity(), survival=1.0)
    assert block(torch.tensor([[[[3.0, -2.0]]]])).tolist() == [[[[6.0, 0.0]]]]


def test_the_survival_falls_linearly_from_the_first_block_to_the_last():
    """Seed 001, lines 4898-4904: a network of 110 layers, from 1.0 to 0.8 across its depth."""
    config = Config(blocks=(18, 18, 18), survival=0.8)
    assert config.blocks == NETWORKS["resnet110-cifar"].blocks
    survivals = [block.survival for block in empty(config).blocks]
    assert survivals == pytest.approx([1 - 0.2 * number / 54 for number in range(1, 55)])
    assert survivals[-1] == pytest.approx(0.8)
    assert {block.survival for block in empty(Config()).blocks} == {1.0}


def test_in_training_a_block_is_left_out_and_otherwise_scaled():
    """Seed 001, line 4898: bypassed with probability 1 − p, else "its output is scaled to match test-time expectation"."""
    block = Residual(torch.nn.Identity(), torch.nn.Identity(), survival=0.8).train()
    torch.manual_seed(0)
    found = block(torch.ones(10_000, 1, 2, 2))
    assert torch.equal(found, found[:, :, :1, :1].expand_as(found))  # a picture as a whole
    values, counts = np.unique(found[:, 0, 0, 0].numpy(), return_counts=True)
    assert values == pytest.approx([1, 1 + 1 / 0.8])
    assert counts[1] / 10_000 == pytest.approx(0.8, abs=0.02)
    assert found.mean() == pytest.approx(2, abs=0.03)
    assert torch.equal(block.eval()(torch.ones(3, 1, 2, 2)), torch.full((3, 1, 2, 2), 2.0))


def test_stochastic_depth_leaves_no_trace_in_the_graph(tmp_path):
    files = []
    for survival in (1.0, 0.5):
        torch.manual_seed(0)
        original = Original.build("resnet", Config(blocks=(1, 1), channels=(4, 6), size=8, survival=survival))
        export_graph(original, original.graphs[0], tmp_path / "predict.onnx")
        files.append((tmp_path / "predict.onnx").read_bytes())
    assert files[0] == files[1]


def test_the_dense_layer_gives_the_classes_of_the_features():
    torch.manual_seed(0)
    original = Original.build("resnet", Config(blocks=(1, 1), channels=(4, 6), size=8)).cast("float64")
    x = np.random.default_rng(0).normal(size=(3, 3, 8, 8))
    features, logits = (original.call(original.graph(name), {"x": x}, "float64") for name in ("features", "predict"))
    head = original.model.head
    expected = features["features"] @ head.weight.detach().numpy().T + head.bias.detach().numpy()
    assert features["features"].shape == (3, 6)
    np.testing.assert_allclose(logits["logits"], expected, rtol=1e-12)


def settle(model, seed=0):
    """Let normalisations have statistics and weights as after training, so that folding them away can go wrong."""
    generator = torch.Generator().manual_seed(seed)
    for module in model.modules():
        if isinstance(module, torch.nn.BatchNorm2d):
            for tensor, low, high in (
                (module.running_mean, -0.2, 0.2),
                (module.running_var, 0.5, 1.5),
                (module.weight.data, 0.5, 1.0),
                (module.bias.data, -0.2, 0.2),
            ):
                tensor.uniform_(low, high, generator=generator)


def test_bottlenecks_with_projections_are_proven(tmp_path):
    """The other kind is the family's tiny configuration, which the contract tests prove."""
    small = Config(blocks=(1, 1), channels=(4, 6), size=17, classes=3, kind="bottleneck", shortcut="project", stem="large")
    prove_network(small, tmp_path)


@pytest.mark.long
@pytest.mark.parametrize("name", ["resnet50", "resnet101", "resnet152"])
def test_the_full_size_is_proven(name, tmp_path):
    """Random weights, all of them; only the pictures are smaller than 224 pixels, for time: the last stage sees 2x2."""
    prove_network(dataclasses.replace(NETWORKS[name], size=64), tmp_path)


def prove_network(config, folder):
    torch.manual_seed(0)
    original = Original.build("resnet", config)
    settle(original.model)
    original.save(folder / "checkpoint")
    reference = load_reference(folder / "checkpoint")
    for graph in original.graphs:
        export_graph(original.cast("float32"), graph, folder / graph.file)
        report = prove(graph, Session(folder / graph.file, graph), reference, {}, np.random.default_rng(0))
        assert report.passed, (report.broken, [record.failures for record in report.records])
