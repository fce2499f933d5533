"""Ports and graphs: what may enter a graph, and which declarations contradict themselves."""

import json

import numpy as np
import pytest

from zoo.errors import PortError, SpecError
from zoo.spec import Axis, Graph, Port, describe, graph_from_json, graph_to_json

X = Port(name="x", dtype="float32", shape=("batch", "time", 2), low=-1, high=1)
LENGTH = Port(name="length", dtype="int64", shape=("batch",), low=1, high=9, role="length", axis="time")
Y = Port(name="y", dtype="float32", shape=("batch", 3))
GRAPH = Graph(inputs=(X, LENGTH), outputs=(Y,), axes=(Axis(name="time", low=2, high=6, padded=True),))


def inputs(batch=4, time=5, length=3):
    return {"x": np.zeros((batch, time, 2), np.float32), "length": np.full(batch, length, np.int64)}


def test_a_right_call_has_a_size_for_every_free_axis():
    assert GRAPH.check(inputs()) == {"batch": 4, "time": 5}
    assert GRAPH.free_axes == ("batch", "time")
    assert GRAPH.file == "predict.onnx"
    assert describe(X) == "float32 [batch, time, 2]"


def test_floats_may_leave_their_range_and_lengths_may_fill_their_axis():
    call = inputs(length=5)
    call["x"][:] = 1e6
    assert GRAPH.check(call) == {"batch": 4, "time": 5}


WRONG = [
    ({"z": np.zeros(1)}, "Graph 'predict' has no input 'z'; its inputs are x, length"),
    ({"x": None}, r"Input 'x' of graph 'predict' is missing; send float32 \[batch, time, 2\]"),
    ({"x": np.zeros((4, 5, 2))}, r"Input 'x' has dtype float64; send float32 \[batch, time, 2\]"),
    ({"length": np.full(4, 3, np.int32)}, r"Input 'length' has dtype int32; send int64 \[batch\]"),
    ({"x": np.zeros((4, 5), np.float32)}, r"Input 'x' has shape \[4, 5\]; send float32 \[batch, time, 2\]"),
    ({"x": np.zeros((4, 5, 3), np.float32)}, r"Input 'x' has shape \[4, 5, 3\]; send float32 \[batch, time, 2\]"),
    ({"x": np.zeros((3, 5, 2), np.float32)}, r"Axis 'batch' has size 4 in input 'length' and 3 in another input"),
    ({"x": np.zeros((4, 1, 2), np.float32)}, r"Axis 'time' of input 'x' has size 1; it may be 2 to 6"),
    ({"x": np.zeros((4, 7, 2), np.float32)}, r"Axis 'time' of input 'x' has size 7; it may be 2 to 6"),
    ({"x": np.full((4, 5, 2), np.nan, np.float32)}, "Input 'x' holds NaN or infinity; send finite numbers"),
    ({"x": np.full((4, 5, 2), -np.inf, np.float32)}, "Input 'x' holds NaN or infinity"),
    ({"length": np.full(4, 0, np.int64)}, "Input 'length' holds values from 0 to 0; it may hold 1 to 9"),
    ({"length": np.full(4, 10, np.int64)}, "Input 'length' holds values from 10 to 10; it may hold 1 to 9"),
    ({"length": np.full(4, 6, np.int64)}, "holds lengths from 6 to 6; axis 'time' has 5 steps, so send 1 to 5"),
]


@pytest.mark.parametrize(("change", "message"), WRONG)
def test_a_wrong_call_is_refused(change, message):
    call = {name: array for name, array in {**inputs(), **change}.items() if array is not None}
    with pytest.raises(PortError, match=message):
        GRAPH.check(call)


def test_an_empty_batch_is_refused():
    with pytest.raises(PortError, match="Axis 'batch' of input 'x' has size 0; it may be 1 or more"):
        GRAPH.check({"x": np.zeros((0, 5, 2), np.float32), "length": np.zeros(0, np.int64)})


def test_one_bad_number_among_many_is_found():
    call = inputs()
    call["x"][3, 4, 1] = np.inf
    with pytest.raises(PortError, match="NaN or infinity"):
        GRAPH.check(call)


@pytest.mark.parametrize(
    ("changes", "message"),
    [
        ({"dtype": "float"}, "has dtype 'float'; choose one of float32"),
        ({"role": "input"}, "has role 'input'; choose one of data"),
        ({"low": 2, "high": 1}, "has the empty range 2 to 1; swap them"),
        ({"role": "length"}, "`axis` belongs to the roles length and index, and they need it"),
        ({"axis": "time"}, "`axis` belongs to the roles length and index"),
    ],
)
def test_a_port_that_contradicts_itself_is_refused(changes, message):
    with pytest.raises(SpecError, match=message):
        Port(**{"name": "x", "dtype": "float32", "shape": ("batch",), **changes})


