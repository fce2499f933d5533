"""The proof of graphs with state, of deep kinds of input, and what stops it before anything is compared."""

from __future__ import annotations

import itertools
from collections.abc import Callable
from pathlib import Path

import numpy as np
import onnx
import pytest
import torch
from torch import nn

from export.compare import OutputRecord
from export.coverage import remarks
from export.inputs import chained, make_cases
from export.prove import GraphReport, prove
from export.reference import TorchReference
from export.torch_exporter import export_module
from zoo.errors import SpecError, UsageError
from zoo.session import Session
from zoo.spec import Axis, Graph, Port


class Recurrent(nn.Module):
    """A GRU that hands its state on; `forgets` ignores the state that comes in."""

    def __init__(self, forgets: bool = False) -> None:
        super().__init__()
        torch.manual_seed(3)
        self.gru = nn.GRU(3, 4, batch_first=True)
        self.forgets = forgets

    def forward(self, x: torch.Tensor, h: torch.Tensor) -> tuple[torch.Tensor, torch.Tensor]:
        y, last = self.gru(x, (h * 0 if self.forgets else h)[None])
        return y, last[0]


def recurrent_graph() -> Graph:
    x = Port(name="x", dtype="float32", shape=("batch", "time", 3), low=-1, high=1)
    h = Port(name="h", dtype="float32", shape=("batch", 4), role="state", low=-1, high=1)
    y = Port(name="y", dtype="float32", shape=("batch", "time", 4))
    after = Port(name="h_next", dtype="float32", shape=("batch", 4), feeds="h")
    time = Axis(name="time", high=9, incremental=True)
    return Graph(name="step", inputs=(x, h), outputs=(y, after), axes=(time,))


@pytest.fixture
def shown(tmp_path: Path) -> Callable[[nn.Module, nn.Module, Graph], GraphReport]:
    def show(exported: nn.Module, original: nn.Module, graph: Graph) -> GraphReport:
        path = tmp_path / "graph.onnx"
        onnx.save(export_module(exported, graph, 20), path)
        return prove(graph, Session(path, graph), TorchReference(lambda: original), {}, np.random.default_rng(0))

    return show


def test_a_graph_with_state_is_proven_in_sequence(shown: Callable[..., GraphReport]) -> None:
    report = shown(Recurrent(), Recurrent(), recurrent_graph())
    assert report.passed, report.broken
    rows = {(record.output, record.kind): record.rows for record in report.records}
    assert rows["y", "chained"] == rows["h_next", "chained"] == 8 * 16  # eight calls of sixteen rows


def test_a_graph_that_forgets_its_state_is_caught(shown: Callable[..., GraphReport]) -> None:
    report = shown(Recurrent(forgets=True), Recurrent(), recurrent_graph())
    failed = {record.kind for record in report.records if not record.passed}
    assert {"drawn", "chained"} <= failed


def test_one_long_call_must_equal_short_ones(shown: Callable[..., GraphReport]) -> None:
    """Original and graph agree that state is dropped: only the declared invariance is broken."""
    report = shown(Recurrent(forgets=True), Recurrent(forgets=True), recurrent_graph())
    assert all(record.passed for record in report.records)
    assert any("differs from 2 and 3 steps" in sentence for sentence in report.broken)
    assert not report.passed


def test_each_chained_call_takes_the_state_of_the_last() -> None:
    graph, module = recurrent_graph(), Recurrent()
    reference = TorchReference(lambda: module)
    cases = chained(graph, reference.ref64, np.random.default_rng(0))
    assert not cases[0].inputs["h"].any()
    for before, after in itertools.pairwise(cases):
        expected = reference.ref64(graph, before.inputs)["h_next"].astype(np.float32)
        np.testing.assert_array_equal(after.inputs["h"], expected)


def test_feeds_must_name_a_state() -> None:
    x = Port(name="x", dtype="float32", shape=("batch", 2))
    y = Port(name="y", dtype="float32", shape=("batch", 2), feeds="x")
    with pytest.raises(SpecError, match="no input of role state"):
        Graph(inputs=(x,), outputs=(y,))


