"""What is checked on CUDA, played by the CPU under its name: CUDA graphs, TensorFloat-32, and local proofs."""

import os
import re
import shutil

import numpy as np
import onnxruntime
import pytest

from export.report import failures, findings
from export.validate import validate
from zoo.errors import ArtifactError, RuntimeUnavailableError
from zoo.hub import Artifact
from zoo.manifest import CARD, CERTIFICATE, read_json, write_json
from zoo.proofs import covers, proof_path
from zoo.providers import PROVIDERS, TF32_OVERRIDE
from zoo.session import open_session


@pytest.fixture(autouse=True)
def played(monkeypatch, tmp_path):
    monkeypatch.setenv("ZOO_CACHE", str(tmp_path / "cache"))
    monkeypatch.setitem(PROVIDERS, "cuda", ["CPUExecutionProvider"])


@pytest.fixture
def opened(monkeypatch):
    """The options of every session that is opened, by file name."""
    found, open_one = [], onnxruntime.InferenceSession

    def follow(path, *arguments, **options):
        found.append((str(path).rpartition("/")[2] if isinstance(path, str) else "", options["providers"][0]))
        return open_one(path, *arguments, **options)

    monkeypatch.setattr("zoo.session.onnxruntime.InferenceSession", follow)
    return found


def test_a_replay_that_answers_anew_passes(candidate, opened):
    report = validate(candidate("softmax-digits"), provider="cuda")
    assert report.passed, failures(report)
    assert ("predict.onnx", ("CPUExecutionProvider", {"enable_cuda_graph": "1"})) in opened
    assert not any("CUDA graphs" in sentence for sentence in findings(report))


def test_a_replay_that_repeats_the_first_answer_is_caught(candidate, monkeypatch):
    run, seen = onnxruntime.InferenceSession.run_with_iobinding, set()

    def first_only(session, binding, options=None):
        if session not in seen:
            seen.add(session)
            run(session, binding, options)

    monkeypatch.setattr(onnxruntime.InferenceSession, "run_with_iobinding", first_only)
    report = validate(candidate("softmax-digits"), provider="cuda")
    assert not report.passed
    (sentence,) = failures(report)  # the second input only: the third is the first again
    assert re.fullmatch(r"graph predict: CUDA graphs: replay 1 of output 'logits' is off by \S+", sentence)


def test_a_graph_that_cannot_be_recorded_is_remarked(candidate, monkeypatch):
    open_one = onnxruntime.InferenceSession

    def refuse(*arguments, **options):
        if "enable_cuda_graph" in str(options["providers"]):
            raise RuntimeError("not all nodes are on the GPU")
        return open_one(*arguments, **options)

    monkeypatch.setattr("zoo.session.onnxruntime.InferenceSession", refuse)
    report = validate(candidate("lstm-japanese-vowels"), provider="cuda")
    assert report.passed, failures(report)
    assert any("CUDA graphs do not take it: " in sentence and "not all nodes" in sentence for sentence in findings(report))


@pytest.mark.parametrize("recorded", [0, 1])
def test_a_replay_that_does_not_run_is_a_failure_but_not_a_recording(candidate, monkeypatch, recorded):
    run, calls = onnxruntime.InferenceSession.run_with_iobinding, []

    def fail(session, binding, options=None):
        calls.append(session)
        if len(calls) > recorded:
            raise RuntimeError("illegal address")
        run(session, binding, options)

    monkeypatch.setattr(onnxruntime.InferenceSession, "run_with_iobinding", fail)
    report = validate(candidate("softmax-digits"), provider="cuda")
    failed = ["graph predict: CUDA graphs: the replay does not run (illegal address)"]
    assert failures(report) == (failed if recorded else [])
    assert recorded or any("CUDA graphs do not take it: illegal address" in sentence for sentence in findings(report))


def test_tf32_is_a_twin_of_its_own_on_cuda_only(candidate, run_of, opened):
    run, folder = run_of("softmax-digits"), candidate("softmax-digits")
    on_cpu = validate(folder, run=run, depth="full")
    assert "tf32" not in [twin.variant for twin in on_cpu.twins]
    assert not any("use_tf32" in str(options) for _, options in opened)
    report = validate(folder, run=run, depth="full", provider="cuda")
    (twin,) = [twin for twin in report.twins if twin.variant == "tf32"]
    assert (twin.accepted, twin.comparison.difference) == (True, 0.0)
    assert ("predict.onnx", ("CPUExecutionProvider", {"use_tf32": "1"})) in opened


