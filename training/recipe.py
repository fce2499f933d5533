"""What a recipe is: one set of weights, from data to metric. `training/recipes/<group>/<recipe>.py` holds `RECIPE`."""

from __future__ import annotations

import dataclasses
import difflib
import typing
from collections.abc import Callable, Mapping
from dataclasses import dataclass, field
from pathlib import Path
from typing import Any

import torch
from PIL.Image import Image

from training.data import Dataset, Split
from zoo.errors import UsageError
from zoo.original import Original
from zoo.spec import Arrays

Batch = dict[str, torch.Tensor]
Objective = Callable[[Any, Batch, torch.Generator], torch.Tensor]
Augment = Callable[[Batch, "Settings", torch.Generator], Batch]
Curves = dict[str, list[float]]


@dataclass(frozen=True, kw_only=True)
class Turn:
    """One of the steps that alternate in every batch: `objective` changes the parameters of the sub-module `part` only.

    It takes part in the epochs from `first`, counted from 0, up to `last`, which is not one of them; None is to the end.
    """

    objective: Objective
    part: str
    first: int = 0
    last: int | None = None

    def active(self, epoch: int) -> bool:
        return self.first <= epoch and (self.last is None or epoch < self.last)


@dataclass(frozen=True, kw_only=True)
class Settings:
    """How a network is fitted. The split into training and validation rows does not depend on the seed."""

    epochs: int = 30
    batch_size: int = 128
    optimizer: str = "adam"  # adam, adamw, sgd (Nesterov momentum 0.9), adadelta
    lr: float = 1e-3
    beta1: float = 0.9  # of adam and adamw
    schedule: str = "cosine"  # cosine: to zero over `epochs`; constant
    warmup_epochs: float = 0
    weight_decay: float = 0
    label_smoothing: float = 0
    gradient_clip: float = 0  # largest norm of the gradient; 0 is none
    average: float = 0  # decay a step of the averaged weights that are evaluated and kept; 0 is none
    shift: int = 0  # training pictures are moved by up to this many pixels each way
    rotate: float = 0  # training pictures are turned by up to this many degrees each way
    validation: float = 0.1  # share of the training split that is held out where the data has no validation split
    keep: str = "loss"  # the epoch whose weights are kept: lowest validation loss, best validation metric, or last
    patience: int = 10  # epochs without a better one before stopping
    metric_every: int = 1  # epochs between two validation metrics; the last epoch always has one
    evaluation_rows: int = 1000  # rows of one batch of an evaluation
    precision: str = "32-true"  # of Lightning Fabric
    threads: int = 0  # of torch on the CPU; 0 leaves its default
    rows: int = 0  # use only this many rows of the training and of the test split; 0 is all


@dataclass(frozen=True, kw_only=True)
class Recipe:
    """Data, architecture, objective and metric of a model.

    `files` writes what the artifact must carry (a tokenizer, say) into a folder; `codec` gives the settings of the task's
    codec; both see the training rows. `learn` gives the arrays that training batches are cut from, by split and codec
    settings (with `files`, the folder, where there is one): the inputs of the first graph and `targets` where there is
    none. `augment` changes each training batch. `objective` is the mean loss of a batch, or turns that alternate or follow
    one another. Where no gradient leads to the weights `fit` puts them into the original, from what `learn` gave, by
    settings and seed; it returns curves, a value an epoch, or none. An estimator with neither is fitted by its own method.
    `extend` adds arrays to the evaluation samples (inputs of later graphs, noise), `pictures` draws what the model card
    shows. `publish` makes a smaller test split, which golden samples are taken from, where a single item is too large for
    that. `reference` holds the published figures that ours stand beside.
    """

    family: str
    config: Any
    summary: str
    load: Callable[[], Dataset]
    codec: Callable[[Split], dict[str, Any]]
    metric: str
    settings: Settings = Settings()
    files: Callable[[Split, Path], None] | None = None
    learn: Callable[[Split, Mapping[str, Any]], Arrays] | None = None
    augment: Augment | None = None
    objective: Objective | tuple[Turn, ...] | None = None
    fit: Callable[[Original, Arrays, Settings, int], Curves] | None = None
    extend: Callable[[Original, Arrays], Arrays] | None = None
    pictures: Callable[[Original, Arrays], dict[str, Image]] | None = None
    publish: Callable[[Split], Split] | None = None
    reference: dict[str, Any] = field(default_factory=dict)

    def override(self, assignments: list[str]) -> Recipe:
        """The recipe with `field=value` applied to its settings, `config.field=value` to the family's configuration.

        Raises UsageError for an unknown field, offering the nearest, and for a value of the wrong type.
        """
        settings, config = self.settings, self.config
        for assignment in assignments:
            name, equals, text = assignment.partition("=")
            if not equals:
                raise UsageError(f"--set {assignment!r} has no value; write --set field=value.")
            if name.startswith("config."):
                config = _replace(config, name.removeprefix("config."), text)
            else:
                settings = _replace(settings, name, text)
        return dataclasses.replace(self, settings=settings, config=config)


def _replace(instance: Any, name: str, text: str) -> Any:
    names = [each.name for each in dataclasses.fields(instance)]
    if name not in names:
        near = difflib.get_close_matches(name, names, n=1, cutoff=0.3)
        hint = f"did you mean {near[0]}?" if near else f"choose one of {', '.join(names)}."
        raise UsageError(f"There is no setting {name!r}; {hint}")
    kind = typing.get_type_hints(type(instance))[name]
    return dataclasses.replace(instance, **{name: _parse(name, text, kind)})


def _parse(name: str, text: str, kind: Any) -> Any:
    """`text` as a value of the field's type: int, float, str, or a tuple of those, comma-separated."""
    try:
        if typing.get_origin(kind) is tuple:
            item = typing.get_args(kind)[0]
            return tuple(item(part) for part in text.split(","))
        choices = typing.get_args(kind) or (kind,)
        for choice in choices:
            try:
                return choice(text)
            except ValueError:
                if choice is choices[-1]:
                    raise
    except ValueError:
        pass
    wanted = getattr(kind, "__name__", str(kind))
    raise UsageError(f"The setting {name!r} cannot be {text!r}; give a value of type {wanted}.")
