"""CUDA graphs: a recorded launch that is played again must answer what is in its buffers now, not what was there first.

ONNX Runtime records the launches of a first call and replays them on the same addresses, so inputs and outputs are bound
once and overwritten in place: https://onnxruntime.ai/docs/execution-providers/CUDA-ExecutionProvider.html
"""

from __future__ import annotations

from collections.abc import Mapping
from dataclasses import dataclass, field
from pathlib import Path

import numpy as np
import onnxruntime

from export.compare import distance
from export.inputs import axis_sizes, draw, within
from zoo.providers import runtime_name
from zoo.session import Session, open_session
from zoo.spec import Arrays, Graph

ROWS = 4
OPTIONS = {"enable_cuda_graph": "1"}


@dataclass
class Replay:
    """Sentences on what did not hold, and on why nothing could be replayed."""

    broken: list[str] = field(default_factory=list)
    remarks: list[str] = field(default_factory=list)


def check_replay(
    path: Path, graph: Graph, session: Session, bounds: Mapping[str, float], rng: np.random.Generator
) -> Replay:
    """Two different inputs of one size, the first again after the second: each answer against that of a plain call.

    `bounds` are those of drawn inputs. A graph that cannot be recorded is remarked, not failed; the first call records.
    """
    sizes = {name: within(graph, ROWS) if name == graph.batch else axis_sizes(graph, name)[0] for name in graph.free_axes}
    first, second = draw(graph, sizes, rng), draw(graph, sizes, rng)
    plain = [session.run(inputs) for inputs in (first, second)]
    if any(plain[0][name].shape != plain[1][name].shape for name in plain[0]):
        return Replay(remarks=["CUDA graphs were not tried: the size of an output depends on the data"])
    try:
        recorded = _Recorded(path, session.provider, first, plain[0])
        answers = [recorded.run(first)]
    except Exception as error:  # ONNX Runtime raises a type of its own for every status
        return Replay(remarks=[f"CUDA graphs do not take it: {_reason(error)}"])
    try:
        answers += [recorded.run(inputs) for inputs in (second, first)]
    except Exception as error:
        return Replay(broken=[f"CUDA graphs: the replay does not run ({_reason(error)})"])
    expected = [plain[0], plain[1], plain[0]]
    return Replay([
        f"CUDA graphs: replay {number} of output {port.name!r} is off by {distance(answer[port.name], right[port.name]):.3g}"
        for number, (answer, right) in enumerate(zip(answers, expected, strict=True))
        for port in graph.outputs
        if not distance(answer[port.name], right[port.name]) <= bounds.get(port.name, 0.0)
    ])  # fmt: skip


def _reason(error: Exception) -> str:
    return (str(error).strip().splitlines() or [type(error).__name__])[0][:200]


class _Recorded:
    """A session with a recorded launch, bound to buffers of its own on the device."""

    def __init__(self, path: Path, provider: str, inputs: Arrays, outputs: Arrays) -> None:
        self._session = open_session(path, provider, 0, OPTIONS)
        device = "cuda" if runtime_name(provider) == "CUDAExecutionProvider" else "cpu"
        self._inputs = {name: _buffer(array, device) for name, array in inputs.items()}
        self._outputs = {name: _buffer(np.zeros_like(array), device) for name, array in outputs.items()}
        self._binding = self._session.io_binding()
        for name, value in self._inputs.items():
            self._binding.bind_ortvalue_input(name, value)
        for name, value in self._outputs.items():
            self._binding.bind_ortvalue_output(name, value)

    def run(self, inputs: Arrays) -> Arrays:
        for name, array in inputs.items():
            self._inputs[name].update_inplace(np.ascontiguousarray(array))
        self._binding.synchronize_inputs()
        self._session.run_with_iobinding(self._binding)
        self._binding.synchronize_outputs()
        return {name: value.numpy().copy() for name, value in self._outputs.items()}


def _buffer(array: np.ndarray, device: str) -> onnxruntime.OrtValue:
    """On the CPU the value shares the array's memory: a copy, so that the caller's stays as it is."""
    return onnxruntime.OrtValue.ortvalue_from_numpy(np.array(array, order="C"), device, 0)
