"""sparse-autoencoder-mnist: 100 hidden features of which each is active on a twentieth of the digits.

Data: MNIST, 54,000 pictures to fit on, 6,000 to validate on, the 10,000 of the test split scored once. The divergence of
each feature's mean activity from 0.05 is added to the squared error (Ng 2011).

    python -m training.recipes.autoencoders.sparse_autoencoder_mnist --seed 0
"""

from __future__ import annotations

from typing import Any

from PIL.Image import Image

from training.autoencoding import decode_inputs, features, reconstructions, sparse
from training.command import recipe_main
from training.data import Split, mnist
from training.recipe import Recipe, Settings
from zoo.families.autoencoders.autoencoder import Config
from zoo.original import Original
from zoo.spec import Arrays


def codec(train: Split) -> dict[str, Any]:
    return {"height": 28, "width": 28, "code": "code", "code_input": "code"}


def pictures(original: Original, samples: Arrays) -> dict[str, Image]:
    return {"reconstructions": reconstructions(original, samples), "features": features(original)}


RECIPE = Recipe(
    family="autoencoder",
    config=Config(hidden=100, activation="sigmoid"),
    summary="Sparse autoencoder of 100 features on MNIST",
    load=mnist.load,
    codec=codec,
    metric="reconstruction_error",
    objective=sparse(weight=0.5, activity=0.05),
    extend=decode_inputs,
    pictures=pictures,
    settings=Settings(epochs=30, threads=1),
)

if __name__ == "__main__":
    recipe_main(__file__)
