"""Batches of graphs whose outputs depend on the data in size: every request gets its own entries."""

import asyncio

import numpy as np
import pytest

from serving.batching.batcher import Batcher
from serving.batching.batches import Layout
from serving.batching.limits import Limits
from serving.errors import ExecutionError
from zoo.spec import Graph, Port

X = Port(name="x", dtype="float32", shape=("batch", 2))
VALUES = Port(name="values", dtype="float32", shape=("found", 2))
ROW = Port(name="row", dtype="int64", shape=("found",), role="index", axis="batch")
GRAPH = Graph(inputs=(X,), outputs=(VALUES, ROW))
UNOWNED = Graph(inputs=(X,), outputs=(VALUES,))


def repeat(inputs):
    """Each row as often as its first number says."""
    counts = inputs["x"][:, 0].astype(int)
    return {"values": np.repeat(inputs["x"], counts, axis=0), "row": np.repeat(np.arange(len(counts)), counts)}


def request(*counts):
    return {"x": np.array([[count, 10 * count] for count in counts], np.float32)}


def answers(run, requests, **limits):
    async def ask():
        batcher = Batcher(GRAPH, run, Limits(**limits))
        try:
            return await asyncio.gather(*(batcher.submit(one) for one in requests)), batcher.statistics.batches
        finally:
            await batcher.close()

    return asyncio.run(ask())


def test_only_entries_that_say_whose_they_are_can_be_batched():
    assert Layout(GRAPH).batchable
    assert not Layout(UNOWNED).batchable


def test_requests_share_an_execution_and_get_their_own_entries():
    requests = [request(2), request(0, 3), request(1)]
    found, batches = answers(repeat, requests, max_rows=8)
    assert list(batches) == [4]
    for one, answer in zip(requests, found, strict=True):
        expected = repeat(one)
        assert {name: array.tolist() for name, array in answer.items()} == {n: a.tolist() for n, a in expected.items()}


def test_an_oversized_request_is_cut_and_mended():
    whole = request(1, 0, 2, 3, 0, 1, 2)
    [found], batches = answers(repeat, [whole], max_rows=3)
    assert sorted(batches) == [1, 3]
    assert found["values"].tolist() == repeat(whole)["values"].tolist()
    assert found["row"].tolist() == [0, 2, 2, 3, 3, 3, 5, 6, 6]


def test_entries_that_belong_to_no_row_are_an_error():
    def stray(inputs):
        return {"values": np.zeros((1, 2), np.float32), "row": np.array([len(inputs["x"])])}

    with pytest.raises(ExecutionError, match="entries that belong to none of 1 rows"):
        answers(stray, [request(1)])
