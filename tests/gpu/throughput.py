"""Rows a second, from arrays in host memory to arrays in host memory: ONNX Runtime beside eager and compiled torch.

Runners: `onnxruntime` on the provider as it is served; `onnxruntime-cpu`; `heuristic` and `default`, the other searches of
cuDNN for a convolution's algorithm than the exhaustive one; `bound`, with buffers that stay on the device; `recorded`, the
same as a CUDA graph; `eager` and `compiled` torch on the same device, TensorFloat-32 off.
"""

from __future__ import annotations

import statistics
import time
from collections.abc import Callable, Iterator, Sequence
from dataclasses import dataclass
from pathlib import Path
from typing import Any

import numpy as np
import onnxruntime
import torch

from export.inputs import axis_sizes, draw
from zoo.hub import ORIGINAL, Artifact
from zoo.original import Original, call_module
from zoo.providers import runtime_name
from zoo.session import Session, open_session
from zoo.spec import Arrays, Graph

WARM_CALLS = 5
ON_PROVIDER = {
    "onnxruntime": {},
    "heuristic": {"cudnn_conv_algo_search": "HEURISTIC"},
    "default": {"cudnn_conv_algo_search": "DEFAULT"},
}
BOUND = {"bound": {}, "recorded": {"enable_cuda_graph": "1"}}

Call = Callable[[], Any]


@dataclass(frozen=True)
class Measuring:
    provider: str
    batches: tuple[int, ...]
    seconds: float
    rounds: int

    @property
    def device(self) -> str:
        return "cpu" if runtime_name(self.provider) == "CPUExecutionProvider" else "cuda"


def measure_all(artifacts: Sequence[Artifact], measuring: Measuring, runners: Sequence[str]) -> list[dict[str, Any]]:
    """A row a graph, batch and runner; `rows_per_s` None and a `why` where a runner does not take the graph."""
    torch.backends.cuda.matmul.allow_tf32 = torch.backends.cudnn.allow_tf32 = False
    rows = []
    for artifact in artifacts:
        for graph in artifact.manifest.graphs:
            if graph.batch is not None:
                rows += [row for batch in measuring.batches for row in _of_batch(artifact, graph, batch, measuring, runners)]
    return rows


def _of_batch(
    artifact: Artifact, graph: Graph, batch: int, measuring: Measuring, runners: Sequence[str]
) -> Iterator[dict[str, Any]]:
    """All runners in turn, round after round, so that a busy moment of the machine hits each."""
    sizes = {name: batch if name == graph.batch else axis_sizes(graph, name)[-1] for name in graph.free_axes}
    inputs = draw(graph, sizes, np.random.default_rng(batch))
    calls: dict[str, Call] = {}
    why: dict[str, str] = {}
    for runner in runners:
        try:
            calls[runner] = _prepare(runner, artifact, graph, inputs, measuring)
            for _ in range(WARM_CALLS):
                calls[runner]()
        except Exception as error:  # a compiler or a runtime that does not take this graph
            calls.pop(runner, None)
            why[runner] = (
                f"{type(error).__name__}: {str(error).strip().splitlines()[0][:160]}" if str(error) else repr(error)
            )
    rates: dict[str, list[float]] = {runner: [] for runner in calls}
    for _ in range(measuring.rounds):
        for runner, call in calls.items():
            rates[runner].append(batch * _calls_per_s(call, measuring.seconds))
    name = f"{artifact.manifest.model}.{graph.name}"
    for runner in runners:
        rate = statistics.median(rates[runner]) if runner in rates else None
        yield {"graph": name, "batch": batch, "runner": runner, "rows_per_s": rate, "why": why.get(runner, "")}


def _calls_per_s(call: Call, seconds: float) -> float:
    count, started = 0, time.perf_counter()
    while True:
        call()
        count += 1
        spent = time.perf_counter() - started
        if spent >= seconds:
            return count / spent


def _prepare(runner: str, artifact: Artifact, graph: Graph, inputs: Arrays, measuring: Measuring) -> Call:
    path = artifact.folder / graph.file
    if runner == "onnxruntime-cpu":
        session = Session(path, graph)
        return lambda: session.run(inputs)
    if runner in ON_PROVIDER:
        tuned = Session(path, graph, provider=measuring.provider, provider_options=ON_PROVIDER[runner])
        return lambda: tuned.run(inputs)
    if runner in BOUND:
        return _bound(path, graph, inputs, measuring, BOUND[runner])
    if runner not in ("eager", "compiled"):
        raise ValueError(f"There is no runner {runner!r}.")
    original = Original.load(artifact.folder / ORIGINAL)
    if original.family.kind != "torch":
        raise ValueError("The original is no torch module.")
    module = original.model.to(measuring.device).eval()
    if runner == "compiled":
        for method in graph.methods:
            setattr(module, method, torch.compile(getattr(module, method)))
    return lambda: call_module(module, graph, inputs, "float32")


def _bound(path: Path, graph: Graph, inputs: Arrays, measuring: Measuring, options: dict[str, str]) -> Call:
    """Buffers on the device, made once; every call copies the inputs into them and the outputs out of them."""
    sample = Session(path, graph, provider=measuring.provider).run(inputs)
    session = open_session(path, measuring.provider, 0, options)
    make = onnxruntime.OrtValue.ortvalue_from_numpy
    values = {name: make(np.array(array, order="C"), measuring.device, 0) for name, array in {**inputs, **sample}.items()}
    binding = session.io_binding()
    for port in graph.inputs:
        binding.bind_ortvalue_input(port.name, values[port.name])
    for port in graph.outputs:
        binding.bind_ortvalue_output(port.name, values[port.name])

    def call() -> list[np.ndarray]:
        for name, array in inputs.items():
            values[name].update_inplace(array)
        session.run_with_iobinding(binding)
        binding.synchronize_outputs()
        return [values[port.name].numpy() for port in graph.outputs]

    return call
