"""`tests/gpu/run.sh`: all parts one after the other, and one result. `--provider cpu` tries the plumbing without a GPU."""

from __future__ import annotations

import argparse
import sys
from pathlib import Path

from machine import describe
from page import write
from proof import prove_all, provider_starts
from served import serve_golden
from throughput import Measuring, measure_all

from zoo.commands import run_command
from zoo.errors import RuntimeUnavailableError
from zoo.hub import Hub

ROOT = Path(__file__).parents[2]


def main() -> None:
    given = _parser().parse_args()
    hub = Hub()
    names = given.models.split(",") if given.models else hub.names()
    artifacts = [hub.artifact(name) for name in names]
    if not provider_starts(artifacts[0], given.provider):
        raise RuntimeUnavailableError(
            f"The provider {given.provider} does not start here; run this on a machine with an NVIDIA GPU, the extras "
            "[train] and [gpu] installed, or try the plumbing with --provider cpu."
        )
    providers = [given.provider]
    if given.provider != "cpu" and provider_starts(artifacts[0], "tensorrt"):
        providers.append("tensorrt")
    found = {"machine": describe(given.provider), "command": " ".join(["tests/gpu/run.sh", *sys.argv[1:]])}
    found["providers"] = providers
    found["parity"] = prove_all(artifacts, providers, given.runs, given.depth)
    found["service"] = serve_golden(artifacts, given.provider)
    measuring = Measuring(given.provider, tuple(map(int, given.batches.split(","))), given.seconds, given.rounds)
    found["throughput"] = measure_all(artifacts, measuring, given.runners.split(","))
    write(found, given.out or (ROOT / "docs" / "studies" if given.provider != "cpu" else ROOT / "build" / "gpu"))
    raise SystemExit(0 if all(row["passed"] for row in [*found["parity"], *found["service"]]) else 1)


def _parser() -> argparse.ArgumentParser:
    parser = argparse.ArgumentParser(prog="tests/gpu/run.sh", description=(__doc__ or "").splitlines()[0])
    parser.add_argument("--provider", default="cuda", choices=("cuda", "cpu"))
    parser.add_argument("--models", help="separated by commas; all published ones when not given")
    parser.add_argument(
        "--runs", type=Path, default=ROOT / "runs", help="run folders: their whole test split decides on twins"
    )
    parser.add_argument("--depth", default="full", choices=("quick", "full"))
    parser.add_argument("--batches", default="1,8,32,256")
    parser.add_argument("--runners", default="onnxruntime,onnxruntime-cpu,heuristic,default,bound,recorded,eager,compiled")
    parser.add_argument("--seconds", type=float, default=1.0, help="of one measurement")
    parser.add_argument("--rounds", type=int, default=5, help="measurements of each; the median counts")
    parser.add_argument("--out", type=Path, help="folder of gpu.json and gpu.md")
    return parser


if __name__ == "__main__":
    run_command(main)
