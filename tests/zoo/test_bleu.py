"""BLEU by hand, and by the example of its paper."""

import math

import numpy as np
import pytest

from zoo.calls import drive
from zoo.metrics import load_metric
from zoo.metrics.bleu import count, parted, reduce


def bleu(*pairs):
    return reduce(np.array([count(*pair) for pair in pairs]))


def test_a_word_counts_as_often_as_the_reference_has_it():
    """Papineni et al. (2002), section 2.1: modified unigram precision 2/7."""
    assert count("the the the the the the the", "the cat is on the mat") == [7, 6, 2, 0, 0, 0, 7, 6, 5, 4]


def test_the_geometric_mean_and_the_brevity_penalty_by_hand():
    """6 of 6 words, 4 of 5 pairs ("the mat" is new), 3 of 4 triples, 2 of 3 runs of four; 6 words for 7."""
    found = bleu(("the cat sat on the mat", "the cat sat on the red mat"))
    assert found == pytest.approx(100 * math.exp(1 - 7 / 6) * (1 * 4 / 5 * 3 / 4 * 2 / 3) ** 0.25)
    assert found == pytest.approx(67.3182, abs=1e-3)


def test_longer_translations_lose_by_precision_only():
    found = bleu(("the cat sat on the red mat", "the cat sat on the mat"))
    assert found == pytest.approx(100 * (6 / 7 * 4 / 6 * 3 / 5 * 2 / 4) ** 0.25)


def test_counts_are_added_before_they_are_divided():
    """6 + 0 of 8 words, 5 of 6 pairs, 4 of 4 triples, 3 of 3 runs of four: a mean of sentences would be 50."""
    pairs = (("a b c d e f", "a b c d e f"), ("x y", "v w"))
    assert bleu(*pairs) == pytest.approx(100 * (6 / 8 * 5 / 6 * 1 * 1) ** 0.25)


def test_the_same_text_has_100_and_without_a_run_of_four_it_is_0():
    assert bleu(("A man is here .", "A man is here.")) == pytest.approx(100)
    assert bleu(("a b c", "a b c")) == 0
    assert bleu(("", "a b c d")) == 0


@pytest.mark.parametrize(
    ("text", "words"),
    [
        ("A man's hat, a dog.", ["A", "man's", "hat", ",", "a", "dog", "."]),
        ("1,000.5 people - or 20-30?", ["1,000.5", "people", "-", "or", "20", "-", "30", "?"]),
        ('He said: "well-known" (twice)', ["He", "said", ":", '"', "well-known", '"', "(", "twice", ")"]),
        ("Q&amp;A at 5.", ["Q", "&", "A", "at", "5", "."]),
    ],
)
def test_words_and_punctuation_are_parted_as_mteval_does(text, words):
    assert parted(text) == words


def test_the_codec_translates_and_targets_are_bytes():
    class Reverser:
        def translate(self, inputs):
            yield from ()
            return [" ".join("wxyz"[token] for token in row[:n]) for row, n in zip(*inputs.values(), strict=True)]

    reference = b"w x y z"
    arrays = {
        "encode/tokens": np.array([[0, 1, 2, 3, 0], [3, 2, 1, 0, 0]]),
        "encode/length": np.array([4, 4]),
        "step/tokens": np.zeros((2, 1)),
        "targets": np.array([[*reference, -1, -1], [*reference, -1, -1]], dtype=np.int16),
    }
    metric = load_metric("bleu", Reverser())
    rows = drive(metric.score(arrays), lambda graph, inputs: {})
    assert rows.tolist() == [[4, 4, 4, 3, 2, 1, 4, 3, 2, 1], [4, 4, 4, 0, 0, 0, 4, 3, 2, 1]]
    assert metric.reduce(rows[:1]) == pytest.approx(100)
    assert not metric.is_mean
