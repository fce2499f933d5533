"""The exported Q-network by hand, and the published one in gymnasium itself."""

import gymnasium
import numpy as np
import pytest
import torch

import zoo
from export.exporter import export_graph
from zoo.families.reinforcement.q_network import Config
from zoo.hub import EMBEDDED, Hub
from zoo.original import Original
from zoo.session import Session

MODEL = "dqn-cartpole"


@pytest.fixture(scope="module")
def run(tmp_path_factory):
    """h = relu(x₁ − x₂, x₂ + 1), Q = (2 h₁ − 1, h₂, h₁ + h₂ − 3)."""
    original = Original.build("q-network", Config(observed=2, hidden=(2,), actions=3))
    first, _, last = original.model.values
    with torch.no_grad():
        first.weight.copy_(torch.tensor([[1.0, -1], [0, 1]]))
        first.bias.copy_(torch.tensor([0.0, 1]))
        last.weight.copy_(torch.tensor([[2.0, 0], [0, 1], [1, 1]]))
        last.bias.copy_(torch.tensor([-1.0, 0, -3]))
    [graph] = original.graphs
    path = tmp_path_factory.mktemp("q") / graph.file
    export_graph(original, graph, path)
    return lambda *rows: Session(path, graph).run({"x": np.array(rows, np.float32)})


def test_values_and_actions_are_those_by_hand(run):
    """(3, 1): h = (2, 2). (0, 2): h = (0, 3). (1, −2): h = (3, 0). (8, 5): h = (3, 6), a tie."""
    outputs = run((3, 1), (0, 2), (1, -2), (8, 5))
    assert outputs["values"].tolist() == [[3, 2, 1], [-1, 3, 0], [5, 0, 0], [5, 6, 6]]
    assert outputs["action"].tolist() == [0, 1, 0, 1]


def test_of_equal_values_the_first_wins(run):
    """(1, 0): h = (1, 1), Q = (1, 1, −1)."""
    assert run((1, 0))["action"].tolist() == [0]


@pytest.mark.parametrize("seed", [0, 50, 99])
def test_the_published_agent_balances_the_pole_in_gymnasium(seed):
    """Test episodes, as their figure has them."""
    model = zoo.load(MODEL)
    environment = gymnasium.make("CartPole-v1")
    x, _ = environment.reset(seed=seed)
    gained, over = 0.0, False
    while not over:
        x, reward, ended, cut, _ = environment.step(int(model.run("act", {"x": x[None]})["action"][0]))
        gained, over = gained + reward, ended or cut
    assert gained >= 475


def test_the_published_figure_is_that_of_a_hundred_episodes():
    manifest = Hub(EMBEDDED).artifact(MODEL).manifest
    assert (manifest.data["rows"]["test"], manifest.training["metric"]) == (100, "mean_return")
    assert 475 <= manifest.metrics["mean_return"] <= 500
