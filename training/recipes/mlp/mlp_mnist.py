"""mlp-mnist: a multi-layer perceptron with two hidden layers on MNIST.

Data: MNIST, 54,000 pictures to fit on, 6,000 to validate on, the 10,000 of the test split scored once.

    python -m training.recipes.mlp.mlp_mnist --seed 0 --seed 1 --seed 2
"""

from __future__ import annotations

from typing import Any

from training.command import recipe_main
from training.data import Split, mnist
from training.objectives import cross_entropy
from training.recipe import Recipe, Settings
from zoo.families.mlp.mlp import Config


def codec(train: Split) -> dict[str, Any]:
    return {"height": 28, "width": 28, "labels": [str(digit) for digit in range(10)]}


RECIPE = Recipe(
    family="mlp",
    config=Config(),
    summary="Multi-layer perceptron on MNIST",
    load=mnist.load,
    codec=codec,
    metric="accuracy",
    objective=cross_entropy(),
    settings=Settings(epochs=30, threads=1),
)

if __name__ == "__main__":
    recipe_main(__file__)
