"""Requests of different lengths share executions where the graph allows padding, and never notice."""

from __future__ import annotations

import asyncio
import json
import time
from pathlib import Path
from typing import Any

import numpy as np
import pytest
from hypothesis import given, settings
from hypothesis import strategies as st

from serving.batching.batcher import Batcher, Limits
from tests.serving.simulation import MS, Simulation, port
from zoo.hub import Hub
from zoo.manifest import Manifest
from zoo.session import Session
from zoo.spec import Arrays, Axis, Graph

STEPS = (Axis(name="steps", high=9, padded=True),)
X, LENGTH = port("x", "batch", "steps", "width"), port("length", "batch", dtype="int64", role="length", axis="steps", low=1)
MASK = port("mask", "batch", "steps", dtype="bool", role="mask")
SUMS, TOTAL = port("sums", "steps", "batch"), port("total", "batch")
GRAPHS = {
    "length": Graph(inputs=(X, LENGTH), outputs=(SUMS, TOTAL), axes=STEPS),
    "mask": Graph(inputs=(X, MASK), outputs=(SUMS, TOTAL), axes=STEPS),
}
NOT_PADDED = {
    "axis not declared": Graph(inputs=(X, LENGTH), outputs=(SUMS, TOTAL)),
    "nothing says what is valid": Graph(inputs=(X,), outputs=(SUMS, TOTAL), axes=STEPS),
}


class Series:
    """Running sums over the valid steps, 1e6 where none is, and the sum of all plus their number.

    Takes `fixed_ms`, and `cell_ms` an element.
    """

    def __init__(self, loop: Simulation, fixed_ms: float, cell_ms: float) -> None:
        self.loop, self.fixed_ms, self.cell_ms = loop, fixed_ms, cell_ms
        self.shapes: list[tuple[int, ...]] = []

    def __call__(self, inputs: Arrays) -> Arrays:
        x = inputs["x"]
        self.shapes.append(x.shape)
        self.loop.ns += int((self.fixed_ms + self.cell_ms * x.size) * MS)
        valid = np.ones(x.shape[:2], bool)
        if "length" in inputs:
            valid = np.arange(x.shape[1]) < inputs["length"][:, None]
        elif "mask" in inputs:
            valid = inputs["mask"]
        values = np.where(valid[:, :, None], x, 0).sum(2)
        sums = np.where(valid, values.cumsum(1), 1e6)
        return {"sums": sums.T.astype(np.float32), "total": (values.sum(1) + valid.sum(1)).astype(np.float32)}


def series(graph: Graph, lengths: list[int], steps: int, width: int, start: int) -> Arrays:
    """Whole numbers, so that sums are exact; beyond a row's length there is rubbish."""
    x = np.arange(start, start + len(lengths) * steps * width, dtype=np.float32).reshape(len(lengths), steps, width)
    length = np.array(lengths, np.int64)
    mask = np.arange(steps) < length[:, None]
    every = {"x": x, "length": length, "mask": mask}
    return {port.name: every[port.name] for port in graph.inputs}


def submit_all(
    graph: Graph, asked: list[Arrays], limits: Limits, costs: tuple[float, float]
) -> tuple[list[Arrays], Series, Batcher]:
    loop = Simulation()
    run = Series(loop, *costs)

    async def scenario() -> tuple[list[Arrays], Series, Batcher]:
        batcher = Batcher(graph, run, limits)
        batcher.warm_up(series(graph, [1], 1, 1, 0))
        run.shapes.clear()
        answers = await asyncio.gather(*(batcher.submit(inputs) for inputs in asked))
        await batcher.close()
        return answers, run, batcher

    return loop.play(scenario())


some_series = st.lists(
    st.tuples(st.lists(st.integers(1, 9), min_size=1, max_size=3), st.integers(0, 2), st.integers(1, 2)),
    min_size=1,
    max_size=10,
)


