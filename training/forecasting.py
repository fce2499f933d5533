"""What recipes of forecasters share: their loss, their arrays, and the plot in their cards."""

from __future__ import annotations

from collections.abc import Mapping, Sequence
from typing import Any

import numpy as np
import torch
from PIL import Image, ImageDraw
from torch import Tensor

from training.data import Split
from training.recipe import Batch, Objective
from zoo.original import Original
from zoo.spec import Arrays

SIZE, MARGIN, SCALE = (720, 240), 12, 4  # drawn larger by SCALE, then reduced: smooth lines
COLOURS = ("#9aa4ad", "#1f2a33", "#d1495b")  # what was known, what came, what was forecast


def arrays(split: Split, settings: Mapping[str, Any]) -> Arrays:
    """Histories `x` and the values after them, `targets`."""
    return {"x": np.asarray(split.raws, np.float32), "targets": split.targets}


def extend(original: Original, samples: Arrays) -> Arrays:
    """Inputs of `step`: the histories, from a state of zeros."""
    inputs = original.graph("step").complete({"x": samples["forecast/x"]})
    return {f"step/{name}": array for name, array in inputs.items()}


def free_run_loss(steps: int, unit: float, noise: float = 0) -> Objective:
    """Mean squared error of the first `steps` of a free run, in units of `unit`, the series' own spread.

    Training histories have Gaussian noise of `noise` units, so that the network learns to come back to its path (Bishop
    1995, https://doi.org/10.1162/neco.1995.7.1.108). The gradient goes back through the whole run.
    """

    def objective(model: Any, batch: Batch, generator: torch.Generator) -> Tensor:
        x, targets = batch["x"], batch["targets"][:, :steps]
        if model.training and noise:
            x = x + noise * unit * torch.randn(x.shape, generator=generator, device=x.device)
        return ((model.forecast(x, torch.zeros_like(targets)) - targets) / unit).square().mean()

    return objective


def pictures(original: Original, samples: Arrays) -> dict[str, Image.Image]:
    """The first test run: its history in grey, what came in black, the forecast in red."""
    inputs = {"x": samples["forecast/x"][:1], "innovation": samples["forecast/innovation"][:1]}
    forecast = original.call(original.graph("forecast"), inputs)["forecast"][0]
    past, truth = samples["forecast/x"][0], samples["targets"][0]
    return {"forecast": plot([(0, past), (len(past) - 1, [past[-1], *truth]), (len(past) - 1, [past[-1], *forecast])])}


def plot(curves: Sequence[tuple[int, Sequence[float] | np.ndarray]]) -> Image.Image:
    """Curves on common axes, each the step that it begins at and its values, in `COLOURS`."""
    last = max(first + len(values) - 1 for first, values in curves)
    low, high = (end(float(end(values)) for _, values in curves) for end in (min, max))
    width, height = (side * SCALE for side in SIZE)
    picture = Image.new("RGB", (width, height), "white")
    pen = ImageDraw.Draw(picture)
    for (first, values), colour in zip(curves, COLOURS, strict=False):
        x = MARGIN * SCALE + np.arange(first, first + len(values)) / last * (width - 2 * MARGIN * SCALE)
        y = MARGIN * SCALE + (high - np.asarray(values)) / ((high - low) or 1) * (height - 2 * MARGIN * SCALE)
        pen.line(list(zip(x.tolist(), y.tolist(), strict=True)), fill=colour, width=2 * SCALE, joint="curve")
    return picture.resize(SIZE, Image.Resampling.LANCZOS)
