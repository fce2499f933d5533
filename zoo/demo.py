"""`python -m zoo.demo`: serve models of this repository, send them real test inputs over HTTP, print what they answer.

Ends with 0 when every request was answered, 1 when one was not.
"""

from __future__ import annotations

import io
import json
import signal
import socket
import subprocess
import sys
import time
import urllib.error
import urllib.request
from collections.abc import Iterator
from contextlib import contextmanager
from typing import Any

import numpy as np
from PIL import Image

from zoo.errors import ZooError
from zoo.hub import GOLDEN, Hub
from zoo.run import load_arrays, raw_items

MODELS = ("convnet-mnist", "lstm-japanese-vowels", "random-forest-digits", "vae-mnist")
SAMPLES = 5
START_TIMEOUT_S = 60.0


class DemoError(ZooError):
    """The service did not start or did not answer."""

    status = 1


def main() -> None:
    with serving(MODELS) as url:
        right, asked = 0, 0
        for model in MODELS:
            print(f"\n{model}  POST {url}/v1/models/{model}/predict")
            for body, media_type, truth in samples(model):
                answer = post(f"{url}/v1/models/{model}/predict", body, media_type)["predictions"][0]
                print(f"  {_line(answer, truth)}")
                if "label" in answer:
                    right, asked = right + (answer["label"] == truth), asked + 1
    print(f"\n{right} of {asked} labels right; the service has stopped.")


def samples(model: str) -> Iterator[tuple[bytes, str, str]]:
    """Bodies of real test inputs as a person has them, their media type, and what they are."""
    artifact = Hub().artifact(model)
    golden = load_arrays(artifact.folder / GOLDEN)
    labels = artifact.manifest.codec.get("labels", [str(digit) for digit in range(10)])
    rows = np.linspace(0, len(golden["targets"]) - 1, SAMPLES).astype(int)
    items = raw_items(golden)
    for row in rows:
        raw = items[row]
        if raw.dtype == np.uint8:
            buffer = io.BytesIO()
            Image.fromarray(raw).save(buffer, format="PNG")
            yield buffer.getvalue(), "image/png", labels[golden["targets"][row]]
        elif artifact.manifest.task == "image-classification":
            yield json.dumps({"instances": [raw.tolist()]}).encode(), "application/json", labels[golden["targets"][row]]
        else:
            text = "\n".join(",".join(f"{value:.9g}" for value in step) for step in raw)
            yield text.encode(), "text/csv", labels[golden["targets"][row]]


def post(url: str, body: bytes, media_type: str) -> dict[str, Any]:
    """The JSON answer. Raises DemoError with what the service said."""
    request = urllib.request.Request(url, data=body, headers={"Content-Type": media_type})
    try:
        with urllib.request.urlopen(request, timeout=30) as response:
            answer: dict[str, Any] = json.load(response)
            return answer
    except urllib.error.HTTPError as error:
        raise DemoError(f"{url} answered {error.code}: {error.read().decode(errors='replace')}") from error
    except OSError as error:
        raise DemoError(f"{url} did not answer ({error}).") from error


@contextmanager
def serving(models: tuple[str, ...]) -> Iterator[str]:
    """The address of a service of these models on a free port of 127.0.0.1; it is stopped at the end."""
    with socket.socket() as probe:
        probe.bind(("127.0.0.1", 0))
        port = probe.getsockname()[1]
    print(f"zoo serve {' '.join(models)} --port {port}")
    started = time.perf_counter()
    service = subprocess.Popen([sys.executable, "-m", "serving", "--port", str(port), *models])
    try:
        url = f"http://127.0.0.1:{port}"
        _wait(service, f"{url}/v2/health/ready", started)
        print(f"ready after {time.perf_counter() - started:.1f} s")
        yield url
    finally:
        service.send_signal(signal.SIGTERM)
        try:
            service.wait(20)
        except subprocess.TimeoutExpired:
            service.kill()


def _wait(service: subprocess.Popen[bytes], url: str, started: float) -> None:
    while time.perf_counter() - started < START_TIMEOUT_S:
        if service.poll() is not None:
            raise DemoError(f"The service ended with status {service.returncode} before it was ready.")
        try:
            with urllib.request.urlopen(url, timeout=5):
                return
        except OSError:
            time.sleep(0.05)
    raise DemoError(f"The service was not ready after {START_TIMEOUT_S:.0f} s.")


def _line(answer: dict[str, Any], truth: str) -> str:
    if "label" in answer:
        mark = "ok" if answer["label"] == truth else "WRONG"
        return f"answer {answer['label']} ({answer['probabilities'][answer['label']]:.4f})   truth {truth}   {mark}"
    code = ", ".join(f"{value:.2f}" for value in answer["mean"][:4])
    return f"digit {truth}: code [{code}, …], reconstructed with a squared error of {answer['squared_error']:.4f} a pixel"


if __name__ == "__main__":
    from zoo.commands import run_command

    run_command(main)
