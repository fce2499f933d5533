"""`tests/gpu/run.sh` without a GPU: that it says so, and that its parts work together, tried on the CPU."""

import importlib.util
import json
import os
import subprocess
import sys

import pytest

from zoo.hub import Hub


@pytest.fixture
def script(root, hub_folder, tmp_path):
    def run(*arguments):
        environment = {
            **os.environ, "PYTHON": sys.executable, "PYTHONPATH": str(root), "ZOO_HUB": str(hub_folder),
            "ZOO_CACHE": str(tmp_path / "cache"), "CUDA_VISIBLE_DEVICES": "",
        }  # fmt: skip
        line = [root / "tests/gpu/run.sh", *map(str, arguments)]
        return subprocess.run(line, env=environment, capture_output=True, text=True, timeout=300, check=False)

    return run


def test_without_a_gpu_it_ends_with_2_and_a_sentence(script, tmp_path):
    done = script("--out", tmp_path / "out")
    assert done.returncode == 2
    assert done.stderr.splitlines()[-1].startswith(
        "error: The provider cuda does not start here; run this on a machine with"
    )
    assert "Traceback" not in done.stderr
    assert not (tmp_path / "out").exists()


def test_every_part_runs_on_the_cpu(script, tmp_path):
    runners = ["onnxruntime", "onnxruntime-cpu", "heuristic", "default", "bound", "recorded", "eager", "nothing"]
    done = script(
        "--provider", "cpu", "--models", "softmax-digits", "--depth", "quick", "--batches", "1,3", "--seconds", "0.01",
        "--rounds", "1", "--runners", ",".join(runners), "--out", tmp_path,
    )  # fmt: skip
    assert done.returncode == 0, done.stderr
    found = json.loads((tmp_path / "gpu.json").read_text())
    (parity,) = found["parity"]
    assert (parity["model"], parity["provider"], parity["passed"]) == ("softmax-digits", "cpu", True)
    assert 0 < parity["share"] <= 1
    (served,) = found["service"]
    assert (served["graph"], served["passed"]) == ("softmax-digits.predict", True)
    assert 0 < served["share"] <= 1
    assert [(row["batch"], row["runner"]) for row in found["throughput"]] == [(b, r) for b in (1, 3) for r in runners]
    assert all((row["rows_per_s"] or 0) > 0 for row in found["throughput"] if row["runner"] != "nothing")
    assert {row["why"] for row in found["throughput"] if row["runner"] == "nothing"} == {
        "ValueError: There is no runner 'nothing'."
    }
    page = (tmp_path / "gpu.md").read_text()
    assert "| softmax-digits | cpu | proven |" in page
    assert "Not measured: there is none on a CPU." in page


def test_the_fastest_search_is_named(root):
    spec = importlib.util.spec_from_file_location("page", root / "tests/gpu/page.py")
    page = importlib.util.module_from_spec(spec)
    spec.loader.exec_module(page)
    rates = {"onnxruntime": (100, 400), "heuristic": (200, 800), "default": (50, 400)}
    rows = [
        {"graph": "g", "batch": batch, "runner": runner, "rows_per_s": rate}
        for runner, pair in rates.items()
        for batch, rate in zip((1, 8), pair, strict=True)
    ]
    rows.append({"graph": "h", "batch": 1, "runner": "default", "rows_per_s": 9e9})  # the others do not take it
    told = page.best_search({"providers": ["cuda"], "throughput": rows})
    assert told.startswith("Beside EXHAUSTIVE, in the geometric mean: EXHAUSTIVE 1.00, HEURISTIC 2.00, DEFAULT 0.71.")
    assert "Fastest: HEURISTIC" in told


def test_a_child_that_says_nothing_is_a_row_and_starts_without_our_tf32(root, hub_folder, monkeypatch, tmp_path):
    spec = importlib.util.spec_from_file_location("proof", root / "tests/gpu/proof.py")
    proof = importlib.util.module_from_spec(spec)
    spec.loader.exec_module(proof)
    monkeypatch.setenv("NVIDIA_TF32_OVERRIDE", "0")

    def run(line, env, **options):
        assert "NVIDIA_TF32_OVERRIDE" not in env
        return subprocess.CompletedProcess(line, 137, "", "")

    monkeypatch.setattr(proof.subprocess, "run", run)
    (row,) = proof.prove_all([Hub(hub_folder).artifact("softmax-digits")], ["cpu"], tmp_path, "quick")
    assert (row["passed"], row["failures"]) == (False, ["it ended with 137 and said nothing"])