@settings(max_examples=100, deadline=None, derandomize=True)
@given(
    wanted=some_series,
    graph=st.sampled_from([*GRAPHS.values(), *NOT_PADDED.values()]),
    max_rows=st.integers(1, 8),
    fixed_ms=st.sampled_from([0.01, 1.0, 100.0]),
)
def test_answers_are_those_of_each_request_alone(wanted: Any, graph: Graph, max_rows: int, fixed_ms: float) -> None:
    asked = [
        series(graph, lengths, min(9, max(lengths) + more), width, 1000 * i)
        for i, (lengths, more, width) in enumerate(wanted)
    ]
    answers, run, batcher = submit_all(graph, asked, Limits(max_rows=max_rows), (fixed_ms, 0.01))
    for inputs, answer in zip(asked, answers, strict=True):
        alone = Series(Simulation(), 0, 0)(inputs)
        for name in ("sums", "total"):
            np.testing.assert_array_equal(answer[name], alone[name])
    snapshot = batcher.statistics.snapshot()
    assert snapshot["rows"] == sum(len(inputs["x"]) for inputs in asked)
    assert snapshot["cells"] == sum(np.prod(shape) for shape in run.shapes)
    assert snapshot["padded_cells"] == snapshot["cells"] - sum(inputs["x"].size for inputs in asked)
    assert all(shape[0] <= max_rows for shape in run.shapes)
    if graph in NOT_PADDED.values():
        assert snapshot["padded_cells"] == 0


@pytest.mark.parametrize(
    ("fixed_ms", "shapes"),
    [
        # The longest wait first. Padding 4 rows of 5 steps to 6 costs 4 cells, then 6 rows of 6 to 9 with 2 of 9 ...
        (0.1, [(4, 5, 1), (2, 6, 1), (2, 9, 1)]),  # ... an execution is worth 1 cell: nothing is padded
        (0.5, [(6, 6, 1), (2, 9, 1)]),  # 5 cells: 5 and 6 steps share one, 9 would cost 18 more
        (5.0, [(8, 9, 1)]),  # 50 cells: all share one
    ],
)
def test_padding_is_worth_less_than_an_execution(fixed_ms: float, shapes: list[tuple[int, ...]]) -> None:
    graph = GRAPHS["length"]
    asked = [series(graph, [steps], steps, 1, 0) for steps in (5, 5, 5, 5, 6, 6, 9, 9)]
    _, run, _ = submit_all(graph, asked, Limits(max_delay_ms=0, max_in_flight=1), (fixed_ms, 0.1))
    assert run.shapes == shapes


def test_a_real_network_answers_padded_as_it_does_alone() -> None:
    """Series of every length through the LSTM of the hub, within the bound that its certificate states."""
    artifact = Hub(Path("zoo/artifacts")).artifact("lstm-japanese-vowels")
    graph = Manifest.read(artifact.folder).graphs[0]
    session = Session(artifact.graph_path(graph), graph, threads=1)
    bound = json.loads((artifact.folder / "certificate.json").read_text())["graphs"]["predict"]["bounds"]["logits"]
    golden = np.load(artifact.folder / "golden.npz")
    x, length = golden["predict/x"], golden["predict/length"]
    asked = [{"x": x[i : i + 1, : length[i]], "length": length[i : i + 1]} for i in range(len(x))]
    assert len({int(count) for count in length}) > 5

    def run(inputs: Arrays) -> Arrays:
        time.sleep(0.02)  # a fixed cost that is worth any padding
        return session.run(inputs)

    async def scenario() -> tuple[list[Arrays], dict[str, Any]]:
        batcher = Batcher(graph, run, Limits(max_in_flight=1))
        batcher.warm_up(asked[0])
        answers = await asyncio.gather(*(batcher.submit(inputs) for inputs in asked))
        await batcher.close()
        return answers, batcher.statistics.snapshot()

    answers, snapshot = asyncio.run(scenario())
    assert snapshot["batches"] == {"32": snapshot["batches"]["32"]}
    assert snapshot["padded_cells"] == len(x) * length.max() - length.sum()
    for i, (inputs, answer) in enumerate(zip(asked, answers, strict=True)):
        assert np.abs(answer["logits"] - session.run(inputs)["logits"]).max() <= bound
        assert np.abs(answer["logits"][0] - golden["predict/logits"][i]).max() <= bound
