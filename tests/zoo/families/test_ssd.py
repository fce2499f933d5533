"""The single-shot detector: its default boxes, corrections and log-odds by hand."""

import dataclasses
import math

import numpy as np
import pytest
import torch

from zoo.families.vision import ssd
from zoo.registry import load_family

TINY = load_family("ssd").tiny


def test_the_default_boxes_of_the_first_place():
    """Map of 30 x 40 places at 240 x 320 pixels; sizes 18, 18 by ratio 2 and 1/2, and √(18·44) = 28.142."""
    boxes = ssd.default_boxes(ssd.Config())
    assert boxes.shape == (4 * (30 * 40 + 15 * 20 + 8 * 10), 4)
    wide, narrow, between = 18 * math.sqrt(2), 18 / math.sqrt(2), math.sqrt(18 * 44)
    sides = [(18, 18), (wide, narrow), (narrow, wide), (between, between)]
    expected = [(0.5 / 40, 0.5 / 30, w / 320, h / 240) for w, h in sides]
    np.testing.assert_allclose(boxes[:4], expected, rtol=1e-6)
    np.testing.assert_allclose(
        boxes[-1], (9.5 / 10, 7.5 / 8, math.sqrt(96 * 176) / 320, math.sqrt(96 * 176) / 240), rtol=1e-6
    )


def test_the_default_boxes_lie_as_the_maps_do():
    """Sides that are no multiple of 32 round up in every stage, as convolutions of stride 2 with padding 1 do."""
    config = dataclasses.replace(TINY, height=30, width=45)
    network = ssd.SSD(config).eval()
    corrections, logits = network(torch.zeros(2, 3, 30, 45))
    assert corrections.shape == (2, len(ssd.default_boxes(config)), 4)
    assert logits.shape == (2, len(ssd.default_boxes(config)), 1 + config.classes)


def test_a_correction_by_hand():
    """cx + 0.1·1·w, cy − 0.1·2·h, w·e^{0.2·5}, h·e^0."""
    box = ssd.decode(torch.tensor([[0.5, 0.5, 0.2, 0.1]]), torch.tensor([[[1.0, -2.0, 5.0, 0.0]]]))[0, 0]
    np.testing.assert_allclose(box, [0.52, 0.48, 0.2 * math.e, 0.1], rtol=1e-6)
    np.testing.assert_allclose(ssd.corners(torch.tensor([0.5, 0.4, 0.2, 0.1])), [0.4, 0.35, 0.6, 0.45], rtol=1e-6)


def test_encoding_undoes_decoding():
    torch.manual_seed(0)
    boxes, corrections = ssd.default_boxes(TINY), torch.randn(3, len(ssd.default_boxes(TINY)), 4)
    torch.testing.assert_close(ssd.encode(boxes, ssd.decode(boxes, corrections)), corrections, rtol=1e-4, atol=1e-5)


def test_log_odds_by_hand():
    """Weights 1, 2 and 5: probabilities 2/8 and 5/8, odds 2/6 and 5/3."""
    found = ssd.log_odds(torch.log(torch.tensor([1.0, 2.0, 5.0])))
    np.testing.assert_allclose(found, np.log([2 / 6, 5 / 3]), rtol=1e-6)


def test_log_odds_tell_apart_what_probabilities_do_not():
    logits = torch.tensor([[-30.0, 20.0, -30.0], [-30.0, 21.0, -30.0]])
    assert torch.softmax(logits, dim=-1)[:, 1].tolist() == [1.0, 1.0]
    assert torch.diff(ssd.log_odds(logits)[:, 0]).item() == pytest.approx(1.0)


def test_detections_are_sorted_above_the_threshold_and_apart():
    torch.manual_seed(0)
    network = ssd.SSD(dataclasses.replace(TINY, score_threshold=0.33)).eval()
    with torch.no_grad():
        boxes, scores, labels, image = network.detect(torch.rand(3, 3, TINY.height, TINY.width))
    keys = list(zip(image.tolist(), labels.tolist(), (-scores).tolist(), strict=True))
    assert keys == sorted(keys)
    assert len(scores)
    assert scores.min() > 0.33
    assert boxes.min() >= 0
    assert boxes.max() <= 1
    assert (boxes[:, 2:] >= boxes[:, :2]).all()


def test_another_kind_of_picture_has_no_detections():
    network = ssd.SSD(dataclasses.replace(TINY, score_threshold=0.99)).eval()
    with torch.no_grad():
        boxes, scores, labels, image = network.detect(torch.rand(2, 3, TINY.height, TINY.width))
    assert (boxes.shape, scores.shape, labels.shape, image.shape) == ((0, 4), (0,), (0,), (0,))
