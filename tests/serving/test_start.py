"""How a service starts, refuses to, and stops."""

from __future__ import annotations

import http.client
import os
import shutil
import ssl
import subprocess
import sys
import time
from collections.abc import Callable
from pathlib import Path
from types import SimpleNamespace
from typing import Any

import psutil
import pytest

from serving.__main__ import environment, parser, resolve, warn_if_open
from serving.asgi.reply import render_error
from serving.errors import GoneError, NotReadyError, QueueFullError, explain, http_status
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


def test_others_are_warned_of_when_nobody_needs_a_key(capsys: pytest.CaptureFixture[str]) -> None:
    warn_if_open("127.0.0.1", {})
    warn_if_open("::1", {})
    warn_if_open("0.0.0.0", {"ZOO_API_KEYS_FILE": "keys"})
    assert capsys.readouterr().err == ""
    warn_if_open("0.0.0.0", {})
    assert "0.0.0.0 is not this machine alone and no API keys are set" in capsys.readouterr().err


def test_options_become_the_variables_that_workers_read() -> None:
    options = parser().parse_args(
        ["a", "b@2", "--workers", "3", "--provider", "cuda", "--allow-cpu", "--variant", "int8", "--host", "localhost"]
    )
    assert {name: value for name, value in environment(options).items() if name.startswith("ZOO_")} == {
        "ZOO_MODELS": "a,b@2",
        "ZOO_WORKERS": "3",
        "ZOO_PROVIDER": "cuda",
        "ZOO_ALLOW_CPU": "1",
        "ZOO_VARIANT": "int8",
    }
    assert resolve(options.host, options.port) == "127.0.0.1"
    assert environment(parser().parse_args(["a"])).keys() == {"ZOO_MODELS", "BENTOML_DO_NOT_TRACK"}


def test_a_host_that_is_none_and_options_that_are_wrong_are_sentences(hub: Path) -> None:
    ended = run("-m", "serving", "--host", "no.such.host.invalid", "tiny-picture", ZOO_HUB=str(hub))
    assert (ended.returncode, "no.such.host.invalid is no address to listen on" in ended.stderr) == (2, True)
    ended = run("-m", "serving", "--port", "70000", "tiny-picture", ZOO_HUB=str(hub))
    assert (ended.returncode, "Cannot listen on 127.0.0.1 port 70000" in ended.stderr) == (2, True)
    ended = run("-m", "zoo", "serve", "--workers", "0", "--port", "0", "tiny-picture", ZOO_HUB=str(hub))
    assert (ended.returncode, "ZOO_WORKERS is 0; set it to 1" in ended.stderr) == (2, True)
    assert "Traceback" not in ended.stderr


@pytest.fixture(scope="session")
def certificate(tmp_path_factory: pytest.TempPathFactory) -> tuple[Path, Path]:
    """A certificate for 127.0.0.1 that signed itself, and its key."""
    openssl = shutil.which("openssl")
    assert openssl, "the tests need openssl: apt-get install openssl"
    folder = tmp_path_factory.mktemp("tls")
    cert, key = folder / "cert.pem", folder / "key.pem"
    line = "req -x509 -newkey rsa:2048 -nodes -days 2 -subj /CN=127.0.0.1 -addext subjectAltName=IP:127.0.0.1"
    subprocess.run([openssl, *line.split(), "-out", cert, "-keyout", key], check=True, capture_output=True)
    return cert, key


def test_https(hub: Path, certificate: tuple[Path, Path], tiny: SimpleNamespace) -> None:
    """Only clients with a certificate of the given authority, here the service's own, get through."""
    cert, key = map(str, certificate)
    port = tiny.free_port()
    tls = ["--tls-cert", cert, "--tls-key", key, "--tls-client-ca", cert]
    arguments = [sys.executable, "-m", "serving", "--port", str(port), *tls, "tiny-picture"]
    process = subprocess.Popen(arguments, cwd=ROOT, env={**os.environ, "ZOO_HUB": str(hub)}, stderr=subprocess.DEVNULL)
    context = ssl.create_default_context(cafile=cert)
    context.load_cert_chain(cert, key)
    try:
        assert https_status(port, context, process) == 200
        with pytest.raises(OSError, match=r"certificate|alert|reset|closed"):
            https_status(port, ssl.create_default_context(cafile=cert), process, seconds=0)
    finally:
        process.terminate()
        assert process.wait(20) == 0


def https_status(port: int, context: ssl.SSLContext, process: subprocess.Popen[bytes], seconds: float = 30) -> int:
    deadline = time.monotonic() + seconds
    while True:
        connection = http.client.HTTPSConnection("127.0.0.1", port, context=context, timeout=10)
        try:
            connection.request("GET", "/v2/health/ready")
            return connection.getresponse().status
        except OSError:
            if process.poll() is not None or time.monotonic() > deadline:
                raise
            time.sleep(0.05)
        finally:
            connection.close()


def test_tls_files_that_do_not_fit_are_refused_before_a_worker_dies_of_them(
    hub: Path, certificate: tuple[Path, Path], tmp_path: Path
) -> None:
    cert, key = map(str, certificate)
    (tmp_path / "junk.pem").write_text("junk")
    for tls, reason in (
        (["--tls-cert", cert], "give both --tls-cert and --tls-key"),
        (["--tls-client-ca", cert], "give both --tls-cert and --tls-key"),
        (["--tls-cert", cert, "--tls-key", cert], "TLS cannot start with"),
        (["--tls-cert", cert, "--tls-key", str(tmp_path / "none.pem")], "No such file"),
        (["--tls-cert", cert, "--tls-key", key, "--tls-client-ca", str(tmp_path / "junk.pem")], "TLS cannot start with"),
    ):
        ended = run("-m", "serving", "--port", "0", *tls, "tiny-picture", ZOO_HUB=str(hub))
        assert (ended.returncode, reason in ended.stderr) == (2, True), ended.stderr
        assert "Traceback" not in ended.stderr


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
        assert server.error("POST", path, ask(6)) == (
            413,
            "The request has 6 rows; send at most 5 at once (ZOO_MAX_QUEUE_ROWS).",
        )
        assert server.error("POST", path, ask(6) + " " * 900) == (
            413,
            "The body is larger than 900 bytes (ZOO_MAX_BODY_BYTES); send less at once.",
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
