"""The codecs of tables: rows in every form, good and bad, and answers by numbers worked out by hand."""

import json

import numpy as np
import pytest

from zoo.calls import drive
from zoo.codecs import make_codec
from zoo.errors import CodecError, MediaTypeError, UsageError

COLUMNS = ["length", "width"]


def classifier(**settings):
    return make_codec("tabular-classification", {"columns": COLUMNS, "labels": ["no", "yes"], **settings})


def regressor(**settings):
    return make_codec("tabular-regression", {"columns": COLUMNS, **settings})


def answering(**outputs):
    """A graph that answers these arrays whatever it is asked."""
    return lambda graph, inputs: {name: np.array(rows, np.float32) for name, rows in outputs.items()}


@pytest.mark.parametrize(
    ("body", "media_type"),
    [
        (b"1.5,2\n-3,4e1\n", "text/csv"),
        (b"length,width\n1.5,2\n-3,4e1\n", "text/csv"),
        (b"\xef\xbb\xbf width , length\r\n2,1.5\r\n\r\n40,-3\r\n", "text/plain"),
        (b"[[1.5, 2], [-3, 40]]", "application/json"),
        (b'{"instances": [[1.5, 2], {"width": 40, "length": -3}]}', "application/json"),
        (b'[{"width": 2, "length": 1.5}, [-3, 40]]', "application/json"),
        (b'{"data": [[1.5, 2], [-3, 40]]}', "application/json"),
    ],
)
def test_rows_in_every_form_are_the_same_rows(body, media_type):
    codec = regressor()
    x = codec.encode(codec.read(body, media_type))["x"]
    assert x.tolist() == [[1.5, 2], [-3, 40]]
    assert x.dtype == np.float32


@pytest.mark.parametrize(
    "body", [b"[1.5, 2]", b'{"length": 1.5, "width": 2}', b'{"instances": [[1.5, 2]]}', b'{"data": [1.5, 2]}']
)
def test_a_single_row_needs_no_list_around_it(body):
    assert [row.tolist() for row in regressor().read(body, "application/json")] == [[1.5, 2]]


@pytest.mark.parametrize(
    ("body", "sentence"),
    [
        (b"1,2,3\n", "has 3 numbers; send 2 numbers: length, width"),
        (b"1,2\n3\n", "Row 2 of the CSV has 1 cells, row 1 has 2"),
        (b"length,width\n1\n", "names 2 columns and has 1 in a row"),
        (b"length,widht\n1,2\n", "has no column 'width'; send length, width"),
        (b"length,width,colour\n1,2,3\n", "has an unknown column 'colour'"),
        (b"length,width,width\n1,2,3\n", "named twice"),
        (b"length,width\n", "no row of numbers"),
        (b"", "no row of numbers"),
        (b"1,red\n", "Row 1 of the CSV holds 'red'; send numbers"),
        (b"1,nan\n", "NaN or infinity"),
        (b"\xff\xfe1,2", "not UTF-8"),
    ],
)
def test_a_csv_that_is_no_table_of_the_columns_is_refused(body, sentence):
    with pytest.raises(CodecError, match=sentence):
        regressor().read(body, "text/csv")


@pytest.mark.parametrize(
    ("body", "sentence"),
    [
        (b"[1, 2", "not JSON"),
        (b"[" * 100_000, "not JSON"),
        (b"[]", "holds no row"),
        (b'{"instances": []}', "holds no row"),
        (b"7", "A row is a list of numbers, or an object"),
        (b"[1, true]", "A row is a list of numbers"),
        (b'["1", "2"]', "A row is a list of numbers"),
        (b"[[1, 2], 3]", "A row is a list of numbers"),
        (b'{"length": 1}', "has no column 'width'"),
        (b'{"length": 1, "width": 2, "unit": 3}', "has an unknown column 'unit'"),
        (b'{"length": 1, "width": null}', "A row is a list of numbers"),
        (b"[1, 2, 3]", r"shape \[3\]; send 2 numbers"),
        (b"[1, NaN]", "NaN or infinity"),
        (b"[1, 1" + b"0" * 400 + b"]", "beyond 1e308"),
    ],
)
def test_json_that_is_no_row_of_the_columns_is_refused(body, sentence):
    with pytest.raises(CodecError, match=sentence):
        regressor().read(body, "application/json")


def test_other_types_nothing_and_what_float32_cannot_hold_are_refused():
    with pytest.raises(MediaTypeError, match="text/csv or application/json"):
        regressor().read(b"", "image/png")
    with pytest.raises(CodecError, match="There is no row"):
        regressor().encode([])
    with pytest.raises(CodecError, match="of size 1e\\+39"):
        regressor().encode([np.array([1, -1e39])])


def test_an_instance_names_its_columns_and_is_read_again():
    codec = regressor()
    raw = np.array([0.1, 3], np.float32)
    assert codec.instance(raw) == {"length": 0.1, "width": 3.0}
    [again] = codec.read(json.dumps(codec.instance(raw)).encode(), "application/json")
    assert np.array_equal(again.astype(np.float32), raw)


@pytest.mark.parametrize(
    ("scores", "output", "answer"),
    [
        ("logits", [0, np.log(3)], {"label": "yes", "probabilities": {"no": 0.25, "yes": 0.75}}),
        ("probabilities", [0.625, 0.375], {"label": "no", "probabilities": {"no": 0.625, "yes": 0.375}}),
        ("margins", [-1.5, 1.5], {"label": "yes", "scores": {"no": -1.5, "yes": 1.5}}),
        ("margins", [0, 0], {"label": "no", "scores": {"no": 0.0, "yes": 0.0}}),
        ("flags", [0, 1], {"labels": ["yes"], "flags": {"no": 0, "yes": 1}}),
        ("flags", [0, 0], {"labels": [], "flags": {"no": 0, "yes": 0}}),
    ],
)
def test_scores_of_every_kind_are_answered(scores, output, answer):
    codec = classifier(scores=scores, output="out")
    [found] = drive(codec.predict([np.array([1, 2])]), answering(out=[output]))
    assert {name: pytest.approx(value) if isinstance(value, dict) else value for name, value in answer.items()} == found


def test_a_value_has_its_unit_and_a_deviation_its_interval():
    rows = [np.array([1, 2]), np.array([3, 4])]
    assert drive(regressor(unit="mm").predict(rows), answering(value=[7, -1])) == [
        {"value": 7, "unit": "mm"},
        {"value": -1, "unit": "mm"},
    ]
    answers = drive(regressor(deviation="deviation").predict(rows), answering(value=[7, -1], deviation=[0.5, 0]))
    assert [(answer["value"], answer["standard_deviation"]) for answer in answers] == [(7, 0.5), (-1, 0)]
    assert answers[0]["interval_95"] == pytest.approx([7 - 0.98, 7 + 0.98], abs=1e-4)
    assert answers[1]["interval_95"] == [-1, -1]


def test_wrong_settings_are_refused():
    with pytest.raises(UsageError, match="1 units for 2 columns"):
        regressor(units=["mm"])
    with pytest.raises(UsageError, match="no scores 'odds'; choose one of logits, probabilities, margins, flags"):
        classifier(scores="odds")
