"""Value iteration beside linear programming, a textbook's world and worlds solved by hand."""

from itertools import pairwise

import numpy as np
import pytest
import torch
from scipy.optimize import linprog

from training.data import gridworlds
from zoo.calls import drive
from zoo.codecs import make_codec
from zoo.families.planning.value_iteration import Config, ValueIteration
from zoo.metrics import load_metric
from zoo.metrics.optimality import returns

TEXTBOOK = "discount 1\nslip 0.2\nstep -0.04\n...G\n.#.P\n...."
CODEC = make_codec("grid-planning", {"max_cells": 36})
DTYPES = pytest.mark.parametrize("dtype", [torch.float32, torch.float64])


def plan(p, r, discount, dtype=torch.float64, **config):
    """Value, q, preference and action of one world; `p` and `r` (S, A, S)."""
    p, r = (torch.as_tensor(np.array(each)[None], dtype=dtype) for each in (p, r))
    model = ValueIteration(Config(**{"max_states": p.shape[1], "actions": p.shape[2], "max_steps": 2000, **config}))
    return [found[0].numpy() for found in model.plan(p, r, torch.tensor([discount], dtype=dtype))]


def plan_map(text, dtype=torch.float64, **config):
    encoded = CODEC.encode(CODEC.read(text.encode(), "text/plain"))
    return plan(encoded["transition"][0], encoded["reward"][0], encoded["discount"][0], dtype, **config)


def random_world(seed, states=12, actions=4):
    rng = np.random.default_rng(seed)
    p = rng.dirichlet(np.full(states, 0.3), size=(states, actions))
    return p, rng.uniform(-1, 1, size=p.shape), rng.uniform(0.3, 0.97)


def optimum(p, r, discount):
    """Minimise Σ V where V(s) ≥ Σ P (R + γ V) for every action: a constraint a state and action."""
    states, actions, _ = p.shape
    left = [-(np.eye(states)[s] - discount * p[s, a]) for s in range(states) for a in range(actions)]
    right = [-(p[s, a] @ r[s, a]) for s in range(states) for a in range(actions)]
    return linprog(np.ones(states), A_ub=left, b_ub=right, bounds=(None, None)).x


@DTYPES
@pytest.mark.parametrize("seed", range(5))
def test_values_are_those_of_the_linear_programme(seed, dtype):
    p, r, discount = random_world(seed)
    value, q, _, action = plan(p, r, discount, dtype)
    best = optimum(p, r, discount)
    assert value == pytest.approx(best, abs=1e-4)
    assert q.max(axis=1).tolist() == value.tolist()
    earned = returns(p[None], r[None], np.array([discount]), action[None])[0]
    assert earned == pytest.approx(best, abs=1e-4)


@DTYPES
def test_the_world_of_russell_and_norvig(dtype):
    """Artificial Intelligence: A Modern Approach, third edition, figures 17.2 and 17.3: utilities, and the way to go."""
    value, _, _, action = plan_map(TEXTBOOK, dtype)
    expected = [0.812, 0.868, 0.918, 0, 0.762, 0, 0.660, 0, 0.705, 0.655, 0.611, 0.388]
    assert value == pytest.approx(expected, abs=5e-4)
    up, right, left = 0, 1, 3
    assert action[[0, 1, 2]].tolist() == [right] * 3
    assert action[[4, 6, 8]].tolist() == [up] * 3
    assert action[[9, 10, 11]].tolist() == [left] * 3


def test_the_linear_programme_of_the_data_knows_that_world():
    assert gridworlds.best_returns(TEXTBOOK)[[0, 8, 11]] == pytest.approx([0.812, 0.705, 0.388], abs=5e-4)


def test_a_corridor_by_hand():
    """A reward of 1 two moves ahead is worth half of it at a discount of a half."""
    value, q, _, action = plan_map("discount 0.5\nslip 0\nstep 0\n..G")
    assert value.tolist() == [0.5, 1, 0]
    assert q.tolist() == [[0.25, 0.5, 0.25, 0.25], [0.5, 1, 0.5, 0.25], [0, 0, 0, 0]]
    assert action.tolist() == [1, 1, 0]


@DTYPES
def test_after_some_steps_values_are_the_best_returns_of_so_many_actions(dtype):
    value, *_ = plan_map("discount 1\nslip 0\nstep -0.1\n...G", dtype, max_steps=2)
    assert value == pytest.approx([-0.2, 0.8, 0.9, 0], abs=1e-6)


def test_a_step_brings_values_nearer_by_the_discount():
    p, r, discount = random_world(7)
    best = optimum(p, r, discount)
    off = [np.abs(plan(p, r, discount, max_steps=steps)[0] - best).max() for steps in range(1, 12)]
    assert all(after <= discount * before + 1e-9 for before, after in pairwise(off))


@pytest.mark.parametrize(
    ("p", "discount", "value"),
    [
        (0.5, 1, 1),  # v = 0.5 (1 + v): the world ends with the other half
        (0, 1, 0),
        (2, 0.5, 2),  # divided to 1: v = 1 + 0.5 v
        (-1, 0.5, 0),  # no probability
        (0.5, 3, 1),  # a discount of 1
        (0.5, -2, 0.5),  # of 0
    ],
)
def test_worlds_of_one_state(p, discount, value):
    assert plan([[[p]]], [[[1]]], discount)[0] == pytest.approx([value], abs=1e-5)


@DTYPES
def test_of_actions_equally_good_the_first_is_taken(dtype):
    """Along the diagonal right and down are: right comes first. Where all is lost, up."""
    _, q, preference, action = plan_map("slip 0.2\n...\n...\n..G", dtype)
    assert q[[0, 4], 1] == pytest.approx(q[[0, 4], 2], rel=1e-6)
    assert action[[0, 4]].tolist() == [1, 1]
    assert action[[1, 3]].tolist() == preference[[1, 3]].argmax(axis=1).tolist()
    assert plan_map("step 0\n.#G", dtype)[3].tolist() == [0, 0, 0]


def test_company_does_not_matter():
    """A world that settles late does not move those beside it."""
    encoded = CODEC.encode([CODEC.read(text.encode(), "text/plain")[0] for text in ("discount 0.2\n..G", TEXTBOOK)])
    together = ValueIteration(Config()).plan(*map(torch.from_numpy, encoded.values()))[0]
    alone = plan_map("discount 0.2\n..G", torch.float32)[0]
    assert together[0, :3].tolist() == pytest.approx(alone.tolist(), abs=1e-7)


def test_the_metric_counts_worlds_whose_values_and_actions_are_best():
    """Worth two moves left of the goal: 0.5. The same values with the way back are not planned as well as can be."""
    raws = CODEC.read(b"discount 0.5\nslip 0\nstep 0\n..G", "text/plain") * 3
    encoded = {f"plan/{name}": array for name, array in CODEC.encode(raws).items()}
    value = np.array([[0.5, 1, 0], [0.5, 1, 0], [0.501, 1, 0]], np.float32)
    action = np.array([[1, 1, 0], [3, 1, 0], [1, 1, 0]])
    metric = load_metric("optimality")
    arrays = {**encoded, "targets": np.array([[0.5, 1, 0, 0]] * 3)}
    assert drive(metric.score(arrays), lambda graph, inputs: {"value": value, "action": action}).tolist() == [1, 0, 0]
    assert metric.direction == 1
