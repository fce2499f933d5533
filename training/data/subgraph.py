"""A small part of a large graph: what can be published with a model, sent in a request and drawn on a screen."""

from __future__ import annotations

import json
from collections import deque
from collections.abc import Sequence
from typing import Any

import numpy as np

from training.data.dataset import Split
from zoo.codecs.node_classification import to_raw


def neighbourhoods(split: Split, size: int) -> Split:
    """The sub-graph of a split's one graph around its first node of each class: `size` nodes each, the nearest first.

    Raw graphs and targets are as the codec of node classification and `cora.load` have them; targets of −1 are nodes that
    do not belong to the split. Nodes keep their order, and all edges between them.
    """
    document, targets = json.loads(split.raws[0].tobytes()), split.targets[0]
    neighbours = _neighbours(document)
    classes = np.unique(targets[targets >= 0])
    chosen = sorted({node for label in classes for node in nearest(neighbours, int((targets == label).argmax()), size)})
    place = {node: number for number, node in enumerate(chosen)}
    edges = [[place[a], place[b]] for a, b in document["edges"] if a in place and b in place]
    return Split(
        raws=[to_raw({"nodes": [document["nodes"][node] for node in chosen], "edges": edges})], targets=targets[None, chosen]
    )


def nearest(neighbours: Sequence[Sequence[int]], start: int, size: int) -> list[int]:
    """At most `size` nodes in the order of a breadth-first search from `start`, which is the first."""
    found, waiting = {start: None}, deque([start])
    while waiting:
        for node in neighbours[waiting.popleft()]:
            if node not in found and len(found) < size:
                found[node] = None
                waiting.append(node)
    return list(found)


def _neighbours(document: dict[str, Any]) -> list[list[int]]:
    neighbours: list[list[int]] = [[] for _ in document["nodes"]]
    for a, b in document["edges"]:
        neighbours[a].append(b)
        neighbours[b].append(a)
    return neighbours
