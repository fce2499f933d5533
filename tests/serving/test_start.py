"""How a service starts, refuses to, and stops."""

from __future__ import annotations

import os
import shutil
import subprocess
import sys
from collections.abc import Callable
from pathlib import Path
from types import SimpleNamespace
from typing import Any

import psutil
import pytest

from serving.errors import GoneError, NotReadyError, QueueFullError, explain, http_status
from serving.reply import render_error
from serving.settings import Settings
from zoo.errors import CodecError, MediaTypeError, PortError, UnknownNameError, UsageError

ROOT = Path(__file__).parents[2]


def run(*arguments: str, **environment: str) -> subprocess.CompletedProcess[str]:
    """A command that must end by itself; one that serves instead is stopped, with its workers."""
    pipes = {"stdout": subprocess.PIPE, "stderr": subprocess.PIPE, "text": True}
    process = subprocess.Popen([sys.executable, *arguments], cwd=ROOT, env={**os.environ, **environment}, **pipes)
    try:
        output = process.communicate(timeout=30)
    except subprocess.TimeoutExpired:
        process.terminate()
        output = process.communicate(timeout=20)
    return subprocess.CompletedProcess(arguments, process.returncode, *output)


def test_importing_the_service_imports_nothing_that_serving_must_do_without() -> None:
    """Nor ONNX Runtime, which the supervisor does not need."""
    code = (
        "import sys, serving.service, serving.__main__, serving.catalogue as c\n"
        "print([name for name in ('torch', 'sklearn', 'onnx', 'skops', 'onnxruntime') if name in sys.modules])"
    )
    assert run("-c", code).stdout.strip() == "[]"


def test_serving_works_where_torch_cannot_be_imported(hub: Path, serve: Callable[..., Any], tmp_path: Path) -> None:
    for name in ("torch", "sklearn", "onnx"):
        (tmp_path / f"{name}.py").write_text("raise ImportError('not installed')\n")
    server = serve(hub, tmp_path / "log", "tiny-picture", PYTHONPATH=str(tmp_path))
    try:
        body = '{"inputs": [{"name": "x", "shape": [1, 4], "datatype": "FP32", "data": [1, 2, 3, 4]}]}'
        assert server.request("POST", "/v2/models/tiny-picture/infer", body)[0] == 200
    finally:
        assert server.stop() == 0


def test_models_must_be_named(hub: Path) -> None:
    ended = run("-m", "bentoml", "serve", "serving.service:Zoo", "--port", "0", ZOO_HUB=str(hub), ZOO_MODELS="")
    assert ended.returncode == 2
    assert "ZOO_MODELS is not set" in ended.stderr
    assert "known: tiny-code, tiny-picture, tiny-series, tiny-table" in ended.stderr
    assert "Traceback" not in ended.stderr + ended.stdout


def test_an_unknown_model_is_named(hub: Path) -> None:
    ended = run("-m", "serving", "--port", "0", "tiny-pictures", ZOO_HUB=str(hub))
    assert ended.returncode == 2
    assert "No model is named 'tiny-pictures'; did you mean tiny-picture" in ended.stderr
    assert "Traceback" not in ended.stderr


