"""Each rival in its own virtual environment: `python -m benchmarks.serving install`.

Versions are pinned at the top; what pip chose below is written beside each environment as `installed.txt`. A rival that
cannot be installed is left out of the comparison, with the reason in the table.
"""

from __future__ import annotations

import json
import shutil
import subprocess
import sys
import time
from collections.abc import Iterable, Iterator
from pathlib import Path

RUNTIME = ("onnxruntime==1.31.1", "numpy==2.4.6")
REQUIREMENTS: dict[str, tuple[str, ...]] = {
    "bentoml": ("bentoml==1.4.39", *RUNTIME),
    "litserve": ("litserve==0.2.19", *RUNTIME),
    "mlserver": ("mlserver==1.7.1", "onnxruntime==1.31.1"),
    # TorchServe imports PyYAML without declaring it.
    "torchserve": ("torchserve==0.12.0", "torch-model-archiver==0.12.0", "torch==2.13.0", "pyyaml==6.0.3", *RUNTIME),
    "ray": ("ray[serve]==2.60.0", *RUNTIME),
    "pytriton": ("nvidia-pytriton==0.7.0", "onnxruntime==1.31.1"),
}
PROGRAMS = {
    "wrk": ("wrk", "apt-get install -y wrk"),
    "java": ("java", "apt-get install -y openjdk-17-jre-headless"),
}
STARTS = {"pytriton": Path(__file__).parent / "apps" / "pytriton_start.py"}  # imported by every interpreter
TIMEOUT_S = 900
REASON = "reason.txt"


def install(root: Path, names: Iterable[str]) -> Iterator[str]:
    """A sentence a rival; those that are installed already are kept."""
    root.mkdir(parents=True, exist_ok=True)
    for name in names:
        yield f"{name}: {_install(root / name, REQUIREMENTS[name])}"


def reason(root: Path, name: str) -> str:
    """Why a rival cannot run, or '' where it can."""
    if name == "torchserve" and shutil.which("java") is None:
        return f"there is no Java; {PROGRAMS['java'][1]}"
    folder = root / name
    if (folder / "installed.txt").is_file():
        return ""
    if (folder / REASON).is_file():
        return (folder / REASON).read_text(encoding="utf-8").strip()
    return "it is not installed; python -m benchmarks.serving install"


def versions(root: Path, name: str) -> dict[str, str]:
    """Version of each package of a rival's environment."""
    lines = (root / name / "installed.txt").read_text(encoding="utf-8").splitlines()
    return {package.lower(): version for package, _, version in (line.partition("==") for line in lines)}


def require(program: str) -> str:
    """The path of a program. Raises SystemExit with the line that installs it."""
    name, line = PROGRAMS[program]
    path = shutil.which(name)
    if path is None:
        raise SystemExit(f"error: There is no {name} here; {line}.")
    return path


def _install(folder: Path, requirements: tuple[str, ...]) -> str:
    done = folder / "installed.txt"
    wanted = json.dumps(requirements)
    if done.is_file() and (folder / "requirements.json").read_text(encoding="utf-8") == wanted:
        return "is installed"
    shutil.rmtree(folder, ignore_errors=True)
    started = time.perf_counter()
    python = folder / "bin" / "python"
    try:
        _run([sys.executable, "-m", "venv", str(folder)])
        _run([str(python), "-m", "pip", "install", "--quiet", "--disable-pip-version-check", *requirements])
        if folder.name in STARTS:
            _import_at_start(folder, STARTS[folder.name])
        frozen = _run([str(python), "-m", "pip", "freeze", "--disable-pip-version-check"])
    except (subprocess.CalledProcessError, subprocess.TimeoutExpired, OSError) as error:
        folder.mkdir(parents=True, exist_ok=True)
        (folder / REASON).write_text(_why(error) + "\n", encoding="utf-8")
        return f"cannot be installed: {_why(error)}"
    (folder / "requirements.json").write_text(wanted, encoding="utf-8")
    done.write_text(frozen, encoding="utf-8")
    return f"installed in {time.perf_counter() - started:.0f} s"


def _import_at_start(environment: Path, module: Path) -> None:
    [packages] = environment.glob("lib/python*/site-packages")
    shutil.copy2(module, packages)
    (packages / f"{module.stem}.pth").write_text(f"import {module.stem}\n", encoding="utf-8")


def _run(command: list[str]) -> str:
    ended = subprocess.run(command, capture_output=True, text=True, check=True, timeout=TIMEOUT_S)
    return ended.stdout


def _why(error: Exception) -> str:
    """The last line that names an error."""
    text = str(getattr(error, "stderr", "") or error)
    lines = [line.strip() for line in text.splitlines() if "error" in line.lower()] or text.strip().splitlines()[-1:]
    return lines[-1][:200] if lines else type(error).__name__
