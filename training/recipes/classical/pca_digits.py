"""pca-digits: the ten principal components of the 8x8 digits that scikit-learn carries.

Data: UCI Optical Recognition of Handwritten Digits, 1,797 pictures, a fixed stratified fifth held out as test split.

    python -m training.recipes.classical.pca_digits --seed 0
"""

from __future__ import annotations

from typing import Any

import numpy as np
import torch
from PIL.Image import Image

from training.autoencoding import decode_inputs, reconstructions, rows_of_pictures
from training.command import recipe_main
from training.data import Split, digits
from training.recipe import Curves, Recipe, Settings
from zoo.families.classical.pca import Config
from zoo.original import Original
from zoo.spec import Arrays


def codec(train: Split) -> dict[str, Any]:
    return {
        "height": 8, "width": 8, "white": 16.0, "code": "code", "code_input": "code", "output": "pixels", "log_odds": False,
    }  # fmt: skip


def fit(original: Original, learn: Arrays, settings: Settings, seed: int) -> Curves:
    """Components by singular values of the centred rows, each with its largest weight positive."""
    x = learn["x"].astype(np.float64)
    rows = np.linalg.svd(x - x.mean(axis=0), full_matrices=False)[2][: original.config.components]
    signs = np.sign(np.take_along_axis(rows, np.abs(rows).argmax(axis=1, keepdims=True), axis=1))
    weights = {"mean": x.mean(axis=0), "components_KI": rows * signs}
    original.model.load_state_dict({name: torch.from_numpy(value) for name, value in weights.items()})
    return {}


def pictures(original: Original, samples: Arrays) -> dict[str, Image]:
    """Digits above what their codes are decoded to; the components, grey where they weigh nothing."""
    weights = original.model.components_KI.detach().numpy()
    largest = np.abs(weights).max(axis=1, keepdims=True)
    return {
        "reconstructions": reconstructions(original, samples, log_odds=False),
        "components": rows_of_pictures(0.5 + 0.5 * weights / largest),
    }


RECIPE = Recipe(
    family="pca",
    config=Config(),
    summary="Ten principal components of 8x8 digits",
    load=digits.load,
    codec=codec,
    metric="reconstruction_error",
    fit=fit,
    extend=decode_inputs,
    pictures=pictures,
)

if __name__ == "__main__":
    recipe_main(__file__)
