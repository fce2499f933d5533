"""The exported perceptron beside seed 004's numbers."""

import numpy as np
import pytest
import torch

from export.exporter import export_graph
from zoo.families.neurons.perceptron import Config
from zoo.original import Original
from zoo.session import Session


@pytest.fixture(scope="module")
def run(tmp_path_factory):
    """`run(rows)`: outputs of the OR perceptron of seed 004, line 1052: w = (1, 1), b = −0.5."""
    original = Original.build("perceptron", Config(in_features=2))
    with torch.no_grad():
        original.model.unit.weight.copy_(torch.ones(1, 2))
        original.model.unit.bias.fill_(-0.5)
    [graph] = original.graphs
    path = tmp_path_factory.mktemp("perceptron") / graph.file
    export_graph(original, graph, path)
    return lambda *rows: Session(path, graph).run({"x": np.array(rows, np.float32)})


def test_the_activations_of_or_are_the_documents(run):
    outputs = run((0, 0), (0, 1), (1, 0), (1, 1))
    assert outputs["label"].tolist() == [0, 1, 1, 1]
    assert outputs["scores"].tolist() == [[0.5, -0.5], [-0.5, 0.5], [-0.5, 0.5], [-1.5, 1.5]]


def test_a_point_on_the_plane_is_of_class_0(run):
    assert run((0.25, 0.25))["label"].tolist() == [0]
    assert run((0.25, 0.25 + 2**-24))["label"].tolist() == [1]
