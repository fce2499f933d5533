"""The rule by numbers made by hand: 2^-23 is the ulp of 1, and the bound is eight floors."""

import numpy as np
import pytest

from export.certify import certify
from export.channels import Channels
from export.compare import FACTOR, Disagreement, OutputRecord, distance, margins, shortfalls, ulp32
from export.validate import validate
from zoo.errors import ParityError
from zoo.manifest import Certificate

NAN, INF = float("nan"), float("inf")


def steady(array):
    return np.zeros(len(array), bool)


def record(floors=(), kind="real"):
    made = OutputRecord("y", kind)
    for ref32, ref64 in floors:
        ref32, ref64 = np.array(ref32, np.float32), np.array(ref64, np.float64)
        made.add_floor(ref32, ref64, steady(ref64))
    return made


def compare(made, found, ref64, label="batch 1"):
    made.add_case(label, np.array(found, np.float32), np.array(ref64, np.float64), steady(ref64))
    return made


@pytest.mark.parametrize(
    ("value", "ulp"),
    [(1.0, 2**-23), (-1.0, 2**-23), (0.0, 2**-149), (1000.0, 2**-14), (0.75, 2**-24), (2.0, 2**-22), (1.9999999, 2**-23)],
)
def test_the_ulp_of_a_float32(value, ulp):
    assert ulp32(value) == ulp


def test_the_factor_is_eight_for_the_whole_zoo():
    assert FACTOR == 8


def test_the_floor_is_the_largest_cost_of_float32_over_all_rows():
    made = record([([1.0, 2.0], [1.25, 2.0]), ([1.0], [1.5]), ([3.0], [3.0])])
    assert made.floor == 0.5
    assert made.bound == 4.0
    assert (made.low, made.high, made.largest) == (1.25, 3.0, 3.0)


def test_a_floor_is_at_least_one_ulp_of_the_largest_reference():
    assert record([([1000.0, 1.0], [1000.0, 1.0])]).floor == 2**-14
    assert record([([-1000.0], [-1000.0])]).floor == 2**-14
    assert record([([0.0], [0.0])]).floor == 2**-149


@pytest.mark.parametrize(("error", "passed"), [(0.0, True), (4.0, True), (4.0 + 2**-20, False), (-4.5, False), (NAN, False)])
def test_an_error_of_eight_floors_passes_and_a_larger_one_fails(error, passed):
    made = compare(record([([1.0], [1.5])]), [10.0 + error], [10.0])
    made.close()
    assert made.passed is passed


def test_a_failure_names_case_error_and_bound():
    made = compare(record([([1.0], [1.5])]), [17.0], [10.0], "batch 7, time 3")
    assert made.failures == ["real, batch 7, time 3: off by 7, bound 4"]
    assert (made.error, made.worst) == (7.0, "batch 7, time 3")


def test_the_worst_case_is_kept():
    made = record([([1.0], [1.5])])
    for label, error in (("first", 1.0), ("second", 3.0), ("third", 2.0)):
        compare(made, [10.0 + error], [10.0], label)
    assert (made.error, made.worst, made.cases, made.rows) == (3.0, "second", 3, 3)


@pytest.mark.parametrize(
    ("found", "reference", "expected"),
    [
        ([1.0, 2.0], [1.0, 2.5], 0.5),
        ([NAN, 1.0], [NAN, 1.0], 0.0),
        ([NAN, 1.0], [2.0, 1.0], INF),
        ([2.0], [NAN], INF),
        ([INF, -INF], [INF, -INF], 0.0),
        ([INF], [-INF], INF),
        ([INF], [3.4e38], INF),
        ([3.4e38], [INF], INF),
        ([NAN], [INF], INF),
        ([], [], 0.0),
    ],
)
def test_distances(found, reference, expected):
    assert distance(np.array(found, np.float32), np.array(reference, np.float64)) == pytest.approx(expected)


def test_a_nan_that_the_reference_has_passes_and_another_fails():
    assert compare(record([([1.0, NAN], [1.5, NAN])]), [1.5, NAN], [1.5, NAN]).passed
    assert not compare(record([([1.0, NAN], [1.5, NAN])]), [NAN, NAN], [1.5, NAN]).passed


def test_an_overflow_of_float32_is_no_fault():
    made = record([([1.0, INF], [1.0, 1e108])], "large")
    assert made.floor == ulp32(1.0)
    assert ulp32(1e108) == ulp32(3.4e38)
    assert compare(made, [1.0, INF], [1.0, 1e108]).passed
    assert not compare(record([([1.0, INF], [1.0, 1e108])]), [1.0, -INF], [1.0, 1e108]).passed
    assert not compare(record([([1.0, 1e30], [1.0, 1e30])]), [1.0, INF], [1.0, 1e30]).passed


def test_infinities_do_not_widen_the_floor():
    assert record([([INF, 1.0], [INF, 1.0])]).floor == 2**-23
    assert record([([INF, 1.0], [2.0, 1.0])]).floor == 2**-22  # float32 overflowed: no cost that may be granted


