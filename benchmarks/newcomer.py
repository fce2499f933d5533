"""What a newcomer waits for: `python benchmarks/newcomer.py` prints a table of medians of five, each in a fresh process.

Export and validation need the extra [train]; the run folder they need is made from the published checkpoint and its
golden samples.
"""

from __future__ import annotations

import dataclasses
import os
import platform
import shutil
import statistics
import subprocess
import sys
import tempfile
import time
from collections.abc import Callable
from pathlib import Path

from PIL import Image

from zoo.demo import serving
from zoo.hub import GOLDEN, ORIGINAL, Artifact, Hub
from zoo.run import CALIBRATION, CHECKPOINT, EVALUATION, Run, load_arrays, raw_items

ROUNDS = 5
MODEL = "convnet-mnist"


def main() -> None:
    artifact = Hub().artifact(MODEL)
    with tempfile.TemporaryDirectory() as folder:
        digit = Path(folder) / "digit.png"
        Image.fromarray(raw_items(load_arrays(artifact.folder / GOLDEN))[0]).save(digit)
        run = run_folder(artifact, Path(folder) / "run")
        rows = [
            ("`zoo list`", 0.6, lambda: command("list")),
            (f"`zoo predict {MODEL} digit.png`, cold", 1.5, lambda: command("predict", MODEL, str(digit))),
            (f"export and validation (quick) of {MODEL}", 20.0, lambda: export(run, Path(folder) / "candidate")),
            ("service ready after its start", 3.0, ready),
        ]
        print(f"| on {os.cpu_count()} cores, {platform.machine()} | target | median of {ROUNDS} |\n|---|---|---|")
        for name, target, measure in rows:
            print(f"| {name} | {target:g} s | {median(measure):.2f} s |")


def median(measure: Callable[[], float | None]) -> float:
    """Median seconds; of the whole call unless it returns a time of its own."""
    seconds = []
    for _ in range(ROUNDS):
        started = time.perf_counter()
        own = measure()
        seconds.append(own if own is not None else time.perf_counter() - started)
    return statistics.median(seconds)


def command(*arguments: str) -> None:
    subprocess.run([sys.executable, "-m", "zoo", *arguments], check=True, stdout=subprocess.DEVNULL)


def export(run: Path, candidate: Path) -> None:
    for arguments in (["build", run, candidate], ["validate", candidate, "--run", run]):
        subprocess.run([sys.executable, "-m", "export", *map(str, arguments)], check=True, stdout=subprocess.DEVNULL)


def ready() -> float:
    """Seconds from the start of the service's process to its first ready answer."""
    started = time.perf_counter()
    with serving((MODEL,)):
        return time.perf_counter() - started


def run_folder(artifact: Artifact, folder: Path) -> Path:
    """A run folder out of what a published artifact carries."""
    shutil.copytree(artifact.folder / ORIGINAL, folder / CHECKPOINT)
    for file in (EVALUATION, CALIBRATION):
        shutil.copy2(artifact.folder / GOLDEN, folder / file)
    manifest = artifact.manifest
    shared = {field.name for field in dataclasses.fields(Run)} & set(manifest.training)
    Run(
        model=manifest.model,
        summary=manifest.summary,
        codec=manifest.codec,
        data=manifest.data,
        metrics=manifest.metrics,
        reference=manifest.reference,
        **{name: manifest.training[name] for name in shared},
    ).write(folder)
    return folder


if __name__ == "__main__":
    main()
