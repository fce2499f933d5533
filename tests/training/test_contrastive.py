"""Contrastive divergence: its gradient by hand, and a machine that learns what it is shown."""

import pytest
import torch

from training.contrastive import contrastive_divergence, draw
from zoo.families.energy.rbm import RBM, Config


def test_units_are_on_as_often_as_their_chances_say():
    chances = torch.tensor([0.0, 0.25, 1.0]).repeat(40_000, 1)
    drawn = draw(chances, torch.Generator().manual_seed(0))
    assert drawn.unique().tolist() == [0, 1]
    assert drawn.mean(dim=0).tolist() == pytest.approx([0, 0.25, 1], abs=0.01)  # four standard errors


def test_the_gradient_is_data_less_reconstruction():
    """Hinton (2002), equation 5: ⟨v h⟩ of the data less that of the reconstruction, h as probabilities."""
    torch.manual_seed(0)
    model, v = RBM(Config(visible=5, hidden=3)), (torch.rand(7, 5) > 0.5).float()
    contrastive_divergence(2)(model, {"v": v}, torch.Generator().manual_seed(4)).backward()
    generator, negative = torch.Generator().manual_seed(4), v
    with torch.no_grad():
        for _ in range(2):
            negative = draw(model.visible_given_hidden(draw(model.hidden_given_visible(negative), generator)), generator)
        statistics = [(x, model.hidden_given_visible(x)) for x in (v, negative)]
        (x0, h0), (x1, h1) = statistics
    torch.testing.assert_close(model.weight.grad, -(h0.T @ x0 - h1.T @ x1) / 7)
    torch.testing.assert_close(model.visible_bias.grad, -(x0 - x1).mean(dim=0))
    torch.testing.assert_close(model.hidden_bias.grad, -(h0 - h1).mean(dim=0))


def test_two_patterns_become_the_likeliest_states():
    torch.manual_seed(0)
    model, generator = RBM(Config(visible=4, hidden=4)), torch.Generator().manual_seed(0)
    v = torch.tensor([[1.0, 1, 0, 0], [0, 0, 1, 1]]).repeat(8, 1)
    optimizer = torch.optim.SGD(model.parameters(), lr=0.2)
    for _ in range(500):
        optimizer.zero_grad()
        contrastive_divergence()(model, {"v": v}, generator).backward()
        optimizer.step()
    states = torch.tensor([[place >> bit & 1 for bit in (3, 2, 1, 0)] for place in range(16)]).float()
    with torch.no_grad():
        share = torch.softmax(-model.free_energy(states), dim=0)
    assert sorted(share.topk(2).indices.tolist()) == [0b0011, 0b1100]
    assert share.topk(2).values.sum() > 0.7
