"""ddpm-mnist: a denoising diffusion model on MNIST, sampled in 20 steps of DDIM or 200 of DDPM.

Data: MNIST, 58,000 pictures to fit on, 2,000 to validate on, 2,000 of the test split scored once. The figure is the Fréchet
distance of 2,000 pictures, sampled by DDIM in 20 steps, to as many real ones, in the features of lenet5-mnist. Weights are
averaged as in Ho et al. (2020), with a shorter memory for a shorter training.

    python -m training.recipes.generative.ddpm_mnist --seed 0
"""

from __future__ import annotations

from collections.abc import Mapping
from typing import Any

import numpy as np
import torch
from PIL import Image

from training.command import recipe_main
from training.data import Dataset, Split, mnist
from training.data.requests import as_requests
from training.denoising import noise_loss
from training.pictures import grid, signed
from training.recipe import Recipe, Settings
from zoo.diffusion import falling, intensity
from zoo.families.generative.ddpm import Config, alpha_bar
from zoo.original import Original
from zoo.spec import Arrays

STEPS = 20
SIDE = 10  # pictures a side of a grid in the card


def load() -> Dataset:
    return as_requests(mnist.load(), held=2000, options=(STEPS, 0))


def codec(train: Split) -> dict[str, Any]:
    config = Config()
    schedule = alpha_bar(config.timesteps, config.last).tolist()
    return {"height": 28, "width": 28, "steps": STEPS, "call_steps": config.steps, "alpha_bar": schedule}


def learn(split: Split, settings: Mapping[str, Any]) -> Arrays:
    """Real pictures as −1 … 1, (N, 1, 28, 28)."""
    return {"x": signed(split.targets), "targets": split.targets}


def extend(original: Original, samples: Arrays) -> Arrays:
    """Real pictures under noise for the denoiser, every timestep equally often."""
    rng = np.random.default_rng(0)
    clean = signed(samples["targets"])
    t = 1 + np.arange(len(clean)) % original.config.timesteps
    epsilon = rng.standard_normal(clean.shape, np.float32)
    with torch.no_grad():
        noisy = original.model.noisy(*map(torch.from_numpy, (clean, t, epsilon))).numpy()
    return {"denoise/x": noisy.astype(np.float32), "denoise/t": t}


def pictures(original: Original, samples: Arrays) -> dict[str, Image.Image]:
    """Samples of DDIM and of DDPM, and the way to some of them, two steps a column."""
    rng = np.random.default_rng(1)
    start = rng.standard_normal((SIDE * SIDE, 1, 28, 28)).astype(np.float32)
    ddim = trajectory(original, start, STEPS, 0, rng)
    ddpm = trajectory(original, start, original.config.timesteps, 1, rng)
    steps = ddim[1::2, :SIDE].swapaxes(0, 1).reshape(-1, 1, 28, 28)
    shown = {"ddim": ddim[-1], "ddpm": ddpm[-1], "steps": steps}
    return {name: grid(intensity(x), SIDE) for name, x in shown.items()}


def trajectory(original: Original, x: np.ndarray, steps: int, eta: float, rng: np.random.Generator) -> np.ndarray:
    """x after every step, (steps, rows, 1, 28, 28)."""
    graph, rows, path = original.graph("sample"), len(x), []
    for t, s in zip(*falling(original.config.timesteps, steps), strict=True):
        inputs = {
            "x": x,
            "t": np.full((rows, 1), t),
            "s": np.full((rows, 1), s),
            "noise": rng.standard_normal((rows, 1, *x.shape[1:])).astype(np.float32),
            "eta": np.full(rows, eta, np.float32),
        }
        x = original.call(graph, inputs)["picture"]
        path.append(x)
    return np.stack(path)


RECIPE = Recipe(
    family="ddpm",
    config=Config(),
    summary="Denoising diffusion model on MNIST, sampled by DDIM or DDPM",
    load=load,
    codec=codec,
    metric="frechet_distance:lenet5-mnist",
    learn=learn,
    objective=noise_loss,
    settings=Settings(
        epochs=12,
        batch_size=128,
        lr=2e-3,
        warmup_epochs=0.2,
        gradient_clip=1,
        average=0.999,
        metric_every=100,
        patience=100,
        precision="bf16-mixed",
        threads=1,
    ),
    extend=extend,
    pictures=pictures,
)

if __name__ == "__main__":
    recipe_main(__file__)
