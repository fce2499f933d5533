"""Inputs that chance would miss: every id, masks and lengths in patterns; and the faults that only they show."""

from __future__ import annotations

from dataclasses import replace
from pathlib import Path

import numpy as np
import onnx
import pytest
import torch
from onnx import numpy_helper
from torch import nn

from export.inputs import make_cases
from export.patterns import every_id, patterned
from export.prove import GraphReport, prove
from export.reference import TorchReference
from export.torch_exporter import export_module
from zoo.session import Session
from zoo.spec import Axis, Graph, Port

TOKEN = Port(name="token", dtype="int64", shape=("batch", "time"), low=0, high=4999)
MASK = Port(name="mask", dtype="bool", shape=("batch", "time"), role="mask")
LENGTH = Port(name="length", dtype="int64", shape=("batch",), role="length", axis="time", low=1, high=9)
LOGITS = Port(name="logits", dtype="float32", shape=("batch", 3))
TIME = Axis(name="time", high=9)


def graph_of(*inputs: Port, output: Port = LOGITS, padded: bool = False) -> Graph:
    return Graph(inputs=inputs, outputs=(output,), axes=(replace(TIME, padded=padded),))


def drawn(seed: int = 0) -> np.random.Generator:
    return np.random.default_rng(seed)


def no_reference(graph, inputs):
    return {port.name: np.zeros(1) for port in graph.outputs}


@pytest.mark.parametrize("ports", [(TOKEN,), (TOKEN, LENGTH), (TOKEN, MASK)])
def test_every_id_occurs_in_a_valid_place(ports: tuple[Port, ...]) -> None:
    graph = graph_of(*ports)
    cases = every_id(graph, drawn())
    assert set(np.concatenate([case.inputs["token"].ravel() for case in cases])) == set(range(5000))
    for case in cases:
        assert graph.check(case.inputs) == case.sizes
        assert case.rows <= 64
        if LENGTH in ports:
            assert (case.inputs["length"] == case.sizes["time"]).all()
        if MASK in ports:
            assert case.inputs["mask"].all()


def test_a_graph_without_a_batch_gets_every_id_too() -> None:
    token = Port(name="token", dtype="int32", shape=("time",), low=3, high=40)
    graph = Graph(inputs=(token,), outputs=(Port(name="y", dtype="float32", shape=("time",)),), axes=(TIME,), batch=None)
    assert set(np.concatenate([case.inputs["token"] for case in every_id(graph, drawn())])) == set(range(3, 41))


@pytest.mark.parametrize("high", [None, 10_000])
def test_too_many_ids_are_left_to_chance(high: float | None) -> None:
    token = Port(name="token", dtype="int64", shape=("batch", "time"), low=0, high=high)
    assert every_id(graph_of(token), drawn()) == []


def test_lengths_are_one_all_and_each_between() -> None:
    x = Port(name="x", dtype="float32", shape=("batch", "time", 2))
    graph = graph_of(x, LENGTH)
    cases = patterned(graph, no_reference, drawn())
    assert sum(case.rows for case in cases) >= 64
    longest = [case.inputs["length"] for case in cases if case.sizes["time"] == 9]
    assert any((lengths == 1).all() for lengths in longest)
    assert any((lengths == 9).all() for lengths in longest)
    assert any(set(lengths) == set(range(1, 10)) for lengths in longest)
    assert all(graph.check(case.inputs) == case.sizes for case in cases)


def test_masks_come_in_every_pattern() -> None:
    x = Port(name="x", dtype="float32", shape=("batch", "time", 2))
    masks = [case.inputs["mask"] for case in patterned(graph_of(x, MASK), no_reference, drawn()) if case.sizes["time"] == 9]
    changes = [np.abs(np.diff(mask.astype(int), axis=1)).sum(axis=1) for mask in masks]
    assert any(mask.all() for mask in masks)
    assert any(not mask.any() for mask in masks)
    assert any((mask.sum(axis=1) == 1).all() for mask in masks)
    assert any((change == 8).all() for change in changes)
    assert any(
        mask[:, 0].all() and not mask.all() and (change <= 1).all() for mask, change in zip(masks, changes, strict=True)
    )
    assert any(
        mask[:, -1].all() and not mask.all() and (change <= 1).all() for mask, change in zip(masks, changes, strict=True)
    )


def test_two_masks_meet_in_every_combination() -> None:
    other = Port(name="other", dtype="bool", shape=("batch", "time"), role="mask")
    cases = patterned(graph_of(MASK, other), no_reference, drawn())
    kinds = {(bool(c.inputs["mask"].all()), bool(c.inputs["other"].all())) for c in cases if c.sizes["time"] == 9}
    assert kinds == {(True, True), (True, False), (False, True), (False, False)}


def test_a_mask_of_floats_takes_its_own_values() -> None:
    weight = Port(name="weight", dtype="float32", shape=("batch", "time"), role="mask", low=-5, high=0)
    cases = patterned(graph_of(weight), no_reference, drawn())
    assert set(np.unique(np.concatenate([case.inputs["weight"].ravel() for case in cases]))) == {-5.0, 0.0}


class Mean(nn.Module):
    """The mean of what the mask allows, 0 / 0 where it allows nothing; `guarded` gives 0 there."""

    def __init__(self, guarded: bool) -> None:
        super().__init__()
        self.guarded = guarded

    def forward(self, x: torch.Tensor, mask: torch.Tensor) -> torch.Tensor:
        weight = mask[..., None].to(x.dtype)
        count = weight.sum(1)
        return (x * weight).sum(1) / (count.clamp(min=1) if self.guarded else count)


