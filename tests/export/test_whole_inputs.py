"""Graphs without a batch, and indices into their axes: what is drawn and refused, and the faults that only they have."""

from __future__ import annotations

import re

import numpy as np
import pytest
import torch
from torch import nn

from export.coverage import remarks
from export.inputs import beyond, draw, lattice
from export.invariances import check_invariances
from export.patterns import patterned
from export.prove import prove
from export.reference import TorchReference
from export.torch_exporter import export_module
from zoo.errors import PortError
from zoo.session import Session
from zoo.spec import Axis, Graph, Port

X = Port(name="x", dtype="float32", shape=("nodes", 4), low=-1, high=1)
EDGES = Port(name="edges", dtype="int64", shape=(2, "edges"), low=0, role="index", axis="nodes")
Y = Port(name="y", dtype="float32", shape=("nodes", 4))
AXES = (Axis(name="nodes", unordered=True), Axis(name="edges", low=0, unordered=True))
GRAPH = Graph(inputs=(X, EDGES), outputs=(Y,), axes=AXES, batch=None)


def drawn():
    return np.random.default_rng(0)


def no_reference(graph, inputs):
    return {"y": np.zeros(1)}


class Sum(nn.Module):
    """What comes in over the edges, added up at the node that each ends in; two ways of torch, and a fault."""

    def __init__(self, way: str) -> None:
        super().__init__()
        self.way = way

    def forward(self, x: torch.Tensor, edges: torch.Tensor) -> torch.Tensor:
        sent = x[edges[0]]
        if self.way == "index_add":
            return torch.zeros_like(x).index_add(0, edges[1], sent)
        found = torch.zeros_like(x).scatter_add(0, edges[1][:, None].expand_as(sent), sent)
        return found + torch.arange(len(x), dtype=x.dtype)[:, None] if self.way == "numbered" else found


def report_of(exported: str, original: str, path):
    path.write_bytes(export_module(Sum(exported), GRAPH, 20).SerializeToString())
    return prove(GRAPH, Session(path, GRAPH), TorchReference(lambda: Sum(original)), {}, drawn())


def test_indices_point_into_their_axis() -> None:
    for sizes in lattice(GRAPH):
        inputs = draw(GRAPH, sizes, drawn())
        assert GRAPH.check(inputs) == sizes
        assert inputs["edges"].shape == (2, sizes["edges"])


def test_an_index_into_nothing_is_not_drawn() -> None:
    axes = (Axis(name="nodes", low=0), Axis(name="edges", low=0))
    graph = Graph(inputs=(X, EDGES), outputs=(Y,), axes=axes, batch=None)
    assert {sizes["edges"] for sizes in lattice(graph) if not sizes["nodes"]} == {0}


def test_one_before_the_first_and_one_after_the_last_are_refused() -> None:
    found = dict(beyond(GRAPH, drawn()))
    assert len(found) == 2
    for inputs in found.values():
        with pytest.raises(PortError, match=r"holds (values|indices) from"):
            GRAPH.check(inputs)


def test_indices_come_in_every_pattern() -> None:
    cases = [case.inputs["edges"] for case in patterned(GRAPH, no_reference, drawn()) if case.kind == "indices"]
    long = [edges for edges in cases if edges.size]
    assert any((edges == 0).all() for edges in long)
    assert any((edges == 16).all() for edges in long)
    assert any(np.array_equal(edges[0], np.arange(17)) for edges in long)
    assert any((edges[0] == edges[1]).all() and len(np.unique(edges)) > 2 for edges in long)


def test_a_crowd_points_at_one_place() -> None:
    cases = [case for case in patterned(GRAPH, no_reference, drawn()) if case.kind == "crowd"]
    assert len(cases) >= 5
    for case in cases:
        assert case.inputs["edges"].shape == (2, 32768)
        assert len(np.unique(case.inputs["edges"])) == 1
        assert GRAPH.check(case.inputs) == case.sizes


def test_a_right_sum_is_proven(tmp_path) -> None:
    report = report_of("scatter_add", "index_add", tmp_path / "graph.onnx")
    assert report.passed, report.broken


@pytest.mark.parametrize("way", ["index_add", "scatter_add"])
def test_sums_that_threads_may_lose_are_remarked(way, tmp_path) -> None:
    """Whether they lose some is chance; https://github.com/microsoft/onnxruntime/issues/18048."""
    path = tmp_path / "graph.onnx"
    path.write_bytes(export_module(Sum(way), GRAPH, 20).SerializeToString())
    assert [re.search(r"\((\w+), add\): ONNX Runtime loses", one)[1] for one in remarks(path, GRAPH, [])] == (
        ["ScatterND"] if way == "index_add" else []
    )


def test_an_answer_that_goes_by_the_order_is_caught(tmp_path) -> None:
    """Exported rightly, but its original numbers the nodes, which its port declarations deny."""
    report = report_of("numbered", "numbered", tmp_path / "graph.onnx")
    assert any("another order along 'nodes' changes output 'y'" in sentence for sentence in report.broken)
    assert not any("another order along 'edges'" in sentence for sentence in report.broken)


def test_another_order_is_renumbered(tmp_path) -> None:
    path = tmp_path / "graph.onnx"
    path.write_bytes(export_module(Sum("scatter_add"), GRAPH, 20).SerializeToString())
    cases = [case for case in patterned(GRAPH, no_reference, drawn()) if case.kind == "indices"]
    assert (
        check_invariances(GRAPH, Session(path, GRAPH), cases, {("y", "indices"): 1e-5, ("y", "drawn"): 1e-5}, drawn()) == []
    )
