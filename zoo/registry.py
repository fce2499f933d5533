"""The families of the zoo, found by their files: `zoo/families/<group>/<family>.py` holds `FAMILY`."""

from __future__ import annotations

from functools import cache
from importlib import import_module
from pathlib import Path

from zoo.errors import SpecError, UnknownNameError
from zoo.spec import Family

_FOLDER = Path(__file__).parent / "families"


@cache
def _files() -> dict[str, str]:
    modules: dict[str, str] = {}
    for path in sorted(_FOLDER.glob("*/*.py")):
        if path.stem == "__init__":
            continue
        name = path.stem.replace("_", "-")
        if name in modules:
            raise SpecError(f"Two families are named {name!r}; rename one of the files.")
        modules[name] = f"zoo.families.{path.parent.name}.{path.stem}"
    return modules


def family_names() -> list[str]:
    """Names of all families, sorted."""
    return sorted(_files())


def load_family(name: str) -> Family:
    """The family of this name; imports what it is built from (torch, scikit-learn). Raises UnknownNameError."""
    if name not in _files():
        raise UnknownNameError("family", name, _files())
    return import_module(_files()[name]).FAMILY
