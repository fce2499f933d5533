"""The learning rules of a threshold unit, step by step: seed 004's worked run, and runs worked out by hand."""

import numpy as np
import pytest

from training.perceptron import hebbian, learn, perceptron, steps, with_bias

CORNERS = np.array([[0, 0], [0, 1], [1, 0], [1, 1]], float)
GATES = {"OR": [0, 1, 1, 1], "AND": [0, 0, 0, 1], "NAND": [1, 1, 1, 0], "NOR": [1, 0, 0, 0], "XOR": [0, 1, 1, 0]}


def signs(gate):
    return 2 * np.array(GATES[gate]) - 1


def solved(gate, weights):
    return ((with_bias(CORNERS) @ weights > 0) == np.array(GATES[gate], bool)).all()


def test_the_hebbian_rule_learns_or_as_the_document_does():
    """Seed 004, lines 1175 to 1216: after one pass w = (0.1, 0.1). There f(0) = 0, though f is written with z >= 0."""
    run = list(steps(CORNERS, np.array(GATES["OR"]), np.zeros(2), hebbian, 0.1))
    assert [weights.tolist() for weights, _ in run] == [[0, 0], [0, 0.1], [0.1, 0.1], [0.1, 0.1]]
    assert [changed for _, changed in run] == [False, True, True, False]
    weights, mistakes = learn(CORNERS, np.array(GATES["OR"]), np.zeros(2), hebbian, rate=0.1, epochs=10)
    assert (weights.tolist(), mistakes) == ([0.1, 0.1], [2, 0])


def test_the_perceptron_algorithm_takes_the_first_pass_over_or_as_by_hand():
    """On the plane, a = 0, both a −1 and a +1 are wrong: bias first, (0,0,0) → (−1,0,0) → (0,0,1) → (1,1,1), which holds."""
    run = list(steps(with_bias(CORNERS), signs("OR"), np.zeros(3), perceptron, 1))
    assert [weights.tolist() for weights, _ in run] == [[-1, 0, 0], [0, 0, 1], [1, 1, 1], [1, 1, 1]]
    assert [changed for _, changed in run] == [True, True, True, False]


@pytest.mark.parametrize(("gate", "passes"), [("OR", 6), ("NOR", 6), ("AND", 9), ("NAND", 9)])
def test_the_perceptron_algorithm_stops_after_the_passes_it_is_known_to_take(gate, passes):
    weights, mistakes = learn(with_bias(CORNERS), signs(gate), np.zeros(3), perceptron, rate=1, epochs=50)
    assert len(mistakes) == passes
    assert mistakes[-1] == 0
    assert solved(gate, weights)


@pytest.mark.parametrize("rule", [hebbian, perceptron])
def test_xor_is_never_learnt(rule):
    weights, mistakes = learn(with_bias(CORNERS), signs("XOR"), np.zeros(3), rule, rate=1, epochs=50)
    assert len(mistakes) == 50
    assert min(mistakes) > 0
    assert not solved("XOR", weights)


@pytest.mark.parametrize("gate", ["OR", "AND", "NAND", "NOR"])
def test_targets_of_zero_and_one_are_a_trap(gate):
    """A change of rate · 0 · x corrects nothing, so the bias only grows; from −1 and +1 the same rule gets there."""
    x = with_bias(CORNERS)
    weights, mistakes = learn(x, np.array(GATES[gate]), np.zeros(3), hebbian, rate=1, epochs=50)
    assert mistakes[-1] > 0
    assert not solved(gate, weights)
    assert (weights >= 0).all()
    weights, mistakes = learn(x, signs(gate), np.zeros(3), hebbian, rate=1, epochs=50)
    assert 4 <= len(mistakes) <= 6
    assert solved(gate, weights)


def test_no_more_passes_than_asked_for_and_the_start_is_left_alone():
    start = np.zeros(3)
    _, mistakes = learn(with_bias(CORNERS), signs("AND"), start, perceptron, rate=1, epochs=2)
    assert len(mistakes) == 2
    assert not start.any()
