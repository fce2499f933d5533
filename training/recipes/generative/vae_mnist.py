"""vae-mnist: a variational autoencoder with 16 latent dimensions on MNIST, pixels as Bernoulli probabilities.

Data: MNIST, 54,000 pictures to fit on, 6,000 to validate on, the 10,000 of the test split scored once. The figure is the
evidence lower bound with one draw of z a picture, the draws stored beside the samples.

    python -m training.recipes.generative.vae_mnist --seed 0 --seed 1 --seed 2
"""

from __future__ import annotations

from typing import Any

import numpy as np
from PIL import Image

from training.command import recipe_main
from training.data import Split, mnist
from training.objectives import negative_elbo
from training.recipe import Recipe, Settings
from zoo.families.generative.vae import Config
from zoo.original import Original
from zoo.spec import Arrays

GRID = 10  # pictures a side of a grid in the card


def codec(train: Split) -> dict[str, Any]:
    return {"height": 28, "width": 28}


def extend(original: Original, samples: Arrays) -> Arrays:
    """Inputs of `decode` (the posterior's means) and the draws of the metric."""
    mean = original.call(original.graph("encode"), {"x": samples["encode/x"]})["mean"]
    epsilon = np.random.default_rng(0).standard_normal(mean.shape)
    return {"decode/z": mean, "epsilon": epsilon.astype(np.float32)}


def pictures(original: Original, samples: Arrays) -> dict[str, Image.Image]:
    """Reconstructions, each below its original, and samples from the prior."""

    def decode(z: np.ndarray) -> np.ndarray:
        return 1 / (1 + np.exp(-original.call(original.graph("decode"), {"z": z})["logits"]))

    chosen = np.arange(GRID * GRID // 2) % len(samples["targets"])
    pairs = np.stack([samples["encode/x"][chosen], decode(samples["decode/z"][chosen])])
    rows = pairs.reshape(2, GRID // 2, GRID, -1).swapaxes(0, 1).reshape(GRID * GRID, -1)
    z = np.random.default_rng(1).standard_normal((GRID * GRID, original.config.latent)).astype(np.float32)
    return {"reconstructions": _grid(rows), "samples": _grid(decode(z))}


def _grid(pictures: np.ndarray) -> Image.Image:
    """GRID x GRID pictures of 28x28, from (GRID², 784) intensities of 0 to 1."""
    side = int(pictures.shape[1] ** 0.5)
    tiles = pictures.reshape(GRID, GRID, side, side).swapaxes(1, 2).reshape(GRID * side, GRID * side)
    return Image.fromarray(np.rint(tiles * 255).astype(np.uint8))


RECIPE = Recipe(
    family="vae",
    config=Config(),
    summary="Variational autoencoder on MNIST, 16 latent dimensions",
    load=mnist.load,
    codec=codec,
    metric="elbo",
    objective=negative_elbo,
    settings=Settings(epochs=40, threads=1),
    extend=extend,
    pictures=pictures,
)

if __name__ == "__main__":
    recipe_main(__file__)
