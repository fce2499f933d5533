"""A passing report becomes the certificate of the files that it was made from."""

from __future__ import annotations

import platform
from importlib.metadata import PackageNotFoundError, version
from typing import Any

from export.compare import FACTOR, OutputRecord
from export.validate import GraphReport, Report
from zoo.errors import ParityError
from zoo.manifest import Certificate, file_hashes

PACKAGES = ("numpy", "onnx", "onnxruntime", "onnxruntime-gpu", "onnxscript", "scikit-learn", "skl2onnx", "torch")


def certify(report: Report) -> Certificate:
    """Write `certificate.json` into the artifact that the report is about. Raises ParityError unless it passed."""
    if not report.passed:
        raise ParityError(f"{report.manifest.model} did not pass; no certificate was written.")
    certificate = Certificate(
        model=report.manifest.model,
        version=report.manifest.version,
        passed=True,
        files=file_hashes(report.folder),
        graphs={graph.graph: _graph(graph) for graph in report.graphs},
        inputs={
            "real": f"{max(graph.real_rows for graph in report.graphs)} rows of {report.manifest.data['name']}, test split",
            "drawn": "uniform over each port's range, at every combination of odd sizes",
        },
        versions=_versions(),
        options=report.options,
        factor=FACTOR,
        seed=report.seed,
    )
    certificate.write(report.folder)
    return certificate


def _graph(graph: GraphReport) -> dict[str, Any]:
    outputs: dict[str, Any] = {}
    for record in graph.records:
        outputs.setdefault(record.output, {})[record.kind] = _record(record)
    return {"outputs": outputs, "bounds": graph.bounds()}


def _record(record: OutputRecord) -> dict[str, Any]:
    return {
        "cases": record.cases,
        "rows": record.rows,
        "floor": record.floor,
        "error": record.error,
        "bound": record.bound,
        "ties": record.ties,
        "worst": record.worst,
    }


def _versions() -> dict[str, str]:
    found = {"python": platform.python_version()}
    for name in PACKAGES:
        try:
            found[name] = version(name)
        except PackageNotFoundError:
            continue
    return found