@pytest.mark.parametrize("file", ["predict.onnx", "manifest.json"])
def test_an_artifact_with_a_changed_byte_is_refused_by_name(tiny: SimpleNamespace, tmp_path: Path, file: str) -> None:
    tiny.make_hub(tmp_path, "tiny-picture", "tiny-series")
    path = tmp_path / "tiny-picture" / file
    data = bytearray(path.read_bytes())
    data[len(data) // 2] ^= 1
    path.write_bytes(data)
    ended = run("-m", "serving", "--port", "0", "tiny-series", "tiny-picture", ZOO_HUB=str(tmp_path))
    assert ended.returncode == 1
    assert f"tiny-picture: {file} differs from its certificate" in ended.stderr
    assert "Traceback" not in ended.stderr


def test_a_worker_that_cannot_load_says_why_and_is_not_ready(hub: Path, serve: Callable[..., Any], tmp_path: Path) -> None:
    """Here for want of a provider: the bytes are right, so the supervisor has let it start."""
    server = serve(hub, tmp_path / "log", "tiny-picture", ZOO_PROVIDER="abacus")
    try:
        for path in ("/v2/health/ready", "/v2/models/tiny-picture", "/v2/models/tiny-picture/ready"):
            assert server.error("GET", path) == (503, "No provider is named 'abacus'; known: cpu, cuda, tensorrt.")
        assert server.error("POST", "/v2/models/tiny-picture/infer", "{}")[0] == 503
        assert server.error("POST", "/v1/models/tiny-picture/predict", "{}")[0] == 503
        assert server.error("GET", "/readyz")[0] == 503
        assert server.request("GET", "/v2/health/live")[0] == 200
        assert "Traceback" not in server.log.read_text()
    finally:
        server.stop()


def test_a_port_in_use_is_named(server: Any, hub: Path) -> None:
    ended = run("-m", "serving", "--port", str(server.port), "tiny-picture", ZOO_HUB=str(hub))
    assert ended.returncode == 2
    assert f"Cannot listen on 127.0.0.1 port {server.port}" in ended.stderr


def test_plain_bentoml_serve_listens_on_loopback_only(
    hub: Path, serve: Callable[..., Any], tmp_path: Path, tiny: SimpleNamespace
) -> None:
    port = str(tiny.free_port())
    arguments = [sys.executable, "-m", "bentoml", "serve", "serving.service:Zoo", "--port", port]
    plain = serve(hub, tmp_path / "log", arguments=arguments, port=port, ZOO_MODELS="tiny-picture, tiny-code@1")
    try:
        processes = [psutil.Process(plain.process.pid), *psutil.Process(plain.process.pid).children(recursive=True)]
        listening = {
            (connection.laddr.ip, connection.laddr.port)
            for process in processes
            for connection in process.net_connections("tcp")
            if connection.status == psutil.CONN_LISTEN
        }
        assert ("127.0.0.1", plain.port) in listening
        assert {address for address, _ in listening} == {"127.0.0.1"}
        assert plain.request("GET", "/v2/models/tiny-code/ready")[0] == 200
    finally:
        assert plain.stop() == 0
    assert not any(process.is_running() for process in processes[1:])


def test_limits_come_from_the_environment(hub: Path, serve: Callable[..., Any], tmp_path: Path) -> None:
    limits = {"ZOO_MAX_ROWS": "2", "ZOO_MAX_QUEUE_ROWS": "5", "ZOO_MAX_BODY_BYTES": "900"}
    server = serve(hub, tmp_path / "log", "tiny-picture", **limits)
    path = "/v2/models/tiny-picture/infer"

    def ask(rows: int) -> str:
        data = ",".join(["0"] * 4 * rows)
        return f'{{"inputs": [{{"name": "x", "shape": [{rows}, 4], "datatype": "FP32", "data": [{data}]}}]}}'

    try:
        assert server.request("POST", path, ask(5))[0] == 200
        [stats] = server.json("/v2/models/tiny-picture/stats")["model_stats"]
        assert [one["batch_size"] for one in stats["batch_stats"]] == [1, 2]
        assert server.error("POST", path, ask(6)) == (413, "The request has 6 rows; send at most 5 at once.")
        assert server.error("POST", path, ask(6) + " " * 900) == (
            413,
            "The body is larger than 900 bytes; send less at once.",
        )
    finally:
        server.stop()


def test_settings() -> None:
    assert Settings.from_environment({}) == Settings()
    assert Settings.from_environment({"ZOO_MODELS": " a, b@2,,a "}).models == ("a", "b@2")
    assert Settings.from_environment({"ZOO_THREADS": "0"}).threads == 0
    assert Settings.from_environment({"ZOO_MAX_DELAY_MS": "0.5"}).limits.max_delay_ms == 0.5
    for name, value in (("ZOO_MAX_ROWS", "many"), ("ZOO_MAX_ROWS", "0"), ("ZOO_THREADS", "-1"), ("ZOO_MAX_DELAY_MS", "nan")):
        with pytest.raises(UsageError, match=f"{name} is '?{value}"):
            Settings.from_environment({name: value})


def test_statuses() -> None:
    assert [
        http_status(error)
        for error in (
            PortError("x"),
            CodecError("x"),
            MediaTypeError("x"),
            UnknownNameError("model", "a", []),
            QueueFullError("x"),
            GoneError("x"),
            NotReadyError("x"),
            ValueError("secret"),
        )
    ] == [400, 400, 415, 404, 429, 499, 503, 500]
    assert "secret" not in explain(ValueError("secret"))[1]
    headers, body = render_error(429, "full")
    assert (dict(headers)[b"retry-after"], body) == (b"1", b'{"error":"full"}')


def test_no_hub_is_a_sentence(tmp_path: Path) -> None:
    shutil.rmtree(tmp_path)
    ended = run("-m", "serving", "--port", "0", "a", ZOO_HUB=str(tmp_path))
    assert (ended.returncode, "is not a folder; set ZOO_HUB" in ended.stderr) == (2, True)
