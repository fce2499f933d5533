"""The loss of single-shot detectors and the boxes of changed pictures, by hand."""

import numpy as np
import pytest
import torch

from training.augment_boxes import move_and_colour, move_boxes
from training.multibox import centred, hardest, match, multibox_loss
from training.recipe import Settings
from zoo.families.vision.ssd import corners, encode

DEFAULTS = torch.tensor([[0.25, 0.25, 0.2, 0.2], [0.75, 0.25, 0.2, 0.2], [0.25, 0.75, 0.2, 0.2], [0.8, 0.8, 0.4, 0.4]])
LEFT = [1, 0.15, 0.15, 0.35, 0.35]  # the first default box itself
SMALL = [0, 0.74, 0.24, 0.76, 0.26]  # within the second one, overlap 0.01
NONE = [-1.0] * 5


class Answers:
    """A model that gives these corrections and logits for any picture."""

    training = False
    defaults = DEFAULTS

    def __init__(self, corrections, logits):
        self.answer = torch.tensor(corrections, dtype=torch.float32), torch.tensor(logits, dtype=torch.float32)

    def __call__(self, x):
        return self.answer


def loss(corrections, logits, targets):
    batch = {"x": torch.zeros(len(targets), 3, 2, 2), "targets": torch.tensor(targets, dtype=torch.float32)}
    return multibox_loss(encode, corners)(Answers(corrections, logits), batch, None).item()


def test_each_true_box_has_its_best_default_box():
    """The first is matched by its overlap of 1, the small one in spite of 0.01; a row of −1 matches nothing."""
    targets = torch.tensor([[LEFT, SMALL, NONE], [NONE, NONE, NONE]])
    assert match(corners(DEFAULTS), targets).tolist() == [[0, 1, -1, -1], [-1, -1, -1, -1]]


def test_the_hardest_of_the_background_count():
    """Three for each that answers, the largest losses; one where none answers."""
    wrong = torch.tensor([[9.0, 1, 5, 4, 3, 2], [1, 2, 3, 4, 5, 6]])
    answers = torch.tensor([[True, False, False, False, False, False], [False] * 6])
    expected = [[False, False, True, True, True, False], [False, False, False, False, False, True]]
    assert hardest(wrong, answers).tolist() == expected


def test_a_right_answer_costs_nothing():
    sure = [[0, 0, 100], [100, 0, 0], [100, 0, 0], [100, 0, 0]]
    assert loss([[[0, 0, 0, 0]] * 4], [sure], [[LEFT]]) == pytest.approx(0, abs=1e-5)


def test_a_loss_by_hand():
    """One box answers: smooth L1 of (2, 0.5, 0, 0) is 1.5 + 0.125; four equal guesses among three classes, ln 3 each."""
    corrections = [[[2, 0.5, 0, 0], [9, 9, 9, 9], [9, 9, 9, 9], [9, 9, 9, 9]]]
    assert loss(corrections, [[[0, 0, 0]] * 4], [[LEFT]]) == pytest.approx(1.625 + 4 * np.log(3), rel=1e-5)


def test_a_box_by_centre_and_size():
    np.testing.assert_allclose(centred(torch.tensor([0.2, 0.1, 0.6, 0.3])), [0.4, 0.2, 0.4, 0.2], rtol=1e-5)


def test_boxes_turned_over():
    """Left and right change places: 0.1 to 0.3 becomes 0.7 to 0.9."""
    targets = torch.tensor([[[2, 0.1, 0.2, 0.3, 0.6], NONE]])
    moved = move_boxes(targets, torch.tensor([[-1.0, 1.0]]), torch.tensor([[0.5, 0.5]]))
    np.testing.assert_allclose(moved[0], [[2, 0.7, 0.2, 0.9, 0.6], NONE], rtol=1e-5)


def test_boxes_seen_nearer_are_cut_or_forgotten():
    """Twice as large about the middle: 0 to 0.5 becomes −0.5 to 0.5, half of which is left; 0.9 to 1 is gone."""
    targets = torch.tensor([[[0, 0, 0.4, 0.5, 0.6], [1, 0.9, 0.9, 1, 1]]])
    moved = move_boxes(targets, torch.tensor([[2.0, 2.0]]), torch.tensor([[0.5, 0.5]]))
    np.testing.assert_allclose(moved[0], [[0, 0, 0.3, 0.5, 0.7], NONE], atol=1e-6)


def test_pictures_move_with_their_boxes():
    """A bright square stays in its box whatever is done to the picture."""
    x, box = torch.zeros(8, 3, 48, 64), (16, 12, 32, 24)
    x[:, :, box[1] : box[3], box[0] : box[2]] = 1
    targets = torch.tensor([[[0, 16 / 64, 12 / 48, 32 / 64, 24 / 48]]] * 8)
    batch = {"x": x, "targets": targets}
    moved = move_and_colour(colour=0)(batch, Settings(), torch.Generator().manual_seed(1))
    assert (moved["targets"][:, 0, 0] == 0).any()
    for picture, (label, left, top, right, bottom) in zip(moved["x"], moved["targets"][:, 0].tolist(), strict=True):
        if label == 0:
            rows, columns = torch.nonzero(picture[0] > 0.5, as_tuple=True)
            found = [columns.min() / 64, rows.min() / 48, (columns.max() + 1) / 64, (rows.max() + 1) / 48]
            np.testing.assert_allclose(found, [left, top, right, bottom], atol=0.03)
    assert not torch.equal(moved["targets"], targets)


def test_the_same_seed_gives_the_same_pictures():
    batch = {"x": torch.rand(2, 3, 6, 8), "targets": torch.tensor([[LEFT], [SMALL]])}
    first, again = (move_and_colour()(batch, Settings(), torch.Generator().manual_seed(3)) for _ in range(2))
    assert torch.equal(first["x"], again["x"])
    assert torch.equal(first["targets"], again["targets"])
    assert first["x"].min() >= 0
    assert first["x"].max() <= 1
