"""gradient-boosting-diabetes: how far diabetes comes in a year, by boosted stumps on ten measurements.

Data: Efron et al. (2004), 442 patients, a fixed fifth held out as test split. Depth, shrinkage, number of trees and share of
the rows have the best R² in five-fold cross-validation of the training split, 0.514, among depths of 1 to 3, five pairs of
shrinkage and number, and shares of a half and all. Fitted in seconds.

Result: R² 0.282 on the 88 test rows.

    python -m training.recipes.classical.gradient_boosting_diabetes --seed 0
"""

from __future__ import annotations

from typing import Any

from training.command import recipe_main
from training.data import Split, diabetes
from training.recipe import Curves, Recipe, Settings
from zoo.families.classical.gradient_boosting import Config
from zoo.original import Original
from zoo.spec import Arrays


def codec(train: Split) -> dict[str, Any]:
    return {"columns": list(diabetes.COLUMNS), "units": list(diabetes.UNITS)}


def fit(original: Original, learn: Arrays, settings: Settings, seed: int) -> Curves:
    """By the estimator's own method; then its trees forget the random generator, of which a checkpoint keeps a copy each."""
    boosted = original.model.set_params(random_state=seed)
    boosted.fit(learn["x"], learn["targets"])
    for tree in boosted.estimators_[:, 0]:
        tree.random_state = None
    return {}


RECIPE = Recipe(
    family="gradient-boosting",
    config=Config(num_trees=400, depth=1, shrinkage=0.02, subsample=0.5),
    summary="Boosted trees on the progression of diabetes",
    load=diabetes.load,
    codec=codec,
    metric="r2",
    fit=fit,
)

if __name__ == "__main__":
    recipe_main(__file__)
