"""Parity of every published model on a provider, each by the command that a user would give, in a process of its own."""

from __future__ import annotations

import json
import os
import subprocess
import sys
import tempfile
from collections.abc import Sequence
from pathlib import Path
from typing import Any

from zoo.errors import ArtifactError, RuntimeUnavailableError
from zoo.hub import Artifact
from zoo.providers import TF32_OVERRIDE
from zoo.session import Session


def environment(**more: str) -> dict[str, str]:
    """This process's, for a child that chooses a provider of its own: a trial of TensorRT turns TensorFloat-32 off."""
    return {name: value for name, value in {**os.environ, **more}.items() if name != TF32_OVERRIDE}


def provider_starts(artifact: Artifact, provider: str) -> bool:
    graph = artifact.manifest.graphs[0]
    try:
        Session(artifact.folder / graph.file, graph, provider=provider)
    except (RuntimeUnavailableError, ArtifactError):
        return False
    finally:
        os.environ.pop(TF32_OVERRIDE, None)
    return True


def prove_all(artifacts: Sequence[Artifact], providers: Sequence[str], runs: Path, depth: str) -> list[dict[str, Any]]:
    """A row a model and provider. A pass also leaves the local proof without which the service refuses the provider."""
    return [
        _prove(artifact, provider, runs / artifact.folder.name, depth) for provider in providers for artifact in artifacts
    ]


def _prove(artifact: Artifact, provider: str, run: Path, depth: str) -> dict[str, Any]:
    with tempfile.TemporaryDirectory() as folder:
        path = Path(folder) / "report.json"
        line = [sys.executable, "-m", "export", "validate", artifact.folder, "--provider", provider, "--depth", depth]
        line += ["--json", path, *(["--run", run] if depth != "quick" and (run / "run.json").is_file() else [])]
        done = subprocess.run([*map(str, line)], capture_output=True, text=True, env=environment(), check=False)
        row = {"model": artifact.manifest.model, "provider": provider, "passed": done.returncode == 0}
        if not path.is_file():
            said = done.stderr.strip().splitlines() or [f"it ended with {done.returncode} and said nothing"]
            return {**row, "failures": said[-1:], "share": None, "twins": [], "findings": []}
        report = json.loads(path.read_text(encoding="utf-8"))
    records = [record for graph in report["graphs"].values() for record in graph]
    shares = [record["error"] / record["bound"] for record in records if record["bound"] and record["error"] is not None]
    return {
        **row,
        "failures": report["failures"],
        "share": max(shares, default=0.0),
        "twins": [{name: twin[name] for name in ("variant", "accepted", "why")} for twin in report["twins"]],
        "findings": [
            sentence for sentence in report["findings"] if "did not run on" in sentence or "CUDA graphs" in sentence
        ],
        "seconds": report["seconds"],
    }
