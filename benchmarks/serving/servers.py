"""Every server of the comparison: how it is started, where it listens, and what it is sent.

All have one thread of ONNX Runtime a worker and, where they batch, at most 32 rows and 1 ms; the rest is as each of them
comes. Rivals run in environments of their own (`benchmarks.serving.install`).
"""

from __future__ import annotations

import json
import os
import subprocess
import sys
from collections.abc import Callable
from dataclasses import dataclass
from pathlib import Path

from benchmarks.serving.install import require
from benchmarks.serving.payloads import BASE64, NAMED_JSON, PLAIN_JSON, RAW, V2_BINARY, V2_JSON, Payload
from benchmarks.serving.process import Server, free_ports
from benchmarks.serving.subjects import Subject

ROOT = Path(__file__).parents[2]
APPS = Path(__file__).parent / "apps"
PORTS = 5  # more than one server needs

Command = Callable[[Path, Subject, Path, list[int]], list[str]]
"""From the rival's environment, the model, a folder to write to and free ports, the first of which is for HTTP."""


@dataclass(frozen=True)
class Kind:
    """`path` may hold the model's name; `start_s` is about what start and end take together, for the estimate."""

    name: str
    title: str
    payload: Payload
    path: str
    command: Command
    rival: str = ""
    workers: int = 1
    start_s: float = 4.0

    def start(self, subject: Subject, peers: Path, folder: Path) -> tuple[Server, str]:
        """The server, not ready yet, and the address of its inference route."""
        folder.mkdir(parents=True, exist_ok=True)
        ports = free_ports(PORTS)
        command = self.command((peers / self.rival).resolve(), subject, folder.resolve(), ports)
        server = Server(command, self._environment(subject, peers, folder), self._home(folder), folder / "log.txt")
        return server, f"http://127.0.0.1:{ports[0]}{self.path.format(model=subject.name)}"

    def _home(self, folder: Path) -> Path:
        return folder if self.rival else ROOT

    def _environment(self, subject: Subject, peers: Path, folder: Path) -> dict[str, str]:
        shared = {"OMP_NUM_THREADS": "1", "BENTOML_DO_NOT_TRACK": "True", "BENTOML_HOME": str(folder.resolve())}
        if not self.rival:
            # One core computes for each worker, as for every rival.
            one_core = {"ZOO_THREADS": "1", "ZOO_MAX_IN_FLIGHT": "1"}
            ours = {"ZOO_HUB": str(subject.hub.resolve()), "ZOO_WORKERS": str(self.workers), "ZOO_MODELS": subject.name}
            return {**shared, **one_core, **ours}
        binaries = (peers / self.rival / "bin").resolve()
        return {
            **shared,
            "PATH": f"{binaries}{os.pathsep}{os.environ['PATH']}",
            "PYTHONPATH": str(APPS),
            "BENCH_ONNX": str(subject.onnx),
            "BENCH_FOLDER": str(folder.resolve()),
            "TMPDIR": str(folder.resolve()),
            "LOG_LOCATION": str(folder.resolve()),
            "METRICS_LOCATION": str(folder.resolve()),
            "RAY_USAGE_STATS_ENABLED": "0",
        }


def _ours(peer: Path, subject: Subject, folder: Path, ports: list[int]) -> list[str]:
    return [sys.executable, "-m", "serving", "--port", str(ports[0]), subject.name]


def _floor(peer: Path, subject: Subject, folder: Path, ports: list[int]) -> list[str]:
    return [sys.executable, "-m", "benchmarks.serving.floor", str(ports[0]), subject.name]


def _bentoml(peer: Path, subject: Subject, folder: Path, ports: list[int]) -> list[str]:
    options = ["--host", "127.0.0.1", "--port", str(ports[0]), "--working-dir", str(APPS)]
    return [str(peer / "bin" / "python"), "-m", "bentoml", "serve", "bentoml_app:Bench", *options]


def _litserve(peer: Path, subject: Subject, folder: Path, ports: list[int]) -> list[str]:
    return [str(peer / "bin" / "python"), str(APPS / "litserve_app.py"), str(ports[0]), "json"]


def _litserve_base64(peer: Path, subject: Subject, folder: Path, ports: list[int]) -> list[str]:
    return [*_litserve(peer, subject, folder, ports)[:-1], "base64"]


