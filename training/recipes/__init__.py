"""Recipes, found by their files: `training/recipes/<group>/<recipe>.py` holds `RECIPE` and yields the model of its name."""

from __future__ import annotations

from functools import cache
from importlib import import_module
from pathlib import Path
from typing import TYPE_CHECKING

from zoo.errors import UnknownNameError

if TYPE_CHECKING:
    from training.recipe import Recipe


@cache
def recipe_modules() -> dict[str, str]:
    """Module of each recipe by the name of its model, sorted."""
    paths = sorted(Path(__file__).parent.glob("*/*.py"), key=lambda path: path.stem)
    return {
        path.stem.replace("_", "-"): f"training.recipes.{path.parent.name}.{path.stem}"
        for path in paths
        if path.stem != "__init__"
    }


def load_recipe(model: str) -> Recipe:
    """Raises UnknownNameError."""
    if model not in recipe_modules():
        raise UnknownNameError("recipe", model, recipe_modules())
    return import_module(recipe_modules()[model]).RECIPE
