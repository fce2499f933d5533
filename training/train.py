"""From a recipe to a run folder: prepare the samples, fit, score the test split once, write what export reads."""

from __future__ import annotations

import dataclasses
import datetime
import os
import platform
import shutil
import time
from dataclasses import dataclass
from importlib.metadata import version
from pathlib import Path
from typing import Any, cast

import numpy as np
import torch
from lightning_fabric import Fabric
from lightning_fabric.loggers import TensorBoardLogger

from training.data import Dataset, Split
from training.fit import Fit, score
from training.recipe import Curves, Recipe
from training.recipes import load_recipe, recipe_modules
from zoo.codecs import Codec, make_codec
from zoo.errors import UsageError
from zoo.original import Original
from zoo.run import CALIBRATION, CHECKPOINT, EVALUATION, FILES, PICTURES, PUBLISHED, RUN, Run, raw_arrays, save_arrays
from zoo.spec import Arrays

SPLIT_SEED = 0  # the validation rows are the same for every training seed
CALIBRATION_ROWS = 256
STATE = "state"


@dataclass(frozen=True)
class Samples:
    """Samples of the three splits (`<graph>/<port>` arrays and `targets`) and the codec that made them.

    `learn` and `learn_validation` are what batches are cut from; of the training split `train` holds calibration rows only.
    """

    dataset: Dataset
    codec_settings: dict[str, Any]
    codec: Codec
    learn: Arrays
    learn_validation: Arrays
    train: Arrays
    validation: Arrays
    test: Arrays
    rows: dict[str, int]


def train(model: str, recipe: Recipe, seed: int, folder: Path, fabric: Fabric, command: str) -> Run:
    """Train one seed of a recipe into `folder`; goes on where an earlier call was stopped.

    A finished folder is read, not trained again. Raises UsageError when `folder` was begun with other settings.
    """
    if (folder / RUN).exists():
        return _finished(folder, recipe, seed)
    _begin(folder, recipe, seed)
    started = datetime.datetime.now(datetime.UTC).isoformat(timespec="seconds")
    if recipe.settings.threads:
        torch.set_num_threads(recipe.settings.threads)
    torch.manual_seed(seed)
    original = Original.build(recipe.family, recipe.config)
    samples = prepare(recipe, original, folder)
    clock = time.perf_counter()
    curves, seconds = _fit(original, recipe, samples, seed, folder, fabric)
    original.cast("float32")
    run = Run(
        model=model,
        recipe=recipe_modules()[model],
        summary=recipe.summary,
        codec=samples.codec_settings,
        metric=recipe.metric,
        data=_data(samples),
        command=command,
        seed=seed,
        settings=dataclasses.asdict(recipe.settings),
        hardware=hardware(fabric),
        versions={name: version(name) for name in ("torch", "numpy", "scikit-learn", "lightning-fabric")},
        started=started,
        duration_s=round(seconds or time.perf_counter() - clock, 1),
        metrics=_score(original, recipe, _extend(recipe, original, samples.test), samples.codec),
        validation=_score(original, recipe, samples.validation, samples.codec),
        curves=curves,
        reference=recipe.reference,
    )
    if fabric.is_global_zero:
        _write(folder, run, recipe, original, samples)
    fabric.barrier()
    return run


def prepare(recipe: Recipe, original: Original, folder: Path) -> Samples:
    """Samples of the disjoint training, validation and test splits, as the recipe's codec encodes them.

    What the artifact must carry is written to `folder/files`.
    """
    dataset = _split(recipe)
    fit_split, held, test = dataset.train, cast(Split, dataset.validation), dataset.test
    files = folder / FILES
    if recipe.files:
        files.mkdir(parents=True, exist_ok=True)
        recipe.files(fit_split, files)
    settings = recipe.codec(fit_split)
    codec = make_codec(original.family.task, settings, files)
    graph = original.graphs[0]
    rows = np.random.default_rng(SPLIT_SEED).permutation(len(fit_split))[:CALIBRATION_ROWS]
    train, validation, tested = (
        _encode(codec, split, graph.name) for split in (fit_split.subset(np.sort(rows)), held, test)
    )
    learn = recipe.learn or (lambda split, settings: _ports_and_targets(codec, split, whole=graph.batch is None))
    splits = {"train": fit_split, "validation": held, "test": test}
    counts = {name: _judged(split) if graph.batch is None else len(split) for name, split in splits.items()}
    known = {**settings, "files": files} if recipe.files else settings
    return Samples(
        dataset,
        settings,
        codec,
        learn(fit_split, known),
        learn(held, known),
        train,
        _extend(recipe, original, validation),
        tested,
        counts,
    )


