"""The documents' equations of gated units and attention, by hand and by loops over single numbers."""

import math

import numpy as np
import pytest
import torch

from training.objectives import teacher_forcing
from zoo.families.sequence.attention_seq2seq import Attention, AttentionSeq2Seq, Config
from zoo.layers.gru import BidirectionalGRU, GRUCell

TINY = Config(vocabulary=11, embedding=6, encoder=4, decoder=5, alignment=3, max_source=9, dropout=0.0)


def sigmoid(value):
    return 1 / (1 + math.exp(-value))


def test_a_gated_unit_by_hand():
    """Seed 000, lines 887-903, of one feature: z weights what is new, r acts before the product with U."""
    cell = GRUCell(1, 1)
    with torch.no_grad():
        cell.weight.copy_(torch.tensor([[0.5], [-1.0], [2.0]]))
        cell.gated.copy_(torch.tensor([[1.0], [0.25]]))
        cell.new.copy_(torch.tensor([[-1.5]]))
        cell.bias.copy_(torch.tensor([0.1, 0.2, -0.3]))
    x, h = 0.8, 0.6
    z = sigmoid(0.5 * x + 1.0 * h + 0.1)
    r = sigmoid(-1.0 * x + 0.25 * h + 0.2)
    candidate = math.tanh(2.0 * x - 1.5 * (r * h) - 0.3)
    expected = (1 - z) * h + z * candidate
    assert cell(torch.tensor([[x]]), torch.tensor([[h]])).item() == pytest.approx(expected, abs=1e-7)


def test_the_unit_is_not_the_library_s():
    """Even with z's signs turned, `torch.nn.GRU` resets after the product: another function (seed 004, appendix, 28)."""
    torch.manual_seed(0)
    cell, library = GRUCell(3, 4), torch.nn.GRUCell(3, 4)
    sign = torch.cat([torch.ones(4), -torch.ones(4), torch.ones(4)])[:, None]  # the library has r, z, h
    order = torch.cat([torch.arange(4, 8), torch.arange(4), torch.arange(8, 12)])
    with torch.no_grad():
        library.weight_ih.copy_(sign * cell.weight[order])
        library.weight_hh.copy_(sign * torch.cat([cell.gated, cell.new])[order])
        library.bias_ih.zero_()
        library.bias_hh.zero_()
    x, none, some = torch.randn(8, 3), torch.zeros(8, 4), torch.randn(8, 4)
    torch.testing.assert_close(cell(x, none), library(x, none))  # from zero there is nothing to reset
    assert (cell(x, some) - library(x, some)).abs().max() > 0.01


def test_both_directions_are_chains_of_steps_within_the_length():
    torch.manual_seed(1)
    both = BidirectionalGRU(3, 2).double()
    torch.nn.init.normal_(both.bias)
    x, lengths = torch.randn(4, 6, 3, dtype=torch.float64), [6, 1, 4, 3]
    found = both(x, torch.tensor(lengths))
    for direction, backward in enumerate((False, True)):
        cell = GRUCell(3, 2).double()
        with torch.no_grad():
            for name, parameter in cell.named_parameters():
                parameter.copy_(getattr(both, name)[direction])
        for row, length in enumerate(lengths):
            state = torch.zeros(1, 2, dtype=torch.float64)
            for time in reversed(range(length)) if backward else range(length):
                state = cell(x[row : row + 1, time], state)
                torch.testing.assert_close(found[row, time, 2 * direction : 2 * direction + 2], state[0])
            assert not found[row, length:].any()


def attend(kind, query, keys, length, memory=None):
    """Attention whose maps are the identity: the state itself is the query."""
    attention = Attention(2, 2, 2, kind)
    with torch.no_grad():
        attention.query.weight.copy_(torch.eye(2))
        attention.query.bias.zero_()
        if kind == "additive":
            attention.score.weight.fill_(1.0)
    keys = torch.tensor([keys])
    context, weights = attention(torch.tensor([query]), keys, keys if memory is None else memory, torch.tensor([length]))
    return context[0].tolist(), weights[0].tolist()


def test_dot_attention_by_hand():
    """Seed 001, equations 10.19 to 10.21: scores ln 3 and 0, weights 3/4 and 1/4, and their mean of the memory."""
    context, weights = attend("dot", [math.log(3), 0.0], [[1.0, 0.0], [0.0, 1.0]], 2)
    assert weights == pytest.approx([0.75, 0.25])
    assert context == pytest.approx([0.75, 0.25])


def test_additive_attention_by_hand():
    """v · tanh(q + k) of q = (1, 0): tanh(2) + tanh(0) for k = (1, 0), tanh(1) + tanh(1) for k = (0, 1)."""
    scores = math.tanh(2), 2 * math.tanh(1)
    first = 1 / (1 + math.exp(scores[1] - scores[0]))
    context, weights = attend("additive", [1.0, 0.0], [[1.0, 0.0], [0.0, 1.0]], 2)
    assert weights == pytest.approx([first, 1 - first])
    assert context == pytest.approx([first, 1 - first])


@pytest.mark.parametrize("kind", ["additive", "dot"])
def test_nothing_beyond_the_length_is_looked_at(kind):
    _, weights = attend(kind, [1.0, 2.0], [[1.0, 0.0], [50.0, 50.0]], 1)
    assert weights == [1.0, 0.0]


@pytest.mark.parametrize("kind", ["additive", "dot"])
def test_teacher_forcing_is_the_chain_of_steps(kind):
    """Logits of a batch of rows of different lengths, against one row and one word at a time; and the loss of them."""
    torch.manual_seed(2)
    config = Config(**{**TINY.__dict__, "attention": kind})
    model = AttentionSeq2Seq(config).double().eval()
    length, count = torch.tensor([3, 9, 1, 5]), [2, 4, 6, 1]
    source = torch.randint(1, 11, (4, 9))
    targets = torch.zeros(4, 8, dtype=torch.int64)
    for row, words in enumerate(count):
        targets[row, : words + 1] = torch.randint(1, 11, (words + 1,))
    found = model(source, length, targets[:, :-1], torch.tensor(count)).split(count)
    losses = []
    for row, words in enumerate(count):
        memory, keys, state = model.encode(source[row : row + 1], length[row : row + 1])
        for word in range(words):
            logits, weights, state = model.step(targets[row, word].view(1, 1), state, memory, keys, length[row : row + 1])
            torch.testing.assert_close(found[row][word], logits[0, 0])
            assert weights.sum().item() == pytest.approx(1)
            losses.append(-torch.log_softmax(logits[0, 0], -1)[targets[row, word + 1]].item())
    batch = {"tokens": source, "length": length, "targets": targets}
    assert teacher_forcing(0.1)(model, batch, torch.Generator()).item() == pytest.approx(np.mean(losses))


def test_the_published_size():
    """E 2500 x 128 and b; GRU both ways 2 (288 x 224 + 288); W_s 96 x 192; attention; GRU 576 x 512; readout 512 to 128."""
    expected = 2500 * 129 + 2 * (288 * 224 + 288) + 97 * 192 + (193 * 64 + 192 * 64 + 64) + 576 * 513 + 513 * 128
    assert sum(parameter.numel() for parameter in AttentionSeq2Seq(Config()).parameters()) == expected == 856_580
