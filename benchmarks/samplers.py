"""Fréchet distances of published generators by how they are sampled: `python -m benchmarks.samplers`.

Each row draws equally many pictures through the published graphs, with the same seeds, and measures them against equally
many real ones of the test split, in the features of the model that the metric names. Diffusion models are sampled by DDIM
(η = 0) in fewer and more steps and by DDPM (η = 1, every timestep). The table goes to `docs/studies/samplers.md`. Needs the
recipes' data, as training does.
"""

from __future__ import annotations

import argparse
import time
from collections.abc import Iterator
from pathlib import Path

import numpy as np

import zoo
from benchmarks.inference import circumstances
from training.recipes import load_recipe
from zoo.calls import drive
from zoo.cards.markdown import table
from zoo.commands import run_command
from zoo.metrics import load_metric
from zoo.model import Model

STUDY = Path(__file__).parent.parent / "docs" / "studies" / "samplers.md"
DDIM_STEPS = (5, 10, 20, 50)
ROWS = 100  # pictures of one call
HEADER = ("model", "sampler", "steps", "Fréchet distance", "pictures a second")


def settings(model: Model) -> Iterator[tuple[str, tuple[float, ...]]]:
    """Name of each sampler, and what its requests say beyond seed and number: steps and η."""
    schedule = model.codec.alpha_bar  # type: ignore[attr-defined]
    if not schedule:
        yield "one call", ()
        return
    for steps in DDIM_STEPS:
        yield "DDIM", (steps, 0)
    yield "DDPM", (len(schedule) - 1, 1)


def measure(name: str, model: Model, options: tuple[float, ...], pictures: int) -> tuple[float, float]:
    """Distance to the test split, and pictures a second."""
    split = load_recipe(name).load().test
    requests = [np.array([row[0], row[1], *options], np.float64) for row in split.raws[:pictures]]
    started = time.perf_counter()
    made = [
        drive(model.codec.pictures(requests[start : start + ROWS]), model.run)  # type: ignore[attr-defined]
        for start in range(0, len(requests), ROWS)
    ]
    seconds = time.perf_counter() - started
    metric = load_metric(model.manifest.training["metric"])
    arrays = {"generate/made": np.concatenate(made), "targets": split.targets[:pictures]}
    return metric.figure(arrays, lambda graph, inputs: {"picture": inputs["made"]}), len(requests) / seconds


def main() -> None:
    parser = argparse.ArgumentParser(description=__doc__, formatter_class=argparse.RawDescriptionHelpFormatter)
    parser.add_argument("models", nargs="*", default=["dcgan-mnist", "ddpm-mnist"])
    parser.add_argument("--pictures", type=int, default=2000, help="of each row; fewer make every distance larger")
    parser.add_argument("--out", type=Path, default=STUDY)
    arguments = parser.parse_args()
    rows, about = [], circumstances(1)
    for name in arguments.models:
        model = zoo.load(name)
        for sampler, options in settings(model):
            found, rate = measure(name, model, options, arguments.pictures)
            rows.append((name, sampler, str(options[0] if options else 1), f"{found:.3f}", f"{rate:,.3g}"))
            print(*rows[-1], flush=True)
    arguments.out.write_text(
        f"# Generators by how they are sampled\n\n{arguments.pictures:,} pictures of each row against as many real ones.\n\n"
        f"{table(HEADER, rows)}\n\nOn {about['machine']}, {about['date']}. Made by `python -m benchmarks.samplers`.\n",
        encoding="utf-8",
    )


if __name__ == "__main__":
    run_command(main)
