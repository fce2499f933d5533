"""autoencoder-mnist: 32 hidden features from which a digit is rebuilt.

Data: MNIST, 54,000 pictures to fit on, 6,000 to validate on, the 10,000 of the test split scored once. The network is that
of a published table of widths by epochs whose loss, optimiser and activations are open: here the squared error a picture,
Adam and ReLU.

    python -m training.recipes.autoencoders.autoencoder_mnist --seed 0
"""

from __future__ import annotations

from typing import Any

from PIL.Image import Image

from training.autoencoding import decode_inputs, reconstructions, squared_error
from training.command import recipe_main
from training.data import Split, mnist
from training.recipe import Recipe, Settings
from zoo.families.autoencoders.autoencoder import Config
from zoo.original import Original
from zoo.spec import Arrays


def codec(train: Split) -> dict[str, Any]:
    return {"height": 28, "width": 28, "code": "code", "code_input": "code"}


def pictures(original: Original, samples: Arrays) -> dict[str, Image]:
    return {"reconstructions": reconstructions(original, samples)}


RECIPE = Recipe(
    family="autoencoder",
    config=Config(hidden=32),
    summary="Autoencoder of 32 features on MNIST",
    load=mnist.load,
    codec=codec,
    metric="reconstruction_error",
    objective=squared_error,
    extend=decode_inputs,
    pictures=pictures,
    settings=Settings(epochs=20, threads=1),
)

if __name__ == "__main__":
    recipe_main(__file__)
