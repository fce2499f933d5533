"""bayesian-network-diagnosis: how likely a disease is, given what is known of a symptom and a test.

The network is made of two worked diagnoses of seed 001: the disease of example 3.3 (lines 2331 to 2354), which one person in
twenty has, with its symptom, and the test of exercise 3.1 (line 2696), which is right in 95 cases of 100. Both depend on the
disease only, as in the naive Bayes classifier of equation 16.1. Nothing is learnt: the tables are set. The data are all 27
cases of known and unknown variables, their posteriors summed over the joint table.

Result: 1.0; a symptom makes the disease 0.296 likely, which is the example's figure. Fitted in no time on any machine.

    python -m training.recipes.probabilistic.bayesian_network_diagnosis --seed 0
"""

from __future__ import annotations

from functools import partial
from typing import Any

import numpy as np
import torch

from training.command import recipe_main
from training.data import Split, diagnoses
from training.data.diagnoses import Variable
from training.recipe import Curves, Recipe, Settings
from zoo.families.probabilistic.bayesian_network import Config
from zoo.original import Original
from zoo.spec import Arrays

NETWORK = (
    Variable(name="disease", table=((0.95, 0.05),)),
    Variable(name="symptom", parents=("disease",), table=((0.9, 0.1), (0.2, 0.8))),
    Variable(name="test", parents=("disease",), table=((0.95, 0.05), (0.05, 0.95)), states=("negative", "positive")),
)
EDGES = (0, 1, 0, 2)
WORKED = ({"symptom": "yes"}, {"test": "positive"}, {"symptom": "yes", "test": "positive"}, {"disease": "yes"})


def codec(train: Split) -> dict[str, Any]:
    return {"variables": [one.name for one in NETWORK], "states": [list(one.states) for one in NETWORK]}


def fit(original: Original, learn: Arrays, settings: Settings, seed: int) -> Curves:
    """Set the tables, whatever the data."""
    with torch.no_grad():
        for number, variable in enumerate(NETWORK):
            table = original.model.table(number)
            table.copy_(torch.from_numpy(np.reshape(variable.table, table.shape)))
    return {}


RECIPE = Recipe(
    family="bayesian-network",
    config=Config(states=tuple(len(one.states) for one in NETWORK), edges=EDGES),
    summary="Bayesian network that diagnoses a disease from a symptom and a test",
    load=partial(diagnoses.load, NETWORK, WORKED),
    codec=codec,
    metric="posterior_match",
    fit=fit,
)

if __name__ == "__main__":
    recipe_main(__file__)
