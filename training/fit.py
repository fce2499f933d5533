"""The one training loop: epochs of batches, a validation loss after each, the best weights at the end.

It runs on Lightning Fabric, so that devices, precision and processes are options of the command and not of the loop.
Random numbers are drawn from generators seeded by seed and epoch: a run that was killed and resumed goes on exactly as
one that was not.
"""

from __future__ import annotations

import csv
import time
from collections.abc import Iterator
from pathlib import Path
from typing import Any, cast

import numpy as np
import torch
from lightning_fabric import Fabric
from rich.console import Console
from rich.progress import BarColumn, Progress, TaskID, TextColumn, TimeRemainingColumn

from training.optimizers import learning_rate, make_optimizer
from training.recipe import Batch, Objective, Recipe, Turn
from training.state import Tensors, TrainState, load_state, save_state
from zoo.calls import in_parts
from zoo.codecs import Codec
from zoo.metrics import load_metric
from zoo.original import Original
from zoo.spec import Arrays

CURVES_FILE = "curves.csv"
CURVES = ("epoch", "lr", "train_loss", "validation_loss", "validation_metric", "rows_per_s")


class Fit:
    """One run of the loop: `run()` leaves the best weights in `original` and returns the curves."""

    def __init__(
        self,
        original: Original,
        recipe: Recipe,
        train: Arrays,
        validation: Arrays,
        samples: Arrays,
        *,
        seed: int,
        folder: Path,
        fabric: Fabric,
        codec: Codec | None = None,
    ) -> None:
        """`train` and `validation` are what batches are cut from; `samples` of the validation split give the metric, by the
        `codec` that made them; `folder` keeps the state."""
        self.original, self.recipe, self.settings = original, recipe, recipe.settings
        self.samples, self.seed, self.folder, self.fabric, self.codec = samples, seed, folder, fabric, codec
        self.train, self.validation = self._tensors(train), self._tensors(validation)
        self.network = original.model
        if any(tensor.ndim == 4 for tensor in self.train.values()):
            self.network.to(memory_format=torch.channels_last)
        self.turns = turns_of(recipe)
        made = [make_optimizer(self.network.get_submodule(turn.part).parameters(), self.settings) for turn in self.turns]
        self.model, *self.optimizers = fabric.setup(self.network, *made)
        for method in _methods(self.network):
            self.model.mark_forward_method(method)
        self.average = _copy(self.network) if self.settings.average else {}
        self.best: Tensors = {}
        self.progress: dict[str, Any] = {"curves": {name: [] for name in CURVES}, "best": None, "waited": 0, "s": 0.0}

    def run(self) -> dict[str, list[float]]:
        """Raises FloatingPointError when the loss is no longer finite."""
        first = self._resume()
        with _progress_bar(self.fabric.is_global_zero) as bar:
            task = bar.add_task("training", total=self.settings.epochs, completed=first, figures="")
            for epoch in range(first, self.settings.epochs):
                if self.progress["waited"] >= self.settings.patience:
                    break
                self._epoch(epoch, bar, task)
                self._save(epoch + 1)
        if self.fabric.is_global_zero:
            save_curves(self.folder.parent / CURVES_FILE, self.progress["curves"])
        self.network.load_state_dict(self.best)
        return self.progress["curves"]

    @property
    def seconds(self) -> float:
        """Time spent in the loop, over all the processes that worked on it."""
        return self.progress["s"]

    def _tensors(self, arrays: Arrays) -> Batch:
        return {name: torch.from_numpy(array).to(self.fabric.device) for name, array in arrays.items()}

    def _epoch(self, epoch: int, bar: Progress, task: TaskID) -> None:
        started = time.perf_counter()
        total, rows = 0.0, 0
        generator = self._generator(epoch)
        batches = list(self._batches(epoch))
        self.model.train()
        for number, index in enumerate(batches):
            batch = {name: tensor[index] for name, tensor in self.train.items()}
            self._set_lr(epoch + number / len(batches))
            loss = self._step(epoch, batch, generator)
            total, rows = total + loss * len(index), rows + len(index)
            if number % 10 == 0:
                speed = rows / (time.perf_counter() - started)
                bar.update(task, completed=epoch + (number + 1) / len(batches), figures=self._figures(loss, speed))
        self._finish_epoch(epoch, total / rows, rows / (time.perf_counter() - started), started)

    def _step(self, epoch: int, batch: Batch, generator: torch.Generator) -> float:
        """One step of every turn that is active in this epoch; the sum of their losses."""
        if self.recipe.augment:
            batch = self.recipe.augment(batch, self.settings, generator)
        total = sum(
            self._turn(turn, optimizer, batch, generator)
            for turn, optimizer in zip(self.turns, self.optimizers, strict=True)
            if turn.active(epoch)
        )
        if self.settings.average:
            _blend(self.average, self.network, self.settings.average)
        return total

    def _turn(self, turn: Turn, optimizer: Any, batch: Batch, generator: torch.Generator) -> float:
        loss = turn.objective(self.model, batch, generator)
        value = loss.item()
        if not np.isfinite(value):
            raise FloatingPointError(f"the loss is {value}; lower lr or set gradient_clip")
        self.model.zero_grad()
        self.fabric.backward(loss)
        if self.settings.gradient_clip:
            self.fabric.clip_gradients(self.model, optimizer, max_norm=self.settings.gradient_clip)
        optimizer.step()
        return value

    def _finish_epoch(self, epoch: int, train_loss: float, speed: float, started: float) -> None:
        """Evaluate, keep the weights of the best epoch so far, and note the figures."""
        trained = _copy(self.network)
        if self.settings.average:
            self.network.load_state_dict(self.average)
        loss, metric = self._validate(epoch)
        self._keep(loss, metric)
        self.network.load_state_dict(trained)
        figures = (epoch + 1, self.optimizers[0].param_groups[0]["lr"], train_loss, loss, metric, speed)
        for name, value in zip(CURVES, figures, strict=True):
            self.progress["curves"][name].append(value)
        self.progress["s"] += time.perf_counter() - started
        known = {name: value for name, value in zip(CURVES, figures, strict=True) if value is not None}
        self.fabric.log_dict(known, step=epoch + 1)

    def _keep(self, loss: float, metric: float | None) -> None:
        """Smaller is better; an epoch without a metric is not judged by one."""
        direction = load_metric(self.recipe.metric).direction
        value = {"loss": loss, "metric": None if metric is None else -direction * metric, "last": 0.0}[self.settings.keep]
        best = self.progress["best"]
        if value is not None and (best is None or value < best or self.settings.keep == "last"):
            self.progress["best"], self.progress["waited"], self.best = value, 0, _copy(self.network)
        elif best is not None:
            self.progress["waited"] += 1

    def _validate(self, epoch: int) -> tuple[float, float | None]:
        """Mean validation loss, with the same noise every time, and validation metric where this epoch has one."""
        self.model.eval()
        generator = self._generator(0)
        rows, size = len(self.validation["targets"]), self.settings.evaluation_rows
        total = 0.0
        with torch.no_grad():
            for start in range(0, rows, size):
                batch = {name: tensor[start : start + size] for name, tensor in self.validation.items()}
                losses = [turn.objective(self.model, batch, generator).item() for turn in self.turns if turn.active(epoch)]
                total += sum(losses) * len(batch["targets"])
        judged = (epoch + 1) % self.settings.metric_every == 0 or epoch + 1 == self.settings.epochs
        metric = score(self.original, self.recipe.metric, self.samples, size, self.codec) if judged else None
        return total / rows, metric

    def _batches(self, epoch: int) -> Iterator[torch.Tensor]:
        """Row numbers of this process' batches: a permutation by seed and epoch, a short last batch dropped."""
        order = torch.from_numpy(np.random.default_rng([self.seed, epoch]).permutation(len(self.train["targets"])))
        order = order.to(self.fabric.device)[self.fabric.global_rank :: self.fabric.world_size]
        size = min(self.settings.batch_size, len(order))
        for start in range(0, len(order) - size + 1, size):
            yield order[start : start + size]

    def _generator(self, epoch: int) -> torch.Generator:
        """Seeds dropout as well: both go by seed, epoch and process."""
        seed = int(np.random.default_rng([self.seed, epoch, self.fabric.global_rank]).integers(2**62))
        torch.manual_seed(seed)
        return torch.Generator(device=self.fabric.device).manual_seed(seed)

    def _set_lr(self, epoch: float) -> None:
        for optimizer in self.optimizers:
            for group in optimizer.param_groups:
                group["lr"] = learning_rate(self.settings, epoch)

    def _figures(self, loss: float, speed: float) -> str:
        metrics = [value for value in self.progress["curves"]["validation_metric"] if value is not None]
        metric = f"{metrics[-1]:.4f}" if metrics else "–"
        return f"loss {loss:.4f}  {self.recipe.metric} {metric}  {speed:,.0f} rows/s"

    def _save(self, epoch: int) -> None:
        if self.fabric.is_global_zero:
            optimizers = [optimizer.state_dict() for optimizer in self.optimizers]
            state = TrainState(epoch, _copy(self.network), self.average, self.best, optimizers, self.progress)
            save_state(self.folder, state)
            save_curves(self.folder.parent / CURVES_FILE, self.progress["curves"])
        self.fabric.barrier()

    def _resume(self) -> int:
        """Take up the newest state; the number of finished epochs."""
        state = load_state(self.folder)
        if state is None:
            return 0
        self.network.load_state_dict(state.weights)
        self.average, self.best, self.progress = state.average, state.best, state.progress
        for optimizer, saved in zip(self.optimizers, state.optimizers, strict=True):
            optimizer.load_state_dict(saved)
        return state.epoch


