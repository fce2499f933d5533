"""perceptron-iris: Rosenblatt's perceptron tells setosa from the other two species of iris.

Data: Iris, 149 flowers, a fixed stratified fifth held out as test split. Setosa can be told by a plane, so the perceptron
learning algorithm (S4 L2990-3007) stops at a pass without a mistake. Lengths enter in cm as they are. Fitted in no time.

Result: all 30 test rows are right.

    python -m training.recipes.neurons.perceptron_iris --seed 0
"""

from __future__ import annotations

from functools import partial
from typing import Any

import numpy as np
import torch

from training.command import recipe_main
from training.data import Split, iris
from training.perceptron import learn, perceptron, with_bias
from training.recipe import Curves, Recipe, Settings
from zoo.families.neurons.perceptron import Config
from zoo.original import Original
from zoo.spec import Arrays

SMALL = 0.01  # standard deviation of the first weights


def codec(train: Split) -> dict[str, Any]:
    return {
        "columns": list(iris.COLUMNS), "units": ["cm"] * 4, "labels": ["not setosa", "setosa"], "output": "scores",
        "scores": "margins",
    }  # fmt: skip


def fit(original: Original, samples: Arrays, settings: Settings, seed: int) -> Curves:
    """Mistakes of every pass; the last has none unless there were no more passes."""
    x = with_bias(samples["x"].astype(np.float64))
    small = np.random.default_rng(seed).normal(scale=SMALL, size=(x.shape[1],))
    weights, mistakes = learn(x, 2 * samples["targets"] - 1, small, perceptron, rate=settings.lr, epochs=settings.epochs)
    with torch.no_grad():
        original.model.unit.bias.fill_(weights[0])
        original.model.unit.weight.copy_(torch.from_numpy(weights[1:]))
    return {"mistakes": [float(made) for made in mistakes]}


RECIPE = Recipe(
    family="perceptron",
    config=Config(in_features=4, low=0, high=8),
    summary="Perceptron that knows setosa among irises",
    load=partial(iris.against_rest, "setosa"),
    codec=codec,
    metric="accuracy",
    settings=Settings(epochs=100, lr=0.1),
    fit=fit,
)

if __name__ == "__main__":
    recipe_main(__file__)
