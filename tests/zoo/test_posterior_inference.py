"""Evidence by name: what the codec makes of it, and how posteriors are told."""

import json

import numpy as np
import pytest
from typer.testing import CliRunner

from zoo.__main__ import app
from zoo.calls import drive
from zoo.codecs import make_codec
from zoo.errors import CodecError, MediaTypeError, UsageError
from zoo.metrics import load_metric

CODEC = make_codec(
    "posterior-inference", {"variables": ["fever", "cough"], "states": [["none", "some", "high"], ["no", "yes"]]}
)


def numbers(data, media_type="application/json"):
    return [raw.tolist() for raw in CODEC.read(data.encode(), media_type)]


@pytest.mark.parametrize(
    ("case", "row"),
    [({}, [-1, -1]), ({"cough": "yes"}, [-1, 1]), ({"cough": "no", "fever": "high"}, [2, 0]), ({"fever": None}, [-1, -1])],
)
def test_a_case_is_an_object(case, row):
    for document in (case, [case], {"instances": [case]}):
        assert numbers(json.dumps(document)) == [row]
    assert CODEC.instance(np.array(row)) == {name: state for name, state in case.items() if state}


def test_cases_are_rows_of_a_csv():
    assert numbers("cough,fever\nyes,\n no , some\n", "text/csv") == [[-1, 1], [1, 0]]


def test_evidence_enters_as_numbers():
    encoded = CODEC.encode(CODEC.read(b'[{"cough": "yes"}, {}]', "application/json"))
    assert encoded["evidence"].tolist() == [[-1, 1], [-1, -1]]
    assert encoded["evidence"].dtype == np.int64


def test_posteriors_are_told_by_name():
    outputs = {
        "posterior": np.float32([[[0.5, 0.25, 0.25], [0, 1, 0]], np.zeros((2, 3))]),
        "log_evidence": np.float32([np.log(0.5), -np.inf]),
    }
    first, impossible = drive(CODEC.predict([np.array([-1, 1])] * 2), lambda graph, inputs: outputs)
    assert first["probability_of_evidence"] == pytest.approx(0.5)
    assert first["posteriors"] == {"fever": {"none": 0.5, "some": 0.25, "high": 0.25}, "cough": {"no": 0, "yes": 1}}
    assert impossible["probability_of_evidence"] == 0
    assert json.loads(json.dumps(impossible)) == impossible


@pytest.mark.parametrize(
    ("data", "media_type", "message"),
    [
        ("{", "application/json", "is not JSON"),
        ("3", "application/json", "holds no case"),
        ('{"instances": []}', "application/json", "holds no case"),
        ("[[1, 0]]", "application/json", "holds no case"),
        ('{"headache": "yes"}', "application/json", "no variable 'headache'; the variables are fever, cough"),
        ('{"cough": "maybe"}', "application/json", "cough is 'maybe'; send no, yes, or leave it out"),
        ('{"cough": true}', "application/json", "cough is 'True'"),
        ('{"cough": ["yes"]}', "application/json", "cough is"),
        ("cough\n", "text/csv", "no row below its names"),
        ("cough,cough\nyes,no\n", "text/csv", "a name twice"),
        ("cough,fever\nyes\n", "text/csv", "Row 1 of the CSV has 1 cells for 2 names"),
        ("", "text/csv", "CSV"),
    ],
)
def test_what_cannot_be_read_is_said(data, media_type, message):
    with pytest.raises(CodecError, match=message):
        CODEC.read(data.encode(), media_type)


@pytest.mark.parametrize(
    ("raws", "message"),
    [
        ([], "send at least one"),
        ([np.array([1])], r"shape \[1\]; send 2"),
        ([np.array([3, 0])], "fever is in state 3; send 0 to 2, or −1"),
        ([np.array([0.5, 0])], "fever is in state 0.5"),
        ([np.array([-2, 0])], "fever is in state -2"),
    ],
)
def test_a_wrong_row_is_refused(raws, message):
    with pytest.raises(CodecError, match=message):
        CODEC.encode(raws)


def test_a_picture_is_no_evidence():
    with pytest.raises(MediaTypeError, match="text/csv or application/json"):
        CODEC.read(b"", "image/png")


def test_every_variable_needs_its_states():
    with pytest.raises(UsageError, match="states of 1 variables for 2"):
        make_codec("posterior-inference", {"variables": ["a", "b"], "states": [["no", "yes"]]})


def test_the_metric_counts_cases_whose_posteriors_are_right():
    targets = np.full((3, 2, 2), 0.5)
    found = targets + np.array([0, 5e-7, 2e-6])[:, None, None]
    metric = load_metric("posterior_match")
    arrays = {"infer/evidence": np.zeros((3, 2), np.int64), "targets": targets}
    assert drive(metric.score(arrays), lambda graph, inputs: {"posterior": found}).tolist() == [1, 1, 0]
    assert metric.direction == 1


def test_the_command_line_names_every_state(tmp_path):
    """The worked diagnosis of seed 001, by the published model."""
    (tmp_path / "case.csv").write_text("test,symptom\n,yes\n")
    shown = CliRunner().invoke(app, ["predict", "bayesian-network-diagnosis", str(tmp_path / "case.csv")])
    assert (
        "disease (no 0.704, yes 0.296), symptom (no 0.000, yes 1.000), test (negative 0.683, positive 0.317)" in shown.output
    )