def masked_mean() -> Graph:
    x = Port(name="x", dtype="float32", shape=("batch", "time", 3), low=-1, high=1)
    return graph_of(x, MASK, padded=True)


@pytest.mark.parametrize("guarded", [True, False])
def test_a_mask_of_nothing_is_tried_where_the_original_allows_it(guarded: bool) -> None:
    module, graph = Mean(guarded), masked_mean()
    cases = patterned(graph, TorchReference(lambda: module).ref64, drawn())
    assert any(not case.inputs["mask"].any() for case in cases) is guarded


def shown(exported: nn.Module, original: nn.Module, graph: Graph, path: Path, change=lambda model: None) -> GraphReport:
    model = export_module(exported, graph, 20)
    change(model)
    onnx.save(model, path)
    return prove(graph, Session(path, graph), TorchReference(lambda: original), {}, drawn())


def test_a_guard_that_only_an_empty_mask_shows(tmp_path: Path) -> None:
    """One padded axis, a mask and no length: padding is proven by the mask."""
    graph = masked_mean()
    assert shown(Mean(True), Mean(True), graph, tmp_path / "right.onnx").passed
    report = shown(Mean(False), Mean(True), graph, tmp_path / "wrong.onnx")
    assert "masks" in {record.kind for record in report.records if not record.passed}


class Steps(nn.Module):
    """An answer a step; behind the mask it is the mean of all steps, with `leaks` before it too."""

    def __init__(self, leaks: bool) -> None:
        super().__init__()
        self.leaks = leaks

    def forward(self, x: torch.Tensor, mask: torch.Tensor) -> torch.Tensor:
        hidden = x.mean(1, keepdim=True).expand_as(x)
        return torch.where(mask[..., None], x + hidden if self.leaks else x, hidden)


@pytest.mark.parametrize("leaks", [False, True])
def test_steps_beyond_the_mask_may_differ_and_others_not(leaks: bool, tmp_path: Path) -> None:
    x = Port(name="x", dtype="float32", shape=("batch", "time", 3), low=-1, high=1)
    y = Port(name="logits", dtype="float32", shape=("batch", "time", 3))
    report = shown(Steps(leaks), Steps(leaks), graph_of(x, MASK, output=y, padded=True), tmp_path / "graph.onnx")
    assert any("other padding along 'time'" in sentence for sentence in report.broken) is leaks


class Bag(nn.Module):
    def __init__(self) -> None:
        super().__init__()
        torch.manual_seed(0)
        self.token, self.head = nn.Embedding(5000, 4), nn.Linear(4, 3)

    def forward(self, token: torch.Tensor) -> torch.Tensor:
        return self.head(self.token(token).mean(1))


@pytest.mark.parametrize("token", [0, 1234, 4999])
def test_one_token_of_five_thousand_one_percent_off_is_caught(token: int, tmp_path: Path) -> None:
    def nudge(model: onnx.ModelProto) -> None:
        (stored,) = (tensor for tensor in model.graph.initializer if list(tensor.dims) == [5000, 4])
        weights = numpy_helper.to_array(stored).copy()
        weights[token] *= 1.01
        stored.CopyFrom(numpy_helper.from_array(weights, stored.name))

    module, graph = Bag(), graph_of(TOKEN)
    assert shown(module, module, graph, tmp_path / "right.onnx").passed
    assert not shown(module, module, graph, tmp_path / "wrong.onnx", nudge).passed


def test_ids_that_are_too_many_are_remarked(tmp_path: Path) -> None:
    many = Port(name="token", dtype="int64", shape=("batch", "time"), low=0, high=20_000)

    class Remainder(nn.Module):
        def forward(self, token: torch.Tensor) -> torch.Tensor:
            return torch.stack([token % 7, token % 5, token % 3], dim=-1).sum(1).float()

    report = shown(Remainder(), Remainder(), graph_of(many), tmp_path / "graph.onnx")
    assert any("'token' has 20,001 ids, more than 10,000" in sentence for sentence in report.remarks)


@pytest.mark.parametrize(("low", "high"), [(1, 5), (4, 12), (20, 100)])
def test_declared_bounds_of_the_batch_hold_in_every_case(low, high):
    tokens = Port(name="tokens", dtype="int64", shape=("batch", "time"), low=0, high=99)
    mask = Port(name="mask", dtype="bool", shape=("batch", "time"), role="mask")
    y = Port(name="y", dtype="float32", shape=("batch", "time"))
    axes = (Axis(name="batch", low=low, high=high), Axis(name="time", high=5))
    graph = Graph(inputs=(tokens, mask), outputs=(y,), axes=axes)
    rng = np.random.default_rng(0)

    def ref64(graph, inputs):
        return {"y": inputs["tokens"] * 1.0}

    samples = {"tokens": rng.integers(0, 99, (80, 4)), "mask": np.ones((80, 4), bool)}
    rows = {}
    for case in [*make_cases(graph, samples, rng), *every_id(graph, rng), *patterned(graph, ref64, rng)]:
        graph.check(case.inputs)
        rows.setdefault(case.kind, []).append(case.rows)
    assert all(sum(counts) >= 64 for counts in rows.values())
    assert {high} <= set(rows["drawn"]) & set(rows["limits"]) & set(rows["real"])
