"""Hidden Markov models against all paths of short series and seed report 004's example; Baum and Welch's rule; a casino."""

from itertools import pairwise, product

import numpy as np
import pytest
import torch

from training import baum_welch
from training.data import casino
from zoo.families.sequence.hidden_markov_model import Config, HiddenMarkovModel

WEATHER = (
    [0.6, 0.3, 0.1],
    [[0.7, 0.2, 0.1], [0.4, 0.5, 0.1], [0.3, 0.3, 0.4]],
    [[0.8, 0.1, 0.1], [0.2, 0.7, 0.1], [0.5, 0.2, 0.3]],
)
SHOPPING = ([0.4, 0.6], [[0.6, 0.4], [0.3, 0.7]], [[0.6, 0.3, 0.1], [0.1, 0.4, 0.5]])  # walk, shop, clean
LENGTHS = [6, 1, 4, 2, 5, 6, 3]


def model_of(start, transition, emission, dtype=torch.float64):
    model = HiddenMarkovModel(Config(states=len(start), symbols=len(emission[0]), max_steps=9)).to(dtype)
    weights = {"start_K": start, "transition_KK": transition, "emission_KM": emission}
    model.load_state_dict({name: torch.tensor(values, dtype=torch.float64).log() for name, values in weights.items()})
    return model


def drawn(seed, states=3, symbols=4):
    rng = np.random.default_rng(seed)
    return tuple(
        rng.dirichlet(np.ones(size), shape).tolist() for size, shape in ((states, ()), (states, states), (symbols, states))
    )


def joint(parameters, seen):
    """P(path, seen) of every path, by multiplying out."""
    start, transition, emission = map(np.array, parameters)
    found = {}
    for path in product(range(len(start)), repeat=len(seen)):
        steps = np.prod([transition[one, other] for one, other in pairwise(path)])
        found[path] = start[path[0]] * steps * np.prod(emission[list(path), seen])
    return found


def batch(seed, symbols=4):
    """Series of different lengths, whatever beyond them."""
    rng = np.random.default_rng(seed)
    return torch.from_numpy(rng.integers(symbols, size=(len(LENGTHS), max(LENGTHS)))), torch.tensor(LENGTHS)


@pytest.mark.parametrize("parameters", [WEATHER, drawn(0), drawn(1), drawn(2, states=4)])
def test_all_answers_are_those_of_trying_every_path(parameters):
    model, (symbols, length) = model_of(*parameters), batch(1, symbols=len(parameters[2][0]))
    with torch.no_grad():
        states, scores, log_probability = model.viterbi(symbols, length)
        probabilities, log_likelihood = model.posterior(symbols, length)
    for row, steps in enumerate(LENGTHS):
        paths = joint(parameters, symbols[row, :steps].tolist())
        best = max(paths, key=paths.get)
        assert tuple(states[row, :steps].tolist()) == best
        assert log_probability[row].item() == pytest.approx(np.log(paths[best]))
        assert log_likelihood[row].item() == pytest.approx(np.log(sum(paths.values())))
        for step in range(steps):
            for state in range(len(parameters[0])):
                through = [p for path, p in paths.items() if path[step] == state]
                assert scores[row, step, state].item() == pytest.approx(np.log(max(through) / paths[best]), abs=1e-9)
                assert probabilities[row, step, state].item() == pytest.approx(sum(through) / sum(paths.values()))
        for beyond in (states, scores, probabilities):
            assert not beyond[row, steps:].any()


def test_where_paths_tie_the_answer_is_one_of_the_best():
    """All that is seen is equally likely in both states, which change at every step: 0101 and 1010 are equally likely.

    A choice of the best state of each step on its own would give 0000. Seen from the end state 0 comes first.
    """
    model = model_of([0.5, 0.5], [[0.1, 0.9], [0.9, 0.1]], [[0.5, 0.5], [0.5, 0.5]])
    states, scores, _ = model.viterbi(torch.zeros(1, 4, dtype=torch.int64), torch.tensor([4]))
    assert states.tolist() == [[1, 0, 1, 0]]
    assert scores.detach().numpy() == pytest.approx(0)


