import numpy as np
import pytest

from training.data import Split
from zoo.errors import DataError

ARRAY = Split(raws=np.arange(12).reshape(4, 3), targets=np.array([7, 8, 9, 7]))
LIST = Split(raws=[np.ones((length, 2)) for length in (3, 1, 2)], targets=np.array([0, 1, 0]))


def test_a_split_is_as_long_as_its_targets():
    assert len(ARRAY) == 4
    assert len(LIST) == 3


def test_a_subset_of_an_array_keeps_the_order_asked_for():
    subset = ARRAY.subset([2, 0])
    assert subset.raws.tolist() == [[6, 7, 8], [0, 1, 2]]
    assert subset.targets.tolist() == [9, 7]


def test_a_subset_of_a_list_is_a_list():
    subset = LIST.subset(np.array([2, 1]))
    assert [len(raw) for raw in subset.raws] == [2, 1]
    assert subset.targets.tolist() == [0, 1]


def test_a_mask_chooses_as_well():
    assert ARRAY.subset(ARRAY.targets == 7).raws.tolist() == [[0, 1, 2], [9, 10, 11]]


@pytest.mark.parametrize("split", [ARRAY, LIST])
def test_a_subset_may_be_empty(split):
    assert len(split.subset([])) == 0


@pytest.mark.parametrize("split", [ARRAY, LIST])
def test_a_position_beyond_the_end_is_an_error(split):
    with pytest.raises(IndexError):
        split.subset([4])


def test_inputs_and_targets_must_agree():
    with pytest.raises(DataError, match="4 raw inputs and 3 targets"):
        Split(raws=ARRAY.raws, targets=LIST.targets)
