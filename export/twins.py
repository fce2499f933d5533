"""Twins of a graph: the same function in reduced precision, or optimised ahead of time, as a file of its own.

`<graph>.fp16.onnx` computes in float16 between float32 ports; `<graph>.int8.onnx` in 8-bit integers with scales measured on
training rows (QDQ); `<graph>.int8-dynamic.onnx` with scales measured on every call; `<graph>.optimized.onnx` is what ONNX
Runtime makes of the graph, saved. The first three are accepted by the task metric, the last by the rule itself.
"""

from __future__ import annotations

import logging
import tempfile
from collections.abc import Callable, Iterator
from contextlib import contextmanager
from pathlib import Path

import onnx
import onnxruntime

from zoo.errors import ExportError, UnknownNameError
from zoo.spec import Arrays, Graph

CALIBRATION_BATCH = 32


VARIANTS = ("optimized", "fp16", "int8", "int8-dynamic")


def make_twin(variant: str, source: Path, target: Path, graph: Graph, calibration: Arrays) -> None:
    """Write the twin of `source` to `target`; `calibration` holds training rows by port name.

    Raises UnknownNameError for a variant that does not exist, ExportError where the converter fails.
    """
    makers: dict[str, Callable[[Path, Path, Graph, Arrays], None]] = {
        "optimized": _optimize,
        "fp16": _to_float16,
        "int8": _quantize_static,
        "int8-dynamic": _quantize_dynamic,
    }
    if variant not in makers:
        raise UnknownNameError("variant", variant, makers)
    with tempfile.TemporaryDirectory() as folder, _silent():
        plain = Path(folder) / "plain.onnx"
        onnx.save(_without_inner_shapes(source), plain)
        try:
            makers[variant](plain, Path(folder) / "twin.onnx", graph, calibration)
        except Exception as error:  # converters raise what their passes lead to
            reason = str(error).strip().splitlines()[0][:200]
            raise ExportError(f"Graph {graph.name!r} has no {variant} twin: {reason}") from error
        model = onnx.load(Path(folder) / "twin.onnx")
        target.write_bytes(model.SerializeToString(deterministic=True))


def _without_inner_shapes(source: Path) -> onnx.ModelProto:
    """Converters that transpose a weight stumble over the old shape that the file notes of it."""
    model = onnx.load(source)
    del model.graph.value_info[:]
    return model


def _optimize(source: Path, target: Path, graph: Graph, calibration: Arrays) -> None:
    """Extended level: fusions that hold on every machine; layouts for this one's processor stay out of the file."""
    options = onnxruntime.SessionOptions()
    options.graph_optimization_level = onnxruntime.GraphOptimizationLevel.ORT_ENABLE_EXTENDED
    options.optimized_model_filepath = str(target)
    options.log_severity_level = 3
    onnxruntime.InferenceSession(str(source), options, providers=["CPUExecutionProvider"])


def _to_float16(source: Path, target: Path, graph: Graph, calibration: Arrays) -> None:
    from onnxruntime.transformers.float16 import convert_float_to_float16

    onnx.save(convert_float_to_float16(onnx.load(source), keep_io_types=True), target)


def _quantize_dynamic(source: Path, target: Path, graph: Graph, calibration: Arrays) -> None:
    from onnxruntime.quantization import quantize_dynamic

    quantize_dynamic(source, target)


def _quantize_static(source: Path, target: Path, graph: Graph, calibration: Arrays) -> None:
    from onnxruntime.quantization import CalibrationDataReader, QuantFormat, QuantType, quantize_static

    class Rows(CalibrationDataReader):
        def __init__(self) -> None:
            self._batches = _batches(graph, calibration)

        def get_next(self) -> Arrays | None:
            return next(self._batches, None)

    if not calibration:
        raise ExportError("the run has no calibration rows")
    quantize_static(
        source, target, Rows(), quant_format=QuantFormat.QDQ, per_channel=True, weight_type=QuantType.QInt8
    )  # fmt: skip


def _batches(graph: Graph, calibration: Arrays) -> Iterator[Arrays]:
    """Some rows at a time; where rows depend on one another all of them."""
    if graph.batch is None:
        yield calibration
        return
    rows = len(next(iter(calibration.values())))
    for start in range(0, rows, CALIBRATION_BATCH):
        yield {name: array[start : start + CALIBRATION_BATCH] for name, array in calibration.items()}


@contextmanager
def _silent() -> Iterator[None]:
    """The quantiser logs advice to the root logger at every call."""
    level = logging.getLogger().level
    logging.getLogger().setLevel(logging.ERROR)
    try:
        yield
    finally:
        logging.getLogger().setLevel(level)
