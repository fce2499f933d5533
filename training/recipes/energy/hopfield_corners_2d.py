"""hopfield-corners-2d: a Hopfield network of two units that stores three corners of a square; its weights are constructed.

Data: 1,000 points of the square drawn at random, each to end in the nearest corner, and five that stay where they are. Only
(1, 1), (−1, −1) and (1, −1) are stored, but the two units do not touch one another, so that (−1, 1) is an attractor too, and
the middle of the square and of its sides hold a state that is put there exactly. The figure is the share of points that come
to where they should within 100 steps, to four decimals: seed report 002, lines 150 to 174, has these nine states.

Reached: 1.0; the construction takes no time.

    python -m training.recipes.energy.hopfield_corners_2d --seed 0
"""

from __future__ import annotations

from functools import partial
from typing import Any

import torch

from training.command import recipe_main
from training.data import Split, hypercube
from training.recipe import Curves, Recipe, Settings
from zoo.families.energy.hopfield import Config
from zoo.original import Original
from zoo.spec import Arrays

PATTERNS = ((1, 1), (-1, -1), (1, -1))
SPURIOUS = (-1, 1)
UNSTABLE = ((0, 0), (1, 0), (-1, 0), (0, 1), (0, -1))


def codec(train: Split) -> dict[str, Any]:
    return {"units": 2, "limit": Config().max_steps}


def fit(original: Original, learn: Arrays, settings: Settings, seed: int) -> Curves:
    original.model.store(torch.tensor(PATTERNS))
    return {}


RECIPE = Recipe(
    family="hopfield",
    config=Config(units=2, patterns=3),
    summary="Hopfield network that stores three corners of a square",
    load=partial(hypercube.load, (*PATTERNS, SPURIOUS), [(state, state) for state in UNSTABLE]),
    codec=codec,
    metric="recovery",
    fit=fit,
    settings=Settings(threads=1),
)

if __name__ == "__main__":
    recipe_main(__file__)
