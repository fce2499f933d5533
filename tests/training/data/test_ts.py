import numpy as np
import pytest

from training.data import ts
from zoo.errors import DataError

HEADER = """\
#Two channels, lengths 3 and 1
@problemName Tiny
@timeStamps false
@univariate false
@dimensions 2
@equalLength false
@classLabel true cat dog
@data
"""


def test_series_are_steps_by_channels():
    content = ts.parse(HEADER + "1,2,3:-4.5,5e-1,6:dog\n\n7:8:cat\n", name="tiny.ts")
    assert content.labels == ("cat", "dog")
    assert [series.tolist() for series in content.series] == [[[1, -4.5], [2, 0.5], [3, 6]], [[7, 8]]]
    assert {series.dtype for series in content.series} == {np.dtype("float32")}
    assert content.targets.tolist() == [1, 0]
    assert content.targets.dtype == np.int64


def test_fields_are_read_in_any_case_and_line_ending():
    content = ts.parse("% old comment\r\n@CLASSLABEL True 1 2\r\n@DATA\r\n5,6:2\r\n", name="tiny.ts")
    assert content.labels == ("1", "2")
    assert content.series[0].tolist() == [[5], [6]]
    assert content.targets.tolist() == [1]


@pytest.mark.parametrize(
    ("row", "reason"),
    [
        ("1:2:cow", "tiny.ts, line 10: the label 'cow' is none of cat, dog"),
        ("1,2,3", "line 10: the label '1,2,3' is none of"),
        ("1:cat", "line 10: 1 channels, not 2"),
        ("1:2:3:cat", "line 10: 3 channels, not 2"),
        ("1,2:3:cat", "line 10: channel 2 has 1 steps, not 2"),
        ("1,?:2,3:cat", r"line 10: .*'\?'"),
        ("1,NaN:2,3:cat", "line 10: a value is not finite"),
        (":2:cat", "line 10: .*missing values"),
        ("(0,1),(1,2):2:cat", "line 10: "),
        ("@classLabel true cow", "line 10: "),
    ],
)
def test_a_malformed_row_is_named_by_its_line(row, reason):
    with pytest.raises(DataError, match=reason):
        ts.parse(HEADER + "1:2:cat\n" + row, name="tiny.ts")


@pytest.mark.parametrize(
    ("text", "reason"),
    [
        ("", "tiny.ts has no @data"),
        ("<html>", "tiny.ts has no @data"),
        (HEADER, "tiny.ts has no series after @data"),
        (HEADER.replace("#Two", "Two"), "tiny.ts, line 1: 'Two channels"),
        (HEADER.replace("true cat dog", "false"), "tiny.ts has no '@classLabel true"),
        (HEADER.replace("true cat dog", "true"), "tiny.ts has no '@classLabel true"),
        (HEADER.replace("@classLabel true cat dog\n", ""), "tiny.ts has no '@classLabel true"),
        (HEADER.replace("timeStamps false", "timeStamps true"), "tiny.ts has time stamps"),
        (HEADER.replace("dimensions 2", "dimensions two"), "tiny.ts: @dimensions is 'two'"),
        (HEADER.replace("dimensions 2", "dimensions 0"), "tiny.ts: @dimensions is '0'"),
    ],
)
def test_a_malformed_header_is_named(text, reason):
    with pytest.raises(DataError, match=reason):
        ts.parse(text, name="tiny.ts")


def test_an_announced_length_is_held():
    header = HEADER.replace("@equalLength false", "@equalLength true\n@seriesLength 2")
    assert len(ts.parse(header + "1,2:3,4:cat", name="tiny.ts").series[0]) == 2
    with pytest.raises(DataError, match="line 10: channel 1 has 3 steps, not 2"):
        ts.parse(header + "1,2,3:4,5,6:cat", name="tiny.ts")
