"""The sampler's steps in NumPy, by numbers made by hand."""

import math

import numpy as np
import pytest

from zoo.diffusion import Denoising, clean_picture, falling, intensity, next_picture, noise_variance

HAND = (1.0, 0.9, 0.72)  # β = 0.1, 0.2


def test_timesteps_fall_evenly_to_zero():
    t, s = falling(200, 20)
    assert t.tolist() == list(range(200, 0, -10))
    assert s.tolist() == list(range(190, -1, -10))
    assert [marks.tolist() for marks in falling(10, 3)] == [[10, 7, 3], [7, 3, 0]]


def test_the_variance_of_ddpm_and_ddim():
    """Ho's β̃_2 = 0.1 / 0.28 · 0.2 = 1/14; a quarter of it at η = ½; none for DDIM, and none at the last step."""
    assert noise_variance(2, 1, 1, HAND) == pytest.approx(1 / 14)
    assert noise_variance(2, 1, 0.5, HAND) == pytest.approx(1 / 56)
    assert noise_variance(2, 1, 0, HAND) == 0
    assert noise_variance(2, 0, 1, HAND) == 0


def test_the_ancestral_step():
    """(x_2 − β_2 / √(1 − ᾱ_2) ε) / √α_2 + σ z."""
    x, epsilon, z = (np.array([value]) for value in (0.3, 0.5, 0.7))
    expected = (0.3 - 0.2 / math.sqrt(0.28) * 0.5) / math.sqrt(0.8) + math.sqrt(1 / 14) * 0.7
    assert next_picture(x, epsilon, 2, 1, z, 1, HAND)[0] == pytest.approx(expected)


def test_the_clean_picture_is_clipped():
    assert clean_picture(np.array([0.0, 9.0, -9.0]), np.zeros(3), 2, HAND).tolist() == [0, 1, -1]
    assert intensity(np.array([-3, -1, 0, 1, 2.0])).tolist() == [0, 0, 0.5, 1, 1]


def test_denoising_asks_step_by_step_and_ends():
    """A denoiser that always finds the noise of a black picture ends at black."""
    start = np.full((1, 2, 2), 2.0, np.float32)
    made = Denoising(start, iter(np.zeros((2, 1, 2, 2))), 2, 0.0, HAND, lambda x: f"{x.mean():.3f}")
    pieces = []
    for t in (2, 1):
        asked = made.inputs()
        assert asked["t"].tolist() == [t]
        assert asked["x"].shape == (1, 1, 2, 2)
        pieces += made.take({"epsilon": (asked["x"] + math.sqrt(HAND[t])) / math.sqrt(1 - HAND[t])})
    assert made.inputs() is None
    assert [(piece["step"], piece["steps"]) for piece in pieces] == [(1, 2), (2, 2)]
    assert pieces[-1]["image"] == "-1.000"
    assert [piece.get("finish_reason") for piece in pieces] == [None, "stop"]
