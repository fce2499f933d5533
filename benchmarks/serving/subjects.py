"""What is served: convnet-mnist as published, and networks that `benchmarks.serving.models` makes.

That is another process, because the benchmark must not load ONNX Runtime: pages that it shared with a server would be
counted for half.
"""

from __future__ import annotations

import shutil
import subprocess
import sys
from dataclasses import dataclass
from pathlib import Path

import numpy as np

from zoo.hub import Hub
from zoo.run import load_arrays

SMALL, MIDDLE, LARGE = "convnet-mnist", "convnet-100-mflop", "perceptron-100-mb"
FLOP = {SMALL: "1 MFLOP", MIDDLE: "100 MFLOP"}
SAMPLES = "samples.npz"


@dataclass(frozen=True)
class Subject:
    """A model to be served, and one row with its answer."""

    name: str
    hub: Path
    onnx: Path
    input: str
    x: np.ndarray
    y: np.ndarray


def subjects(root: Path, names: tuple[str, ...] = (SMALL, MIDDLE)) -> list[Subject]:
    """The models, in a hub at `root`, which is made anew."""
    shutil.rmtree(root, ignore_errors=True)
    subprocess.run([sys.executable, "-m", "benchmarks.serving.models", str(root)], check=True)
    samples = load_arrays(root / SAMPLES)
    found = []
    for name in names:
        artifact = Hub(root).artifact(name)
        graph = artifact.manifest.graphs[0]
        x, y = samples[f"{name}/x"], samples[f"{name}/y"]
        found.append(Subject(name, root, artifact.graph_path(graph).resolve(), graph.inputs[0].name, x, y))
    return found
