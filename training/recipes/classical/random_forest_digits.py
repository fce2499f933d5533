"""random-forest-digits: a random forest on the 8x8 digits that scikit-learn carries.

Data: UCI Optical Recognition of Handwritten Digits, 1,797 pictures, a fixed stratified fifth held out as test split.

    python -m training.recipes.classical.random_forest_digits --seed 0 --seed 1 --seed 2
"""

from __future__ import annotations

from typing import Any

from training.command import recipe_main
from training.data import Split, digits
from training.recipe import Recipe
from zoo.families.classical.random_forest import Config


def codec(train: Split) -> dict[str, Any]:
    return {
        "height": 8, "width": 8, "white": 16.0, "std": 0.0625, "labels": [str(digit) for digit in range(10)],
        "output": "probabilities", "scores": "probabilities",
    }  # fmt: skip


RECIPE = Recipe(
    family="random-forest",
    config=Config(),
    summary="Random forest on 8x8 digits",
    load=digits.load,
    codec=codec,
    metric="accuracy",
)

if __name__ == "__main__":
    recipe_main(__file__)