def _mlserver(peer: Path, subject: Subject, folder: Path, ports: list[int]) -> list[str]:
    settings = {
        "host": "127.0.0.1",
        "http_port": ports[0],
        "grpc_port": ports[1],
        "metrics_port": ports[2],
        "parallel_workers": 0,
        "logging_settings": {"version": 1, "disable_existing_loggers": False, "root": {"level": "ERROR"}},
    }
    model = {"name": "bench", "implementation": "mlserver_app.Bench", "max_batch_size": 32, "max_batch_time": 0.001}
    (folder / "settings.json").write_text(json.dumps(settings), encoding="utf-8")
    (folder / "model-settings.json").write_text(json.dumps(model), encoding="utf-8")
    return [str(peer / "bin" / "mlserver"), "start", str(folder)]


def _pytriton(peer: Path, subject: Subject, folder: Path, ports: list[int]) -> list[str]:
    return [str(peer / "bin" / "python"), str(APPS / "pytriton_app.py"), str(ports[0]), str(ports[1])]


def _ray(peer: Path, subject: Subject, folder: Path, ports: list[int]) -> list[str]:
    return [str(peer / "bin" / "python"), str(APPS / "ray_app.py"), str(ports[0])]


def _torchserve(peer: Path, subject: Subject, folder: Path, ports: list[int]) -> list[str]:
    require("java")
    archiver = [str(peer / "bin" / "torch-model-archiver"), "--model-name", "bench", "--version", "1", "--force"]
    files = ["--handler", str(APPS / "torchserve_app.py"), "--extra-files", str(APPS / "graph.py")]
    subprocess.run([*archiver, *files, "--export-path", str(folder)], check=True, capture_output=True)
    batch = {"marName": "bench.mar", "minWorkers": 1, "maxWorkers": 1, "batchSize": 32, "maxBatchDelay": 1}
    models = {"bench": {"1": {"defaultVersion": True, "responseTimeout": 30, **batch}}}
    addresses = {"inference": ports[0], "management": ports[1], "metrics": ports[2]}
    lines = [
        *(f"{name}_address=http://127.0.0.1:{port}" for name, port in addresses.items()),
        *(f"grpc_{name}_address=127.0.0.1" for name in ("inference", "management")),
        f"grpc_inference_port={ports[3]}",
        f"grpc_management_port={ports[4]}",
        "disable_token_authorization=true",
        f"model_store={folder}",
        "load_models=bench.mar",
        f"models={json.dumps(models)}",
    ]
    (folder / "config.properties").write_text("\n".join(lines) + "\n", encoding="utf-8")
    start = [str(peer / "bin" / "torchserve"), "--start", "--foreground", "--ncs", "--disable-token-auth"]
    return [*start, "--ts-config", str(folder / "config.properties"), "--model-store", str(folder)]


V2 = "/v2/models/{model}/infer"
BENCH = "/v2/models/bench/infer"
KINDS = {
    kind.name: kind
    for kind in (
        Kind("ours", "ours, 1 worker", V2_BINARY, V2, _ours),
        Kind("ours-2", "ours, 2 workers", V2_BINARY, V2, _ours, workers=2, start_s=5),
        Kind("floor", "the floor", V2_BINARY, V2, _floor, start_s=2),
        Kind("torchserve", "TorchServe", RAW, "/predictions/bench", _torchserve, "torchserve", start_s=8),
        Kind("pytriton", "Triton (pytriton)", V2_BINARY, BENCH, _pytriton, "pytriton", start_s=7),
        Kind("mlserver", "MLServer", V2_JSON, BENCH, _mlserver, "mlserver", start_s=5),
        Kind("litserve", "LitServe", NAMED_JSON, "/predict", _litserve, "litserve", start_s=4),
        Kind("litserve-base64", "LitServe, base64", BASE64, "/predict", _litserve_base64, "litserve", start_s=4),
        Kind("bentoml", "BentoML, batchable API", PLAIN_JSON, "/predict", _bentoml, "bentoml", start_s=4),
        Kind("ray", "Ray Serve", RAW, "/", _ray, "ray", start_s=15),
    )
}
