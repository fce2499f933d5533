"""A run folder becomes a candidate: an artifact that lacks only its certificate and its card."""

from __future__ import annotations

import dataclasses
import itertools
import shutil
from pathlib import Path
from typing import Any

import numpy as np

from export.exporter import export_graph
from export.golden import golden
from export.share import share_weights
from export.twins import VARIANTS, make_twin
from zoo.artifact import weights_file
from zoo.budgets import BUDGETS
from zoo.errors import UnknownNameError, UsageError
from zoo.hub import GOLDEN, ORIGINAL
from zoo.manifest import Manifest
from zoo.original import Original
from zoo.run import (
    CALIBRATION,
    CHECKPOINT,
    EVALUATION,
    FILES,
    PICTURES,
    PUBLISHED,
    Run,
    graph_inputs,
    load_arrays,
    save_arrays,
)

SHIPPED_VARIANTS = ("fp16", "int8")


def build_candidate(run_folder: Path, target: Path, *, version: int, variants: tuple[str, ...] | None = None) -> Manifest:
    """Export every graph of a finished run, and its twins, into `target`, which is replaced as a whole.

    `variants` None are those that are published by default. Raises ArtifactError for an unfinished run, UnknownNameError
    and UsageError for variants that the model cannot have, and ExportError where a graph cannot be exported.
    """
    run = Run.read(run_folder)
    original = Original.load(run_folder / CHECKPOINT)
    chosen = _variants(original, variants)
    temporary = target.with_name(f".{target.name}")
    shutil.rmtree(temporary, ignore_errors=True)
    temporary.mkdir(parents=True)
    for graph in original.graphs:
        export_graph(original, graph, temporary / graph.file)
    calibration = load_arrays(run_folder / CALIBRATION) if chosen else {}
    for variant, graph in itertools.product(chosen, original.graphs):
        twin = temporary / graph.variant_file(variant)
        make_twin(variant, temporary / graph.file, twin, graph, graph_inputs(calibration, graph))
    for variant in ("", *chosen):
        files = [temporary / graph.variant_file(variant) for graph in original.graphs]
        share_weights(files, temporary / weights_file(variant))
    published = run_folder / PUBLISHED
    save_arrays(
        temporary / GOLDEN, golden(original, load_arrays(published if published.is_file() else run_folder / EVALUATION))
    )
    shutil.copytree(run_folder / CHECKPOINT, temporary / ORIGINAL)
    for folder in (FILES, PICTURES):
        if (run_folder / folder).is_dir():
            shutil.copytree(run_folder / folder, temporary / folder)
    manifest = describe(run, original, temporary, version)
    manifest.write(temporary)
    _replace(temporary, target)
    return manifest


def _variants(original: Original, variants: tuple[str, ...] | None) -> tuple[str, ...]:
    """Twins to be made. Estimators have none of reduced precision: in fewer bits, comparisons take other branches."""
    torch = original.family.kind == "torch"
    if variants is None:
        return SHIPPED_VARIANTS if torch else ()
    for variant in variants:
        if variant not in VARIANTS:
            raise UnknownNameError("variant", variant, VARIANTS)
        if variant in BUDGETS and not torch:
            raise UsageError(f"An estimator has no variant of reduced precision ({variant}); leave it out.")
    return variants


def describe(run: Run, original: Original, folder: Path, version: int) -> Manifest:
    """The manifest of a run's model; of an estimator, the numbers in its graphs are counted as parameters."""
    return Manifest(
        model=run.model,
        version=version,
        family=original.family_name,
        task=original.family.task,
        kind=original.family.kind,
        paper=original.family.paper,
        summary=run.summary,
        parameters=_num_parameters(original, folder),
        graphs=original.graphs,
        config=dataclasses.asdict(original.config),
        codec=run.codec,
        data=run.data,
        training=_training(run),
        metrics=run.metrics,
        reference=run.reference,
    )


def _training(run: Run) -> dict[str, Any]:
    names = (
        "recipe", "command", "seed", "settings", "hardware", "versions", "started", "duration_s", "metric", "validation",
        "curves", "seeds",
    )  # fmt: skip
    return {name: getattr(run, name) for name in names}


def _num_parameters(original: Original, folder: Path) -> int:
    if original.family.kind != "estimator":
        return original.num_parameters()
    import onnx

    count = 0
    for file in (graph.file for graph in original.graphs):
        graph = onnx.load(folder / file).graph
        count += sum(int(np.prod(tensor.dims)) for tensor in graph.initializer)
        for node in graph.node:
            for attribute in node.attribute:
                count += len(attribute.floats) + len(attribute.ints)
    return count


def _replace(source: Path, target: Path) -> None:
    """Put `source` in place of `target`, which must be a candidate or nothing."""
    if target.exists() and not (target / "manifest.json").is_file():
        shutil.rmtree(source)
        raise UsageError(f"{target} exists and is no artifact; name another folder.")
    shutil.rmtree(target, ignore_errors=True)
    source.replace(target)
