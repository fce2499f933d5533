"""Where downloaded raw files are kept: `$ZOO_CACHE`, or the platform's own folder for caches."""

from __future__ import annotations

import os
import sys
from pathlib import Path


def folder() -> Path:
    """The folder of downloaded raw files; it need not exist yet."""
    chosen = os.environ.get("ZOO_CACHE")
    return (Path(chosen).expanduser() if chosen else _platform_cache() / "zoo") / "data"


def _platform_cache() -> Path:
    if sys.platform == "win32":
        return _from_environment("LOCALAPPDATA") or Path.home() / "AppData" / "Local"
    if sys.platform == "darwin":
        return Path.home() / "Library" / "Caches"
    return _from_environment("XDG_CACHE_HOME") or Path.home() / ".cache"


def _from_environment(variable: str) -> Path | None:
    value = os.environ.get(variable)
    return Path(value) if value else None
