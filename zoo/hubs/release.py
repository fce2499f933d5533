"""The default hub: assets of this version's release in the repository that the installed package names."""

from __future__ import annotations

from importlib import metadata

import zoo
from zoo.errors import UsageError

DISTRIBUTION = "proven-onnx-zoo"


def release_url() -> str:
    """Raises UsageError where the package names no repository."""
    try:
        urls = metadata.metadata(DISTRIBUTION).get_all("Project-URL") or []
    except metadata.PackageNotFoundError:
        urls = []
    for line in urls:
        label, _, url = line.partition(",")
        if label.strip().lower() == "repository" and url.strip():
            return f"{url.strip().removesuffix('.git').rstrip('/')}/releases/download/v{zoo.__version__}"
    raise UsageError("This installation names no repository (project.urls.Repository); name a hub with ZOO_HUB or --hub.")