def test_another_shape_fails():
    made = record([([1.0, 2.0], [1.0, 2.0])])
    made.add_case("batch 2", np.zeros((2, 1), np.float32), np.zeros(2), steady([0, 0]))
    assert made.failures == ["real, batch 2: shape [2, 1] instead of [2]"]


def test_comparing_nothing_is_an_error():
    with pytest.raises(ParityError, match="Output 'y': nothing was compared on real inputs; give it samples"):
        record([([1.0], [1.0])]).close()
    with pytest.raises(ParityError, match="nothing was compared"):
        compare(record([([1.0], [1.0])]), [], []).close()
    assert not record([([1.0], [1.0])]).passed


def test_margins_are_those_of_the_two_largest():
    assert margins(np.array([[3.0, 1.0, 2.5], [0.2, 0.2, 0.6], [5.0, 5.0, 1.0]])) == pytest.approx([0.5, 0.4, 0.0])


def test_shortfalls_are_those_of_the_label_that_was_given():
    scores = np.array([[3.0, 1.0, 2.5], [0.2, 0.2, 0.6], [5.0, 5.0, 1.0], [1.0, 2.0, 3.0]])
    assert shortfalls(scores, np.array([1, 2, 0, 3])) == pytest.approx([2.0, 0.0, 0.0, np.inf])
    assert shortfalls(scores[:1], np.array([-1])) == np.inf


def labels(found, expected, margin, bound=0.1, kind="real"):
    made = OutputRecord("label", kind)
    made.add_labels("batch", np.array(found), np.array(expected), np.array(margin, float), bound)
    return made


def test_equal_labels_pass():
    made = labels([1, 2, 3], [1, 2, 3], [0.0, 5.0, 5.0])
    made.close()
    assert (made.passed, made.ties) == (True, 0)


def test_a_different_label_passes_only_within_the_margin():
    made = labels([1, 2, 3], [1, 2, 9], [5.0, 5.0, 0.3])
    assert made.failures == ["real, batch: row 2 is 3 instead of 9, margin 0.3"]
    admitted = labels([1, 2, 3], [1, 2, 9], [5.0, 5.0, 0.1], kind="drawn")
    assert (admitted.passed, admitted.ties) == (True, 1)


def test_labels_that_differ_are_kept_with_case_row_and_margin():
    made = labels([1, 2, 3, 4], [1, 7, 3, 9], [5.0, 0.05, 5.0, 0.3])
    assert made.disagreements == [
        Disagreement("batch", 1, 2.0, 7.0, 0.05, True),
        Disagreement("batch", 3, 4.0, 9.0, 0.3, False),
    ]
    many = labels(np.zeros(50, int), np.ones(50, int), np.zeros(50))
    assert (many.ties, len(many.disagreements)) == (50, 20)


def test_labels_of_every_step_are_compared():
    made = labels([[1, 2], [3, 4]], [[1, 2], [3, 5]], [[9.0, 9.0], [9.0, 9.0]])
    assert made.failures == ["real, batch: row 1 is 4 instead of 5, margin 9"]


def test_the_row_of_the_largest_error_is_kept():
    made = record([(np.zeros(3), np.full(3, 1.0))])
    assert compare(made, [10.0, 10.0, 10.0], [10.0, 10.0, 10.0], "first").worst_row is None
    assert compare(made, [10.0, 13.0, 11.0], [10.0, 10.0, 10.0], "second").worst_row == 1
    assert compare(made, [10.0, 10.0, 12.0], [10.0, 10.0, 10.0], "third").worst_row == 1
    assert compare(made, [10.0, 10.0, NAN], [10.0, 10.0, 10.0], "fourth").worst_row == 2


def test_the_worst_row_is_counted_with_the_ties_left_out():
    ref64 = np.array([[0.0], [1.0], [0.5]])
    made = OutputRecord("p", "drawn")
    made.add_floor(ref64.astype(np.float32), ref64, steady([0, 0, 0]))
    made.add_case("batch 3", np.array([[0.9], [1.0], [0.5 + 1e-7]]), ref64, np.array([True, False, False]))
    assert (made.ties, made.worst_row) == (1, 2)


@pytest.mark.parametrize(("rows", "ties", "passed"), [(1000, 1, True), (999, 1, False), (2000, 2, True), (2000, 3, False)])
def test_a_thousandth_of_the_real_rows_may_be_ties(rows, ties, passed):
    found, expected = np.zeros(rows, int), np.zeros(rows, int)
    found[:ties] = 1
    made = labels(found, expected, np.zeros(rows))
    made.close()
    assert made.ties == ties
    assert made.passed is passed


def test_ties_of_drawn_rows_are_counted_only():
    made = labels([1, 1], [0, 0], [0.0, 0.0], kind="drawn")
    made.close()
    assert (made.passed, made.ties) == (True, 2)


def test_labels_of_another_shape_fail():
    assert labels([1], [1, 2], [9.0, 9.0]).failures == ["real, batch: shape [1] instead of [2]"]


