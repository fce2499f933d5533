"""The objectives of generators, by numbers made by hand."""

import math
from types import SimpleNamespace

import pytest
import torch

from training.adversarial import discriminator_loss, generator_loss
from training.denoising import noise_loss

# Three of four real pictures are of kind 0, three of four generated ones of kind 1.
REAL, MADE = torch.tensor([0, 0, 0, 1]), torch.tensor([0, 1, 1, 1])


def generator():
    return torch.Generator().manual_seed(0)


def players(odds):
    """D gives `odds[kind]`; pictures are their kinds, and G draws MADE whatever z is."""
    return SimpleNamespace(latent=2, generate=lambda z: MADE, discriminate=lambda kinds: odds[kinds])


def losses(odds):
    model, batch = players(odds), {"x": REAL.double()}
    model.discriminate = lambda kinds: odds[kinds.long()]
    return tuple(loss(model, batch, generator()).item() for loss in (discriminator_loss, generator_loss))


def test_a_discriminator_that_cannot_tell_loses_two_bits():
    """D = ½ everywhere: 2 ln 2 and ln 2 (seed 000, line 1273: at equilibrium D* = ½)."""
    assert losses(torch.zeros(2, dtype=torch.float64)) == pytest.approx((2 * math.log(2), math.log(2)))


def test_the_best_discriminator_is_the_share_of_real_ones():
    """Seed 000, line 1267: D* = p / (p + p_G), here ¾ and ¼; the loss is then 2 ln 2 − 2 JSD, by hand 1.1247."""
    best = torch.tensor([math.log(3), -math.log(3)], dtype=torch.float64)
    least, _ = losses(best)
    assert least == pytest.approx(-2 * (0.75 * math.log(0.75) + 0.25 * math.log(0.25)))
    for kind in (0, 1):
        for move in (-0.1, 0.1):
            moved = best.clone()
            moved[kind] += move
            assert losses(moved)[0] > least


def test_a_sure_discriminator_still_teaches_the_generator():
    """Seed 002, note 16: log(1 − D) has a gradient near D = 0 there, −log D one near −1."""
    odds = torch.tensor([-10.0, -10.0], requires_grad=True)
    generator_loss(players(odds), {"x": torch.zeros(4)}, generator()).backward()
    assert odds.grad.sum().item() == pytest.approx(-1, abs=1e-4)


def test_the_discriminators_turn_leaves_the_generator_alone():
    weight = torch.ones(2, requires_grad=True)
    model = SimpleNamespace(latent=2, generate=lambda z: z @ weight, discriminate=lambda x: 0.5 * x + weight.sum() * 0)
    discriminator_loss(model, {"x": torch.zeros(4)}, generator()).backward()
    assert weight.grad.tolist() == [0, 0]


class Denoiser:
    """Knows pictures of zeros: what is there is noise, `share` of which it finds."""

    def __init__(self, share):
        self.alpha_bar, self.share, self.asked = torch.linspace(1, 0, 11), share, []

    def noisy(self, x, t, epsilon):
        self.epsilon = epsilon
        return x + epsilon

    def denoise(self, x, t):
        self.asked += t.tolist()
        return self.share * x


@pytest.mark.parametrize(("share", "expected"), [(1.0, 0.0), (0.0, 1.0), (0.5, 0.25)])
def test_the_loss_is_the_part_of_the_noise_that_is_not_found(share, expected):
    model = Denoiser(share)
    assert noise_loss(model, {"x": torch.zeros(4000, 1, 2, 2)}, generator()).item() == pytest.approx(expected, abs=0.03)
    assert set(model.asked) == set(range(1, 11))  # never 0, where nothing is noisy
