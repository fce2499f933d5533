"""The service on a provider: ready, which it is only when the nodes ran there, and right on golden requests."""

from __future__ import annotations

import json
import signal
import socket
import subprocess
import sys
import tempfile
import time
import urllib.error
import urllib.request
from collections.abc import Iterator, Sequence
from contextlib import contextmanager
from pathlib import Path
from typing import Any

import numpy as np
from proof import environment

from zoo.hub import GOLDEN, Artifact
from zoo.run import graph_inputs, load_arrays
from zoo.spec import Arrays, Graph

READY_WITHIN_S = 180.0
DATATYPES = {"float32": "FP32", "float64": "FP64", "int64": "INT64", "int32": "INT32", "uint8": "UINT8", "bool": "BOOL"}


def serve_golden(artifacts: Sequence[Artifact], provider: str) -> list[dict[str, Any]]:
    """A row a graph: seconds to ready, and the largest error of the golden answers as a share of the certified bound."""
    names = [artifact.manifest.model for artifact in artifacts]
    try:
        with _service(names, provider) as (url, ready_s):
            return [
                {"graph": f"{artifact.manifest.model}.{graph.name}", "provider": provider, "ready_s": ready_s,
                 **_golden(url, artifact, graph)}
                for artifact in artifacts for graph in artifact.manifest.graphs
            ]  # fmt: skip
    except RuntimeError as error:
        return [{"graph": "all", "provider": provider, "passed": False, "why": str(error)}]


def _golden(url: str, artifact: Artifact, graph: Graph) -> dict[str, Any]:
    golden = load_arrays(artifact.folder / GOLDEN)
    bounds = artifact.certificate.graphs[graph.name]["bounds"]
    answer = _infer(f"{url}/v2/models/{artifact.manifest.model}.{graph.name}/infer", graph, graph_inputs(golden, graph))
    shares = []
    for port in graph.outputs:
        expected = golden[f"{graph.name}/{port.name}"]
        if port.is_float:
            shares.append(float(np.abs(answer[port.name] - expected).max()) / bounds[port.name])
        else:
            shares.append(0.0 if np.array_equal(answer[port.name], expected) else np.inf)
    return {"share": max(shares), "passed": max(shares) <= 1}


def _infer(url: str, graph: Graph, inputs: Arrays) -> Arrays:
    tensors = [
        {"name": port.name, "shape": list(inputs[port.name].shape), "datatype": DATATYPES[port.dtype],
         "data": inputs[port.name].ravel().tolist()}
        for port in graph.inputs
    ]  # fmt: skip
    body = json.dumps({"inputs": tensors}).encode()
    request = urllib.request.Request(url, data=body, headers={"Content-Type": "application/json"})
    try:
        with urllib.request.urlopen(request, timeout=60) as response:
            found = json.load(response)["outputs"]
    except urllib.error.HTTPError as error:
        raise RuntimeError(f"{url} answered {error.code}: {error.read().decode(errors='replace')[:200]}") from error
    return {tensor["name"]: np.array(tensor["data"]).reshape(tensor["shape"]) for tensor in found}


@contextmanager
def _service(models: Sequence[str], provider: str) -> Iterator[tuple[str, float]]:
    """Address, and seconds from its start to ready. Raises RuntimeError with the end of its log where it is not."""
    with socket.socket() as probe:
        probe.bind(("127.0.0.1", 0))
        port = probe.getsockname()[1]
    line = [sys.executable, "-m", "serving", "--port", str(port), "--provider", provider, *models]
    with tempfile.TemporaryDirectory() as folder:
        log = Path(folder) / "log"
        started = time.perf_counter()
        with log.open("wb") as file:
            process = subprocess.Popen(line, stdout=file, stderr=file, env=environment(BENTOML_DO_NOT_TRACK="True"))
        try:
            url = f"http://127.0.0.1:{port}"
            _wait(process, f"{url}/v2/health/ready", started, log)
            yield url, time.perf_counter() - started
        finally:
            process.send_signal(signal.SIGTERM)
            try:
                process.wait(30)
            except subprocess.TimeoutExpired:
                process.kill()


def _wait(process: subprocess.Popen[bytes], url: str, started: float, log: Path) -> None:
    while time.perf_counter() - started < READY_WITHIN_S and process.poll() is None:
        try:
            with urllib.request.urlopen(url, timeout=5):
                return
        except OSError:
            time.sleep(0.05)
    raise RuntimeError(f"The service was not ready: {' '.join(log.read_text(errors='replace').splitlines()[-3:])}")
