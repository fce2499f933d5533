"""The folder of what can be had again, downloads and local proofs: `$ZOO_CACHE`, or where the platform keeps caches."""

from __future__ import annotations

import os
from pathlib import Path

import platformdirs


def cache_root() -> Path:
    """It need not exist yet."""
    chosen = os.environ.get("ZOO_CACHE")
    return Path(chosen).expanduser() if chosen else platformdirs.user_cache_path("zoo", appauthor=False)
