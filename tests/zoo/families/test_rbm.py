"""The restricted Boltzmann machine against its definition: every probability by adding up e^−E over all states."""

import itertools

import numpy as np
import pytest
import torch

from zoo.families.energy.rbm import RBM, Config

VISIBLE, HIDDEN = 3, 2
STATES = torch.tensor(list(itertools.product((0.0, 1.0), repeat=VISIBLE)), dtype=torch.float64)
HIDDENS = torch.tensor(list(itertools.product((0.0, 1.0), repeat=HIDDEN)), dtype=torch.float64)


@pytest.fixture
def model():
    torch.manual_seed(0)
    model = RBM(Config(visible=VISIBLE, hidden=HIDDEN, steps=5)).double()
    for parameter in model.parameters():
        parameter.data = torch.randn_like(parameter)
        parameter.requires_grad = False
    return model


def weights(model):
    """e^−E of every visible state (rows) with every hidden one (columns), by the docstring's first line."""
    energy = -(STATES @ model.visible_bias)[:, None] - (HIDDENS @ model.hidden_bias) - STATES @ model.weight.T @ HIDDENS.T
    return torch.exp(-energy)


def test_the_conditionals_are_those_of_the_joint(model):
    joint = weights(model)
    given_visible = (joint @ HIDDENS) / joint.sum(dim=1, keepdim=True)
    given_hidden = (joint.T @ STATES) / joint.sum(dim=0)[:, None]
    torch.testing.assert_close(model.hidden_given_visible(STATES), given_visible)
    torch.testing.assert_close(model.visible_given_hidden(HIDDENS), given_hidden)


def test_the_free_energy_is_the_hidden_units_added_up(model):
    torch.testing.assert_close(torch.exp(-model.free_energy(STATES)), weights(model).sum(dim=1))


def chain(model, rows, steps, keep=None, seed=0):
    """(rows, visible) after Gibbs steps from all units off."""
    generator = torch.Generator().manual_seed(seed)
    hidden, visible = (torch.rand(rows, steps, units, generator=generator) for units in (HIDDEN, VISIBLE))
    start = torch.zeros(rows, VISIBLE, dtype=torch.float64)
    keep = torch.zeros(rows, VISIBLE) if keep is None else keep
    return model.gibbs(start, keep, hidden, visible)


def test_a_long_chain_draws_from_the_model(model):
    """20,000 chains of 30 steps against p(v), within four standard errors."""
    sample, _ = chain(model, 20_000, 30)
    found = np.bincount((sample @ torch.tensor([4.0, 2, 1], dtype=torch.float64)).int().numpy(), minlength=8) / 20_000
    joint = weights(model)
    expected = (joint.sum(dim=1) / joint.sum()).numpy()
    assert np.abs(found - expected).max() < 4 * np.sqrt(expected * (1 - expected) / 20_000).max()


def test_what_is_kept_stays_and_the_others_are_drawn_given_it(model):
    """The first unit is kept off: p(v_2, v_3 | v_1 = 0)."""
    keep = torch.tensor([1.0, 0, 0]).expand(20_000, VISIBLE)
    sample, chance = chain(model, 20_000, 30, keep)
    assert sample[:, 0].unique().tolist() == chance[:, 0].unique().tolist() == [0]
    joint = weights(model).sum(dim=1)[:4]
    expected = (joint / joint.sum()).numpy()
    found = np.bincount((sample[:, 1] * 2 + sample[:, 2]).int().numpy(), minlength=4) / 20_000
    assert np.abs(found - expected).max() < 4 * np.sqrt(expected * (1 - expected) / 20_000).max()


def test_a_unit_is_on_where_its_noise_is_below_its_chance(model):
    """One step with noise 0.5 for all: both layers take the likelier state."""
    half = torch.full((1, 1, HIDDEN), 0.5), torch.full((1, 1, VISIBLE), 0.5)
    v = torch.tensor([[1.0, 0, 1]], dtype=torch.float64)
    sample, chance = model.gibbs(v, torch.zeros(1, VISIBLE), *half)
    h = (model.hidden_given_visible(v) > 0.5).double()
    torch.testing.assert_close(chance, model.visible_given_hidden(h))
    assert sample.tolist() == (chance > 0.5).double().tolist()


def test_the_ends_of_the_noise_are_below_and_above_every_chance(model):
    """With σ(±100) a unit is still sometimes on and sometimes off, although 1 − σ(100) is 0 as a float."""
    model.weight.zero_()
    for bias in (-100.0, 100.0):
        model.hidden_bias.fill_(bias)
        model.visible_bias.fill_(bias)
        for noise in (0.0, 1.0):
            ends = torch.full((1, 1, HIDDEN), noise), torch.full((1, 1, VISIBLE), noise)
            sample, _ = model.gibbs(torch.zeros(1, VISIBLE), torch.zeros(1, VISIBLE), *ends)
            assert sample.tolist() == [[1 - noise] * VISIBLE]


def test_bits_are_the_same_in_both_precisions(model):
    """Where float32 alone decides the sums, some of 200,000 bits differ; here none."""
    single = RBM(Config(visible=VISIBLE, hidden=HIDDEN))
    single.load_state_dict(model.float().state_dict())
    double = RBM(Config(visible=VISIBLE, hidden=HIDDEN)).double()
    double.load_state_dict(single.state_dict())
    noise = torch.rand(1000, 40, HIDDEN), torch.rand(1000, 40, VISIBLE)
    start = torch.zeros(1000, VISIBLE)
    found, _ = single.gibbs(start, start, *noise)
    expected, _ = double.gibbs(start.double(), start.double(), *(each.double() for each in noise))
    assert found.tolist() == expected.tolist()
