"""The steps of a diffusion sampler in NumPy, for those who drive a denoiser themselves.

The equations are Song et al. (2021), https://arxiv.org/abs/2010.02502, numbers 12 and 16, with x̂_0 clipped to −1 … 1:

    x̂_0 = (x_t − √(1 − ᾱ_t) ε) / √ᾱ_t    σ² = η² (1 − ᾱ_s) / (1 − ᾱ_t) · (1 − ᾱ_t / ᾱ_s)
    x_s = √ᾱ_s x̂_0 + √(1 − ᾱ_s − σ²) ε̂ + σ z

where ε̂ is the noise that leads from x̂_0 to x_t: ε itself, unless x̂_0 was clipped.
η = 0 is DDIM. η = 1 with s = t − 1 is the ancestral step of Ho et al. (2020), https://arxiv.org/abs/2006.11239.
"""

from __future__ import annotations

from collections.abc import Callable, Iterator, Sequence

import numpy as np

from zoo.generation import Piece
from zoo.spec import Arrays


def falling(timesteps: int, steps: int) -> tuple[np.ndarray, np.ndarray]:
    """Timesteps T … 1 that `steps` steps start from and lead to, evenly spaced; the last one leads to 0."""
    marks = np.rint(np.linspace(timesteps, 0, steps + 1)).astype(np.int64)
    return marks[:-1], marks[1:]


def clean_picture(x: np.ndarray, epsilon: np.ndarray, t: int, alpha_bar: Sequence[float]) -> np.ndarray:
    """x̂_0, what x at timestep t is without the noise ε that was found in it."""
    return np.clip((x - (1 - alpha_bar[t]) ** 0.5 * epsilon) / alpha_bar[t] ** 0.5, -1, 1)


def next_picture(
    x: np.ndarray, epsilon: np.ndarray, t: int, s: int, z: np.ndarray, eta: float, alpha_bar: Sequence[float]
) -> np.ndarray:
    """x at timestep s, from x at timestep t, the noise ε that was found in it and new noise z."""
    variance = noise_variance(t, s, eta, alpha_bar)
    clean = clean_picture(x, epsilon, t, alpha_bar)
    kept = max(0.0, 1 - alpha_bar[s] - variance)
    implied = (x - alpha_bar[t] ** 0.5 * clean) / (1 - alpha_bar[t]) ** 0.5
    return (alpha_bar[s] ** 0.5 * clean + kept**0.5 * implied + variance**0.5 * z).astype(x.dtype)


def noise_variance(t: int, s: int, eta: float, alpha_bar: Sequence[float]) -> float:
    """σ² of the step from t to s; 0 at the last step, s = 0."""
    a_t, a_s = alpha_bar[t], alpha_bar[s]
    return max(0.0, eta**2 * (1 - a_s) / (1 - a_t) * (1 - a_t / a_s))


class Denoising:
    """A picture in the making (`zoo.generation`): one call of `denoise` a step, the noise taken away here.

    `start` is x_T (channels, height, width), `noise` gives z of each step in turn, `show` makes a string of x.
    """

    graph = "denoise"

    def __init__(
        self,
        start: np.ndarray,
        noise: Iterator[np.ndarray],
        steps: int,
        eta: float,
        alpha_bar: Sequence[float],
        show: Callable[[np.ndarray], str],
    ) -> None:
        self._x, self._noise, self._eta, self._alpha_bar, self._show = start, noise, eta, alpha_bar, show
        self._marks = list(zip(*(marks.tolist() for marks in falling(len(alpha_bar) - 1, steps)), strict=True))
        self._done = 0

    def inputs(self) -> Arrays | None:
        if self._done == len(self._marks):
            return None
        t, _ = self._marks[self._done]
        return {"x": self._x[None], "t": np.array([t])}

    def take(self, outputs: Arrays) -> list[Piece]:
        """The picture after this step."""
        t, s = self._marks[self._done]
        self._x = next_picture(self._x, outputs["epsilon"][0], t, s, next(self._noise), self._eta, self._alpha_bar)
        self._done += 1
        piece: Piece = {"step": self._done, "steps": len(self._marks), "image": self._show(self._x)}
        return [piece if self._done < len(self._marks) else {**piece, "finish_reason": "stop"}]


def intensity(x: np.ndarray) -> np.ndarray:
    """0 … 1 of a picture from −1, black, to 1, white; what is beyond is cut off."""
    return np.clip((x + 1) / 2, 0, 1)
