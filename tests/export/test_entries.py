"""Comparing what depends on the data in size: ties that are admitted, and faults in the graph that are not."""

import numpy as np
import onnx
import pytest
from onnx import numpy_helper

from export.entries import align, changes, differences, fault, judge, wavering
from export.inputs import draw
from export.reference import load_reference
from zoo.session import Session
from zoo.spec import Graph, Port

X = Port(name="x", dtype="float32", shape=("batch",), low=0, high=1)
VALUES = Port(name="values", dtype="float32", shape=("found",))
ROW = Port(name="row", dtype="int64", shape=("found",), role="index", axis="batch")
GRAPH = Graph(inputs=(X,), outputs=(VALUES, ROW))
BOUND = {"values": 1e-6}


def outputs(values, row):
    return {"values": np.array(values, np.float64), "row": np.array(row, np.int64)}


def above_half(inputs):
    """Of each row its number, and once more where it is above 1/2."""
    x = inputs["x"].astype(np.float64)
    counts = 1 + (x > 0.5)
    return {"values": np.repeat(x, counts), "row": np.repeat(np.arange(len(x)), counts)}


def rows(*values):
    return {"x": np.array(values, np.float32)}


def test_rows_that_agree_are_compared_and_the_others_named():
    found = outputs([1.0, 2.0, 3.0, 4.0000001], [0, 1, 1, 3])
    right = outputs([1.0, 2.0, 4.0], [0, 1, 3])
    alignment = align(GRAPH, found, right, 4)
    assert alignment.apart == [1]
    assert alignment.expected["values"].tolist() == [1.0, 4.0]
    assert alignment.owners.tolist() == [0, 3]
    assert alignment.answers == 4  # three entries, and row 2 without one


def test_a_decision_at_its_threshold_wavers_and_one_beside_it_does_not():
    others = wavering(above_half, GRAPH, rows(0.5, 0.5000001, 0.4999999, 0.7, 0.51), BOUND)
    assert [len(of_row) > 0 for of_row in others] == [True] * 3 + [False] * 2
    assert [len(of_row[0]["row"]) for of_row in others[:3]] == [2, 1, 2]


def test_a_tie_is_counted_and_a_wrong_decision_is_not_admitted():
    inputs = rows(0.5, 0.7)
    expected = above_half(inputs)
    tie = judge(GRAPH, inputs, above_half(rows(0.50001, 0.7)) | {}, expected, above_half, BOUND)
    assert (tie.ties, tie.wrong) == (1, [])
    wrong = judge(GRAPH, inputs, above_half(rows(0.5, 0.3)), expected, above_half, BOUND)
    assert wrong.wrong == ["row 1 differs in 2 entries"]
    assert differences(GRAPH, inputs, above_half(rows(0.5, 0.70001)), expected, above_half, BOUND) == [
        "output 'values' by 1e-05, bound 1e-06"
    ]


def test_a_tie_excuses_what_it_decides_and_nothing_else():
    """Row 0 is at its threshold, so an entry may come; an entry of another value may not."""
    inputs, stray = rows(0.5), outputs([0.5, 0.9], [0, 0])
    expected = above_half(inputs)
    assert judge(GRAPH, inputs, above_half(rows(0.5000001)), expected, above_half, BOUND, strict=True).wrong == []
    assert judge(GRAPH, inputs, stray, expected, above_half, BOUND).wrong == []
    assert judge(GRAPH, inputs, stray, expected, above_half, BOUND, strict=True).wrong == ["row 0 differs in 1 entries"]


def test_what_two_rows_differ_by():
    assert changes(GRAPH, outputs([1, 2, 3], [0, 0, 0]), outputs([1, 3], [0, 0])) == 1
    assert changes(GRAPH, outputs([3, 1], [0, 0]), outputs([1, 3], [0, 0])) == 1
    assert changes(GRAPH, outputs([], []), outputs([1, 3], [0, 0])) == 2


def test_entries_that_belong_nowhere_are_a_fault():
    assert fault(GRAPH, outputs([1.0], [1]), 1) == "'row' points at rows 1 to 1 of 1"
    assert fault(GRAPH, outputs([1.0, 2.0], [0]), 1) == "2 entries in 'values', 1 in 'row'"
    assert fault(GRAPH, outputs([], []), 1) == ""


def change(graph, constant, value):
    """Set an input of the NonMaxSuppression node."""
    [node] = [node for node in graph.node if node.op_type == "NonMaxSuppression"]
    name = node.input[constant]
    [stored] = [tensor for tensor in graph.initializer if tensor.name == name]
    array = np.full_like(numpy_helper.to_array(stored), value)
    stored.CopyFrom(numpy_helper.from_array(array, name))


@pytest.mark.parametrize(("constant", "value"), [(2, 7), (3, 1.0), (4, -0.52)], ids=["boxes a class", "overlap", "score"])
def test_another_suppression_is_found(tiny_export, tmp_path, constant, value):
    made = tiny_export("ssd")
    [graph] = made.original.graphs
    model = onnx.load(made.files[graph.name])
    change(model.graph, constant, value)
    onnx.save(model, tmp_path / "wrong.onnx")
    reference, inputs = load_reference(made.checkpoint), draw(graph, {"batch": 16}, np.random.default_rng(0))
    right, wrong = (Session(path, graph).run(inputs) for path in (made.files[graph.name], tmp_path / "wrong.onnx"))

    def judged(found):
        bounds = {"boxes": 1e-6, "scores": 1e-6}
        expected = reference.ref64(graph, inputs)
        return judge(graph, inputs, found, expected, lambda moved: reference.ref64(graph, moved), bounds, strict=True).wrong

    assert judged(right) == []
    assert all("differs in" in sentence or "more rows" in sentence for sentence in judged(wrong))
    assert len(judged(wrong)) > 8