@pytest.mark.parametrize(("low", "high"), [(-1, 3), (4, 3)])
def test_an_axis_without_sizes_is_refused(low, high):
    with pytest.raises(SpecError, match=f"Axis 'time' runs from {low} to {high}; give 0 <= low <= high"):
        Axis(name="time", low=low, high=high)


OTHER = Port(name="other", dtype="float32", shape=("batch", 3), argmax_of="z")


@pytest.mark.parametrize(
    ("changes", "message"),
    [
        ({"outputs": (X,)}, "names a port twice: x, length, x"),
        ({"methods": ("a", "b", "c")}, "has 1 outputs; name one method or one each"),
        ({"batch": "rows"}, "batches along 'rows', the first axis of no input"),
        ({"batch": "time"}, "batches along 'time', the first axis of no input"),
        ({"axes": (Axis(name="space"),)}, "bounds the axis 'space', which no input has"),
        ({"inputs": (Port(name="l", dtype="int64", shape=("batch",), role="length", axis="time"),), "axes": ()},
         "Port 'l' is about the axis 'time', which no input has"),
        ({"outputs": (OTHER,)}, "Port 'other' is the argmax of 'z', which is no output"),
    ],
)  # fmt: skip
def test_a_graph_that_contradicts_itself_is_refused(changes, message):
    with pytest.raises(SpecError, match=message):
        Graph(**{"inputs": (X, LENGTH), "outputs": (Y,), "axes": (Axis(name="time"),), **changes})


def test_undeclared_axes_start_at_one():
    assert (GRAPH.axis("batch").low, GRAPH.axis("batch").high, GRAPH.axis("batch").padded) == (1, None, False)
    assert (GRAPH.axis("time").low, GRAPH.axis("time").high, GRAPH.axis("time").padded) == (2, 6, True)


def test_a_graph_survives_json():
    assert graph_from_json(json.loads(json.dumps(graph_to_json(GRAPH)))) == GRAPH


@pytest.mark.parametrize("missing", ["inputs", "outputs", "axes", "methods"])
def test_half_a_description_is_refused(missing):
    data = graph_to_json(GRAPH)
    del data[missing]
    with pytest.raises(SpecError, match=r"A graph's description is malformed .*; export the model again"):
        graph_from_json(data)


def test_a_whole_input_may_be_one_case():
    nodes = Graph(inputs=(Port(name="x", dtype="float32", shape=("nodes", 2)),), outputs=(Y,), batch=None)
    assert nodes.check({"x": np.zeros((5, 2), np.float32)}) == {"nodes": 5}


NODES = Port(name="nodes", dtype="float32", shape=("node", 2))
EDGES = Port(name="edges", dtype="int64", shape=(2, "edge"), role="index", axis="node")


@pytest.mark.parametrize(
    ("edges", "wrong"), [([[0, 2], [1, 0]], None), ([[0, 3], [1, 0]], "0 to 3"), ([[-1, 0], [0, 0]], "-1 to 0")]
)
def test_an_index_points_into_its_axis(edges, wrong):
    graph = Graph(inputs=(NODES, EDGES), outputs=(Port(name="y", dtype="float32", shape=("node",)),), batch=None)
    inputs = {"nodes": np.zeros((3, 2), np.float32), "edges": np.array(edges)}
    if wrong is None:
        assert graph.check(inputs) == {"node": 3, "edge": 2}
        return
    with pytest.raises(PortError, match=f"'edges' holds indices from {wrong}; axis 'node' has 3 steps, so send 0 to 2"):
        graph.check(inputs)


def test_a_state_that_is_left_out_is_zero():
    token = Port(name="token", dtype="int64", shape=("batch", "time"))
    past = Port(name="past", dtype="float32", shape=("batch", 2, "cached"), role="state")
    count = Port(name="count", dtype="int64", shape=("batch",), role="state")
    present = Port(name="present", dtype="float32", shape=("batch", 2, "cached"), feeds="past")
    graph = Graph(inputs=(token, past, count), outputs=(present,), axes=(Axis(name="cached", low=0),))
    inputs = {"token": np.ones((3, 4), np.int64)}
    whole = graph.complete(inputs)
    assert {name: (array.shape, array.dtype.name) for name, array in whole.items()} == {
        "token": ((3, 4), "int64"), "past": ((3, 2, 0), "float32"), "count": ((3,), "int64"),
    }  # fmt: skip
    assert not whole["count"].any()
    graph.check(whole)
    given = {**inputs, "past": np.ones((3, 2, 5), np.float32), "count": np.full(3, 5)}
    assert all(graph.complete(given)[name] is array for name, array in given.items())
