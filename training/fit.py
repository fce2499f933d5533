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
from typing import Any

import numpy as np
import torch
from lightning_fabric import Fabric
from rich.console import Console
from rich.progress import BarColumn, Progress, TaskID, TextColumn, TimeRemainingColumn

from training.augment import augment_pictures
from training.optimizers import learning_rate, make_optimizer
from training.recipe import Batch, Objective, Settings
from training.state import Tensors, TrainState, load_state, save_state
from zoo.calls import drive
from zoo.metrics import load_metric
from zoo.original import Original
from zoo.run import graph_inputs
from zoo.spec import Arrays

EVALUATION_ROWS = 1000  # rows of one evaluation batch
CURVES_FILE = "curves.csv"
CURVES = ("epoch", "lr", "train_loss", "validation_loss", "validation_metric", "rows_per_s")


class Fit:
    """One run of the loop: `run()` leaves the best weights in `original` and returns the curves."""

    def __init__(
        self,
        original: Original,
        objective: Objective,
        settings: Settings,
        train: Arrays,
        validation: Arrays,
        *,
        metric: str,
        seed: int,
        folder: Path,
        fabric: Fabric,
    ) -> None:
        """`train` and `validation` are samples: `<graph>/<port>` arrays and `targets`; `folder` keeps the state."""
        self.original, self.objective, self.settings = original, objective, settings
        self.validation_samples = validation
        self.metric, self.seed, self.folder, self.fabric = metric, seed, folder, fabric
        self.train, self.validation = self._tensors(train), self._tensors(validation)
        self.network = original.model
        if any(tensor.ndim == 4 for tensor in self.train.values()):
            self.network.to(memory_format=torch.channels_last)
        optimizer = make_optimizer(self.network.parameters(), settings)
        self.model, self.optimizer = fabric.setup(self.network, optimizer)
        for graph in original.graphs:
            for method in set(graph.methods) - {"forward"}:
                self.model.mark_forward_method(method)
        self.average = _copy(self.network) if settings.average else {}
        self.best: Tensors = {}
        self.progress: dict[str, Any] = {"curves": {name: [] for name in CURVES}, "best_loss": None, "waited": 0, "s": 0.0}

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

    def _tensors(self, samples: Arrays) -> Batch:
        """Inputs of the first graph by port name, and `targets`, on the device."""
        inputs = {**graph_inputs(samples, self.original.graphs[0]), "targets": samples["targets"]}
        return {name: torch.from_numpy(array).to(self.fabric.device) for name, array in inputs.items()}

    def _epoch(self, epoch: int, bar: Progress, task: TaskID) -> None:
        started = time.perf_counter()
        total, rows = 0.0, 0
        generator = self._generator(epoch)
        batches = list(self._batches(epoch))
        self.model.train()
        for number, index in enumerate(batches):
            batch = {name: tensor[index] for name, tensor in self.train.items()}
            self._set_lr(epoch + number / len(batches))
            loss = self._step(batch, generator)
            total, rows = total + loss * len(index), rows + len(index)
            if number % 10 == 0:
                speed = rows / (time.perf_counter() - started)
                bar.update(task, completed=epoch + (number + 1) / len(batches), figures=self._figures(loss, speed))
        self._finish_epoch(epoch, total / rows, rows / (time.perf_counter() - started), started)

    def _step(self, batch: Batch, generator: torch.Generator) -> float:
        if "x" in batch and batch["x"].ndim == 4:
            batch = {**batch, "x": augment_pictures(batch["x"], self.settings, generator)}
        loss = self.objective(self.model, batch, generator)
        value = loss.item()
        if not np.isfinite(value):
            raise FloatingPointError(f"the loss is {value}; lower lr or set gradient_clip")
        self.optimizer.zero_grad()
        self.fabric.backward(loss)
        if self.settings.gradient_clip:
            self.fabric.clip_gradients(self.model, self.optimizer, max_norm=self.settings.gradient_clip)
        self.optimizer.step()
        if self.settings.average:
            _blend(self.average, self.network, self.settings.average)
        return value

    def _finish_epoch(self, epoch: int, train_loss: float, speed: float, started: float) -> None:
        """Evaluate, keep the weights when the validation loss is the lowest so far, and note the figures."""
        trained = _copy(self.network)
        if self.settings.average:
            self.network.load_state_dict(self.average)
        loss, metric = self._validate()
        progress = self.progress
        if progress["best_loss"] is None or loss < progress["best_loss"]:
            progress["best_loss"], progress["waited"], self.best = loss, 0, _copy(self.network)
        else:
            progress["waited"] += 1
        self.network.load_state_dict(trained)
        figures = (epoch + 1, self.optimizer.param_groups[0]["lr"], train_loss, loss, metric, speed)
        for name, value in zip(CURVES, figures, strict=True):
            progress["curves"][name].append(value)
        progress["s"] += time.perf_counter() - started
        self.fabric.log_dict(dict(zip(CURVES, figures, strict=True)), step=epoch + 1)

    def _validate(self) -> tuple[float, float]:
        """Mean validation loss, with the same noise every time, and validation metric."""
        self.model.eval()
        generator = self._generator(0)
        rows = len(self.validation["targets"])
        total = 0.0
        with torch.no_grad():
            for start in range(0, rows, EVALUATION_ROWS):
                batch = {name: tensor[start : start + EVALUATION_ROWS] for name, tensor in self.validation.items()}
                total += self.objective(self.model, batch, generator).item() * len(batch["targets"])
        return total / rows, score(self.original, self.metric, self.validation_samples)

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
        for group in self.optimizer.param_groups:
            group["lr"] = learning_rate(self.settings, epoch)

    def _figures(self, loss: float, speed: float) -> str:
        metric = self.progress["curves"]["validation_metric"]
        return f"loss {loss:.4f}  {self.metric} {metric[-1] if metric else float('nan'):.4f}  {speed:,.0f} rows/s"

    def _save(self, epoch: int) -> None:
        if self.fabric.is_global_zero:
            optimizer = self.optimizer.state_dict()
            state = TrainState(epoch, _copy(self.network), self.average, self.best, optimizer, self.progress)
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
        self.optimizer.load_state_dict(state.optimizer)
        return state.epoch


def score(original: Original, metric: str, arrays: Arrays) -> float:
    """Mean of the metric over the rows of `arrays` (`zoo.metrics`), computed by the original in float32."""

    def run(name: str, inputs: Arrays) -> Arrays:
        graph = original.graph(name)
        rows = len(next(iter(inputs.values())))
        parts = [
            original.call(graph, {key: array[start : start + EVALUATION_ROWS] for key, array in inputs.items()})
            for start in range(0, rows, EVALUATION_ROWS)
        ]
        return {port.name: np.concatenate([part[port.name] for part in parts]) for port in graph.outputs}

    return float(np.mean(drive(load_metric(metric).score(arrays), run)))


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
