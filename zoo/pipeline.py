"""The whole chain, stage by stage as commands that hand over folders: train, export, validate, certify, publish.

This and `zoo.__main__` are the composition root: they know the stages by name and import none of them.
"""

from __future__ import annotations

import importlib.util
import os
import subprocess
import sys
from collections.abc import Sequence
from pathlib import Path

from zoo.errors import ParityError, RuntimeUnavailableError, UsageError, ZooError
from zoo.hub import Artifact, Hub
from zoo.publish import next_version, publish

CANDIDATES = Path("build")
RUNS = Path("runs")


class StageError(ZooError):
    """A stage ended with a status other than 0; it has said why itself, unless a signal ended it."""

    def __init__(self, stage: str, status: int) -> None:
        super().__init__(f"Signal {-status} ended the stage {stage!r}; run the command again." if status < 0 else "")
        self.status = status if status > 0 else 128 - status


def stage(name: str, arguments: Sequence[str | Path]) -> None:
    """Run `python -m <name> …`. Raises StageError, and RuntimeUnavailableError where torch is not installed."""
    if not name.startswith("serving") and importlib.util.find_spec("torch") is None:
        raise RuntimeUnavailableError(f"The stage {name!r} needs torch; install the extra [train].")
    status = subprocess.run([sys.executable, "-m", name, *map(str, arguments)], check=False).returncode
    if status:
        raise StageError(name, status)


def become(name: str, arguments: Sequence[str]) -> None:
    """Let `python -m <name> …` take the place of this process, so that signals reach it. Does not return."""
    sys.stdout.flush()
    os.execv(sys.executable, [sys.executable, "-m", name, *arguments])


def train(model: str, arguments: Sequence[str]) -> Path:
    """Train a model into `runs/<model>`, or the folder that `--out` names."""
    stage("training", ["train", model, *arguments])
    for number, argument in enumerate(arguments):
        name, equals, value = argument.partition("=")
        if name == "--out":
            return Path(value if equals else arguments[number + 1])
    return RUNS / model


def export(run: Path, hub: Hub, out: Path | None = None, variants: str | None = None) -> Path:
    """Export a run into `build/<model>`, at the version after the published one.

    `variants` are the twins, separated by commas; None are those that are published by default.
    """
    from zoo.run import Run

    model = Run.read(run).model
    candidate = out or CANDIDATES / model
    chosen = [] if variants is None else ["--variants", variants]
    stage("export", ["build", run, candidate, "--version", str(next_version(hub, model)), *chosen])
    return candidate


def validate(artifact: Path, arguments: Sequence[str | Path] = ()) -> None:
    """Prove an artifact in a process of its own. Raises StageError with status 1 where it fails."""
    stage("export", ["validate", artifact, *arguments])


def build(model: str, *, run: Path | None, arguments: Sequence[str], hub: Hub) -> Artifact:
    """Train (unless `run` is given), export, validate, certify and publish a model."""
    finished = run or train(model, arguments)
    candidate = export(finished, hub)
    found = Artifact(candidate).manifest.model
    if found != model:
        raise UsageError(f"{finished} is a run of {found}, not of {model}; name that model.")
    validate(candidate, ["--run", finished, "--certify"])
    if not Artifact(candidate).certificate.passed:
        raise ParityError(f"{model} has no passing certificate.")
    return publish(candidate, hub)
