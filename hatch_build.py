"""What a wheel carries of the models: the index of all, and the smaller ones whole, `MOST_BYTES` in all.

The rest comes from the release of the same version, bound by the index. Checkpoints (`original/`) are never in a wheel.
"""

from __future__ import annotations

from pathlib import Path
from typing import Any

from hatchling.builders.hooks.plugin.interface import BuildHookInterface

MOST_BYTES = 15_000_000
ARTIFACTS = Path("zoo") / "artifacts"


class Models(BuildHookInterface):
    """Adds the files; an editable installation uses the checkout itself."""

    PLUGIN_NAME = "custom"

    def initialize(self, version: str, build_data: dict[str, Any]) -> None:
        if version != "editable":
            build_data["force_include"].update(chosen_files(Path(self.root)))


def chosen_files(root: Path) -> dict[str, str]:
    """Files by their place in the wheel, the smallest models first, as many as there is room for."""
    models = [
        [path for path in folder.rglob("*") if path.is_file() and "original" not in path.relative_to(folder).parts]
        for folder in (root / ARTIFACTS).iterdir()
        if (folder / "certificate.json").is_file()
    ]
    chosen = list((root / ARTIFACTS).glob("index.json*"))
    room = MOST_BYTES - _bytes(chosen)
    for files in sorted(models, key=_bytes):
        room -= _bytes(files)
        if room < 0:
            break
        chosen += files
    return {str(path): path.relative_to(root).as_posix() for path in chosen}


def _bytes(files: list[Path]) -> int:
    return sum(path.stat().st_size for path in files)
