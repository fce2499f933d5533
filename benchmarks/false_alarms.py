"""How often the rule fails a right export: `python benchmarks/false_alarms.py [MODEL…] [--seeds 20] [--draws 0 4 16]`.

Every published network is proven once a seed, and once for each number of moved float32 runs that the floor is taken over
(`export.reference.DRAWS`). Prints alarms and the largest error of any output, in floors; 8 is the bound.
"""

from __future__ import annotations

import argparse

import numpy as np

from export import reference
from export.prove import prove
from zoo.hub import GOLDEN, ORIGINAL, Artifact, Hub
from zoo.run import graph_inputs, load_arrays
from zoo.session import Session


def main() -> None:
    parser = argparse.ArgumentParser(description=__doc__, formatter_class=argparse.RawDescriptionHelpFormatter)
    parser.add_argument("models", nargs="*")
    parser.add_argument("--seeds", type=int, default=20)
    parser.add_argument("--draws", type=int, nargs="+", default=[reference.DRAWS])
    options = parser.parse_args()
    hub = Hub()
    print(f"| model | moved runs | alarms in {options.seeds} proofs a graph | largest error, in floors |\n|---|---|---|---|")
    for model in options.models or hub.names():
        artifact = hub.artifact(model)
        if artifact.manifest.kind == "torch":
            for draws in options.draws:
                reference.DRAWS = draws
                alarms, largest = scan(artifact, options.seeds)
                print(f"| {model} | {draws} | {alarms} | {largest:.1f} |", flush=True)


def scan(artifact: Artifact, seeds: int) -> tuple[int, float]:
    """Failed proofs of the artifact's graphs, and their largest error in floors."""
    source, samples = reference.load_reference(artifact.folder / ORIGINAL), load_arrays(artifact.folder / GOLDEN)
    alarms, largest = 0, 0.0
    for graph in artifact.manifest.graphs:
        session, inputs = Session(artifact.folder / graph.file, graph), graph_inputs(samples, graph)
        for seed in range(seeds):
            report = prove(graph, session, source, inputs, np.random.default_rng([seed, 0]))
            alarms += not report.passed
            largest = max(largest, *(record.error / record.floor for record in report.records if record.floor))
    return alarms, largest


if __name__ == "__main__":
    main()
