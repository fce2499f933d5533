"""Where ONNX Runtime spends its time: `python -m benchmarks.operators MODEL GRAPH --batch 32`.

Milliseconds of a call by operator, from ONNX Runtime's own profile of a published graph on golden samples, with one thread
and with as many as there are cores. What runs inside of a loop is counted twice: by operator, and in the loop.
"""

from __future__ import annotations

import argparse
import json
import statistics
import tempfile
import time
from collections import Counter
from pathlib import Path

import onnxruntime

from benchmarks.inference import rows_of
from zoo.cards.markdown import table
from zoo.commands import run_command
from zoo.cpus import available_cpus
from zoo.hub import EMBEDDED, GOLDEN, Artifact, Hub
from zoo.run import graph_inputs, load_arrays
from zoo.spec import Arrays, Graph

WARM_UP, CALLS = 3, 15


def inputs_of(artifact: Artifact, graph: Graph, batch: int) -> Arrays:
    """Golden samples, as `benchmarks.inference` takes them."""
    return rows_of(graph, graph_inputs(load_arrays(artifact.folder / GOLDEN), graph), batch)


def profile(path: Path, inputs: Arrays, threads: int) -> tuple[float, dict[str, float]]:
    """Milliseconds of a call, the median, and the mean by operator, the longest first."""
    with tempfile.TemporaryDirectory() as folder:
        options = onnxruntime.SessionOptions()
        options.intra_op_num_threads = threads
        options.enable_profiling, options.profile_file_prefix = True, str(Path(folder, "profile"))
        session = onnxruntime.InferenceSession(str(path), options, providers=["CPUExecutionProvider"])
        times = []
        for _ in range(WARM_UP + CALLS):
            started = time.perf_counter()
            session.run(None, inputs)
            times.append(time.perf_counter() - started)
        events = json.loads(Path(session.end_profiling()).read_text(encoding="utf-8"))
    spent: Counter[str] = Counter()
    for event in events:
        if event.get("cat") == "Node" and event["name"].endswith("kernel_time"):
            spent[event["args"]["op_name"]] += event["dur"]
    by_operator = {name: total / 1e3 / len(times) for name, total in spent.most_common()}
    return statistics.median(times[WARM_UP:]) * 1e3, by_operator


def main() -> None:
    parser = argparse.ArgumentParser(description=__doc__, formatter_class=argparse.RawDescriptionHelpFormatter)
    parser.add_argument("model")
    parser.add_argument("graph")
    parser.add_argument("--batch", type=int, default=32)
    parser.add_argument("--most", type=int, default=8, help="operators that are shown")
    given = parser.parse_args()
    artifact = Hub(EMBEDDED).artifact(given.model)
    graph = artifact.manifest.graph(given.graph)
    inputs = inputs_of(artifact, graph, given.batch)
    for threads in sorted({1, available_cpus()}):
        ms, spent = profile(artifact.folder / graph.file, inputs, threads)
        rows = [(name, f"{value:.3g}", f"{value / sum(spent.values()):.0%}") for name, value in spent.items()]
        print(f"{threads} threads: {ms:.3g} ms a call\n\n{table(('operator', 'ms', 'share'), rows[: given.most])}\n")


if __name__ == "__main__":
    run_command(main)
