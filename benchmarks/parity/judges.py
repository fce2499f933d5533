"""Four judges of one file: each says whether it would let the file pass."""

from __future__ import annotations

import logging
import tempfile
from collections.abc import Callable
from pathlib import Path
from typing import Any

import numpy as np
import onnxruntime
import torch
from onnx import ModelProto

from benchmarks.parity.subject import Subject
from export.inputs import draw
from export.prove import prove
from export.torch_exporter import View, example_sizes
from zoo.original import call_module
from zoo.session import Session
from zoo.spec import Arrays, Graph, Port

Judge = Callable[[ModelProto, int], bool]


class Ours:
    """`zoo validate --depth quick` of one graph: the session that serves, the rebuilt original, cases and invariances."""

    def __init__(self, subject: Subject) -> None:
        self._subject = subject

    def __call__(self, model: ModelProto, seed: int) -> bool:
        subject = self._subject
        with tempfile.TemporaryDirectory() as folder:
            path = Path(folder) / subject.graph.file
            path.write_bytes(model.SerializeToString())
            try:
                session = Session(path, subject.graph)
                rng = np.random.default_rng([seed, subject.number])
                return prove(subject.graph, session, subject.reference(), subject.samples, rng).passed
            except Exception:  # `zoo validate` reports it, and fails
                return False


class TorchVerification:
    """What `torch.onnx.export(..., verify=True)` does with the program it made.

    torch 2.13.0, torch/onnx/_internal/exporter/_core.py, steps 5 and 6 (lines 1699-1732): `verify_onnx_program` on the
    example inputs, and accuracy is lost where `max_abs_diff >= 5e-3` or `max_rel_diff >= 1e-1` (line 1717: "The threshold
    is arbitrary right now"). It then warns; here the warning is taken as a verdict. The very same function is applied to
    the faulty file. The example has the sizes that our exporter uses, and values drawn over the ports' ranges.
    """

    ABSOLUTE, RELATIVE = 5e-3, 1e-1

    def __init__(self, subject: Subject) -> None:
        if subject.build is None:
            raise NotImplementedError("an estimator is no torch module")
        self._graph = subject.graph
        module = View(subject.build().to(torch.float32).eval(), subject.graph.methods[0])
        example = self._example(0)
        self._program = torch.export.export(module, example)  # at the example's sizes: it is asked about no others

    def __call__(self, model: ModelProto, seed: int) -> bool:
        import onnx_ir
        from torch.onnx.verification import verify_onnx_program

        try:
            program = torch.onnx.ONNXProgram(onnx_ir.from_proto(model), self._program)
            found = verify_onnx_program(program, self._example(seed))
        except Exception:  # the exporter says that the model does not run
            return False
        return not any(info.max_abs_diff >= self.ABSOLUTE or info.max_rel_diff >= self.RELATIVE for info in found)

    def _example(self, seed: int) -> tuple[torch.Tensor, ...]:
        inputs = draw(self._graph, example_sizes(self._graph), np.random.default_rng([seed, 3]))
        return tuple(torch.from_numpy(np.ascontiguousarray(inputs[port.name])) for port in self._graph.inputs)


class Polygraphy:
    """Polygraphy 0.53.6 with its defaults: one iteration of its random data loader, free axes of size 1, atol = rtol = 1e-5.

    The original runs as a second runner. Integer ports get their declared range, as its default of 0 to 1 is not always
    legal (a length of 0).
    """

    def __init__(self, subject: Subject) -> None:
        from polygraphy.logger import G_LOGGER

        G_LOGGER.module_severity = G_LOGGER.CRITICAL + 10
        self._subject, self._original = subject, _float32(subject)

    def __call__(self, model: ModelProto, seed: int) -> bool:
        from polygraphy.backend.onnxrt import OnnxrtRunner, SessionFromOnnx
        from polygraphy.comparator import Comparator, DataLoader, SimpleCompareFunc

        graph = self._subject.graph
        ranges: dict[str, tuple[float, float]] = {"": (0.0, 1.0)}
        ranges |= {port.name: _integers(port, 1) for port in graph.inputs if not port.is_float and port.dtype != "bool"}
        runners = [OnnxrtRunner(SessionFromOnnx(model.SerializeToString())), self._runner()]
        try:
            results = Comparator.run(runners, data_loader=DataLoader(seed=seed, val_range=ranges))
            return bool(Comparator.compare_accuracy(results, compare_func=SimpleCompareFunc()))
        except Exception:  # the file does not load or run
            return False

    def _runner(self) -> Any:
        from polygraphy.backend.base import BaseRunner
        from polygraphy.common import TensorMetadata

        graph, original = self._subject.graph, self._original

        class Original(BaseRunner):  # type: ignore[misc]
            def __init__(self) -> None:
                super().__init__(name="original")

            def get_input_metadata_impl(self) -> Any:
                metadata = TensorMetadata()
                for port in graph.inputs:
                    metadata.add(port.name, np.dtype(port.dtype), port.shape)
                return metadata

            def infer_impl(self, feed_dict: Arrays) -> Arrays:
                self.inference_time = 0.0
                return original(dict(feed_dict))

        return Original()


