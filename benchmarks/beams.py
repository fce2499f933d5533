"""BLEU of a published translator by the width of its search: `python -m benchmarks.beams`.

Translates the test split that the model was scored on through the published graphs, greedily (1) and with beams, and writes
`docs/studies/beams.md`. Needs the run folder and what the metric needs, nothing else.
"""

from __future__ import annotations

import argparse
import dataclasses
import time
from collections.abc import Mapping, Sequence
from pathlib import Path
from typing import Any

import numpy as np

import zoo
from benchmarks.inference import circumstances
from zoo.calls import drive
from zoo.cards.markdown import table
from zoo.commands import run_command
from zoo.errors import UsageError
from zoo.metrics import load_metric
from zoo.model import Model
from zoo.run import EVALUATION, load_arrays

STUDY = Path(__file__).parent.parent / "docs" / "studies" / "beams.md"
WIDTHS = (1, 2, 5, 10)
HEADER = ("model", "beam", "BLEU", "sentences a second")


def measure(model: Model, samples: Mapping[str, np.ndarray], width: int) -> tuple[float, float]:
    """BLEU of a search of this width, and sentences a second, some hundred of them together."""
    codec: Any = model.codec
    metric = load_metric(model.manifest.training["metric"], dataclasses.replace(codec, beam=width))
    started = time.perf_counter()
    figure = metric.reduce(drive(metric.score(samples), model.run))
    return figure, len(samples["targets"]) / (time.perf_counter() - started)


def rows_of(name: str, run: Path, widths: Sequence[int]) -> list[tuple[str, ...]]:
    """A row a width. Raises UsageError where the model does not search or its run folder is not at hand."""
    model = zoo.load(name)
    if not hasattr(model.codec, "beam"):
        raise UsageError(f"{name} does not search with a beam; name a model of the task translation.")
    if not (run / EVALUATION).is_file():
        raise UsageError(f"{run} has no {EVALUATION}; train {name} first, or name its run folder by --run.")
    samples = load_arrays(run / EVALUATION)
    found = {width: measure(model, samples, width) for width in widths}
    return [(name, str(width), f"{bleu:.2f}", f"{rate:,.3g}") for width, (bleu, rate) in found.items()]


def main() -> None:
    parser = argparse.ArgumentParser(description=__doc__, formatter_class=argparse.RawDescriptionHelpFormatter)
    parser.add_argument("model", nargs="?", default="attention-seq2seq-multi30k")
    parser.add_argument("--run", type=Path, help="run folder; runs/<model> when not given")
    parser.add_argument("--widths", type=int, nargs="+", default=WIDTHS)
    parser.add_argument("--out", type=Path, default=STUDY)
    arguments = parser.parse_args()
    about = circumstances(1)
    rows = rows_of(arguments.model, arguments.run or Path("runs") / arguments.model, arguments.widths)
    text = (
        f"# BLEU by the width of the search\n\n{table(HEADER, rows)}\n\n"
        f"The width 1 is greedy. On {about['machine']}, {about['date']}. Made by `python -m benchmarks.beams`.\n"
    )
    arguments.out.write_text(text, encoding="utf-8")
    print(text)


if __name__ == "__main__":
    run_command(main)
