"""Codecs: what a person has (PNG, CSV, JSON) ↔ port arrays ↔ an answer. One file a task, named like it.

A codec is a frozen dataclass whose fields are its settings in the manifest, and `files` where it reads some (a tokenizer,
say): the folder that has them. It has

- `read(data, media_type)` → the raw arrays in a file or request body, one an item,
- `encode(raws)` → the port arrays of the graph that is called first,
- `predict(raws)` → a plan (`zoo.calls`) whose result is one JSON-able answer an item,
- where raw items are encoded documents, `instance(raw)` → one of them as it stands in a JSON body,
- where answers grow, `generate(raw, options)` → a plan whose result is a `zoo.generation.Generation`.
"""

from __future__ import annotations

import dataclasses
from collections.abc import Mapping
from functools import cache
from importlib import import_module
from pathlib import Path
from typing import Any, Protocol

import numpy as np

from zoo.calls import Plan
from zoo.errors import UnknownNameError, UsageError
from zoo.spec import Arrays, Raws

Answer = dict[str, Any]
_SHARED = ("__init__", "classes", "picture", "read", "table")  # files that are no task's


class Codec(Protocol):
    def read(self, data: bytes, media_type: str) -> list[np.ndarray]: ...

    def encode(self, raws: Raws) -> Arrays: ...

    def predict(self, raws: Raws) -> Plan[list[Answer]]: ...


@cache
def task_names() -> tuple[str, ...]:
    """Tasks that have a codec, sorted."""
    stems = (path.stem for path in Path(__file__).parent.glob("*.py"))
    return tuple(sorted(stem.replace("_", "-") for stem in stems if stem not in _SHARED))


def make_codec(task: str, settings: Mapping[str, Any], files: Path | None = None) -> Codec:
    """The codec of a task, set up by a manifest and the artifact's `files`.

    Raises UnknownNameError and, for a wrong setting, UsageError.
    """
    if task not in task_names():
        raise UnknownNameError("task", task, task_names())
    codec = import_module(f"zoo.codecs.{task.replace('-', '_')}").CODEC
    given = {name: tuple(value) if isinstance(value, list) else value for name, value in settings.items()}
    if "files" in (field.name for field in dataclasses.fields(codec)):
        given["files"] = files
    try:
        return codec(**given)
    except TypeError as error:
        raise UsageError(f"The codec of {task} does not take these settings ({error}); export the model again.") from error
