"""Cart and pole: a pole on a hinge on a cart, which is pushed to the left or to the right so that the pole stands.

The equations are those of Barto, Sutton and Anderson (1983), https://doi.org/10.1109/TSMC.1983.6313077, without friction, by
Euler steps of 0.02 s. Numbers, limits and rewards are those of CartPole-v1 of gymnasium, https://gymnasium.farama.org:
1 for every step, that in which the pole falls or the cart leaves its track included.

    m = (F + mₚ l θ'² sin θ) / (m_c + mₚ)
    θ″ = (g sin θ − m cos θ) / (l (4/3 − mₚ cos² θ / (m_c + mₚ)))        x″ = m − mₚ l θ″ cos θ / (m_c + mₚ)

A state is (x, x', θ, θ'): position in m, velocity in m/s, the pole's angle from upright in rad, to the right, and its
angular velocity in rad/s. Action 0 pushes to the left, 1 to the right.
"""

from __future__ import annotations

import math

import numpy as np

GRAVITY = 9.8  # m/s²
CART, POLE = 1.0, 0.1  # masses in kg
HALF_LENGTH = 0.5  # of the pole, in m
FORCE = 10.0  # N
SECONDS = 0.02  # of one step
TRACK = 2.4  # m to either side
TILT = 12 * 2 * math.pi / 360  # rad
MAX_STEPS = 500


def step(states: np.ndarray, actions: np.ndarray) -> tuple[np.ndarray, np.ndarray, np.ndarray]:
    """States (N, 4) one step on, in float64, by actions (N,) of 0 and 1; rewards (N,), and whether the pole is lost (N,)."""
    _, velocity, angle, spin = states.astype(np.float64).T
    force = np.where(actions == 1, FORCE, -FORCE)
    cosine, sine = np.cos(angle), np.sin(angle)
    push = (force + POLE * HALF_LENGTH * np.square(spin) * sine) / (CART + POLE)
    inertia = HALF_LENGTH * (4 / 3 - POLE * np.square(cosine) / (CART + POLE))
    turn = (GRAVITY * sine - cosine * push) / inertia
    drive = push - POLE * HALF_LENGTH * turn * cosine / (CART + POLE)
    rates = np.stack([velocity, drive, spin, turn], axis=1)
    after = states + SECONDS * rates
    lost = (np.abs(after[:, 0]) > TRACK) | (np.abs(after[:, 2]) > TILT)
    return after, np.ones(len(after)), lost
