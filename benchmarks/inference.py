"""Milliseconds of a call, ONNX Runtime beside the original in its own library: `python -m benchmarks.inference`.

For every graph at batch 1, 8 and 32, one where the whole input is a single case: the published file and its twins through
the session that the service uses, the original in PyTorch eager mode (an estimator: the last of its methods, which gives
the scores), and `torch.compile`. All of them take turns in one process, in an order that is drawn anew each round, with as
many threads as there are cores; the figure is the median of the rounds' medians. Inputs are the golden samples, already
arrays or tensors. What is compared must agree first; what torch cannot compile is left out, and why is printed. Results go
to `zoo/measured/`, where the cards find them; `docs/studies/inference.md` has those of all models as a table.
"""

from __future__ import annotations

import argparse
import math
import os
import platform
import statistics
import time
from collections.abc import Callable, Mapping, Sequence
from dataclasses import dataclass, field
from importlib.metadata import version
from pathlib import Path
from typing import Any

import numpy as np
import torch

from zoo.cards.cost import ORIGINAL
from zoo.cards.markdown import table
from zoo.cards.measured import measured, record
from zoo.commands import run_command, shell
from zoo.cpus import available_cpus
from zoo.hub import EMBEDDED, GOLDEN, Artifact, Hub
from zoo.hub import ORIGINAL as ORIGINAL_FOLDER
from zoo.original import Original
from zoo.run import graph_inputs, load_arrays
from zoo.session import Session
from zoo.spec import Arrays, Graph

BATCHES = (1, 8, 32)
WARM_UP = 3  # calls before a block
LEAST_CALLS, BLOCK_S = 5, 0.03  # of a block
SLOW_S = 0.2  # a call that takes longer is made once a block
PAUSE_S = 0.005  # lets the threads of the one before go to sleep
AGREE = 1e-3
STUDY = Path(__file__).parent.parent / "docs" / "studies" / "inference.md"

Call = Callable[[], Any]


@dataclass
class Cell:
    """One way to run one graph at one batch size, and the median of each block in ms."""

    model: str
    graph: str
    batch: int
    kind: str
    call: Call
    medians: list[float] = field(default_factory=list)

    @property
    def ms(self) -> float:
        return float(f"{statistics.median(self.medians):.4g}")


def cells_of(artifact: Artifact, compiled: bool) -> list[Cell]:
    original = Original.load(artifact.folder / ORIGINAL_FOLDER).cast("float32")
    golden = load_arrays(artifact.folder / GOLDEN)
    cells = []
    for graph in artifact.manifest.graphs:
        for batch in BATCHES if graph.batch else BATCHES[:1]:
            inputs = rows_of(graph, graph_inputs(golden, graph), batch)
            calls = {**_sessions(artifact, graph, inputs), **_originals(original, graph, inputs, compiled)}
            calls = _agreeing(artifact, graph, calls)
            cells += [Cell(artifact.manifest.model, graph.name, batch, kind, call) for kind, call in calls.items()]
    return cells


def rows_of(graph: Graph, inputs: Arrays, batch: int) -> Arrays:
    """`batch` rows of every input that has rows, taken again from the first where there are fewer."""
    return {
        port.name: inputs[port.name].take(range(batch), axis=0, mode="wrap")
        if graph.batch and port.shape[:1] == (graph.batch,)
        else inputs[port.name]
        for port in graph.inputs
    }


def _sessions(artifact: Artifact, graph: Graph, inputs: Arrays) -> dict[str, Call]:
    variants = ["", *artifact.certificate.variants]
    sessions = {variant: Session(artifact.graph_path(graph, variant), graph) for variant in variants}
    names = {variant: f"onnx.{variant}" if variant else "onnx" for variant in variants}
    return {names[variant]: _bind(session.run, inputs) for variant, session in sessions.items()}


def _bind(run: Callable[..., Any], *arguments: Any) -> Call:
    return lambda: run(*arguments)


def _originals(original: Original, graph: Graph, inputs: Arrays, compiled: bool) -> dict[str, Call]:
    method = getattr(original.model, graph.methods[-1])
    if original.family.kind == "estimator":
        return {"original": _bind(method, *inputs.values())}
    tensors = [torch.from_numpy(inputs[port.name]) for port in graph.inputs]
    found = {"original": _bind(method, *tensors)}
    if compiled:
        torch._dynamo.reset()
        found["compiled"] = _bind(torch.compile(method), *tensors)
    return found


def _agreeing(artifact: Artifact, graph: Graph, calls: dict[str, Call]) -> dict[str, Call]:
    """The calls, warmed up and compiled, less one that torch cannot compile.

    Raises ValueError unless all float32 ways give the same last output.
    """
    name, last = f"{artifact.manifest.model}: {graph.name}", graph.outputs[-1].name
    expected = np.asarray(_last(calls["original"](), last))
    found = {"onnx": _last(calls["onnx"](), last)}
    if "compiled" in calls:
        try:
            found["compiled"] = _last(calls["compiled"](), last)
        except Exception as error:  # whatever the compiler meets
            print(f"{name} is not compiled: {type(error).__name__}: {str(error).strip().splitlines()[0][:200]}", flush=True)
            calls = {kind: call for kind, call in calls.items() if kind != "compiled"}
    for kind, values in found.items():
        if not np.allclose(values, expected, AGREE, AGREE):
            raise ValueError(f"{name} by {kind} differs from the original.")
    return calls


def _last(outputs: Any, name: str) -> Any:
    if isinstance(outputs, dict):
        return outputs[name]
    return outputs[-1] if isinstance(outputs, tuple) else outputs


