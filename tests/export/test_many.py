"""`zoo validate` of one and of several: whole reports, a line each, the worst status, nothing half written."""

import json
import os
import re
import shutil
import signal
import subprocess
import sys
import time
from xml.etree import ElementTree

import psutil
import pytest

from export.progress import PHASES, read_phase


@pytest.fixture
def zoo(command, hub_folder):
    return lambda *arguments, **options: command("zoo", "validate", *arguments, **{"ZOO_HUB": hub_folder, **options})


@pytest.fixture
def damaged(candidate):
    """A candidate whose graph is not the one that was certified."""
    folder = candidate("softmax-digits")
    path = folder / "predict.onnx"
    path.write_bytes(path.read_bytes()[:-1] + b"!")
    return folder.rename(folder.with_name("damaged"))


def test_all_models_at_once(zoo, hub_folder, tmp_path):
    done = zoo("--all", "--jobs", 2, "--html", tmp_path / "html", "--json", tmp_path / "json", "--junit", tmp_path / "junit")
    models = sorted(path.name for path in hub_folder.iterdir() if path.is_dir())
    assert done.returncode == 0, done.stderr
    assert done.stderr == ""  # no bar where there is no terminal
    lines = done.stdout.strip().splitlines()[-len(models) :]
    assert [re.sub(r" in [0-9.]+ s$", "", line).split() for line in lines] == [[model, "PASSED"] for model in models]
    assert len(re.findall(r"^PASSED in .* validate ", done.stdout, re.M)) == len(models)
    for model in models:
        assert json.loads((tmp_path / "json" / f"{model}.json").read_text())["passed"] is True
        assert model in (tmp_path / "html" / f"{model}.html").read_text()
        ElementTree.parse(tmp_path / "junit" / f"{model}.xml")


def test_the_worst_status_is_the_end(zoo, damaged, tmp_path):
    done = zoo("softmax-digits", damaged)
    assert done.returncode == 1
    assert [line.split()[:2] for line in done.stdout.splitlines()[-2:]] == [
        ["softmax-digits", "PASSED"],
        ["damaged", "FAILED"],
    ]
    (tmp_path / "empty").mkdir()
    done = zoo("softmax-digits", damaged, tmp_path / "empty", "--jobs", 3, "--html", tmp_path / "html")
    assert done.returncode == 2
    assert "There is no file" in done.stdout.splitlines()[-1]
    assert f"error: There is no file {tmp_path / 'empty' / 'manifest.json'}" in done.stderr
    assert sorted(path.name for path in (tmp_path / "html").iterdir()) == ["damaged.html", "softmax-digits.html"]


@pytest.mark.parametrize(
    ("arguments", "words"),
    [
        (("softmax-digits", "softmax-digits"), "Two of the artifacts are named 'softmax-digits'"),
        (("softmax-digits", "vae-mnist", "--certify"), "--run, --certify and --onnx go with one"),
        (("softmax-digits", "nothing"), "No model is named 'nothing'"),
        (("softmax-digits", "--all"), "Name artifacts, or --all, not both"),
    ],
)
def test_what_cannot_be_done_for_several_is_a_sentence(zoo, arguments, words):
    done = zoo(*arguments)
    assert done.returncode == 2
    assert done.stdout == ""
    assert words in done.stderr
    assert "Traceback" not in done.stderr


def test_phases_are_told_to_a_process_that_asks(command, hub_folder):
    done = command("export", "validate", hub_folder / "vae-mnist", **{PHASES: "1"})
    phases = [phase for line in done.stderr.splitlines() if (phase := read_phase(line))]
    assert phases == [
        (f"graph {name}: parity and invariances", number, 2) for number, name in enumerate(("encode", "decode"))
    ]
    assert read_phase("error: a sentence") is None


def test_nothing_is_drawn_where_there_is_no_terminal(zoo):
    assert zoo("softmax-digits").stderr == ""


@pytest.mark.parametrize("several", [False, True])
def test_an_interrupt_leaves_no_half_written_report(several, root, hub_folder, tmp_path):
    """Interrupted while graphs are proven, ten times over: nothing but whole files may be left, and no process."""
    subjects = [tmp_path / "hub" / name for name in (("one", "two") if several else ("one",))]
    for subject in subjects:
        shutil.copytree(hub_folder / "vae-mnist", subject)
    line = [sys.executable, "-m", "export", "validate", *map(str, subjects), "--depth", "thorough", "--jobs", "2"]
    out = tmp_path / "out"
    line += ["--html", str(out / "report"), "--json", str(out / "report.json")]
    process = subprocess.Popen(
        line, cwd=root, env={**os.environ, **({} if several else {PHASES: "1"})}, text=True,
        stdout=subprocess.PIPE, stderr=subprocess.PIPE,
        preexec_fn=lambda: signal.signal(signal.SIGINT, signal.SIG_DFL),  # a shell's background jobs ignore it
    )  # fmt: skip
    try:
        if several:
            time.sleep(3)
        else:
            assert read_phase(process.stderr.readline())
        started = time.monotonic()
        process.send_signal(signal.SIGINT)
        printed, errors = process.communicate(timeout=60)
    finally:
        process.kill()
    assert process.returncode == 130, errors
    assert time.monotonic() - started < 15
    assert "Traceback" not in errors
    assert "PASSED" not in printed
    assert [path for path in tmp_path.rglob("*") if path.is_file() and path.is_relative_to(out)] == []
    assert not [found for found in psutil.process_iter(["cmdline"]) if str(subjects[0]) in (found.info["cmdline"] or [])]
