"""hopfield-corners-3d: a Hopfield network of three units that stores three corners of a cube; its weights are constructed.

Data: 1,000 points of the cube drawn at random, each to end in the nearest stored corner; the middles of the edges of the
triangle that the corners form, and the middle of the cube. From those it comes to four states between the patterns, which
hold it until it is moved: seed report 002, lines 176 to 205, prints them as (−.06, −1, −.06), (−.06, .06, 1),
(1, .06, −.06) and (.367, −.367, .367), which are −.0605 and .3667 to four decimals. The figure is the share of points that
come to where they should within 100 steps, to four decimals.

Reached: 1.0; the construction takes no time.

    python -m training.recipes.energy.hopfield_corners_3d --seed 0
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

PATTERNS = ((-1, -1, 1), (1, -1, -1), (1, 1, 1))
SPURIOUS = (
    ((0, -1, 0), (-0.0605, -1, -0.0605)),
    ((0, 0, 1), (-0.0605, 0.0605, 1)),
    ((1, 0, 0), (1, 0.0605, -0.0605)),
    ((0, 0, 0), (0.3667, -0.3667, 0.3667)),
)


def codec(train: Split) -> dict[str, Any]:
    return {"units": 3, "limit": Config().max_steps}


def fit(original: Original, learn: Arrays, settings: Settings, seed: int) -> Curves:
    original.model.store(torch.tensor(PATTERNS))
    return {}


RECIPE = Recipe(
    family="hopfield",
    config=Config(units=3, patterns=3),
    summary="Hopfield network that stores three corners of a cube",
    load=partial(hypercube.load, PATTERNS, SPURIOUS),
    codec=codec,
    metric="recovery",
    fit=fit,
    settings=Settings(threads=1),
)

if __name__ == "__main__":
    recipe_main(__file__)