def measure(cells: Sequence[Cell], rounds: int) -> None:
    rng = np.random.default_rng(0)
    for number in range(rounds):
        for position in rng.permutation(len(cells)):
            time.sleep(PAUSE_S)
            cells[position].medians.append(_block_ms(cells[position].call))
        print(f"round {number + 1} of {rounds}", flush=True)


def _block_ms(call: Call) -> float:
    first = _seconds(call)
    if first > SLOW_S:
        return first * 1e3
    for _ in range(WARM_UP - 1):
        call()
    times: list[float] = []
    while len(times) < LEAST_CALLS or sum(times) < BLOCK_S:
        times.append(_seconds(call))
    return statistics.median(times) * 1e3


def _seconds(call: Call) -> float:
    start = time.perf_counter()
    call()
    return time.perf_counter() - start


def block_of(cells: Sequence[Cell], circumstances: dict[str, Any]) -> dict[str, Any]:
    """What is kept of one model: milliseconds by graph, batch and kind."""
    ms: dict[str, dict[str, dict[str, float]]] = {}
    for cell in cells:
        ms.setdefault(cell.graph, {}).setdefault(str(cell.batch), {})[cell.kind] = cell.ms
    return {**circumstances, "ms": ms}


def circumstances(rounds: int) -> dict[str, Any]:
    runtime = next(name for name in ("onnxruntime-gpu", "onnxruntime") if _installed(name))
    return {
        "machine": f"{_processor()}, {available_cpus()} cores",
        "date": time.strftime("%Y-%m-%d"),
        "load": round(os.getloadavg()[0], 2),
        "rounds": rounds,
        "command": shell(),
        "versions": {name: version(name) for name in (runtime, "torch", "scikit-learn")},
    }


def _installed(name: str) -> bool:
    try:
        return bool(version(name))
    except ImportError:
        return False


def _processor() -> str:
    for line in Path("/proc/cpuinfo").read_text(encoding="utf-8").splitlines():
        if line.startswith("model name"):
            return line.partition(":")[2].strip()
    return platform.machine()


def study(blocks: Mapping[str, dict[str, Any]], kinds: Mapping[str, str]) -> str:
    """All that is recorded as one page, by model; `kinds` says of each what its original is."""
    found = {
        (model, graph, batch): block["ms"][graph][str(batch)]
        for model, block in blocks.items()
        for graph in block["ms"]
        for batch in sorted(map(int, block["ms"][graph]))
    }
    names = ["onnx", "onnx.fp16", "onnx.int8", "original", "compiled"]
    rows = [
        (*map(str, key), *(f"{ms[name]:.3g}" if name in ms else "" for name in names), f"{_ratio(ms):.1f}")
        for key, ms in found.items()
    ]
    head = ("model", "graph", "batch", "ONNX Runtime", "fp16", "int8", "original", "torch.compile", "original / ONNX")
    ratios = [
        (batch, [_ratio(ms) for (model, _, size), ms in found.items() if size == batch and kinds[model] == "torch"])
        for batch in BATCHES
    ]
    means = ", ".join(
        f"{math.exp(statistics.fmean(map(math.log, some))):.1f} at batch {batch}" for batch, some in ratios if some
    )
    return (
        f"# Milliseconds of a call\n\n{table(head, rows)}\n\nMedians of interleaved rounds, a model's figures of one run. "
        f"The original of an estimator is {ORIGINAL['estimator']}, of the others {ORIGINAL['torch']}: over those graphs it "
        f"takes {means} times as long as ONNX Runtime (geometric means). Measured by `python -m benchmarks.inference`:\n\n"
        f"{_runs(blocks)}\n"
    )


def _runs(blocks: Mapping[str, dict[str, Any]]) -> str:
    """A line a run, with the models that it measured."""
    runs: dict[str, list[str]] = {}
    for model, block in blocks.items():
        versions = ", ".join(f"{name} {number}" for name, number in block["versions"].items())
        about = f"{block['machine']}, load {block['load']:.1f} before, {block['date']}, {block['rounds']} rounds; {versions}"
        runs.setdefault(about, []).append(model)
    return "\n".join(f"- {about}: {', '.join(models)}" for about, models in runs.items())


def _ratio(ms: dict[str, float]) -> float:
    return ms["original"] / ms["onnx"]


def main() -> None:
    parser = argparse.ArgumentParser(prog="python -m benchmarks.inference", description=(__doc__ or "").splitlines()[0])
    parser.add_argument("models", nargs="*", help="all when none is named")
    parser.add_argument("--rounds", type=int, default=15)
    parser.add_argument("--no-compile", action="store_true", help="leave torch.compile out, which takes minutes to start")
    given = parser.parse_args()
    hub = Hub(EMBEDDED)
    artifacts = [hub.artifact(name) for name in given.models or hub.names()]
    about = circumstances(given.rounds)
    with torch.inference_mode():
        cells = [cell for artifact in artifacts for cell in cells_of(artifact, not given.no_compile)]
        measure(cells, given.rounds)
    for artifact in artifacts:
        mine = [cell for cell in cells if cell.model == artifact.manifest.model]
        print(record(artifact, "inference", block_of(mine, about)))
    published = {name: hub.artifact(name) for name in hub.names()}
    blocks = {name: block for name, artifact in published.items() if (block := measured(artifact, "inference"))}
    kinds = {name: artifact.manifest.kind for name, artifact in published.items()}
    STUDY.write_text(study(blocks, kinds), encoding="utf-8")


if __name__ == "__main__":
    run_command(main)
