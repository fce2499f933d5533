"""Losses, schedules, optimisers and augmentation, by numbers made by hand."""

import dataclasses
import math
from types import SimpleNamespace

import numpy as np
import pytest
import torch

from training.augment import crop_and_flip, turn_and_move
from training.objectives import cross_entropy, negative_elbo
from training.optimizers import learning_rate, make_optimizer
from training.recipe import Settings
from zoo.errors import UnknownNameError

GENERATOR = torch.Generator().manual_seed(0)


class Answering:
    """A model that answers `logits`."""

    def __init__(self, logits, training=True):
        self.logits, self.training, self.asked = torch.tensor(logits), training, None

    def __call__(self, *inputs):
        self.asked = inputs
        return self.logits


def test_cross_entropy_is_the_surprise_at_the_true_class():
    """Seed 004, lines 1946-1956 and equation 25: softmax (2, 1, 0.1) gives the first class 0.659."""
    model, batch = Answering([[2.0, 1.0, 0.1]]), {"x": torch.zeros(1, 2), "targets": torch.tensor([0])}
    assert cross_entropy()(model, batch, GENERATOR).item() == pytest.approx(-math.log(0.659), abs=2e-4)
    assert len(model.asked) == 1


def test_cross_entropy_is_the_mean_over_the_rows():
    """Equal logits of four classes cost ln 4; log-odds ln 3 of two cost ln 4 at the unlikely one."""
    model = Answering([[0.0, 0.0, 0.0, 0.0], [0.0, math.log(3), -1e9, -1e9]])
    batch = {"x": torch.zeros(2, 1), "targets": torch.tensor([2, 1])}
    assert cross_entropy()(model, batch, GENERATOR).item() == pytest.approx((math.log(4) + math.log(4 / 3)) / 2)


def test_the_gradient_of_softmax_and_cross_entropy_is_their_difference():
    """Seed 004, equation 26 (line 1999): ŷ − t = (0.659 − 1, 0.242, 0.099)."""
    model = Answering([[2.0, 1.0, 0.1]])
    model.logits.requires_grad_()
    cross_entropy()(model, {"x": torch.zeros(1, 2), "targets": torch.tensor([0])}, GENERATOR).backward()
    assert model.logits.grad[0].tolist() == pytest.approx([-0.341, 0.242, 0.099], abs=6e-4)


@pytest.mark.parametrize("training", [True, False])
def test_smoothing_belongs_to_training(training):
    """ε = 0.1 of two classes with probabilities 3/4 and 1/4: 0.95 of −ln 3/4 and 0.05 of −ln 1/4."""
    model, batch = Answering([[math.log(3), 0.0]], training), {"x": torch.zeros(1, 1), "targets": torch.tensor([0])}
    smoothed = -0.95 * math.log(0.75) - 0.05 * math.log(0.25)
    expected = smoothed if training else -math.log(0.75)
    assert cross_entropy(0.1)(model, batch, GENERATOR).item() == pytest.approx(expected, rel=1e-6)


def autoencoder(mean, log_variance, logits):
    return SimpleNamespace(
        encode=lambda x: (torch.tensor([mean]), torch.tensor([log_variance])), decode=lambda z: torch.tensor([logits])
    )


def test_the_loss_of_an_autoencoder_adds_the_divergence():
    """KL(N(1, 1) ‖ N(0, 1)) = ½, and two pixels at log-odds 0 cost ln 2 each.

    Seed 001, algorithm 7 (lines 7959-7962) descends on log-likelihood − KL, which would drive the reconstruction away: the
    loss is the negative of its line 11.
    """
    loss = negative_elbo(autoencoder([1.0], [0.0], [0.0, 0.0]), {"x": torch.tensor([[1.0, 0.0]])}, GENERATOR)
    assert loss.item() == pytest.approx(2 * math.log(2) + 0.5)


@pytest.mark.parametrize(
    ("mean", "log_variance", "divergence"),
    [(0.0, 0.0, 0.0), (2.0, 1.0, (2 + math.e) / 2), (0.0, -2.0, (1 + math.exp(-2)) / 2), (-3.0, 0.0, 4.5)],
)
def test_the_divergence_is_that_of_two_gaussians(mean, log_variance, divergence):
    """KL = ½ (μ² + σ² − 1 − ln σ²), never negative."""
    loss = negative_elbo(autoencoder([mean], [log_variance], [0.0]), {"x": torch.tensor([[1.0]])}, GENERATOR)
    assert loss.item() - math.log(2) == pytest.approx(divergence, abs=1e-6)


def test_the_code_is_drawn_from_the_posterior():
    seen = []
    model = autoencoder([5.0], [2 * math.log(0.5)], [0.0])
    model.encode = lambda x: (torch.full((20000, 1), 5.0), torch.full((20000, 1), 2 * math.log(0.5)))
    model.decode = lambda z: seen.append(z) or torch.zeros(20000, 1)
    negative_elbo(model, {"x": torch.zeros(20000, 1)}, torch.Generator().manual_seed(1))
    assert seen[0].mean().item() == pytest.approx(5.0, abs=0.02)
    assert seen[0].std().item() == pytest.approx(0.5, abs=0.01)


@pytest.mark.parametrize(
    ("epoch", "expected"), [(0, 0.0), (1, 0.2), (2, 0.4), (6, 0.2), (10, 0.0), (4, 0.2 * (1 + math.sqrt(0.5))), (11, 0.0)]
)
def test_the_cosine_starts_after_the_warm_up_and_ends_at_zero(epoch, expected):
    settings = Settings(epochs=10, lr=0.4, warmup_epochs=2, schedule="cosine")
    assert learning_rate(settings, epoch) == pytest.approx(expected, abs=1e-12)


