"""Rolls of dice answered by hidden states: how they are read, what is refused, and what is answered."""

import base64
import io
import json

import numpy as np
import pytest
from PIL import Image

from zoo.calls import drive
from zoo.codecs import make_codec
from zoo.codecs.state_decoding import COLOURS, PAPER, chart
from zoo.errors import CodecError, MediaTypeError
from zoo.metrics import load_metric

DICE = make_codec("state-decoding", {"states": ["fair", "loaded"], "symbols": 6, "first": 1, "max_steps": 8})
STATES = np.array([[0, 0, 1, 1], [0, 0, 0, 0]])
LOADED = np.float32([[0, 0.25, 0.75, 1], [0.5, 0.5, 0, 0]])


def run(graph, inputs):
    if graph == "posterior":
        return {"probabilities": np.stack([1 - LOADED, LOADED], axis=-1), "log_likelihood": np.float32([-3, -1])}
    return {"states": STATES, "scores": None, "log_probability": np.float32([-4, -2])}


@pytest.mark.parametrize("text", ["3\n1\n6\n", "3,1,6", "316", "3 , 16", "3 1  6\n", "the roll\n3\n1\n6", "﻿3\r\n1\r\n6\r\n"])
def test_rolls_are_read_as_text(text):
    [raw] = DICE.read(text.encode(), "text/csv")
    assert raw.tolist() == [3, 1, 6]


@pytest.mark.parametrize(
    ("value", "rolls"),
    [
        ([3, 1, 6], [[3, 1, 6]]),
        ([[3, 1, 6], [2]], [[3, 1, 6], [2]]),
        ({"instances": [[3, 1], [6, 6, 6.0]]}, [[3, 1], [6, 6, 6]]),
        ({"instances": [[[3], [1]]]}, [[3, 1]]),
        ({"data": [4]}, [[4]]),
    ],
)
def test_rolls_are_read_as_json(value, rolls):
    assert [raw.tolist() for raw in DICE.read(json.dumps(value).encode(), "application/json")] == rolls


def test_series_of_different_lengths_are_filled_up():
    encoded = DICE.encode([np.array([3, 1, 6]), np.array([2])])
    assert encoded["symbols"].tolist() == [[2, 0, 5], [1, 0, 0]]
    assert encoded["length"].tolist() == [3, 1]
    assert {array.dtype.name for array in encoded.values()} == {"int64"}


@pytest.mark.parametrize(
    ("body", "message"),
    [
        (b"[0, 1]", "holds 0; send whole numbers from 1 to 6"),
        (b"[1, 7]", "holds 7; send whole numbers from 1 to 6"),
        (b"[1.5]", "holds 1.5; send whole"),
        (b"[1, NaN]", "holds nan; send whole"),
        (b"[1,1,1,1,1,1,1,1,1]", "has 9 steps; send 1 to 8"),
        (b"[]", "holds no series"),
        (b"[[]]", "send one or more"),
        (b'["six"]', "list of whole numbers"),
        (b"[true]", "list of whole numbers"),
        (b"[[1, 2], 3]", "list of whole numbers"),
        (b'{"rolls": [1]}', "holds no series"),
        (b"[1" + b"0" * 400 + b"]", "beyond 1e308"),
        (b"{", "is not JSON"),
    ],
)
def test_a_wrong_document_is_refused(body, message):
    with pytest.raises(CodecError, match=message):
        DICE.read(body, "application/json")


@pytest.mark.parametrize(
    ("text", "message"),
    [(b"six\n", "no row"), (b"1\nsix", "holds 'six'"), (b"1.5", "1.5; send whole"), (b"3,,1", "holds ''")],
)
def test_wrong_text_is_refused(text, message):
    with pytest.raises(CodecError, match=message):
        DICE.read(text, "text/csv")


def test_nothing_and_other_types_are_refused():
    with pytest.raises(CodecError, match="no series; send at least one"):
        DICE.encode([])
    with pytest.raises(CodecError, match=r"shape \[1, 2\]; send \[steps\]"):
        DICE.encode([np.ones((1, 2))])
    with pytest.raises(MediaTypeError, match="text/csv, text/plain or application/json"):
        DICE.read(b"", "image/png")


def test_the_path_is_answered_in_words_and_numbers():
    first, second = drive(DICE.predict([np.array([1, 2, 6, 6]), np.array([5, 5])]), run)
    assert (first["path"], first["states"]) == ("fair 1–2, loaded 3–4", ["fair", "fair", "loaded", "loaded"])
    assert first["posterior"] == {"fair": [1, 0.75, 0.25, 0], "loaded": [0, 0.25, 0.75, 1]}
    assert (first["log_probability"], first["log_likelihood"]) == (-4, -3)
    assert (second["path"], second["posterior"]["loaded"]) == ("fair 1–2", [0.5, 0.5])


def test_the_picture_has_the_path_above_the_probability_of_the_loaded_die():
    answer = drive(DICE.predict([np.array([1, 2, 6, 6]), np.array([5, 5])]), run)[0]
    data = base64.b64decode(answer["picture"].removeprefix("data:image/png;base64,"))
    pixels = np.asarray(Image.open(io.BytesIO(data)))
    assert pixels.shape == (60, 300, 3)
    fair, loaded = pixels[0, 0], pixels[0, 299]
    assert (pixels[:12, :150] == fair).all()
    assert (pixels[:12, 150:] == loaded).all()
    filled = (pixels[12:] == loaded).all(axis=2).sum(axis=0)
    assert filled[[0, 74, 75, 149, 150, 224, 225, 299]].tolist() == [0, 0, 12, 12, 36, 36, 48, 48]
    assert (pixels[59, 75:] == loaded).all()  # bars stand on the lower edge


def test_steps_of_all_series_count_alike():
    arrays = {"viterbi/symbols": None, "targets": np.array([[0, 1, 1, 1, -1], [0, 0, -1, -1, -1]])}
    metric = load_metric("state_accuracy")
    rows = drive(metric.score(arrays), run)
    assert rows.tolist() == [[3, 4], [2, 2]]
    assert metric.reduce(rows) == pytest.approx(5 / 6)
    assert (metric.direction, metric.is_mean) == (1, False)


def test_several_states_stand_on_one_another():
    """A tenth, half and four tenths of 48 rows: the last state has the lowest 19, the one before it 24 above those."""
    column = chart(np.array([[0.1, 0.5, 0.4]]))[:, 0]
    assert (column[-19:] == COLOURS[2]).all()
    assert (column[5:-19] == COLOURS[1]).all()
    assert (column[:5] == PAPER).all()
