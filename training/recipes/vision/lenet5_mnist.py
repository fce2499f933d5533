"""lenet5-mnist: LeNet-5 on MNIST.

Data: MNIST, 54,000 pictures to fit on, 6,000 to validate on, the 10,000 of the test split scored once.

    python -m training.recipes.vision.lenet5_mnist --seed 0 --seed 1 --seed 2
"""

from __future__ import annotations

from typing import Any

from training.augment import turn_and_move
from training.command import recipe_main
from training.data import Split, mnist
from training.objectives import cross_entropy
from training.recipe import Recipe, Settings
from zoo.families.vision.lenet5 import Config
from zoo.original import Original
from zoo.spec import Arrays


def codec(train: Split) -> dict[str, Any]:
    return {"height": 28, "width": 28, "layout": "channels-first", "labels": [str(digit) for digit in range(10)]}


def extend(original: Original, samples: Arrays) -> Arrays:
    """The same pictures for the graph that stops before the classes."""
    return {"features/x": samples["predict/x"]}


RECIPE = Recipe(
    family="lenet5",
    config=Config(),
    summary="LeNet-5 on MNIST",
    load=mnist.load,
    codec=codec,
    metric="accuracy",
    augment=turn_and_move,
    objective=cross_entropy(),
    extend=extend,
    settings=Settings(epochs=20, lr=2e-3, shift=1, rotate=7, average=0.999, threads=1),
)

if __name__ == "__main__":
    recipe_main(__file__)
