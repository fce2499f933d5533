"""Non-maximum suppression: the examples of the operator's specification, and ONNX Runtime on random boxes.

https://onnx.ai/onnx/operators/onnx__NonMaxSuppression.html#examples
"""

import numpy as np
import onnxruntime
import pytest
import torch
from onnx import TensorProto, helper

from zoo.layers.non_max_suppression import non_max_suppression, overlap

BOXES = [[0, 0, 1, 1], [0, 0.1, 1, 1.1], [0, -0.1, 1, 0.9], [0, 10, 1, 11], [0, 10.1, 1, 11.1], [0, 100, 1, 101]]
FLIPPED = [[1, 1, 0, 0], [0, 0.1, 1, 1.1], [0, 0.9, 1, -0.1], [0, 10, 1, 11], [1, 10.1, 0, 11.1], [1, 101, 0, 100]]
SCORES = [0.9, 0.75, 0.6, 0.95, 0.5, 0.3]


def kept(boxes, scores, max_boxes=3, iou=0.5, score=0.0, dtype=torch.float32):
    chosen = non_max_suppression(
        torch.tensor(boxes, dtype=dtype), torch.tensor(scores, dtype=dtype),
        max_boxes=max_boxes, iou_threshold=iou, score_threshold=score,
    )  # fmt: skip
    return chosen.tolist()


@pytest.mark.parametrize("dtype", [torch.float32, torch.float64])
def test_the_examples_of_the_specification(dtype):
    assert kept([BOXES], [[SCORES]], dtype=dtype) == [[0, 0, 3], [0, 0, 0], [0, 0, 5]]
    assert kept([FLIPPED], [[SCORES]], dtype=dtype) == [[0, 0, 3], [0, 0, 0], [0, 0, 5]]
    assert kept([BOXES], [[SCORES]], score=0.4, dtype=dtype) == [[0, 0, 3], [0, 0, 0]]
    assert kept([BOXES], [[SCORES]], max_boxes=2, dtype=dtype) == [[0, 0, 3], [0, 0, 0]]
    assert kept([[[0, 0, 1, 1]]], [[[0.9]]], dtype=dtype) == [[0, 0, 0]]
    assert kept([[[0, 0, 1, 1]] * 10], [[[0.9] * 10]], dtype=dtype) == [[0, 0, 0]]
    two_classes = kept([BOXES], [[SCORES, SCORES]], max_boxes=2, dtype=dtype)
    assert two_classes == [[0, 0, 3], [0, 0, 0], [0, 1, 3], [0, 1, 0]]
    two_batches = kept([BOXES, BOXES], [[SCORES], [SCORES]], max_boxes=2, dtype=dtype)
    assert two_batches == [[0, 0, 3], [0, 0, 0], [1, 0, 3], [1, 0, 0]]


def test_nothing_may_be_kept():
    assert kept([BOXES], [[SCORES]], score=0.95) == []
    assert kept([BOXES], [[SCORES]], max_boxes=0) == []


def test_overlap_by_hand():
    """Squares of 4 that share 2: 2 / (4 + 4 − 2)."""
    first, second = torch.tensor([0.0, 0, 2, 2]), torch.tensor([[1.0, 0, 3, 2], [2, 0, 4, 2], [1, 1, 1, 1], [0, 0, 2, 2]])
    np.testing.assert_allclose(overlap(first, second), [1 / 3, 0, 0, 1], rtol=1e-6)


@pytest.mark.parametrize("equal_scores", [False, True])
def test_onnx_runtime_keeps_the_same(equal_scores):
    shapes = {"boxes": ["B", "N", 4], "scores": ["B", "C", "N"]}
    limits = [
        helper.make_tensor("max", TensorProto.INT64, [1], [6]),
        helper.make_tensor("iou", TensorProto.FLOAT, [1], [0.45]),
        helper.make_tensor("score", TensorProto.FLOAT, [1], [0.1]),
    ]
    node = helper.make_node("NonMaxSuppression", ["boxes", "scores", "max", "iou", "score"], ["kept"])
    graph = helper.make_graph(
        [node], "nms", [helper.make_tensor_value_info(name, TensorProto.FLOAT, shape) for name, shape in shapes.items()],
        [helper.make_tensor_value_info("kept", TensorProto.INT64, ["D", 3])], limits,
    )  # fmt: skip
    model = helper.make_model(graph, opset_imports=[helper.make_opsetid("", 20)], ir_version=10)
    session = onnxruntime.InferenceSession(model.SerializeToString(), providers=["CPUExecutionProvider"])
    rng = np.random.default_rng(0)
    for _ in range(10):
        corner = rng.random((3, 40, 2))
        boxes = np.concatenate([corner, corner + 0.4 * rng.random((3, 40, 2))], axis=-1).astype(np.float32)
        scores = rng.random((3, 2, 40)).astype(np.float32)
        scores = np.round(scores * 4) / 4 if equal_scores else scores
        [expected] = session.run(None, {"boxes": boxes, "scores": scores.astype(np.float32)})
        assert kept(boxes, scores, max_boxes=6, iou=0.45, score=0.1) == expected.tolist()
