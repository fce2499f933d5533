"""A passing report becomes the certificate of the files that it was made from."""

from __future__ import annotations

import dataclasses
import platform
from importlib.metadata import PackageNotFoundError, version
from pathlib import Path
from typing import Any

from export.compare import FACTOR, OutputRecord
from export.prove import GraphReport
from export.twins import VARIANTS
from export.validate import Report
from zoo.artifact import weights_file
from zoo.errors import ParityError
from zoo.manifest import Certificate, Manifest, file_hashes

PACKAGES = ("numpy", "onnx", "onnxruntime", "onnxruntime-gpu", "onnxscript", "scikit-learn", "skl2onnx", "torch")


def certify(report: Report, folder: Path) -> Certificate:
    """Write `certificate.json` into the artifact in `folder`, which the report is about; refused twins are removed first.

    Raises ParityError unless the report passed.
    """
    manifest = Manifest.read(folder)
    if not report.passed:
        raise ParityError(f"{manifest.model} did not pass; no certificate was written.")
    _remove_refused(report, folder, manifest)
    certificate = Certificate(
        model=manifest.model,
        version=manifest.version,
        passed=True,
        files=file_hashes(folder),
        graphs={graph.graph: _graph(graph) for graph in report.graphs},
        inputs={
            "real": f"{max(graph.real_rows for graph in report.graphs)} rows of {manifest.data['name']}, test split",
            "drawn": "each port over its range, its limits, tiny and large, at every combination of odd sizes",
        },
        versions=_versions(),
        options=report.options,
        factor=FACTOR,
        seed=report.seed,
        metric=dataclasses.asdict(report.metric) if report.metric else {},
        twins={twin.variant: dataclasses.asdict(twin) for twin in report.twins if twin.variant in VARIANTS},
        opsets=[dataclasses.asdict(outcome) for outcome in report.opsets],
    )
    certificate.write(folder)
    return certificate


def _remove_refused(report: Report, folder: Path, manifest: Manifest) -> None:
    """Twins that were not accepted, or not judged, do not ship."""
    accepted = {twin.variant for twin in report.twins if twin.accepted}
    for variant in VARIANTS:
        if variant not in accepted:
            for graph in manifest.graphs:
                (folder / graph.variant_file(variant)).unlink(missing_ok=True)
            (folder / weights_file(variant)).unlink(missing_ok=True)


def _graph(graph: GraphReport) -> dict[str, Any]:
    outputs: dict[str, Any] = {}
    for record in graph.records:
        outputs.setdefault(record.output, {})[record.kind] = _record(record)
    loops: dict[str, Any] = {}
    for record in graph.loops:
        loops.setdefault(record.output, {})[record.kind] = _record(record)
    steps = {"horizon": graph.horizon, "horizons": graph.horizons} if graph.horizons else {}
    return {"outputs": outputs, "bounds": graph.bounds(), **steps, **({"loops": loops} if loops else {})}


def _record(record: OutputRecord) -> dict[str, Any]:
    return {
        "cases": record.cases,
        "rows": record.rows,
        "floor": record.floor,
        "error": record.error,
        "bound": record.bound,
        "ties": record.ties,
        "worst": record.worst,
        **({"channel_bounds": record.channels.bounds(FACTOR)} if record.channels.mixed else {}),
    }


def _versions() -> dict[str, str]:
    found = {"python": platform.python_version()}
    for name in PACKAGES:
        try:
            found[name] = version(name)
        except PackageNotFoundError:
            continue
    return found
