"""Five gates of threshold units: truth tables by hand, and what happens exactly at a threshold."""

import itertools

import numpy as np
import pytest
import torch

from export.exporter import export_graph
from training.data import logic
from training.recipe import Settings
from training.recipes import load_recipe
from zoo.metrics import load_metric
from zoo.original import Original
from zoo.session import Session

TABLE = {  # x1, x2: OR, AND, NAND, NOR, XOR
    (0, 0): [0, 0, 1, 1, 0],
    (0, 1): [1, 0, 1, 0, 1],
    (1, 0): [1, 0, 1, 0, 1],
    (1, 1): [1, 1, 0, 0, 0],
}


@pytest.fixture(scope="module")
def original():
    recipe = load_recipe("mcculloch-pitts-gates")
    made = Original.build(recipe.family, recipe.config)
    assert recipe.fit(made, {}, Settings(), 0) == {}
    return made.cast("float32")


@pytest.fixture(scope="module")
def session(original, tmp_path_factory):
    [graph] = original.graphs
    path = tmp_path_factory.mktemp("gates") / graph.file
    export_graph(original, graph, path)
    return Session(path, graph)


def fires(session, *rows):
    return session.run({"x": np.array(rows, np.float32)})["y"].tolist()


def test_the_exported_gates_have_their_truth_tables(session):
    assert fires(session, *TABLE) == list(TABLE.values())


def test_the_activations_are_the_documents(original):
    """Seed 004, lines 1064 to 1067 and 1093 to 1097."""
    found = original.model.first(torch.tensor(list(TABLE), dtype=torch.float32))
    assert found[:, :2].tolist() == [[-0.5, -1.5], [0.5, -0.5], [0.5, -0.5], [1.5, 0.5]]


def test_a_sum_at_the_threshold_does_not_fire(session):
    """0.25 + 0.25 = 0.5 is neither OR nor NOR, 0.75 + 0.75 = 1.5 neither AND nor NAND."""
    assert fires(session, (0.25, 0.25), (0.75, 0.75)) == [[0, 0, 1, 0, 0], [1, 0, 0, 0, 0]]


def test_no_single_unit_computes_xor():
    """Over a grid of weights and biases: w2 + b > 0, w1 + b > 0, b <= 0 and w1 + w2 + b <= 0 contradict one another."""
    grid = np.arange(-3, 3.25, 0.25)
    corners = np.array(list(TABLE))
    weights = np.array(list(itertools.product(grid, repeat=3)))
    tables = (weights[:, :2] @ corners.T + weights[:, 2:]) > 0
    for gate, wanted in enumerate(np.array(list(TABLE.values())).T):
        assert (tables == wanted.astype(bool)).all(axis=1).any() == (gate != 4)


def test_the_data_holds_the_truth_table_and_levels_near_it():
    dataset = logic.load()
    assert dataset.labels == ("OR", "AND", "NAND", "NOR", "XOR")
    assert (len(dataset.train), len(dataset.test)) == (64, 32)
    assert np.array_equal(dataset.test.raws[:4], list(TABLE))
    for split in (dataset.train, dataset.test):
        assert np.abs(split.raws - split.raws.round()).max() <= 0.2
        rows = zip(split.raws.round(), split.targets, strict=True)
        assert all(TABLE[tuple(map(int, bits))] == gates.tolist() for bits, gates in rows)


def test_a_row_matches_when_all_its_flags_do():
    metric = load_metric("exact_match")
    arrays = {"predict/x": np.zeros((4, 1)), "targets": np.array([[0, 1], [1, 1], [0, 0], [1, 0]])}
    assert metric.figure(arrays, lambda graph, inputs: {"y": np.array([[0, 1], [1, 0], [0, 0], [0, 1]])}) == 0.5
    assert metric.direction == 1
