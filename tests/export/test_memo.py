"""Answers that are remembered: what counts as the same question, and how much is kept."""

import numpy as np

from export.memo import Memo
from zoo.spec import Graph, Port

X = Port(name="x", dtype="float32", shape=("batch", 2))
Y = Port(name="y", dtype="float64", shape=("batch", 2))
GRAPH = Graph(inputs=(X,), outputs=(Y,))


class Counted:
    """Answers that say how many were computed before."""

    def __init__(self):
        self.calls = 0

    def __call__(self):
        self.calls += 1
        return {"y": np.full(10, float(self.calls))}


def inputs(value, shape=(3, 2)):
    return {"x": np.full(shape, value, np.float32)}


def test_the_same_call_is_computed_once():
    memo, answer = Memo(), Counted()
    assert memo.get("ref64", GRAPH, inputs(1), answer)["y"][0] == 1
    assert memo.get("ref64", GRAPH, inputs(1), answer)["y"][0] == 1
    assert answer.calls == 1


def test_other_values_shapes_graphs_and_questions_are_other_calls():
    memo, answer = Memo(), Counted()
    other = Graph(inputs=(X,), outputs=(Y,), methods=("other",))
    for what, graph, given in (
        ("ref64", GRAPH, inputs(1)),
        ("pairs", GRAPH, inputs(1)),
        ("ref64", other, inputs(1)),
        ("ref64", GRAPH, inputs(2)),
        ("ref64", GRAPH, inputs(1, (2, 3))),
    ):
        memo.get(what, graph, given, answer)
    assert answer.calls == 5


def test_the_oldest_answers_are_dropped():
    memo, answer = Memo(max_bytes=160), Counted()  # two answers of 80 bytes
    for value in (1, 2, 1, 3):  # 2 has not been asked for longest
        memo.get("ref64", GRAPH, inputs(value), answer)
    assert memo.get("ref64", GRAPH, inputs(1), answer)["y"][0] == 1
    assert memo.get("ref64", GRAPH, inputs(2), answer)["y"][0] == 4


def test_an_answer_that_is_too_large_is_not_kept():
    memo, answer = Memo(max_bytes=79), Counted()
    for _ in range(2):
        memo.get("pairs", GRAPH, inputs(1), lambda: [(answer(), {})])
    assert answer.calls == 2


def test_an_array_of_several_pairs_counts_once():
    """Two arrays of 80 bytes: float64 outputs stand beside those of every run in float32."""
    memo, answer = Memo(max_bytes=160), Counted()
    exact = {"y": np.zeros(10)}
    for _ in range(2):
        memo.get("pairs", GRAPH, inputs(1), lambda: [(answer(), exact), ({}, exact), ({}, exact)])
    assert answer.calls == 1
