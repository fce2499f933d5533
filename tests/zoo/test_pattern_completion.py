"""States completed to patterns: what the codec makes of points and pictures, and which answers count as recovered."""

import base64
import io
import json

import numpy as np
import pytest
from PIL import Image

from zoo.calls import drive
from zoo.codecs import make_codec
from zoo.errors import CodecError, MediaTypeError
from zoo.metrics import load_metric

POINTS = make_codec("pattern-completion", {"units": 3, "limit": 7})
PICTURES = make_codec("pattern-completion", {"height": 2, "width": 3, "limit": 7})


def completed(state):
    """A network that completes whatever it is given to one state."""

    def run(graph, inputs):
        assert graph == "recall"
        assert inputs["limit"].tolist() == [7] * len(inputs["x"])
        rows = len(inputs["x"])
        return {"state": np.tile(np.float32(state), (rows, 1))}

    return run


@pytest.mark.parametrize("form", ["csv", "json"])
def test_points_are_read_one_or_many(form):
    for rows in ([[0.5, -1, 0]], [[0.5, -1, 0], [1, 0, 0.25]]):
        text = json.dumps(rows) if form == "json" else "\n".join(",".join(map(str, row)) for row in rows)
        raws = POINTS.read(text.encode(), {"csv": "text/csv", "json": "application/json"}[form])
        encoded = POINTS.encode(raws)
        assert encoded["x"].tolist() == rows
        assert encoded["x"].dtype == np.float32
        assert encoded["limit"].tolist() == [7] * len(rows)
        assert encoded["limit"].dtype == np.int64


def test_a_point_may_stand_in_a_column():
    [raw] = POINTS.read(b"0.5\n-1\n0\n", "text/csv")
    assert POINTS.encode([raw])["x"].tolist() == [[0.5, -1, 0]]


def test_a_point_is_answered_by_a_state():
    answers = drive(POINTS.predict([np.array([0.5, -1, 0])] * 2), completed([1, -1, 1]))
    assert answers == [{"state": [1, -1, 1]}] * 2


def test_a_picture_is_answered_by_a_picture():
    """White is 1 and black −1, in both directions."""
    [raw] = PICTURES.read(json.dumps([[0, 255, 0], [255, 0, 51]]).encode(), "application/json")
    assert PICTURES.encode([raw])["x"].tolist() == [pytest.approx([-1, 1, -1, 1, -1, -0.6], abs=1e-6)]
    [answer] = drive(PICTURES.predict([raw]), completed([1, -1, 1, -1, 1, 0]))
    assert list(answer) == ["picture"]
    data = base64.b64decode(answer["picture"].removeprefix("data:image/png;base64,"))
    assert np.asarray(Image.open(io.BytesIO(data))).tolist() == [[255, 0, 255], [0, 255, 128]]


@pytest.mark.parametrize(
    ("raws", "message"),
    [
        ([], "no point; send at least one"),
        ([np.zeros(2)], r"shape \[2\]; send 3 numbers a point"),
        ([np.zeros((2, 2))], r"shape \[2, 2\]; send 3 numbers a point"),
        ([np.array([0, 0, 1.5])], "numbers from 0 to 1.5; send −1 to 1"),
        ([np.array([0, 0, np.nan])], "point"),
    ],
)
def test_a_wrong_point_is_refused(raws, message):
    with pytest.raises(CodecError, match=message):
        POINTS.encode(raws)


def test_a_picture_is_no_point():
    with pytest.raises(MediaTypeError, match="text/csv or application/json"):
        POINTS.read(b"", "image/png")


def test_a_row_is_recovered_where_every_unit_is_right_to_four_decimals():
    arrays = {"recall/x": np.zeros((3, 2)), "recall/limit": np.full(3, 7), "targets": np.float32([[1, -0.0605]] * 3)}
    found = {"state": np.float32([[1, -0.06045], [0.999, -0.0605], [-1, 0.0605]])}
    metric = load_metric("recovery")
    assert drive(metric.score(arrays), lambda graph, inputs: found).tolist() == [1, 0, 0]
    assert metric.direction == 1
