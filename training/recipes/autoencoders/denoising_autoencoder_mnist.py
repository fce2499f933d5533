"""denoising-autoencoder-mnist: 100 hidden features from which a digit is rebuilt without the noise that lies on it.

Data: MNIST, 54,000 pictures to fit on, 6,000 to validate on, the 10,000 of the test split scored once. To each pixel, from
0 to 1, noise of standard deviation 0.5 is added and the sum cut to 0 … 1: anew in every epoch of the training, fixed for
the other splits. The noisy pictures themselves have a squared error of 90.7.

    python -m training.recipes.autoencoders.denoising_autoencoder_mnist --seed 0
"""

from __future__ import annotations

import dataclasses
from collections.abc import Mapping
from typing import Any

import numpy as np
from PIL.Image import Image

from training.autoencoding import decode_inputs, denoising, features, rows_of_pictures
from training.command import recipe_main
from training.data import Dataset, Split, mnist
from training.recipe import Recipe, Settings
from zoo.families.autoencoders.autoencoder import Config
from zoo.original import Original
from zoo.spec import Arrays

NOISE = 0.5
NOTE = "Noise of standard deviation 0.5 is added; the noisy pictures themselves have an error of 90.7."
COLUMNS = 10


def load() -> Dataset:
    """Noisy pictures as raws, and the clean ones, 0 … 1, as targets."""
    clean = mnist.load()
    return dataclasses.replace(clean, train=_noisy(clean.train, 1), test=_noisy(clean.test, 2), note=NOTE)


def _noisy(split: Split, seed: int) -> Split:
    pictures = np.asarray(split.raws)
    targets = pictures.reshape(len(pictures), -1).astype(np.float32) / 255
    noise = np.random.default_rng(seed).standard_normal(pictures.shape, dtype=np.float32) * (255 * NOISE)
    return Split(raws=np.clip(np.rint(pictures + noise), 0, 255).astype(np.uint8), targets=targets)


def codec(train: Split) -> dict[str, Any]:
    return {"height": 28, "width": 28, "code": "code", "code_input": "code"}


def learn(split: Split, settings: Mapping[str, Any]) -> Arrays:
    """The clean pictures: the objective adds noise."""
    return {"x": split.targets, "targets": split.targets}


def pictures(original: Original, samples: Arrays) -> dict[str, Image]:
    """Noisy pictures, what is made of them, and what they were; the features."""
    logits = original.call(original.graph("decode"), {"code": samples["decode/code"][:COLUMNS]})["logits"]
    rebuilt = 1 / (1 + np.exp(-logits))
    shown = rows_of_pictures(samples["encode/x"][:COLUMNS], rebuilt, samples["targets"][:COLUMNS])
    return {"reconstructions": shown, "features": features(original)}


RECIPE = Recipe(
    family="autoencoder",
    config=Config(hidden=100),
    summary="Denoising autoencoder of 100 features on MNIST",
    load=load,
    codec=codec,
    metric="reconstruction_error",
    objective=denoising(NOISE),
    learn=learn,
    extend=decode_inputs,
    pictures=pictures,
    settings=Settings(epochs=30, threads=1),
)

if __name__ == "__main__":
    recipe_main(__file__)