def test_a_constant_rate_stays():
    settings = Settings(epochs=10, lr=0.4, schedule="constant")
    assert [learning_rate(settings, epoch) for epoch in (0, 5, 9.9)] == [0.4, 0.4, 0.4]


@pytest.mark.parametrize(
    ("optimizer", "kind"), [("adam", "Adam"), ("adamw", "AdamW"), ("sgd", "SGD"), ("adadelta", "Adadelta")]
)
def test_optimisers_by_name(optimizer, kind):
    weight = torch.nn.Parameter(torch.zeros(2))
    made = make_optimizer([weight], Settings(optimizer=optimizer, lr=0.3, weight_decay=0.01))
    assert type(made).__name__ == kind
    assert (made.param_groups[0]["lr"], made.param_groups[0]["weight_decay"]) == (0.3, 0.01)


@pytest.mark.parametrize(
    ("change", "message"), [({"optimizer": "adamm"}, "did you mean adam"), ({"schedule": "cosin"}, "cosine")]
)
def test_unknown_names_offer_the_nearest(change, message):
    with pytest.raises(UnknownNameError, match=message):
        make_optimizer([torch.nn.Parameter(torch.zeros(1))], dataclasses.replace(Settings(), **change))


def test_a_step_of_descent():
    """f = ½ w², momentum 0.9 with Nesterov's look ahead: the first step is lr · (1 + 0.9) · w."""
    weight = torch.nn.Parameter(torch.tensor([2.0]))
    made = make_optimizer([weight], Settings(optimizer="sgd", lr=0.1))
    (weight**2 / 2).sum().backward()
    made.step()
    assert weight.item() == pytest.approx(2 - 0.1 * 1.9 * 2)


def spot(size=9):
    picture = torch.zeros(200, 1, size, size)
    picture[:, :, size // 2, size // 2] = 1
    return picture


def changed(x, settings, seed=0):
    return turn_and_move({"x": x}, settings, torch.Generator().manual_seed(seed))["x"]


def test_pictures_stay_where_nothing_is_to_be_moved():
    batch = {"x": spot()}
    assert turn_and_move(batch, Settings(shift=0, rotate=0), GENERATOR) is batch


def test_pictures_are_moved_by_the_pixels_that_were_asked_for():
    moved = changed(spot(), Settings(shift=2))
    assert moved.sum(dim=(1, 2, 3)).tolist() == pytest.approx([1.0] * 200, abs=1e-4)
    place = torch.arange(9.0)
    for weights in (moved.sum(dim=(1, 2)), moved.sum(dim=(1, 3))):
        offset = (weights * place).sum(dim=1) - 4
        assert offset.abs().max() <= 2 + 1e-4
        assert offset.abs().max() > 1.8
        assert abs(offset.mean()) < 0.3


def test_pictures_are_turned_about_their_middle():
    turned = changed(spot(), Settings(rotate=30))
    assert turned[:, 0, 4, 4].min() > 0.99
    edge = torch.zeros(200, 1, 9, 9)
    edge[:, :, 4, 8] = 1
    turned = changed(edge, Settings(rotate=30))
    rows = (turned.sum(dim=(1, 3)) * torch.arange(9.0)).sum(dim=1) / turned.sum(dim=(1, 2, 3)).clamp(min=1e-6)
    assert (rows - 4).abs().max() <= 4 * math.sin(math.radians(30)) + 0.5
    assert (rows - 4).abs().max() > 1.5


def test_the_moves_go_by_the_generator():
    first, again, other = (changed(spot(), Settings(shift=1), seed) for seed in (5, 5, 6))
    assert torch.equal(first, again)
    assert not torch.equal(first, other)
    assert np.isfinite(first.numpy()).all()


def test_cropped_pictures_are_moved_by_whole_pixels_and_every_second_one_is_mirrored():
    """Pixels are numbered: what the picture begins with, after moving by (down, right), is the number of that pixel."""
    size, most = 8, 2
    numbered = torch.arange(1.0, 1 + size * size).view(1, 1, size, size)
    x = torch.cat([numbered, -numbered], dim=1).expand(2000, 2, size, size)
    found = crop_and_flip({"x": x, "targets": torch.arange(2000)}, Settings(shift=most), torch.Generator().manual_seed(0))
    assert found["targets"].tolist() == list(range(2000))
    padded = np.pad(numbered[0, 0].numpy(), most)
    windows = {
        np.ascontiguousarray(padded[down : down + size, right : right + size][:, ::step]).tobytes(): (down, right, step)
        for down in range(2 * most + 1)
        for right in range(2 * most + 1)
        for step in (1, -1)
    }
    assert torch.equal(found["x"][:, 0], -found["x"][:, 1])
    drawn = [windows[np.ascontiguousarray(picture).tobytes()] for picture in found["x"][:, 0].numpy()]
    counts = np.unique(drawn, axis=0, return_counts=True)[1]
    assert len(counts) == 50  # each of 25 places, mirrored or not, about 40 times
    assert counts.min() > 15


def test_crops_go_by_the_generator():
    x = torch.randn(20, 3, 8, 8)
    first, again, other = (
        crop_and_flip({"x": x}, Settings(shift=4), torch.Generator().manual_seed(seed))["x"] for seed in (5, 5, 6)
    )
    assert torch.equal(first, again)
    assert not torch.equal(first, other)
