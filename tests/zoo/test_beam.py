"""Beam search against searches that need none, on decoders small enough to write down every sequence."""

import itertools

import numpy as np
import pytest

from zoo.beam import Decoder, beam_search
from zoo.calls import drive

START, END, VOCABULARY, LONGEST = 3, 0, 3, 4
DECODER = Decoder(graph="step", start=START, end=END, states=("past_seen",), trace="trace")
TABLES = np.random.default_rng(0).normal(size=(3, 2000, VOCABULARY))  # logits by row and by what was written so far


def key(seen, token):
    return (seen * 5 + token + 1) % 2000


def step(graph, inputs):
    """A decoder whose logits depend on the row and on every token so far; its trace repeats the token that came in."""
    assert graph == "step"
    seen = key(inputs["past_seen"], inputs["tokens"][:, 0])
    logits = TABLES[inputs["which"], seen][:, None]
    return {"logits": logits, "present_seen": seen, "trace": inputs["tokens"].astype(float)}


def search(which, widths, limits=None):
    which = np.array(which)
    limits = limits or [LONGEST] * len(which)
    plan = beam_search(
        DECODER, {"which": which}, {"past_seen": np.zeros(len(which), np.int64)}, widths=widths, limits=limits
    )
    return drive(plan, step)


def log_probability(row, tokens):
    """By the chain rule, one token after the other."""
    seen, last, total = 0, START, 0.0
    for token in tokens:
        seen = key(seen, last)
        logits = TABLES[row, seen]
        total += logits[token] - np.log(np.exp(logits).sum())
        last = token
    return total


def every_sequence():
    """All that end within the limit, and all of the limit's length that do not, each with its end."""
    for length in range(LONGEST):
        for words in itertools.product(range(1, VOCABULARY), repeat=length):
            yield (*words, END)
    yield from itertools.product(range(1, VOCABULARY), repeat=LONGEST)


@pytest.mark.parametrize("row", range(3))
@pytest.mark.parametrize("power", [0.0, 1.0])
def test_a_beam_that_drops_nothing_finds_what_trying_everything_finds(row, power):
    [found] = search([row], [200])
    expected = {tokens: log_probability(row, tokens) for tokens in every_sequence()}
    assert len(found) == len(expected) == 31
    for each in found:
        tokens = (*each.tokens, END) if each.ended else each.tokens
        assert each.score == pytest.approx(expected[tokens], abs=1e-12)
    best = max(found, key=lambda one: one.mean_score(power))
    right = max(expected, key=lambda tokens: expected[tokens] / len(tokens) ** power)
    assert ((*best.tokens, END) if best.ended else best.tokens) == right


@pytest.mark.parametrize("row", range(3))
def test_a_beam_of_one_takes_the_likeliest_token_each_time(row):
    [[found]] = search([row], [1])
    seen, last, tokens = 0, START, []
    while len(tokens) < LONGEST and last != END:
        seen = key(seen, last)
        last = int(TABLES[row, seen].argmax())
        tokens.append(last)
    assert found.tokens == tuple(token for token in tokens if token != END)
    assert found.ended == (tokens[-1] == END)


def test_two_hypotheses_find_what_the_greedy_search_misses():
    """p(1) = 0.6, then three equal continuations; p(2) = 0.4, then surely the end: 0.4 against 0.6 / 3."""

    def tree(graph, inputs):
        shares = {START: [1e-9, 0.6, 0.4], 1: [1 / 3, 1 / 3, 1 / 3], 2: [1.0, 1e-9, 1e-9]}
        logits = np.log([[shares[token]] for token in inputs["tokens"][:, 0].tolist()])
        return {"logits": logits, "present_seen": inputs["past_seen"], "trace": inputs["tokens"]}

    def best(width):
        plan = beam_search(DECODER, {}, {"past_seen": np.zeros(1)}, widths=[width], limits=[2])
        return max(drive(plan, tree)[0], key=lambda one: one.score)

    assert best(1).tokens[0] == 1
    assert best(2).tokens == (2,)
    assert np.exp(best(2).score) == pytest.approx(0.4)


def test_rows_do_not_meet_and_keep_their_own_widths_and_limits():
    together = search([0, 1, 2, 1], [1, 3, 2, 2], [2, 4, 3, 1])
    for row, width, limit, found in zip([0, 1, 2, 1], [1, 3, 2, 2], [2, 4, 3, 1], together, strict=True):
        [alone] = search([row], [width], [limit])
        assert [(one.tokens, one.ended) for one in found] == [(one.tokens, one.ended) for one in alone]
        assert len(found) == width
        assert all(len(one.tokens) + one.ended <= limit for one in found)


def test_the_trace_follows_its_hypothesis():
    for found in search([0, 1, 2], [4, 4, 4]):
        for each in found:
            written = [START, *each.tokens]
            assert each.trace.tolist() == written[: len(each.tokens) + each.ended]
