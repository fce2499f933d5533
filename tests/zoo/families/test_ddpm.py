"""The diffusion family: its schedule, its closed forms and its sampler, by numbers made by hand."""

import math

import pytest
import torch
from torch import nn

from zoo.families.generative.ddpm import Config, Diffusion, alpha_bar

HAND = torch.tensor([1.0, 0.9, 0.72], dtype=torch.float64)  # β = 0.1, 0.2


class Finds(nn.Module):
    """A denoiser for pictures that are all `clean`: what is not the picture is noise."""

    def __init__(self, model, clean):
        super().__init__()
        self.schedule, self.clean = model.alpha_bar, clean

    def forward(self, x, t):
        a = self.schedule[t][:, None, None, None]
        return (x - a.sqrt() * self.clean) / (1 - a).sqrt()


def hand_made(denoiser=None):
    model = Diffusion(Config(size=4, features=(2, 2, 2), embedding=2, timesteps=2)).double()
    model.alpha_bar = HAND
    if denoiser is not None:
        model.denoise = denoiser
    return model


def numbers(*values):
    return [torch.full((1, 1, 1, 1), value, dtype=torch.float64) for value in values]


def test_the_published_size_of_the_network():
    """Counted by hand from the layers of the docstring's U-Net with 8, 40 and 80 features."""

    def conv(before, after, side):
        return before * after * side * side + after

    def block(before, after):
        found = 2 * before + conv(before, after, 3) + conv(80, 2 * after, 1) + conv(after, after, 3)
        return found + (conv(before, after, 1) if before != after else 0)

    ways = conv(1, 8, 3) + conv(8, 40, 4) + conv(40, 80, 4) + conv(80, 40, 4) + conv(40, 8, 4)
    whole = conv(80, 80, 1) + ways + block(40, 40) + 2 * block(80, 80) + block(80, 40) + 2 * 16 + conv(16, 1, 3)
    assert sum(parameter.numel() for parameter in Diffusion(Config()).parameters()) == whole


def test_the_schedule_strictly_grows_and_ends_in_noise():
    """Seed 003, line 1710: β_i < β_{i+1}, and x_T akin to N(0, I)."""
    schedule = alpha_bar(200, 1e-4)
    betas = 1 - schedule[1:] / schedule[:-1]
    assert schedule[0] == 1
    assert schedule[-1].item() == pytest.approx(1e-4)
    assert (betas > 0).all()
    assert (betas < 1).all()
    assert (betas.diff() > 0).all()


def test_the_schedule_is_the_cosine_of_the_paper():
    """Nichol and Dhariwal, equation 17: f(t) = cos²((t/T + s) / (1 + s) · π/2), ᾱ_t = f(t) / f(0), where T ends at 0."""
    schedule = alpha_bar(4, 1e-30)
    f = [math.cos((t / 4 + 0.008) / 1.008 * math.pi / 2) ** 2 for t in range(4)]
    assert schedule[:4].tolist() == pytest.approx([each / f[0] for each in f], rel=1e-9)


def test_many_steps_of_noise_are_one():
    """Seed 003, line 1706: x_t = √(1 − β_t) x_{t−1} + √β_t z. By hand, β = 0.1 and 0.2 leave √(0.9 · 0.8) of x_0, and the
    variance 0.8 · 0.1 + 0.2 = 0.28."""
    model = hand_made()
    x, zero, one = numbers(1.0, 0.0, 1.0)
    t = torch.tensor([2])
    assert model.noisy(x, t, zero).item() == pytest.approx(math.sqrt(0.72))
    assert model.noisy(zero, t, one).item() ** 2 == pytest.approx(0.28)


def test_with_eta_one_a_step_is_the_ancestral_one():
    """Seed 003, line 1714, and seed 001, equation 20.11, with Ho's σ² = β̃_2 = 0.1 / 0.28 · 0.2 = 1/14."""
    x, epsilon, z = numbers(0.3, 0.5, 0.7)
    model = hand_made(lambda x, t: epsilon)
    found = model.step(x, torch.tensor([2]), torch.tensor([1]), z, torch.ones(1))
    expected = (0.3 - 0.2 / math.sqrt(0.28) * 0.5) / math.sqrt(0.8) + math.sqrt(1 / 14) * 0.7
    assert found.item() == pytest.approx(expected)


def test_with_eta_zero_a_step_follows_the_noise_it_found():
    """Song, equation 12: from √0.72 x̂_0 + √0.28 ε straight to √0.9 x̂_0 + √0.1 ε, whatever z is."""
    clean, epsilon, z = numbers(-0.4, 1.5, 9.0)
    model = hand_made(lambda x, t: epsilon)
    x = model.noisy(clean, torch.tensor([2]), epsilon)
    found = model.step(x, torch.tensor([2]), torch.tensor([1]), z, torch.zeros(1))
    assert found.item() == pytest.approx(math.sqrt(0.9) * -0.4 + math.sqrt(0.1) * 1.5)


@pytest.mark.parametrize("eta", [0.0, 0.5, 1.0])
def test_the_last_step_leaves_no_noise(eta):
    """Seed 003, line 1714 adds σ z at every step; seed 001, algorithm 8, line 8, not at the last: σ must be 0 there."""
    clean, epsilon, z = numbers(0.25, -0.5, 100.0)
    model = hand_made(lambda x, t: epsilon)
    x = model.noisy(clean, torch.tensor([1]), epsilon)
    assert model.step(x, torch.tensor([1]), torch.tensor([0]), z, torch.tensor([eta])).item() == pytest.approx(0.25)


def test_what_cannot_be_a_picture_is_clipped():
    model = hand_made(lambda x, t: torch.zeros_like(x))
    x, z = numbers(5.0, 0.0)
    assert model.step(x, torch.tensor([2]), torch.tensor([0]), z, torch.zeros(1)).item() == 1


@pytest.mark.parametrize(("steps", "eta"), [(1, 0.0), (3, 0.0), (6, 1.0), (4, 0.5)])
def test_a_denoiser_that_knows_the_picture_leads_to_it(steps, eta):
    model = Diffusion(Config(size=8, features=(2, 2, 2), embedding=2, timesteps=6)).double()
    model.alpha_bar = alpha_bar(6, 1e-4)
    clean = torch.linspace(-1, 1, 64, dtype=torch.float64).reshape(1, 1, 8, 8)
    model.unet = Finds(model, clean)
    marks = torch.linspace(6, 0, steps + 1).round().long().repeat(3, 1)
    x, noise = torch.randn(3, 1, 8, 8).double(), torch.randn(3, steps, 1, 8, 8).double()
    with torch.no_grad():
        picture = model.sample(x, marks[:, :-1], marks[:, 1:], noise, torch.full((3,), eta))
    torch.testing.assert_close(picture, clean.expand_as(picture), rtol=0, atol=1e-9)


@pytest.mark.parametrize("value", [0.1, 7.0])  # a picture, and what is clipped
def test_a_step_from_a_timestep_to_itself_changes_nothing(value):
    x, epsilon, z = numbers(value, 0.2, 3.0)
    model = hand_made(lambda x, t: epsilon)
    assert model.step(x, torch.tensor([2]), torch.tensor([2]), z, torch.ones(1)).item() == pytest.approx(value)