def elsewhere(folder):
    """The artifact, its certificate made on another provider."""
    certificate = read_json(folder / CERTIFICATE)
    certificate["options"]["provider"] = "OtherExecutionProvider"
    write_json(folder / CERTIFICATE, certificate)
    return Artifact(folder)


def prove(folder, *options):
    from typer.testing import CliRunner

    from export.__main__ import app

    return CliRunner().invoke(app, ["validate", str(folder), "--provider", "cuda", *options])


def test_a_pass_on_another_provider_is_noted(candidate, run_of):
    artifact = elsewhere(candidate("softmax-digits"))
    assert not covers(artifact, "cuda")
    done = prove(artifact.folder)
    assert done.exit_code == 0, done.output
    assert f"may be served on cuda here: {proof_path(artifact, 'cuda')}" in done.output
    assert covers(artifact, "cuda")
    assert not covers(artifact, "cuda", "fp16")
    assert prove(artifact.folder, "--run", str(run_of("softmax-digits")), "--depth", "full").exit_code == 0


def test_a_fuller_proof_replaces_a_quick_one(candidate, run_of):
    artifact = elsewhere(candidate("softmax-digits"))
    assert prove(artifact.folder).exit_code == 0
    done = prove(artifact.folder, "--run", str(run_of("softmax-digits")), "--depth", "full")
    assert done.exit_code == 0, done.output
    assert covers(artifact, "cuda", "tf32")
    assert prove(artifact.folder).exit_code == 0  # a quick one takes nothing away
    assert covers(artifact, "cuda", "tf32")


def test_tf32_is_not_judged_where_it_is_off(candidate, run_of, monkeypatch):
    monkeypatch.setenv(TF32_OVERRIDE, "0")
    report = validate(candidate("softmax-digits"), run=run_of("softmax-digits"), depth="full", provider="cuda")
    (twin,) = [twin for twin in report.twins if twin.variant == "tf32"]
    assert (twin.accepted, twin.why) == (
        False, "NVIDIA_TF32_OVERRIDE=0 keeps TensorFloat-32 off in this process; unset it",
    )  # fmt: skip


def test_a_trial_of_tensorrt_that_fails_leaves_the_environment(candidate, monkeypatch):
    monkeypatch.delenv(TF32_OVERRIDE, raising=False)
    folder = candidate("softmax-digits")
    with pytest.raises((RuntimeUnavailableError, ArtifactError)):
        open_session(folder / "predict.onnx", "tensorrt", 0, {})
    assert TF32_OVERRIDE not in os.environ


def test_a_failure_is_not_noted(candidate, monkeypatch):
    artifact = elsewhere(candidate("softmax-digits"))
    assert prove(artifact.folder).exit_code == 0
    run = onnxruntime.InferenceSession.run
    monkeypatch.setattr(
        onnxruntime.InferenceSession, "run", lambda *all: [np.nextafter(array * 1.001, 9) for array in run(*all)]
    )
    assert prove(artifact.folder).exit_code == 1
    assert not covers(artifact, "cuda")


def test_a_provider_that_the_certificate_names_needs_no_note(candidate):
    artifact = Artifact(candidate("softmax-digits"))
    assert "may be served" not in prove(artifact.folder).output
    assert not proof_path(artifact, "cuda").exists()


def test_what_is_published_is_not_certified_again(candidate, run_of):
    folder = candidate("softmax-digits")
    (folder / CERTIFICATE).unlink()
    shutil.copy(folder / "predict.onnx", folder / "predict.fp16.onnx")
    before = sorted(path.name for path in folder.iterdir())
    assert "--certify needs --run" in str(prove(folder, "--certify").exception)
    (folder / CARD).write_text("card")
    done = prove(folder, "--certify", "--run", str(run_of("softmax-digits")))
    assert "is published and does not change; certify a candidate." in str(done.exception)
    (folder / CARD).unlink()
    assert sorted(path.name for path in folder.iterdir()) == before
