"""Bayesian networks: worked diagnoses, a published network, and others beside sums over all combinations of states."""

import itertools
import math

import numpy as np
import pytest
import torch

from training.data import diagnoses
from training.data.diagnoses import Variable
from training.recipes import load_recipe
from zoo.families.probabilistic.bayesian_network import LARGEST, BayesianNetwork, Config
from zoo.original import Original

CHAIN = Config(states=(2,) * 40, edges=tuple(number for v in range(39) for number in (v, v + 1)))
SHAPES = [
    Config(),
    Config(states=(2, 3, 2), edges=()),
    Config(states=(2, 3, 2, 4), edges=(0, 1, 0, 2, 1, 3, 2, 3)),  # a loop
    Config(states=(3, 2, 2, 2, 2), edges=(0, 2, 1, 2, 2, 3, 2, 4, 1, 4)),
    Config(states=(2,) * 8, edges=(0, 2, 1, 3, 1, 4, 2, 5, 3, 5, 5, 6, 4, 7, 5, 7)),
]


def network(config, seed=0):
    torch.manual_seed(seed)
    return BayesianNetwork(config).double()


def infer(model, *rows):
    with torch.no_grad():
        posterior, log = model.infer(torch.tensor(rows))
    return posterior.numpy(), log.numpy()


def set_table(model, number, table):
    with torch.no_grad():
        model.table(number).copy_(torch.tensor(table))


def disease_and_symptom(prior, given, without, dtype=torch.float64):
    model = BayesianNetwork(Config(states=(2, 2), edges=(0, 1))).to(dtype)
    set_table(model, 0, [1 - prior, prior])
    set_table(model, 1, [[1 - without, without], [1 - given, given]])
    return model


def summed(model, config, row):
    """Posteriors and the probability of the evidence, one combination of states after the other."""
    shares = np.zeros((len(config.states), max(config.states)))
    tables = [model.table(v).detach().numpy() for v in range(len(config.states))]
    total = 0.0
    for states in itertools.product(*map(range, config.states)):
        if all(known in (-1, state) for known, state in zip(row, states, strict=True)):
            p = math.prod(
                table[tuple(states[v] for v in family)] for table, family in zip(tables, config.families, strict=True)
            )
            shares[np.arange(len(states)), states] += p
            total += p
    return shares / total, total


@pytest.mark.parametrize("dtype", [torch.float32, torch.float64])
def test_the_worked_diagnosis(dtype):
    """Seed 001, lines 2331 to 2354: 0.04 / 0.135, about 0.296; without knowing of the symptom, 0.05."""
    posterior, log = infer(disease_and_symptom(0.05, 0.8, 0.1, dtype), [-1, 1], [-1, -1], [-1, 0])
    assert posterior[:, 0, 1] == pytest.approx([0.04 / 0.135, 0.05, 0.01 / 0.865], abs=1e-6)
    assert posterior[:, 1, 1] == pytest.approx([1, 0.135, 0])
    assert np.exp(log) == pytest.approx([0.135, 1, 0.865], abs=1e-6)


def test_the_exercise_on_a_test():
    """Seed 001, line 2696: 0.0095 / (0.0095 + 0.0495), about 0.161."""
    posterior, _ = infer(disease_and_symptom(0.01, 0.95, 0.05), [-1, 1])
    assert posterior[0, 0, 1] == pytest.approx(0.0095 / 0.059)


def test_the_published_tables_give_the_worked_diagnosis():
    """And with the test of the exercise: 0.05 · 0.95 / (0.05 · 0.95 + 0.95 · 0.05); with both, 0.038 / (0.038 + 0.00475)."""
    recipe = load_recipe("bayesian-network-diagnosis")
    original = Original.build(recipe.family, recipe.config)
    recipe.fit(original, {}, recipe.settings, 0)
    posterior, _ = infer(original.model, [-1, 1, -1], [-1, -1, 1], [-1, 1, 1])
    assert posterior[:, 0, 1] == pytest.approx([0.04 / 0.135, 0.5, 0.038 / 0.04275], abs=1e-6)