def flat_graph(low: float | None = 0.0, high: float | None = 1.0) -> Graph:
    x = Port(name="x", dtype="float32", shape=("batch", 2), low=low, high=high)
    return Graph(inputs=(x,), outputs=(Port(name="y", dtype="float32", shape=("batch", 2)),))


class Logarithm(nn.Module):
    def forward(self, x: torch.Tensor) -> torch.Tensor:
        return torch.log(x)


def test_a_reference_of_nan_is_the_originals_fault(shown: Callable[..., GraphReport]) -> None:
    with pytest.raises(UsageError, match="original itself gives NaN"):
        shown(Logarithm(), Logarithm(), flat_graph(-1, 1))


def test_every_kind_of_input_has_enough_rows_for_a_floor() -> None:
    rows: dict[str, int] = {}
    for case in make_cases(flat_graph(), {}, np.random.default_rng(0)):
        rows[case.kind] = rows.get(case.kind, 0) + case.rows
    assert set(rows) == {"drawn", "limits", "tiny", "large"}
    assert min(rows.values()) >= 64


def test_limits_hold_rows_of_one_value() -> None:
    cases = [case for case in make_cases(flat_graph(-1, 1), {}, np.random.default_rng(0)) if case.kind == "limits"]
    largest = max(cases, key=lambda case: case.rows).inputs["x"]
    assert set(np.unique(largest)) == {-1.0, 0.0, 1.0}
    assert (largest[0] == -1).all()
    assert (largest[1] == 1).all()
    assert not largest[2].any()


class Dead(nn.Module):
    """Half of its units are zero for every input between 0 and 1."""

    def forward(self, x: torch.Tensor) -> torch.Tensor:
        return torch.relu(x * torch.tensor([1.0, -1.0]))


def test_dead_units_are_remarked(tmp_path: Path) -> None:
    graph = flat_graph()
    path = tmp_path / "graph.onnx"
    onnx.save(export_module(Dead(), graph, 20), path)
    cases = [case for case in make_cases(graph, {}, np.random.default_rng(0)) if case.kind == "drawn"]
    (sentence,) = remarks(path, graph, cases)
    assert "50% of its 2 units never fire" in sentence


def test_cases_that_were_compared_are_kept_one_by_one() -> None:
    record = OutputRecord("y", "drawn")
    reference = np.array([1.0, 2.0])
    record.add_floor(reference.astype(np.float32), reference, np.zeros(2, dtype=bool))
    record.add_case("first", np.array([1.0, 2.0], dtype=np.float32), reference, np.zeros(2, dtype=bool))
    record.add_case("second", np.array([1.0, 2.5], dtype=np.float32), reference, np.zeros(2, dtype=bool))
    assert record.errors == [("first", 0.0), ("second", 0.5)]
    assert record.worst == "second"
    assert not record.passed


class Steps(nn.Module):
    """Jumps by one at every quarter; `off` is how far the steps are displaced."""

    def __init__(self, off: float = 0.0) -> None:
        super().__init__()
        self.off = off

    def forward(self, x: torch.Tensor) -> torch.Tensor:
        return torch.floor(x * 4 + self.off)


def test_a_jump_is_no_rounding(shown: Callable[..., GraphReport]) -> None:
    """At the limits an ulp makes the original jump: that must not widen its floor."""
    report = shown(Steps(), Steps(), flat_graph())
    assert report.passed, report.broken
    assert max(record.bound for record in report.records if record.kind == "limits") < 1e-4
    wrong = shown(Steps(off=-0.5), Steps(), flat_graph())
    assert {record.kind for record in wrong.records if not record.passed} >= {"drawn", "limits"}


class Cancelling(nn.Module):
    """What is left of the input after a large number came and went: in float32 nothing; the graph gives zero."""

    def __init__(self, large: float) -> None:
        super().__init__()
        self.large = large

    def forward(self, x: torch.Tensor) -> torch.Tensor:
        return (x + self.large) - self.large


def test_a_bound_as_wide_as_the_output_compares_nothing(shown: Callable[..., GraphReport]) -> None:
    report = shown(Cancelling(1e9), Cancelling(1e9), flat_graph())
    assert not report.passed
    assert any("covers the whole range of output 'y'" in sentence for sentence in report.broken)