def _split(recipe: Recipe) -> Dataset:
    """The recipe's data with a validation split: its own, or rows held out of the training split."""
    dataset = recipe.load()
    train, test = (_limit(split, recipe.settings.rows) for split in (dataset.train, dataset.test))
    if dataset.validation is not None:
        held = _limit(dataset.validation, recipe.settings.rows)
        return dataclasses.replace(dataset, train=train, validation=held, test=test)
    kept, out = _hold_out(train.targets, recipe.settings.validation)
    return dataclasses.replace(dataset, train=train.subset(kept), validation=train.subset(out), test=test)


def hardware(fabric: Fabric) -> str:
    """`2 x CPU x86_64, 2 cores` or `8 x NVIDIA H100, …`."""
    if fabric.device.type == "cuda":
        return f"{fabric.world_size} x {torch.cuda.get_device_name(fabric.device)}"
    return f"{fabric.world_size} x CPU {platform.machine()}, {os.cpu_count()} cores"


def _fit(
    original: Original, recipe: Recipe, samples: Samples, seed: int, folder: Path, fabric: Fabric
) -> tuple[Curves, float]:
    """Curves and seconds in the loop; 0 seconds where the loop is not what fits."""
    if recipe.fit is not None:
        return recipe.fit(original, samples.learn, recipe.settings, seed), 0.0
    if recipe.objective is None:
        return _fit_estimator(original, samples.learn, seed), 0.0
    fit = Fit(
        original,
        recipe,
        samples.learn,
        samples.learn_validation,
        samples.validation,
        seed=seed,
        folder=folder / STATE,
        fabric=fabric,
        codec=samples.codec,
    )
    try:
        return fit.run(), fit.seconds
    except FloatingPointError as error:
        raise UsageError(f"Training {folder.name} diverged: {error}.") from error


def _fit_estimator(original: Original, learn: Arrays, seed: int) -> Curves:
    """By its own method, with `seed` as the random state of one that has one."""
    if "random_state" in original.model.get_params():
        original.model.set_params(random_state=seed)
    original.model.fit(learn[original.graphs[0].inputs[0].name], learn["targets"])
    return {}


def make_fabric(recipe: Recipe, folder: Path, *, devices: str, num_nodes: int, precision: str | None) -> Fabric:
    """Fabric on the accelerator that it finds, logging to TensorBoard below `folder`."""
    count: Any = int(devices) if devices.isdigit() else devices
    logger = TensorBoardLogger(root_dir=folder, name="tensorboard", version="")
    fabric = Fabric(devices=count, num_nodes=num_nodes, precision=precision or recipe.settings.precision, loggers=[logger])  # type: ignore[arg-type]
    fabric.launch()
    return fabric


def select(model: str, folders: list[Path], target: Path) -> Run:
    """Copy the run with the best validation score to `target`, noting all seeds in its `run.json`."""
    from zoo.metrics import load_metric

    runs = [(folder, Run.read(folder)) for folder in folders]
    sign = load_metric(runs[0][1].metric).direction
    best_folder, best = max(runs, key=lambda pair: sign * pair[1].validation[pair[1].metric])
    seeds = [{"seed": run.seed, "validation": run.validation, "test": run.metrics} for _, run in runs]
    run = dataclasses.replace(best, seeds=seeds)
    target.mkdir(parents=True, exist_ok=True)
    for path in best_folder.iterdir():
        if path.name in (RUN, STATE):
            continue
        if path.is_dir():
            shutil.copytree(path, target / path.name, dirs_exist_ok=True)
        else:
            shutil.copy2(path, target / path.name)
    run.write(target)
    return run


