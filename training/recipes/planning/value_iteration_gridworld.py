"""value-iteration-gridworld: what each cell of a map is worth, and which way to go from it.

Data: grid worlds drawn from a fixed seed, their best returns by linear programming (`training.data.gridworlds`). Nothing is
learnt: worlds come in as probabilities and rewards, and what is published is the method itself, for maps of up to 36 cells.
The figure is the share of the test worlds whose values, and the returns of whose planned actions, are those of the linear
programme to four decimals. Fitted in no time on any machine.

Result: 1.0, all 100 test worlds.

    python -m training.recipes.planning.value_iteration_gridworld --seed 0
"""

from __future__ import annotations

from typing import Any

import numpy as np
from PIL import Image

from training.command import recipe_main
from training.data import Split, gridworlds
from training.recipe import Curves, Recipe, Settings
from zoo.codecs.grid_planning import GridPlanning, draw, parse
from zoo.families.planning.value_iteration import Config
from zoo.original import Original
from zoo.spec import Arrays

CONFIG = Config()
SHOWN = "discount 1\nslip 0.2\nstep {}\n...G\n.#.P\n...."  # Russell and Norvig's world, with other rewards of a move
STEPS = (-0.04, -0.4, -0.01)


def codec(train: Split) -> dict[str, Any]:
    return {"max_cells": CONFIG.max_states}


def fit(original: Original, learn: Arrays, settings: Settings, seed: int) -> Curves:
    """There is nothing to fit."""
    return {}


def pictures(original: Original, samples: Arrays) -> dict[str, Image.Image]:
    """The world of Russell and Norvig's chapter on decisions: the dearer a move, the shorter the way past the pit."""
    texts = [SHOWN.format(step).encode() for step in STEPS]
    encoded = GridPlanning(max_cells=CONFIG.max_states).encode([np.frombuffer(text, np.uint8) for text in texts])
    found = original.call(original.graphs[0], encoded)
    drawn = [draw(parse(text), *row) for text, *row in zip(texts, found["value"], found["action"], strict=True)]
    gap, width, height = 12, *drawn[0].size
    image = Image.new("RGB", (len(drawn) * (width + gap) - gap, height), "white")
    for number, one in enumerate(drawn):
        image.paste(one, (number * (width + gap), 0))
    return {"plans": image}


RECIPE = Recipe(
    family="value-iteration",
    config=CONFIG,
    summary="Value iteration: what each cell of a map is worth, and where to go",
    load=gridworlds.load,
    codec=codec,
    metric="optimality",
    fit=fit,
    pictures=pictures,
    settings=Settings(threads=1),
)

if __name__ == "__main__":
    recipe_main(__file__)
