"""softmax-digits: softmax regression on the 8x8 digits that scikit-learn carries.

Data: UCI Optical Recognition of Handwritten Digits, 1,797 pictures, a fixed stratified fifth held out as test split.

    python -m training.recipes.linear.softmax_digits --seed 0 --seed 1 --seed 2
"""

from __future__ import annotations

from typing import Any

from training.command import recipe_main
from training.data import Split, digits
from training.objectives import cross_entropy
from training.recipe import Recipe, Settings
from zoo.families.linear.softmax_regression import Config


def codec(train: Split) -> dict[str, Any]:
    return {"height": 8, "width": 8, "white": 16.0, "labels": [str(digit) for digit in range(10)]}


RECIPE = Recipe(
    family="softmax-regression",
    config=Config(in_features=64, classes=10),
    summary="Softmax regression on 8x8 digits",
    load=digits.load,
    codec=codec,
    metric="accuracy",
    objective=cross_entropy(),
    settings=Settings(epochs=60, batch_size=32, lr=2e-2, weight_decay=1e-5, patience=15, threads=1),
)

if __name__ == "__main__":
    recipe_main(__file__)