def test_the_weather_of_the_report():
    """Seed report 004, L5452: walk, shop, clean, clean is sunny, rainy, rainy, rainy, however the two are numbered."""
    start, transition, emission = SHOPPING
    swapped = (start[::-1], [row[::-1] for row in transition[::-1]], emission[::-1])
    for parameters, path in ((SHOPPING, [0, 1, 1, 1]), (swapped, [1, 0, 0, 0])):
        states, _, log_probability = model_of(*parameters).viterbi(torch.tensor([[0, 1, 2, 2]]), torch.tensor([4]))
        assert states.tolist() == [path]
        assert log_probability.exp().item() == pytest.approx(0.4 * 0.6 * 0.4 * 0.4 * 0.7 * 0.5 * 0.7 * 0.5)


def test_a_long_series_keeps_its_precision():
    """300 rolls in float32: P(y) itself would be 1e-230."""
    symbols, length = torch.from_numpy(np.random.default_rng(0).integers(6, size=(8, 300))), torch.full((8,), 300)
    parameters = (casino.START.tolist(), casino.CHANGES.tolist(), casino.EMISSIONS.tolist())
    with torch.no_grad():
        single, double = (model_of(*parameters, dtype=dtype) for dtype in (torch.float32, torch.float64))
        assert torch.equal(single.viterbi(symbols, length)[0], double.viterbi(symbols, length)[0])
        for found, expected in zip(single.posterior(symbols, length), double.posterior(symbols, length), strict=True):
            assert found.numpy() == pytest.approx(expected.numpy(), rel=1e-5, abs=1e-5)


def test_expected_counts_are_those_of_trying_every_path():
    parameters, (symbols, length) = drawn(3), (each.numpy() for each in batch(2))
    p = baum_welch.Probabilities(**dict(zip(("start", "transition", "emission"), map(np.array, parameters), strict=True)))
    counts, likelihood = baum_welch.expected_counts(p, symbols, length)
    start, transition, emission, expected = np.zeros(3), np.zeros((3, 3)), np.zeros((3, 4)), 0.0
    for row, steps in enumerate(LENGTHS):
        seen = symbols[row, :steps].tolist()
        paths = joint(parameters, seen)
        whole = sum(paths.values())
        expected += np.log(whole)
        for path, probability in paths.items():
            start[path[0]] += probability / whole
            np.add.at(transition, (path[:-1], path[1:]), probability / whole)
            np.add.at(emission, (path, seen), probability / whole)
    assert likelihood == pytest.approx(expected)
    for name, right in (("start", start), ("transition", transition), ("emission", emission)):
        assert getattr(counts, name) == pytest.approx(right)


def test_the_likelihood_never_falls_and_shares_are_shares():
    symbols, length = (each.numpy() for each in batch(4))
    begun = baum_welch.drawn(2, 4, np.random.default_rng(0))
    found, likelihoods = baum_welch.learn(begun, symbols, length, 12)
    assert (np.diff(likelihoods) > -1e-9).all()
    assert likelihoods[-1] > likelihoods[0]
    for shares in vars(found).values():
        assert shares.sum(axis=-1) == pytest.approx(1)


def test_the_evenest_state_comes_first():
    p = baum_welch.Probabilities(
        start=np.array([0.9, 0.1]),
        transition=np.array([[0.8, 0.2], [0.3, 0.7]]),
        emission=np.array([[0.9, 0.1], [0.5, 0.5]]),
    ).ordered()
    assert p.start.tolist() == [0.1, 0.9]
    assert p.transition.tolist() == [[0.7, 0.3], [0.2, 0.8]]
    assert p.emission.tolist() == [[0.5, 0.5], [0.9, 0.1]]


def test_the_games_are_those_of_the_casino():
    """Shares of the source's numbers, within five standard deviations; a die begins as often as it is in use."""
    stays = casino.START @ casino.CHANGES
    assert stays == pytest.approx(casino.START)
    dataset = casino.load()
    rolls, dice = np.concatenate(dataset.train.raws), dataset.train.targets
    used = dice[dice >= 0]
    assert [len(raw) for raw in dataset.train.raws] == (dice >= 0).sum(axis=1).tolist()
    assert {len(raw) for raw in dataset.train.raws} <= set(range(20, 201))
    for die, sixes in enumerate((1 / 6, 1 / 2)):
        shown = np.bincount(rolls[used == die], minlength=7)[1:] / (used == die).sum()
        assert shown[5] == pytest.approx(sixes, abs=0.04)
        assert shown[:5] == pytest.approx((1 - sixes) / 5, abs=0.03)
    pairs = dice[:, :-1][dice[:, 1:] >= 0], dice[:, 1:][dice[:, 1:] >= 0]
    for die, change in enumerate((0.05, 0.1)):
        assert (pairs[1][pairs[0] == die] != die).mean() == pytest.approx(change, abs=0.02)