def recipe_of(model: str, assignments: list[str]) -> Recipe:
    return load_recipe(model).override(assignments)


def _begin(folder: Path, recipe: Recipe, seed: int) -> None:
    """Note the settings, or refuse a folder that was begun with others."""
    folder.mkdir(parents=True, exist_ok=True)
    settings = repr((recipe.settings, recipe.config, seed))
    note = folder / "settings.txt"
    if note.exists() and note.read_text() != settings:
        raise UsageError(f"{folder} was begun with other settings; continue with those, or give another --out.")
    note.write_text(settings)


def _finished(folder: Path, recipe: Recipe, seed: int) -> Run:
    _begin(folder, recipe, seed)
    return Run.read(folder)


def _limit(split: Split, rows: int) -> Split:
    return split.subset(np.arange(min(rows, len(split)))) if rows else split


def _hold_out(targets: np.ndarray, share: float) -> tuple[np.ndarray, np.ndarray]:
    """Row numbers to fit on and to validate on: the same share of every class, where there are classes."""
    rng = np.random.default_rng(SPLIT_SEED)
    if targets.ndim > 1 or targets.dtype.kind != "i":
        order = rng.permutation(len(targets))
        count = max(1, round(share * len(targets)))
        return np.sort(order[count:]), np.sort(order[:count])
    held: list[int] = []
    for target in np.unique(targets):
        rows = rng.permutation(np.flatnonzero(targets == target))
        held += rows[: max(1, round(share * len(rows)))].tolist()
    return np.setdiff1d(np.arange(len(targets)), held), np.sort(held)


def _encode(codec: Codec, split: Split, graph: str) -> Arrays:
    arrays = {f"{graph}/{name}": array for name, array in codec.encode(split.raws).items()}
    return {**arrays, "targets": split.targets}


def _judged(split: Split) -> int:
    """Targets that belong to a split of inputs that are not made of rows: the others are −1."""
    return int((split.targets >= 0).sum())


def _ports_and_targets(codec: Codec, split: Split, *, whole: bool) -> Arrays:
    """What batches are cut from; an item that is a `whole` input gets a first axis to be cut along."""
    arrays = codec.encode(split.raws)
    return {**{name: array[None] if whole else array for name, array in arrays.items()}, "targets": split.targets}


def _score(original: Original, recipe: Recipe, samples: Arrays, codec: Codec) -> dict[str, float]:
    return {recipe.metric: score(original, recipe.metric, samples, recipe.settings.evaluation_rows, codec)}


def _extend(recipe: Recipe, original: Original, samples: Arrays) -> Arrays:
    return {**samples, **recipe.extend(original, samples)} if recipe.extend else samples


def _data(samples: Samples) -> dict[str, Any]:
    dataset = samples.dataset
    return {
        "name": dataset.name,
        "source": dataset.source,
        "licence": dataset.licence,
        "note": dataset.note,
        "rows": samples.rows,
    }


def _write(folder: Path, run: Run, recipe: Recipe, original: Original, samples: Samples) -> None:
    """Everything that export reads; `run.json` comes last, so that a folder with one is finished."""
    original.save(folder / CHECKPOINT)
    test = _extend(recipe, original, samples.test)
    save_arrays(folder / EVALUATION, {**test, **raw_arrays(samples.dataset.test.raws)})
    save_arrays(folder / CALIBRATION, _extend(recipe, original, samples.train))
    if recipe.publish:
        part = recipe.publish(samples.dataset.test)
        published = _extend(recipe, original, _encode(samples.codec, part, original.graphs[0].name))
        save_arrays(folder / PUBLISHED, {**published, **raw_arrays(part.raws)})
    if recipe.pictures:
        (folder / PICTURES).mkdir(exist_ok=True)
        for name, picture in recipe.pictures(original, test).items():
            picture.save(folder / PICTURES / f"{name}.png", optimize=True)
    run.write(folder)
    shutil.rmtree(folder / STATE, ignore_errors=True)
