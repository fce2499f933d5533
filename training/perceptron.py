"""Learning rules of a single threshold unit: the Hebbian rule and the perceptron learning algorithm.

Both go through the samples in order and, where the answer is wrong, move the weights by rate · t · x; they differ in what
they call wrong. A bias is the weight of an input that is always 1 (`with_bias`), as seed 004 has it (4).

Targets are −1 and +1. With 0 and 1, which seed 004 also uses, a unit that fires where it should not is never corrected: the
change is rate · 0 · x. So the Hebbian rule with a bias finds none of OR, AND, NAND and NOR from such targets.
"""

from __future__ import annotations

from collections.abc import Callable, Iterator

import numpy as np

Wrong = Callable[[float, float], bool]  # of an activation and its target


def hebbian(activation: float, target: float) -> bool:
    """The unit fires, a > 0, where the target is not above 0, or the other way round (S4 L1157-1173)."""
    return (activation > 0) != (target > 0)


def perceptron(activation: float, target: float) -> bool:
    """t · a <= 0: a sample on the plane itself is wrong on either side (S4 L3001)."""
    return target * activation <= 0


def with_bias(x_NI: np.ndarray) -> np.ndarray:
    """Samples with a first column of ones."""
    return np.concatenate([np.ones((len(x_NI), 1)), x_NI], axis=1)


def steps(
    x_NI: np.ndarray, t_N: np.ndarray, w_I: np.ndarray, wrong: Wrong, rate: float
) -> Iterator[tuple[np.ndarray, bool]]:
    """The weights after each sample of one pass, and whether they were changed; starts from `w_I` and leaves it as it is."""
    for x_I, target in zip(x_NI, t_N, strict=True):
        mistaken = wrong(float(w_I @ x_I), float(target))
        if mistaken:
            w_I = w_I + rate * target * x_I
        yield w_I, mistaken


def learn(
    x_NI: np.ndarray, t_N: np.ndarray, w_I: np.ndarray, wrong: Wrong, *, rate: float, epochs: int
) -> tuple[np.ndarray, list[int]]:
    """Weights after at most `epochs` passes and the mistakes of each; the pass without any is the last."""
    mistakes: list[int] = []
    while len(mistakes) < epochs and (not mistakes or mistakes[-1]):
        run = list(steps(x_NI, t_N, w_I, wrong, rate))
        w_I = run[-1][0]
        mistakes.append(sum(changed for _, changed in run))
    return w_I, mistakes
