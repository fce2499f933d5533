"""The page of all measured calls."""

from benchmarks.inference import study

ABOUT = {"machine": "a machine", "date": "2026-01-02", "load": 0.25, "rounds": 3, "versions": {"torch": "2"}}


def test_the_page_has_every_model_and_the_run_that_measured_it():
    blocks = {
        "first": {**ABOUT, "ms": {"predict": {"1": {"onnx": 0.5, "original": 2.0}, "8": {"onnx": 1.0, "original": 3.0}}}},
        "other": {**ABOUT, "load": 1.0, "ms": {"predict": {"1": {"onnx": 2.0, "onnx.int8": 1.25, "original": 2.0}}}},
        "trees": {**ABOUT, "ms": {"predict": {"1": {"onnx": 1.0, "original": 50.0}}}},
    }
    page = study(blocks, {"first": "torch", "other": "torch", "trees": "estimator"})
    assert "| first | predict | 8 | 1 |  |  | 3 |  | 3.0 |" in page
    assert "| other | predict | 1 | 2 |  | 1.25 | 2 |  | 1.0 |" in page
    assert "| trees | predict | 1 | 1 |  |  | 50 |  | 50.0 |" in page
    assert "takes 2.0 at batch 1, 3.0 at batch 8 times as long" in page  # the root of 4 times 1, estimators left out
    assert "- a machine, load 0.2 before, 2026-01-02, 3 rounds; torch 2: first, trees\n" in page
    assert "- a machine, load 1.0 before, 2026-01-02, 3 rounds; torch 2: other\n" in page