def turns_of(recipe: Recipe) -> tuple[Turn, ...]:
    """The steps of every batch: one on the whole network where the recipe has a single objective."""
    if isinstance(recipe.objective, tuple):
        return recipe.objective
    return (Turn(objective=cast(Objective, recipe.objective), part=""),)


def _methods(network: torch.nn.Module) -> list[str]:
    """The public methods of a network's own class: objectives may call them."""
    return [name for name, value in vars(type(network)).items() if callable(value) and name[0] != "_" and name != "forward"]


def score(original: Original, metric: str, arrays: Arrays, rows: int, codec: Codec | None = None) -> float:
    """The metric of `arrays` (`zoo.metrics`), which `codec` made, computed by the original in float32, `rows` at a time."""

    def run(name: str, inputs: Arrays) -> Arrays:
        graph = original.graph(name)
        return in_parts(graph, inputs, rows, lambda part: original.call(graph, part))

    return load_metric(metric, codec).figure(arrays, run)


def save_curves(path: Path, curves: dict[str, list[float]]) -> None:
    """Write the curves as CSV, a row an epoch."""
    temporary = path.with_name(f".{path.name}")
    with temporary.open("w", newline="", encoding="utf-8") as file:
        writer = csv.writer(file)
        writer.writerow(CURVES)
        writer.writerows(zip(*(curves[name] for name in CURVES), strict=True))
    temporary.replace(path)


def _copy(network: torch.nn.Module) -> Tensors:
    return {name: tensor.detach().clone() for name, tensor in network.state_dict().items()}


def _blend(average: Tensors, network: torch.nn.Module, decay: float) -> None:
    for name, tensor in network.state_dict().items():
        if tensor.is_floating_point():
            average[name].lerp_(tensor, 1 - decay)
        else:
            average[name].copy_(tensor)


def _progress_bar(visible: bool) -> Progress:
    columns = (TextColumn("{task.description}"), BarColumn(), TextColumn("{task.fields[figures]}"), TimeRemainingColumn())
    return Progress(*columns, console=Console(stderr=True), disable=not visible)
