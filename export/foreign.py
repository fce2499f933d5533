"""Anyone's model: a module of the user's own, or a second ONNX file, as the reference of an ONNX file."""

from __future__ import annotations

import importlib
import sys
import time
from pathlib import Path
from typing import Any

import numpy as np
from torch import nn

from export.coverage import remarks
from export.lift import FileReference, read_model
from export.ports import guessed_ranges, infer_ports, load_ports
from export.prove import Reference, prove
from export.reference import TorchReference
from export.threads import check_threads
from export.validate import Report
from zoo.errors import CheckpointError, UsageError
from zoo.run import load_arrays
from zoo.session import Session
from zoo.spec import Arrays, Graph

PICKLED = (".pt", ".pth", ".bin", ".ckpt", ".pkl", ".pickle", ".joblib")


def validate_file(
    path: Path,
    reference: Reference,
    *,
    ports: Path | None = None,
    samples: Path | None = None,
    method: str = "forward",
    seed: int = 0,
    provider: str = "cpu",
) -> Report:
    """Compare the ONNX file at `path` with its reference on drawn inputs, and on `samples` (port arrays) if there are.

    Raises ArtifactError for an unreadable file, UsageError for ports or samples that do not fit it, ParityError where
    the reference cannot be computed or is NaN throughout.
    """
    started = time.perf_counter()
    arrays = load_arrays(samples) if samples else {}
    graph, guessed = _graph_of(path, ports, method, arrays)
    _check_samples(graph, arrays)
    report = Report(path.name, str(samples) if samples else "none given", seed, provider)
    session = Session(path, graph, provider=provider)
    report.options = session.options()
    report.graphs.append(prove(graph, session, reference, arrays, np.random.default_rng(seed)))
    if report.passed and provider == "cpu":
        report.graphs[0].broken += check_threads(path, graph, session, report.graphs[0])
    report.graphs[0].remarks += guessed
    report.graphs[0].remarks += remarks(path, graph, report.graphs[0].cases) if report.passed else []
    report.seconds = time.perf_counter() - started
    return report


def _graph_of(path: Path, ports: Path | None, method: str, samples: Arrays) -> tuple[Graph, list[str]]:
    """The graph that the ports declare, or the file, and remarks on what was guessed; its weights are not kept in memory."""
    model = read_model(path)
    if ports:
        return load_ports(ports, path.stem), []
    graph = infer_ports(model, path.stem, (method,), samples)
    return graph, guessed_ranges(model, graph)


def module_reference(factory: str, weights: Path) -> TorchReference:
    """The reference of `package.module:factory`, a callable that builds the module, with weights from safetensors.

    Raises UsageError where the factory cannot be called, CheckpointError where the weights do not fit.
    """
    if weights.suffix in PICKLED:
        raise UsageError(f"{weights} may hold pickled code, which is never loaded here; save it as safetensors.")
    return TorchReference(lambda: _load(_build(factory), weights, factory))


def file_reference(path: Path) -> FileReference:
    """The reference of an ONNX file: its graph lifted to float64."""
    return FileReference(path)


def _build(name: str) -> Any:
    package, colon, attribute = name.partition(":")
    if not colon:
        raise UsageError(f"--original {name!r} names no factory; write package.module:factory.")
    if "" not in sys.path:
        sys.path.insert(0, "")
    try:
        factory = getattr(importlib.import_module(package), attribute)
    except (ImportError, AttributeError) as error:
        raise UsageError(f"--original {name!r} cannot be imported ({error}); run from the folder that holds it.") from error
    try:
        return factory()
    except Exception as error:  # the user's own code
        raise UsageError(
            f"{name} failed ({type(error).__name__}: {error}); it must build the module without arguments."
        ) from error


def _load(module: Any, weights: Path, factory: str) -> nn.Module:
    from safetensors import SafetensorError
    from safetensors.torch import load_file

    if not isinstance(module, nn.Module):
        raise UsageError(f"{factory} returned a {type(module).__name__}; return a torch.nn.Module.")
    try:
        module.load_state_dict(load_file(weights))
    except (OSError, RuntimeError, SafetensorError) as error:
        raise CheckpointError(
            f"{weights} cannot be loaded into {factory} ({error}); name the weights of that model."
        ) from error
    return module


def _check_samples(graph: Graph, arrays: Arrays) -> None:
    if arrays and set(arrays) != {port.name for port in graph.inputs}:
        wanted = ", ".join(port.name for port in graph.inputs)
        raise UsageError(f"The samples hold {', '.join(sorted(arrays))}; give one array for each input: {wanted}.")
    if arrays:
        graph.check(arrays)
