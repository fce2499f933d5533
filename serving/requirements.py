"""What a Bento needs installed: the dependencies of this project's base, all of theirs too, at the tested versions."""

from __future__ import annotations

import importlib.metadata
from collections.abc import Iterator
from pathlib import Path

from packaging.requirements import Requirement
from packaging.utils import canonicalize_name

import zoo
from zoo.errors import UsageError

PROJECT = "proven-onnx-zoo"
_CHECKOUT = Path(zoo.__file__).parents[1] / "constraints.txt"


def requirements(*, gpu: bool) -> list[str]:
    """Lines of a requirements file. With `gpu`, ONNX Runtime brings CUDA and cuDNN with it.

    A dependency that another platform needs keeps its marker. Raises UsageError when nothing pins what is needed.
    """
    pins = read_pins()
    extras = {"", "gpu"} if gpu else {""}
    direct = [one for one in _required(PROJECT) if _needed(one, extras) or _elsewhere(one)]
    lines = {_line(one, pins) for one in direct}
    named = {canonicalize_name(one.name) for one in direct}
    indirect = {name for one in direct if _needed(one, extras) for name in _closure(one)} - named
    unpinned = sorted(indirect - pins.keys())
    if unpinned:
        raise UsageError(f"constraints.txt does not pin {', '.join(unpinned)}; pin what is tested, then try again.")
    return sorted(lines | {f"{name}=={pins[name]}" for name in indirect})


def read_pins() -> dict[str, str]:
    """Version by canonical name, from the constraints of the checkout or of the installed wheel. Raises UsageError."""
    text = _CHECKOUT.read_text(encoding="utf-8") if _CHECKOUT.is_file() else _in_wheel()
    lines = (line.partition("==") for line in text.splitlines() if "==" in line)
    pins: dict[str, str] = {canonicalize_name(name.strip()): version.strip() for name, _, version in lines}
    if not pins:
        raise UsageError(f"There is no {_CHECKOUT} to pin versions by, nor one in the wheel; install the project again.")
    return pins


def _in_wheel() -> str:
    try:
        return importlib.metadata.distribution(PROJECT).read_text("extra_metadata/constraints.txt") or ""
    except importlib.metadata.PackageNotFoundError:
        return ""


def _line(requirement: Requirement, pins: dict[str, str]) -> str:
    extras = f"[{','.join(sorted(requirement.extras))}]" if requirement.extras else ""
    name = canonicalize_name(requirement.name)
    version = f"=={pins[name]}" if name in pins else str(requirement.specifier)
    marker = str(requirement.marker).split(" and extra ==")[0].split("extra ==")[0] if requirement.marker else ""
    return f"{name}{extras}{version}" + (f"; {marker}" if marker else "")


def _closure(root: Requirement) -> set[str]:
    """Canonical names of everything that is installed here because of `root`, without it."""
    found: set[str] = set()
    waiting = [root]
    while waiting:
        current = waiting.pop()
        for one in _required(current.name):
            name = canonicalize_name(one.name)
            if _needed(one, {"", *current.extras}) and _is_installed(name) and name not in found:
                found.add(name)
                waiting.append(one)
    return found


def _required(name: str) -> Iterator[Requirement]:
    try:
        return map(Requirement, importlib.metadata.requires(name) or [])
    except importlib.metadata.PackageNotFoundError:
        return iter(())


def _is_installed(name: str) -> bool:
    try:
        importlib.metadata.version(name)
    except importlib.metadata.PackageNotFoundError:
        return False
    return True


def _needed(requirement: Requirement, extras: set[str]) -> bool:
    return requirement.marker is None or any(requirement.marker.evaluate({"extra": extra}) for extra in extras)


def _elsewhere(requirement: Requirement) -> bool:
    """Whether it is needed without an extra, on another platform than this one."""
    return requirement.marker is not None and "extra" not in str(requirement.marker)