class Optimum:
    """optimum-onnx 0.1.0's rule: optimum/exporters/onnx/convert.py, `_run_validation` (lines 230-389).

    One random input with a batch of 2 and 16 steps (optimum 2.3.0, utils/input_generators.py, `DEFAULT_DUMMY_SHAPES`),
    floats from 0 to 1, the original in float32, a session with ORT_ENABLE_BASIC; shapes are equal and
    `np.allclose(reference, found, atol=1e-5)` with NumPy's rtol of 1e-5 (`ATOL_FOR_VALIDATION`, exporters/base.py line 110).
    The package itself only takes transformers' and diffusers' models, with a configuration each, and pins an older
    transformers: its rule is written down here.
    """

    BATCH, STEPS, TOLERANCE = 2, 16, 1e-5

    def __init__(self, subject: Subject) -> None:
        self._graph, self._original = subject.graph, _float32(subject)

    def __call__(self, model: ModelProto, seed: int) -> bool:
        graph, rng = self._graph, np.random.default_rng([seed, 5])
        inputs = {port.name: self._draw(port, rng) for port in graph.inputs}
        expected = self._original(inputs)
        options = onnxruntime.SessionOptions()
        options.graph_optimization_level = onnxruntime.GraphOptimizationLevel.ORT_ENABLE_BASIC
        options.log_severity_level = 4
        try:
            session = onnxruntime.InferenceSession(model.SerializeToString(), options, providers=["CPUExecutionProvider"])
            found = dict(zip(expected, session.run(list(expected), inputs), strict=True))
        except Exception:  # it would be raised
            return False
        return all(
            found[name].shape == expected[name].shape and np.allclose(expected[name], found[name], atol=self.TOLERANCE)
            for name in expected
        )

    def _size(self, size: int | str) -> int:
        if isinstance(size, int):
            return size
        if size == self._graph.batch:
            return self.BATCH
        return min(self.STEPS, self._graph.axis(size).high or self.STEPS)

    def _draw(self, port: Port, rng: np.random.Generator) -> np.ndarray:
        shape = [self._size(size) for size in port.shape]
        if port.is_float:
            return rng.random(shape).astype(port.dtype)
        if port.dtype == "bool":
            return np.ones(shape, dtype=bool)
        low, high = _integers(port, self._size(port.axis) if port.axis else 0)
        return rng.integers(int(low), int(high), size=shape, endpoint=True).astype(port.dtype)


JUDGES: dict[str, Callable[[Subject], Judge]] = {
    "ours": Ours,
    "torch": TorchVerification,
    "polygraphy": Polygraphy,
    "optimum": Optimum,
}


def seat(names: list[str], subject: Subject) -> dict[str, Judge]:
    """The judges that can judge this subject."""
    logging.getLogger("torch.onnx").setLevel(logging.CRITICAL)
    onnxruntime.set_default_logger_severity(4)  # torch asks for CUDA where the package has it
    seated: dict[str, Judge] = {}
    for name in names:
        try:
            seated[name] = JUDGES[name](subject)
        except NotImplementedError:
            continue
    return seated


def _float32(subject: Subject) -> Callable[[Arrays], Arrays]:
    """The original as those judges run it: in float32, an estimator as it is."""
    graph: Graph = subject.graph
    if subject.build is None:
        reference = subject.reference()
        return lambda inputs: {
            port.name: reference.ref64(graph, inputs)[port.name].astype(port.dtype) for port in graph.outputs
        }
    module = subject.build().to(torch.float32).eval()
    return lambda inputs: call_module(module, graph, inputs, "float32")


def _integers(port: Port, steps: int) -> tuple[float, float]:
    if port.axis is not None:
        return 1, steps
    return port.low or 0, 1 if port.high is None else port.high