def test_naive_bayes_adds_up_its_features():
    """Equation 16.1 of seed 001: independent features multiply the odds. Three of 2, 3 and 5 to one make 30 : 1."""
    model = network(Config(states=(2,) * 4, edges=(0, 1, 0, 2, 0, 3)))
    set_table(model, 0, [0.5, 0.5])
    for number, odds in ((1, 2), (2, 3), (3, 5)):
        set_table(model, number, [[0.9, 0.1], [1 - 0.1 * odds, 0.1 * odds]])
    assert infer(model, [-1, 1, 1, 1])[0][0, 0] == pytest.approx([1 / 31, 30 / 31])


@pytest.mark.parametrize("config", SHAPES)
def test_posteriors_are_those_of_all_combinations(config):
    model = network(config)
    rows = [[-1] * len(config.states)]
    rng = np.random.default_rng(0)
    rows += [[int(rng.integers(-1, size)) for size in config.states] for _ in range(15)]
    posterior, log = infer(model, *rows)
    for row, found, log_row in zip(rows, posterior, log, strict=True):
        expected, total = summed(model, config, row)
        assert found == pytest.approx(expected, abs=1e-12)
        assert log_row == pytest.approx(math.log(total), abs=1e-10)


def test_a_number_that_is_no_state_says_nothing():
    model = network(Config(states=(2, 3), edges=(0, 1)))
    posterior, log = infer(model, [2, 1], [-1, 1])
    assert posterior[0].tolist() == posterior[1].tolist()
    assert log[0] == log[1]


def test_evidence_that_cannot_be_leaves_nothing():
    posterior, log = infer(disease_and_symptom(0.0, 0.8, 0.1), [1, -1], [1, 1], [0, 1])
    assert not posterior[:2].any()
    assert np.isneginf(log[:2]).all()
    assert posterior[2].tolist() == [[1, 0], [0, 1]]


def test_rare_evidence_does_not_vanish():
    """Forty variables in a row, each in the rarer state of one in a thousand: 10⁻¹²⁰, which float32 cannot hold."""
    model = BayesianNetwork(CHAIN)
    set_table(model, 0, [0.999, 0.001])
    for number in range(1, 40):
        set_table(model, number, [[0.999, 0.001]] * 2)
    posterior, log = infer(model, [1] * 20 + [-1] + [1] * 19)
    assert log[0] == pytest.approx(39 * math.log(0.001), rel=1e-5)
    assert posterior[0, 20] == pytest.approx([0.999, 0.001])


@pytest.mark.parametrize("edges", [(1, 0), (0, 3), (-1, 1), (1, 1)])
def test_an_edge_that_does_not_lead_on_is_refused(edges):
    with pytest.raises(ValueError, match="is none from a variable to a later one"):
        BayesianNetwork(Config(edges=edges))


def test_a_network_that_is_too_dense_is_refused():
    edges = tuple(number for child in range(1, 18) for parent in range(child) for number in (parent, child))
    with pytest.raises(ValueError, match=f"262,144 entries, more than {LARGEST:,}"):
        BayesianNetwork(Config(states=(2,) * 18, edges=edges))


PAIR = (
    Variable(name="b", table=((0.25, 0.75),)),
    Variable(name="a", parents=("b",), table=((1, 0), (0.5, 0.5)), states=("low", "high")),
)


def test_the_targets_are_summed_by_hand():
    """b and a: 0.25 · 1, 0, 0.75 · 0.5, 0.75 · 0.5. A low makes b 0.375 / 0.625 likely, a high makes it sure."""
    assert diagnoses.joint(PAIR).tolist() == [[0.25, 0], [0.375, 0.375]]
    assert diagnoses.posteriors(PAIR, np.array([-1, 0])).tolist() == [[0.4, 0.6], [1, 0]]
    assert diagnoses.posteriors(PAIR, np.array([-1, 1])).tolist() == [[0, 1], [0, 1]]
    assert not diagnoses.posteriors(PAIR, np.array([0, 1])).any()


def test_all_cases_are_asked_about_once():
    dataset = diagnoses.load(PAIR, [{"a": "high"}])
    rows = np.concatenate([dataset.train.raws, dataset.validation.raws, dataset.test.raws])
    assert sorted(map(tuple, rows.tolist())) == sorted(itertools.product((-1, 0, 1), repeat=2))
    assert dataset.test.raws[0].tolist() == [-1, 1]
