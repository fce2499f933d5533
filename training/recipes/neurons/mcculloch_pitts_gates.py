"""mcculloch-pitts-gates: OR, AND, NAND and NOR as threshold logic units, and XOR by a second layer of one.

Nothing is learnt: the weights of OR and AND are those of seed 004 (L1052, L1081), NAND and NOR are their negations, and
XOR, which no single unit computes, is the AND of OR and NAND. Data: generated levels with noise, on which the gates are
measured. Fitted in no time on any machine.

Result: all five outputs are right on all 32 test rows, of which the first four are the truth table.

    python -m training.recipes.neurons.mcculloch_pitts_gates --seed 0
"""

from __future__ import annotations

from typing import Any

import torch

from training.command import recipe_main
from training.data import Split, logic
from training.recipe import Curves, Recipe, Settings
from zoo.families.neurons.threshold_logic import Config
from zoo.original import Original
from zoo.spec import Arrays

FIRST = (((1, 1), -0.5), ((1, 1), -1.5), ((-1, -1), 1.5), ((-1, -1), 0.5))  # weights and bias of OR, AND, NAND, NOR
SECOND = (((1, 0, 1, 0), -1.5),)  # XOR, from those four


def codec(train: Split) -> dict[str, Any]:
    return {"columns": ["x1", "x2"], "labels": list(logic.GATES), "output": "y", "scores": "flags"}


def fit(original: Original, learn: Arrays, settings: Settings, seed: int) -> Curves:
    """Set the weights, whatever the data."""
    with torch.no_grad():
        for layer, units in ((original.model.first, FIRST), (original.model.second, SECOND)):
            layer.weight.copy_(torch.tensor([weights for weights, _ in units]))
            layer.bias.copy_(torch.tensor([bias for _, bias in units]))
    return {}


RECIPE = Recipe(
    family="threshold-logic",
    config=Config(),
    summary="Five logic gates of threshold units",
    load=logic.load,
    codec=codec,
    metric="exact_match",
    fit=fit,
)

if __name__ == "__main__":
    recipe_main(__file__)
