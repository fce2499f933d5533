"""Pictures answered by prototypes: what the codec makes of labels and distances, and the two figures."""

import base64
import io

import numpy as np
import pytest
from PIL import Image
from sklearn.metrics import normalized_mutual_info_score

from zoo.calls import drive
from zoo.codecs import make_codec
from zoo.metrics import load_metric

SETTINGS = {"height": 1, "width": 2, "rows": 2, "columns": 2}
PROTOTYPES = np.float32([[0, 0], [0, 1], [1, 0], [1, 1.5]])


def run(graph, inputs):
    if graph == "prototype":
        return {"pixels": PROTOTYPES[inputs["label"]]}
    nearness = -np.abs(inputs["x"][:, None] - PROTOTYPES).sum(axis=-1)
    return {"label": nearness.argmax(axis=1), "nearness": nearness}


def decoded(url):
    data = base64.b64decode(url.removeprefix("data:image/png;base64,"))
    return np.asarray(Image.open(io.BytesIO(data))).tolist()


def answer(**settings):
    codec = make_codec("vector-quantisation", {**SETTINGS, **settings})
    [found] = drive(codec.predict([np.array([[255, 51]])]), run)
    return found


def test_a_picture_is_answered_by_its_nearest_prototype():
    found = answer()
    assert (found["nearest"], found["distance"]) == (2, pytest.approx(0.2))
    assert found["distances"] == pytest.approx([1.2, 1.8, 0.2, 1.3])
    assert decoded(found["prototype"]) == [[255, 0]]
    assert "row" not in found


def test_a_map_has_rows_and_columns_from_one():
    found = answer(is_map=True)
    assert (found["row"], found["column"]) == (2, 1)


def test_the_layout_has_white_lines_around_the_nearest():
    grey, white = 64, 255
    assert decoded(answer()["prototypes"]) == [
        [grey] * 7,
        [grey, 0, 0, grey, 0, 255, grey],
        [white] * 4 + [grey] * 3,
        [white, 255, 0, white, 255, 255, grey],
        [white] * 4 + [grey] * 3,
    ]


@pytest.mark.parametrize("seed", range(3))
def test_mutual_information_is_that_of_scikit_learn(seed):
    rng = np.random.default_rng(seed)
    classes = rng.integers(5, size=80)
    labels = np.where(rng.random(80) < 0.6, (classes + 2) % 4, rng.integers(4, size=80))
    metric = load_metric("normalised_mutual_information")
    rows = drive(metric.score({"predict/x": classes, "targets": classes}), lambda *_: {"label": labels})
    assert metric.reduce(rows) == pytest.approx(normalized_mutual_info_score(classes, labels))
    assert metric.direction == 1


@pytest.mark.parametrize(
    ("labels", "classes", "expected"),
    [([0, 0, 1, 1], [7, 7, 2, 2], 1), ([0, 1, 0, 1], [0, 0, 1, 1], 0), ([3, 3, 3], [0, 1, 2], 0), ([0, 1], [5, 5], 0)],
)
def test_mutual_information_worked_by_hand(labels, classes, expected):
    rows = np.stack([labels, classes], axis=1)
    assert load_metric("normalised_mutual_information").reduce(rows) == pytest.approx(expected)


def test_the_quantisation_error_is_the_mean_distance_of_the_nearest():
    metric = load_metric("quantisation_error")
    rows = drive(metric.score({"predict/x": np.zeros((2, 2))}), lambda *_: {"nearness": np.float32([[-3, -1], [-2, -9]])})
    assert rows.tolist() == [1, 2]
    assert metric.reduce(rows) == 1.5
    assert metric.direction == -1
