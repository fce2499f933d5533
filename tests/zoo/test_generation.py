"""Several answers driven together in one process: what the graph remembers goes with its row, whoever comes and leaves."""

import numpy as np
import pytest

from zoo.calls import drive
from zoo.errors import PortError
from zoo.generation import Carrier, run_generations
from zoo.spec import Axis, Graph, Port


def port(name, *shape, dtype="float32", **more):
    return Port(name=name, dtype=dtype, shape=shape, **more)


def graph(rows_first=True):
    """total' = total + Σ x; y is the total after each step. The total's rows are along its first or its second axis."""
    shape = ("batch", 2) if rows_first else (2, "batch")
    return Graph(
        name="step",
        inputs=(port("x", "batch", "time"), port("past_total", *shape, role="state")),
        outputs=(port("y", "batch", "time"), port("present_total", *shape, feeds="past_total")),
        axes=(Axis(name="time", incremental=True),),
    )


def run(spec, calls):
    """A session of the graph, that notes the rows of each call."""

    def session(name, inputs):
        assert name == "step"
        spec.check(inputs)
        calls.append(len(inputs["x"]))
        total = inputs["past_total"] if spec.inputs[1].shape[0] == "batch" else inputs["past_total"].T
        y = total[:, :1] + inputs["x"].cumsum(axis=1)
        total = total + inputs["x"].sum(axis=1, keepdims=True)
        present = total if spec.inputs[1].shape[0] == "batch" else total.T
        return {"y": y.astype(np.float32), "present_total": np.array(present, np.float32)}

    return session


class Adder:
    """Sends these rows, call after call, and shows the last total of each."""

    graph = "step"

    def __init__(self, *rows):
        self.rows = list(rows)

    def inputs(self):
        return {"x": np.array([self.rows[0]], np.float32)} if self.rows else None

    def take(self, outputs):
        assert list(outputs) == ["y"]
        self.rows.pop(0)
        end = {} if self.rows else {"finish_reason": "length"}
        return [{"total": float(outputs["y"][0, -1]), **end}]


@pytest.mark.parametrize("rows_first", [True, False])
def test_each_answer_is_what_it_would_be_alone(rows_first):
    spec, rng = graph(rows_first), np.random.default_rng(0)
    rows = [[rng.integers(0, 9, size=rng.integers(1, 4)).tolist() for _ in range(rng.integers(1, 12))] for _ in range(20)]
    calls = []
    together = drive(run_generations([Adder(*one) for one in rows], spec), run(spec, calls))
    for one, found in zip(rows, together, strict=True):
        sums = np.cumsum([sum(row) for row in one])
        assert [piece["total"] for piece in found] == sums.tolist()
        assert [("finish_reason" in piece) for piece in found] == [False] * (len(one) - 1) + [True]
    assert sum(calls) == sum(map(len, rows))
    assert len(calls) < sum(calls) / 3


def test_an_answer_that_is_whole_at_once_makes_no_call():
    calls = []
    assert drive(run_generations([Adder(), Adder([1], [2])], graph()), run(graph(), calls)) == [
        [],
        [{"total": 1}, {"total": 3, "finish_reason": "length"}],
    ]
    assert calls == [1, 1]


def test_a_graph_without_a_batch_runs_one_answer_at_a_time():
    spec = Graph(inputs=(port("x", "nodes"),), outputs=(port("y", "nodes"),), name="step", batch=None)

    class Once:
        graph = "step"
        call = {"x": np.arange(3, dtype=np.float32)}  # noqa: RUF012

        def inputs(self):
            return self.call

        def take(self, outputs):
            self.call = None
            return [{"y": outputs["y"].tolist()}]

    def session(name, inputs):
        return {"y": inputs["x"] * 2}

    assert drive(run_generations([Once(), Once()], spec), session) == [[{"y": [0, 2, 4]}], [{"y": [0, 2, 4]}]]


def test_inputs_that_do_not_fit_are_refused_before_the_first_call():
    with pytest.raises(PortError, match="Input 'x' has shape"):
        drive(run_generations([Adder([[1]])], graph()), run(graph(), []))


def test_rows_that_stay_are_not_copied():
    """Of three rows the first leaves: the last takes its place, in the same memory."""
    carrier = Carrier(graph())
    places = [carrier.blank({"x": np.ones((1, 1), np.float32)}) for _ in range(3)]
    carrier.bring(places)
    state = np.array([[1, 1], [2, 2], [3, 3]], np.float32)
    carrier.carry({"y": np.zeros((3, 1)), "present_total": state}, places)
    places[0].leave()
    found = carrier.bring(places[1:])
    assert np.shares_memory(found.arrays["past_total"], state)
    assert found.arrays["past_total"].tolist() == [[3, 3], [2, 2]]
    assert [place.row for place in places[1:]] == [1, 0]


def test_rows_that_somebody_else_needs_are_not_overwritten():
    carrier = Carrier(graph())
    places = [carrier.blank({"x": np.ones((1, 1), np.float32)}) for _ in range(3)]
    carrier.bring(places)
    carrier.carry({"present_total": np.array([[1, 1], [2, 2], [3, 3]], np.float32)}, places)
    carrier.bring(places[1:])
    assert carrier.bring(places[:1]).arrays["past_total"].tolist() == [[1, 1]]
