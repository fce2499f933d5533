"""dcgan-mnist: a deep convolutional generative adversarial network on MNIST.

Data: MNIST, 58,000 pictures to fit on, 2,000 to validate on, 2,000 of the test split scored once. The figure is the Fréchet
distance of 2,000 generated pictures to as many real ones, in the features of lenet5-mnist. One step of the discriminator
and one of the generator a batch; Adam with β₁ = 0.5, as Radford et al. have it (0.9 oscillates), and the averaged weights
are kept. The epoch is chosen by the validation distance.

    python -m training.recipes.generative.dcgan_mnist --seed 0
"""

from __future__ import annotations

from collections.abc import Mapping
from typing import Any

import numpy as np
from PIL import Image

from training.adversarial import discriminator_loss, generator_loss
from training.command import recipe_main
from training.data import Dataset, Split, mnist
from training.data.requests import as_requests
from training.pictures import grid, signed
from training.recipe import Recipe, Settings, Turn
from zoo.diffusion import intensity
from zoo.families.generative.dcgan import Config
from zoo.original import Original
from zoo.spec import Arrays

SIDE = 10  # pictures a side of a grid in the card


def load() -> Dataset:
    return as_requests(mnist.load(), held=2000)


def codec(train: Split) -> dict[str, Any]:
    return {"height": 28, "width": 28, "latent": Config().latent, "critic": "discriminate"}


def learn(split: Split, settings: Mapping[str, Any]) -> Arrays:
    """Real pictures as −1 … 1, (N, 1, 28, 28)."""
    return {"x": signed(split.targets), "targets": split.targets}


def extend(original: Original, samples: Arrays) -> Arrays:
    """Real pictures for the discriminator."""
    return {"discriminate/x": signed(samples["targets"])}


def pictures(original: Original, samples: Arrays) -> dict[str, Image.Image]:
    """Samples, and lines from one code to another, a row each."""

    def generate(z: np.ndarray) -> np.ndarray:
        return original.call(original.graph("generate"), {"z": z.astype(np.float32)})["picture"]

    rng = np.random.default_rng(1)
    first, last = rng.standard_normal((2, SIDE, 1, original.config.latent))
    share = np.linspace(0, np.pi / 2, SIDE)[:, None]  # along the circle: codes between two are as long as they are
    between = np.cos(share) * first + np.sin(share) * last
    samples_z = rng.standard_normal((SIDE * SIDE, original.config.latent))
    return {
        "samples": grid(intensity(generate(samples_z)), SIDE),
        "interpolations": grid(intensity(generate(between.reshape(SIDE * SIDE, -1))), SIDE),
    }


RECIPE = Recipe(
    family="dcgan",
    config=Config(),
    summary="Deep convolutional generative adversarial network on MNIST",
    load=load,
    codec=codec,
    metric="frechet_distance:lenet5-mnist",
    learn=learn,
    objective=(
        Turn(objective=discriminator_loss, part="discriminator"),
        Turn(objective=generator_loss, part="generator"),
    ),
    settings=Settings(
        epochs=12,
        batch_size=128,
        lr=2e-4,
        beta1=0.5,
        schedule="constant",
        average=0.999,
        keep="metric",
        patience=100,
        threads=1,
    ),
    extend=extend,
    pictures=pictures,
)

if __name__ == "__main__":
    recipe_main(__file__)
