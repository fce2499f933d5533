"""What only concerns ours: start to ready with one model and with more, and memory with a small and with a large one."""

from __future__ import annotations

import statistics
import sys
import urllib.request
from collections.abc import Callable
from dataclasses import dataclass, field
from pathlib import Path

from benchmarks.serving.process import Server, free_ports
from benchmarks.serving.servers import ROOT
from benchmarks.serving.subjects import LARGE, SMALL
from serving.load.closed_loop import closed_loop
from serving.load.connection import Target
from serving.load.request import prepare

FURTHER = ("lenet5-mnist", "lstm-japanese-vowels", "mlp-mnist", "softmax-digits", "vae-mnist")
CLIENTS, LOAD_S = 8, 1.0


@dataclass
class Own:
    """Of each round: seconds with one model and with all, bytes under load with the small and with the large one."""

    weights_bytes: int
    one_s: list[float] = field(default_factory=list)
    all_s: list[float] = field(default_factory=list)
    small_bytes: list[int] = field(default_factory=list)
    large_bytes: list[int] = field(default_factory=list)

    @property
    def further_s(self) -> float:
        """What each further model adds to the start."""
        return (statistics.median(self.all_s) - statistics.median(self.one_s)) / len(FURTHER)

    @property
    def large_times(self) -> float:
        """Memory above that of the small one, as a multiple of the weights."""
        return (statistics.median(self.large_bytes) - statistics.median(self.small_bytes)) / self.weights_bytes


def measure_own(hub: Path, rounds: int, work: Path, say: Callable[[str], None]) -> Own:
    own = Own((hub / LARGE / "predict.onnx").stat().st_size)
    for number in range(1, rounds + 1):
        ready_s, memory = _run(hub, work, SMALL)
        own.one_s.append(ready_s)
        own.small_bytes.append(memory)
        own.all_s.append(_run(hub, work, SMALL, *FURTHER)[0])
        own.large_bytes.append(_run(hub, work, LARGE)[1])
        say(
            f"round {number} ours alone: ready {own.one_s[-1]:.2f} s, with {len(FURTHER)} more {own.all_s[-1]:.2f} s; "
            f"{own.small_bytes[-1] / 1e6:.0f} MB, with {LARGE} {own.large_bytes[-1] / 1e6:.0f} MB"
        )
    return own


def _run(hub: Path, work: Path, *models: str) -> tuple[float, int]:
    """Seconds until ready, and memory after a second of load on the first model."""
    work.mkdir(parents=True, exist_ok=True)
    [port] = free_ports(1)
    url = f"http://127.0.0.1:{port}"
    command = [sys.executable, "-m", "serving", "--port", str(port), *models]
    server = Server(command, {"ZOO_HUB": str(hub.resolve())}, ROOT, work / "own.txt")
    try:
        ready_s = server.wait(lambda: urllib.request.urlopen(f"{url}/v2/health/ready", timeout=5).status == 200)
        prepared = prepare(url, models[0], 1, {})
        closed_loop(Target.post(prepared.url, prepared.body, prepared.headers), clients=CLIENTS, seconds=LOAD_S)
        return ready_s, server.memory_bytes()
    finally:
        server.stop()
