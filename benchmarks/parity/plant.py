"""Planting: every kind of fault, as often as asked, in one subject."""

from __future__ import annotations

import zlib
from collections.abc import Iterator
from dataclasses import dataclass

import numpy as np
from onnx import ModelProto

from benchmarks.parity.graph_faults import GRAPH_FAULTS
from benchmarks.parity.subject import Subject
from benchmarks.parity.surgery import copy
from benchmarks.parity.weight_faults import WEIGHT_FAULTS

KINDS = {**WEIGHT_FAULTS, **GRAPH_FAULTS}


@dataclass(frozen=True)
class Fault:
    """A file with a fault. `kind` is the table's row, `where` the tensor, node or place in the source."""

    kind: str
    where: str
    model: ModelProto


def faults(subject: Subject, seed: int, each: int = 2, kinds: list[str] | None = None) -> Iterator[Fault]:
    """Up to `each` faults of every kind, all of them different. A fault that leaves the bytes as they were is none."""
    seen = {subject.model.SerializeToString(deterministic=True)}
    for kind, plant in KINDS.items():
        if kinds is not None and kind not in kinds:
            continue
        for number in range(each):
            rng = np.random.default_rng([seed, number, zlib.crc32(f"{subject.name} {kind}".encode())])
            model = copy(subject.model)
            where = plant(model, subject.graph, rng)
            content = model.SerializeToString(deterministic=True)
            if where is not None and content not in seen:
                seen.add(content)
                yield Fault(kind, where, _untyped(model))
    for kind, model in subject.damaged() if kinds is None else ():
        yield Fault(kind, "source", model)


def _untyped(model: ModelProto) -> ModelProto:
    """Without the shapes that were noted for inner values: a fault may have changed them."""
    del model.graph.value_info[:]
    return model