def test_jumps_of_unsteady_rows_are_ties_and_no_floor():
    """A forest's row at a threshold: the reference jumps there, by 0.5 of a spread of 1."""
    ref64, unsteady = np.array([[0.0], [1.0], [0.5]]), np.array([False, False, True])
    made = OutputRecord("p", "drawn")
    made.add_floor(np.array([[0.0], [1.0], [1.0]], np.float32), ref64, unsteady)
    assert made.floor == 2**-23
    made.add_case("batch 3", np.array([[0.0], [1.0], [0.0]], np.float32), ref64, unsteady)
    assert (made.passed, made.ties, made.error) == (True, 1, 0.0)
    made.add_case("batch 3", np.array([[0.5], [1.0], [0.5]], np.float32), ref64, unsteady)
    assert made.failures == ["drawn, batch 3: off by 0.5, bound 9.54e-07"]


def mixed_record(found):
    """A box in pixels beside a score: 400 and 0.5, which float32 moves by 1e-5 and by 1e-8."""
    reference = np.array([[400.0, 0.5]] * 4)
    made = OutputRecord("y", "real")
    made.add_floor(reference + np.array([1e-5, 1e-8]), reference, steady([0] * 4))
    made.add_case("batch 4", reference + found, reference, steady([0] * 4))
    return made


def test_channels_of_different_scales_have_floors_of_their_own():
    ulps = 2.0**-15, 2.0**-24  # of 400 and of 0.5 in float32
    assert mixed_record([0.0, 0.0]).channels.mixed
    assert mixed_record([8 * ulps[0], 8 * ulps[1]]).passed
    (sentence,) = mixed_record([0.0, 9 * ulps[1]]).failures  # 5e-7: far below the bound of the whole output, 2.4e-4
    assert sentence.startswith("real, batch 4: channel 1 off by 5.36e-07, bound 4.77e-07")


def test_a_channel_that_rounds_luckily_has_the_floor_of_channels_alike():
    """Of thousands of channels some come out exactly: the same constant in all rows, say, is one draw and not many."""
    reference = np.array([[400.0, 0.5, 0.25, 6.0]] * 4)
    made = OutputRecord("y", "real")
    made.add_floor(reference + np.array([1e-5, 1e-6, 0.0, 1e-4]), reference, steady([0] * 4))
    assert np.allclose(made.channels.floors, [1e-4, 1e-6, 1e-6, 1e-4], rtol=1e-9)  # 6.0 is more than ten times 0.5


def test_channels_of_one_scale_share_the_floor_of_the_output():
    reference = np.array([[4.0, 0.5]])
    made = OutputRecord("y", "real")
    made.add_floor(reference + np.array([1e-5, 0.0]), reference, steady([0]))
    made.add_case("batch 1", reference + np.array([0.0, 5e-5]), reference, steady([0]))
    assert made.passed
    assert not made.channels.mixed


def test_an_output_with_a_declared_range_has_one_scale():
    """A runtime's sigmoid ends at 1e-8 where float32 goes on to 1e-30: far within the floor of 0 … 1."""
    reference = np.array([[1.0, 1e-30]] * 4)
    for one_scale in (False, True):
        made = OutputRecord("y", "large", channels=Channels(one_scale=one_scale))
        made.add_floor(reference + np.array([1e-7, 0.0]), reference, steady([0] * 4))
        made.add_case("batch 4", reference + np.array([0.0, 2e-8]), reference, steady([0] * 4))
        assert made.passed == one_scale


def test_the_floor_is_an_ulp_of_the_declared_range():
    reference = np.full((4, 2), 1e-12)
    for scale, floor in ((0.0, 2.0**-63), (1.0, 2.0**-23)):
        made = OutputRecord("y", "large", scale)
        made.add_floor(reference, reference, steady([0] * 4))
        assert made.floor == floor


def test_a_channel_of_zeros_and_channels_of_changing_number_are_left_to_the_whole():
    made = OutputRecord("y", "real")
    made.add_floor(np.array([[400.0, 0.0, 0.5]]), np.array([[400.0, 0.0, 0.5]]), steady([0]))
    made.add_case("batch 1", np.array([[400.0, 1e-9, 0.5]]), np.array([[400.0, 0.0, 0.5]]), steady([0]))
    assert made.channels.mixed
    assert made.passed
    made.add_floor(np.array([[1.0, 2.0]]), np.array([[1.0, 2.0]]), steady([0]))
    assert not made.channels.mixed


def test_the_certificate_has_a_bound_for_each_channel_where_scales_mix(candidate):
    folder = candidate("softmax-digits")
    report = validate(folder)
    first = report.graphs[0].records[0]
    first.channels = Channels(moved=np.array([1e-6, 2.0, 1e-9]), largest=np.array([1.0, 1000.0, 0.0]))
    certify(report, folder)
    kinds = Certificate.read(folder).graphs["predict"]["outputs"][first.output]
    assert kinds.pop(first.kind)["channel_bounds"] == [8e-6, 16.0, 0.0]
    assert not any("channel_bounds" in each for each in kinds.values())
