"""Twins by choice, and how each is judged where it is validated."""

import re

import pytest

from export.candidate import build_candidate
from export.certify import certify
from export.validate import validate
from zoo.errors import UnknownNameError, UsageError
from zoo.hub import Artifact
from zoo.manifest import Manifest, verify

ALL = ("fp16", "int8", "int8-dynamic", "optimized")


def files(folder):
    return sorted(path.name for path in folder.glob("*.onnx"))


@pytest.fixture(scope="module")
def full(run_of, tmp_path_factory):
    """A candidate with every variant, and its full report."""
    folder = tmp_path_factory.mktemp("variants") / "all"
    build_candidate(run_of("softmax-digits"), folder, version=1, variants=ALL)
    return folder, validate(folder, run=run_of("softmax-digits"), depth="full")


def test_every_variant_that_was_asked_for_is_judged(full):
    folder, report = full
    assert files(folder) == sorted(["predict.onnx", *(f"predict.{variant}.onnx" for variant in ALL)])
    assert sorted(twin.variant for twin in report.twins) == sorted(ALL)
    judged = {twin.variant: twin for twin in report.twins}
    assert judged["optimized"].comparison is None
    assert judged["optimized"].accepted
    assert judged["optimized"].why == "within the same bounds as the graph itself"
    for variant in ("fp16", "int8", "int8-dynamic"):
        assert re.match(r"loses at most \S+ accuracy \(95 %\), \S+ allowed", judged[variant].why)
        assert judged[variant].comparison.rows == report.metric.rows


def test_only_accepted_variants_are_certified(full):
    folder, report = full
    certificate = certify(report, folder)
    accepted = sorted(twin.variant for twin in report.twins if twin.accepted)
    assert certificate.variants == accepted
    assert files(folder) == sorted(["predict.onnx", *(f"predict.{variant}.onnx" for variant in accepted)])
    verify(folder, certificate)
    graph = Manifest.read(folder).graphs[0]
    assert Artifact(folder).graph_path(graph, "optimized").is_file()


@pytest.mark.parametrize(
    ("variants", "expected"),
    [(None, ["predict.fp16.onnx", "predict.int8.onnx", "predict.onnx"]), ((), ["predict.onnx"])],
)
def test_the_published_ones_are_the_default(run_of, tmp_path, variants, expected):
    build_candidate(run_of("softmax-digits"), tmp_path / "candidate", version=1, variants=variants)
    assert files(tmp_path / "candidate") == expected


def test_a_forest_may_be_optimised_but_not_reduced(run_of, tmp_path):
    run, folder = run_of("random-forest-digits"), tmp_path / "candidate"
    build_candidate(run, folder, version=1)
    assert files(folder) == ["predict.onnx"]
    with pytest.raises(UsageError, match="An estimator has no variant of reduced precision \\(fp16\\)"):
        build_candidate(run, tmp_path / "other", version=1, variants=("optimized", "fp16"))
    assert not (tmp_path / "other").exists()
    build_candidate(run, folder, version=1, variants=("optimized",))
    (twin,) = validate(folder, run=run, depth="full").twins
    assert (twin.variant, twin.accepted) == ("optimized", True), twin.why


def test_an_unknown_variant_stops_before_anything_is_exported(run_of, tmp_path):
    with pytest.raises(UnknownNameError, match="No variant is named 'fp61'; did you mean fp16"):
        build_candidate(run_of("softmax-digits"), tmp_path / "candidate", version=1, variants=("fp61",))
    assert list(tmp_path.iterdir()) == []


def test_the_command_takes_variants(command, run_of, hub_folder, tmp_path):
    run = run_of("softmax-digits")
    line = ("zoo", "export", run, "--out", tmp_path / "candidate")
    done = command(*line, "--variants", "optimized, int8-dynamic,optimized", ZOO_HUB=hub_folder)
    assert done.returncode == 0, done.stderr
    assert files(tmp_path / "candidate") == ["predict.int8-dynamic.onnx", "predict.onnx", "predict.optimized.onnx"]
    assert Manifest.read(tmp_path / "candidate").version == 2
    assert command(*line, "--variants", "", ZOO_HUB=hub_folder).returncode == 0
    assert files(tmp_path / "candidate") == ["predict.onnx"]
    wrong = command(*line, "--variants", "int9", ZOO_HUB=hub_folder)
    assert wrong.returncode == 2
    assert "error: No variant is named 'int9'; did you mean int8" in wrong.stderr
