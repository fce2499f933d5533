"""wrk with a body, its findings as numbers."""

from __future__ import annotations

import json
import resource
import subprocess
import time
from dataclasses import dataclass
from pathlib import Path

from benchmarks.serving.install import require
from serving.load.request import Headers

DONE = """
function done(summary, latency, requests)
  local errors = summary.errors
  io.write(string.format(
    '\\n{"requests": %d, "us": %d, "p50": %.1f, "p99": %.1f, "failed": %d}\\n',
    summary.requests, summary.duration, latency:percentile(50), latency:percentile(99),
    errors.status + errors.connect + errors.read + errors.write + errors.timeout))
end
"""


@dataclass(frozen=True)
class Found:
    """`busy` is wrk's own share of one core."""

    requests: int
    failed: int
    requests_per_s: float
    p50_ms: float
    p99_ms: float
    busy: float


def load(url: str, body: bytes, headers: Headers, *, clients: int, seconds: int, folder: Path) -> Found:
    """Closed loop: `clients` connections, each with one request under way."""
    script = folder / "request.lua"
    (folder / "body.bin").write_bytes(body)
    lines = [f'wrk.headers["{name}"] = "{value}"' for name, value in headers.items()]
    read = f'wrk.method = "POST"\nwrk.body = io.open("{folder.resolve()}/body.bin", "rb"):read("*a")'
    script.write_text("\n".join([read, *lines, DONE]), encoding="utf-8")
    command = [require("wrk"), "-t1", f"-c{clients}", f"-d{seconds}s", "-s", str(script), url]
    before, began = _cpu_seconds(), time.perf_counter()
    ended = subprocess.run(command, capture_output=True, text=True, check=True, timeout=seconds + 30)
    busy = (_cpu_seconds() - before) / (time.perf_counter() - began)
    told = json.loads(ended.stdout.strip().splitlines()[-1])
    good = max(told["requests"] - told["failed"], 0)
    return Found(told["requests"], told["failed"], good / (told["us"] / 1e6), told["p50"] / 1e3, told["p99"] / 1e3, busy)


def _cpu_seconds() -> float:
    used = resource.getrusage(resource.RUSAGE_CHILDREN)
    return used.ru_utime + used.ru_stime
