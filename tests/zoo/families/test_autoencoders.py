"""Autoencoders against the sizes of the published tables, and their objectives against what their papers define."""

import math

import pytest
import torch

from training.autoencoding import contractive, denoising, greedy, sparse, squared_error
from zoo.calls import drive
from zoo.codecs.image_reconstruction import ImageReconstruction
from zoo.families.autoencoders import autoencoder, stacked_autoencoder
from zoo.metrics.reconstruction_error import score

CODEC = ImageReconstruction(height=2, width=2, code="code", code_input="code")


@pytest.fixture
def generator():
    return torch.Generator().manual_seed(0)


def tiny(activation="sigmoid", seed=0):
    torch.manual_seed(seed)
    return autoencoder.Autoencoder(autoencoder.Config(pixels=4, hidden=3, activation=activation)).double()


def rows(count=5, pixels=4):
    return torch.rand(count, pixels, generator=torch.Generator().manual_seed(1), dtype=torch.float64)


@pytest.mark.parametrize(("hidden", "parameters"), [(16, 25_888), (32, 50_992), (64, 101_200), (128, 201_616)])
def test_the_widths_of_the_published_table_have_so_many_parameters(hidden, parameters):
    network = autoencoder.Autoencoder(autoencoder.Config(hidden=hidden))
    assert sum(each.numel() for each in network.parameters()) == parameters


@pytest.mark.parametrize(
    ("hidden", "parameters"),
    [((64, 32), 52_650), ((128, 64), 109_386), ((256, 64), 218_058), ((256, 128), 235_146), ((512, 128), 468_874)],
)
def test_the_stacked_shapes_have_so_many_parameters_besides_their_decoders(hidden, parameters):
    network = stacked_autoencoder.StackedAutoencoder(stacked_autoencoder.Config(hidden=hidden))
    assert sum(each.numel() for name, each in network.named_parameters() if "decoder" not in name) == parameters


def test_the_contraction_is_the_norm_of_the_jacobian(generator):
    network, x = tiny(), rows()
    jacobians = [torch.autograd.functional.jacobian(network.encode, row[None]) for row in x]
    expected = sum(float(jacobian.square().sum()) for jacobian in jacobians) / len(x)
    penalty = contractive(2.0)(network, {"x": x}, generator) - squared_error(network, {"x": x}, generator)
    assert penalty.item() == pytest.approx(2 * expected, rel=1e-9)


def test_the_divergence_of_a_sparse_code_by_hand(generator):
    """Weights of zero: every feature is at ½ on every row. KL(.25 ‖ .5) = .25 ln .5 + .75 ln 1.5, three times."""
    network, x = tiny(), rows()
    for parameter in network.encoder.parameters():
        torch.nn.init.zeros_(parameter)
    penalty = sparse(1.0, 0.25)(network, {"x": x}, generator) - squared_error(network, {"x": x}, generator)
    assert penalty.item() == pytest.approx(3 * (0.25 * math.log(0.5) + 0.75 * math.log(1.5)), rel=1e-9)


def test_the_squared_error_by_hand(generator):
    """Weights of zero: every pixel is rebuilt as σ(0) = ½."""
    network = tiny("relu")
    for parameter in network.parameters():
        torch.nn.init.zeros_(parameter)
    x = torch.tensor([[0.0, 1.0, 0.5, 0.25]], dtype=torch.float64)
    assert squared_error(network, {"x": x}, generator).item() == pytest.approx(0.25 + 0.25 + 0 + 0.0625)


def test_denoising_asks_for_the_clean_picture(generator):
    """The identity has no error without noise, and that of the noise, cut to 0 … 1, with it."""

    class Identity:
        def encode(self, x):
            return x

        def decode(self, code):
            return torch.logit(code.clamp(1e-9, 1 - 1e-9))

    x = torch.full((20_000, 1), 0.5, dtype=torch.float64)
    assert denoising(0.0)(Identity(), {"x": x}, generator).item() == pytest.approx(0, abs=1e-9)
    assert denoising(0.1)(Identity(), {"x": x}, generator).item() == pytest.approx(0.01, rel=0.05)
    assert denoising(1e6)(Identity(), {"x": x}, generator).item() == pytest.approx(0.25, rel=1e-4)


def test_a_layer_is_trained_without_those_below(generator):
    torch.manual_seed(0)
    network = stacked_autoencoder.StackedAutoencoder(stacked_autoencoder.FAMILY.tiny)
    greedy(1)(network, {"x": torch.rand(5, 9)}, generator).backward()
    moved = {name for name, each in network.named_parameters() if each.grad is not None}
    assert moved == {f"layers.1.{part}.{kind}" for part in ("encoder", "decoder") for kind in ("weight", "bias")}


def test_reconstructions_are_held_against_the_targets_where_these_are_pictures():
    arrays = {"encode/x": torch.zeros(2, 4).numpy(), "targets": torch.ones(2, 4).numpy()}
    black = {"code": torch.zeros(2, 1).numpy(), "logits": torch.full((2, 4), -100.0).numpy()}
    assert drive(score(arrays, CODEC), lambda graph, inputs: black).tolist() == [4, 4]
    classes = {**arrays, "targets": torch.tensor([3, 7]).numpy()}
    assert drive(score(classes, CODEC), lambda graph, inputs: black) == pytest.approx([0, 0])
