"""Outputs whose size depends on the data, put together and taken apart by hand."""

import numpy as np
import pytest

from zoo.calls import in_parts
from zoo.entries import entry_outputs, join_rows, split_rows
from zoo.spec import Graph, Port

X = Port(name="x", dtype="float32", shape=("batch",))
VALUES = Port(name="values", dtype="float32", shape=("found",))
ROW = Port(name="row", dtype="int64", shape=("found",), role="index", axis="batch")
TOTAL = Port(name="total", dtype="float32", shape=("batch",))
GRAPH = Graph(inputs=(X,), outputs=(VALUES, ROW, TOTAL))
PLAIN = Graph(inputs=(X,), outputs=(TOTAL,))


def repeat(inputs):
    """Each row as often as it says."""
    counts = inputs["x"].astype(int)
    return {"values": np.repeat(inputs["x"], counts), "row": np.repeat(np.arange(len(counts)), counts), "total": inputs["x"]}


def same(first, second):
    return first.keys() == second.keys() and all(np.array_equal(first[name], second[name]) for name in first)


def test_outputs_of_entries_are_those_that_share_their_axis():
    assert entry_outputs(GRAPH) == {"values": "row", "row": "row"}
    assert entry_outputs(PLAIN) == {}


@pytest.mark.parametrize("counts", [[2, 0, 3, 1], [0, 0, 0, 0], [0, 1, 0, 4]])
def test_parts_are_what_calls_of_their_rows_give(counts):
    x = np.array(counts, np.float32)
    whole = repeat({"x": x})
    parts = split_rows(GRAPH, whole, [1, 3])
    assert same(parts[0], repeat({"x": x[:1]}))
    assert same(parts[1], repeat({"x": x[1:]}))
    assert same(join_rows(GRAPH, parts, [1, 3]), whole)


def test_entries_in_another_order_find_their_rows():
    outputs = {"values": np.array([5, 6, 7]), "row": np.array([1, 0, 1]), "total": np.array([1, 2])}
    parts = split_rows(GRAPH, outputs, [1, 1])
    assert [part["values"].tolist() for part in parts] == [[6], [5, 7]]
    assert [part["row"].tolist() for part in parts] == [[0], [0, 0]]


def test_a_call_in_parts_is_one_call():
    x = np.array([1, 3, 0, 2, 2], np.float32)
    assert same(in_parts(GRAPH, {"x": x}, 2, repeat), repeat({"x": x}))
