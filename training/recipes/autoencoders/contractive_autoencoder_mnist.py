"""contractive-autoencoder-mnist: 100 hidden features that move little when the digit does.

Data: MNIST, 54,000 pictures to fit on, 6,000 to validate on, the 10,000 of the test split scored once. A tenth of the
squared Frobenius norm of the Jacobian of the code is added to the squared error (Rifai et al. 2011).

    python -m training.recipes.autoencoders.contractive_autoencoder_mnist --seed 0
"""

from __future__ import annotations

from typing import Any

from PIL.Image import Image

from training.autoencoding import contractive, decode_inputs, features, reconstructions
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
    summary="Contractive autoencoder of 100 features on MNIST",
    load=mnist.load,
    codec=codec,
    metric="reconstruction_error",
    objective=contractive(weight=0.1),
    extend=decode_inputs,
    pictures=pictures,
    settings=Settings(epochs=30, threads=1),
)

if __name__ == "__main__":
    recipe_main(__file__)
