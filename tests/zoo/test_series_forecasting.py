"""The codec of forecasts and the error of free runs, by numbers worked out by hand."""

import json

import numpy as np
import pytest

from zoo.calls import drive
from zoo.codecs import make_codec
from zoo.errors import CodecError, MediaTypeError
from zoo.metrics import load_metric

VALUES = [3, 1, 4, 1, 5]


def forecaster(**settings):
    return make_codec("series-forecasting", {"history": 3, "horizon": 2, **settings})


def continued(graph, inputs):
    """Counts on from the last value."""
    assert graph == "forecast"
    assert not inputs["innovation"].any()
    return {"forecast": inputs["x"][:, -1:] + np.arange(1, inputs["innovation"].shape[1] + 1, dtype=np.float32)}


@pytest.mark.parametrize(
    ("body", "media_type"),
    [
        (b"3\n1\n4\n1\n5\n", "text/csv"),
        (b"intensity\n3\n1\n4\n1\n5\n", "text/csv"),
        (b"3,1,4,1,5", "text/csv"),
        (json.dumps(VALUES).encode(), "application/json"),
        (json.dumps({"data": [[value] for value in VALUES]}).encode(), "application/json"),
        (json.dumps({"instances": [VALUES]}).encode(), "application/json"),
    ],
)
def test_a_history_in_every_form_is_continued_from_its_last_values(body, media_type):
    codec = forecaster(unit="counts")
    answers = drive(codec.predict(codec.read(body, media_type)), continued)
    assert answers == [{"history": [4, 1, 5], "forecast": [6, 7], "unit": "counts"}]


def test_several_histories_are_one_call():
    codec = forecaster()
    raws = codec.read(json.dumps({"instances": [[1, 2, 3], [7, 8, 9]]}).encode(), "application/json")
    assert codec.encode(raws)["x"].tolist() == [[1, 2, 3], [7, 8, 9]]
    assert codec.encode(raws)["innovation"].shape == (2, 2)
    assert [answer["forecast"] for answer in drive(codec.predict(raws), continued)] == [[4, 5], [10, 11]]


@pytest.mark.parametrize(
    ("body", "sentence"),
    [
        (b"3\n1\n", "has 2 steps; send 3 or more"),
        (b"1,2\n3,4\n5,6\n", r"shape \[3, 2\]; send \[steps\]"),
        (b"1\nnan\n3\n", "NaN or infinity"),
    ],
)
def test_a_history_that_cannot_be_continued_is_refused(body, sentence):
    with pytest.raises(CodecError, match=sentence):
        forecaster().read(body, "text/csv")


def test_nothing_and_other_types_are_refused():
    with pytest.raises(CodecError, match="There is no history"):
        forecaster().encode([])
    with pytest.raises(MediaTypeError, match="text/csv or application/json"):
        forecaster().read(b"", "image/png")


def test_the_error_of_free_runs_is_that_of_all_their_steps():
    """(1² + 2² + 0² + 3²) / 4."""
    metric = load_metric("free_run_mse")
    arrays = {
        "forecast/x": np.zeros((2, 3), np.float32),
        "forecast/innovation": np.zeros((2, 2), np.float32),
        "targets": np.array([[0, 0], [1, 5]], np.float32),
    }
    assert metric.figure(arrays, continued) == pytest.approx(3.5)
    assert metric.direction == -1
