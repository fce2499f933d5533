"""A graph in; a label and the probability of each label for every node out.

A graph is a JSON object with `edges`, pairs of node numbers from 0, and what each node is: `nodes`, for each node the
numbers of the features that it has (the words of a document, say), or `features`, a number of every feature for each node:

    {"nodes": [[3, 17], [17, 20, 21], [3]], "edges": [[0, 1], [1, 2]]}

A raw graph is that document as UTF-8 bytes, (bytes,) uint8. Edges have no direction: which end comes first, an edge that is
there twice and one from a node to itself do not matter. The features of a node enter as parts of their sum; a node without
features has zeros.
"""

from __future__ import annotations

import itertools
import json
from collections.abc import Sequence
from dataclasses import dataclass
from typing import Any

import numpy as np

from zoo.calls import Call, Plan
from zoo.codecs import Answer
from zoo.codecs.classes import class_answers, softmax
from zoo.codecs.read import JSON_TYPE, check_finite, unknown_type
from zoo.errors import CodecError
from zoo.spec import Arrays, Raws

_FORM = '{"nodes": [[numbers of features that the node has], …], "edges": [[node, node], …]}'
LARGEST = 1e30  # the sum of a node's features stays finite


@dataclass(frozen=True, kw_only=True)
class NodeClassification:
    """`features` a node has, and the most nodes and edges of one graph: all nodes enter one call, as a dense array."""

    labels: tuple[str, ...]
    features: int
    max_nodes: int = 10_000
    max_edges: int = 200_000
    graph: str = "predict"
    port: str = "x"
    edges_port: str = "edges"
    output: str = "logits"

    def read(self, data: bytes, media_type: str) -> list[np.ndarray]:
        """One graph as JSON, or several as `{"instances": […]}`."""
        if media_type != JSON_TYPE:
            raise unknown_type(media_type, JSON_TYPE)
        document = _parse(data)
        if isinstance(document, dict) and "instances" in document:
            document = document["instances"]
        graphs = document if isinstance(document, list) else [document]
        if not graphs:
            raise CodecError("There is no graph; send at least one.")
        for graph in graphs:
            self._arrays(graph)
        return [to_raw(graph) for graph in graphs]

    def instance(self, raw: np.ndarray) -> Any:
        """A raw graph as it stands in a JSON body."""
        return _parse(np.asarray(raw).tobytes())

    def encode(self, raws: Raws) -> Arrays:
        """x (nodes, features) and edges (2, edges), both directions of each. Raises CodecError; one graph is one call."""
        if len(raws) != 1:
            raise CodecError(f"{len(raws)} graphs cannot enter one call, which is one graph; send one at a time.")
        x, edges = self._arrays(self.instance(raws[0]))
        total = x.sum(axis=1, keepdims=True)
        shares = np.divide(x, total, out=np.zeros_like(x), where=total > 0)
        return {self.port: shares.astype(np.float32), self.edges_port: both_directions(edges)}

    def predict(self, raws: Raws) -> Plan[list[Answer]]:
        answers = []
        for raw in raws:
            outputs = yield Call(self.graph, self.encode([raw]))
            answers.append({"nodes": class_answers(softmax(outputs[self.output]), self.labels)})
        return answers

    def _arrays(self, document: Any) -> tuple[np.ndarray, np.ndarray]:
        """The features of each node (nodes, features) float64, and the edges as they are sent (edges, 2) int64."""
        if not isinstance(document, dict) or ("nodes" in document) == ("features" in document):
            raise CodecError(f"A graph is a JSON object with either nodes or features, and edges; send {_FORM}.")
        x = self._dense(document["features"]) if "features" in document else self._listed(document["nodes"])
        return x, self._edges(document.get("edges", []), len(x))

    def _listed(self, nodes: Any) -> np.ndarray:
        self._check_count(nodes)
        for number, node in enumerate(nodes):
            if not isinstance(node, list) or set(map(type, node)) - {int}:
                raise CodecError(f"Node {number} is no list of whole numbers; send {_FORM}.")
            if node and not 0 <= min(node) <= max(node) < self.features:
                raise CodecError(
                    f"Node {number} has feature {_outside(node, self.features)}; send 0 to {self.features - 1}."
                )
        x = np.zeros((len(nodes), self.features))
        rows = np.repeat(np.arange(len(nodes)), [len(node) for node in nodes])
        x[rows, np.fromiter(itertools.chain.from_iterable(nodes), np.int64)] = 1
        return x

    def _dense(self, features: Any) -> np.ndarray:
        self._check_count(features)
        for number, node in enumerate(features):
            if not isinstance(node, list) or len(node) != self.features or set(map(type, node)) - {int, float}:
                raise CodecError(f"Node {number} is no list of {self.features} numbers; send {self.features} for each node.")
        try:
            x = np.array(features, dtype=np.float64)
        except OverflowError as error:
            raise CodecError("The graph holds a number beyond 1e308; send smaller ones.") from error
        check_finite(x, "graph")
        if x.max() > LARGEST:
            raise CodecError(f"The graph holds the feature {x.max():g}; send numbers of at most {LARGEST:g}.")
        if x.min() < 0:
            raise CodecError(f"The graph holds the feature {x.min():g}; send numbers of 0 or more.")
        return x

    def _check_count(self, nodes: Any) -> None:
        if not isinstance(nodes, list) or not nodes:
            raise CodecError(f"The graph has no list of nodes; send {_FORM}.")
        if len(nodes) > self.max_nodes:
            raise CodecError(f"The graph has {len(nodes):,} nodes; send at most {self.max_nodes:,}.")

    def _edges(self, edges: Any, nodes: int) -> np.ndarray:
        if not isinstance(edges, list):
            raise CodecError(f"The edges are no list; send {_FORM}.")
        if len(edges) > self.max_edges:
            raise CodecError(f"The graph has {len(edges):,} edges; send at most {self.max_edges:,}.")
        for number, edge in enumerate(edges):
            if not isinstance(edge, list) or len(edge) != 2 or set(map(type, edge)) - {int}:
                raise CodecError(f"Edge {number} is no pair of node numbers; send {_FORM}.")
            if not 0 <= min(edge) <= max(edge) < nodes:
                raise CodecError(f"Edge {number} names node {_outside(edge, nodes)}; send 0 to {nodes - 1}.")
        return np.array(edges, dtype=np.int64).reshape(-1, 2)


def to_raw(document: Any) -> np.ndarray:
    """A graph's document as UTF-8 bytes, (bytes,) uint8."""
    return np.frombuffer(json.dumps(document, separators=(",", ":")).encode(), dtype=np.uint8)


def both_directions(edges: np.ndarray) -> np.ndarray:
    """Edges without direction (edges, 2) as (2, 2 · edges): each once a way and in order, none from a node to itself."""
    apart = edges[edges[:, 0] != edges[:, 1]]
    return np.ascontiguousarray(np.unique(np.concatenate([apart, apart[:, ::-1]]), axis=0).T)


def _outside(numbers: Sequence[int], size: int) -> int:
    return next(number for number in numbers if not 0 <= number < size)


def _parse(data: bytes) -> Any:
    try:
        return json.loads(data)
    except (ValueError, RecursionError) as error:
        raise CodecError(f"The body is not JSON ({error}); send {_FORM}.") from error


CODEC = NodeClassification
