"""Where the nodes of a graph ran: a provider that takes only part of a graph leaves the rest to the CPU, silently."""

from __future__ import annotations

import json
import tempfile
from collections.abc import Mapping
from pathlib import Path
from typing import Any

import numpy as np

from zoo.providers import runtime_name
from zoo.session import open_session


def nodes_elsewhere(path: Path, inputs: Mapping[str, np.ndarray], provider: str) -> list[str]:
    """Names of the nodes that another provider ran than the one that was asked for, by ONNX Runtime's own profile.

    The file is run once on `inputs`. Nodes that compute sizes are left out: ONNX Runtime keeps those on the CPU on purpose.
    Raises what `open_session` raises.
    """
    wanted = runtime_name(provider)
    with tempfile.TemporaryDirectory() as folder:
        session = open_session(path, provider, 0, {}, profile=Path(folder, "profile"))
        session.run(None, dict(inputs))
        events = json.loads(Path(session.end_profiling()).read_text(encoding="utf-8"))
    return sorted(
        {
            event["name"].removesuffix("_kernel_time")
            for event in events
            if event.get("cat") == "Node"
            and event.get("args", {}).get("provider", wanted) != wanted
            and not _computes_sizes(event["args"])
        }
    )


def _computes_sizes(event: Mapping[str, Any]) -> bool:
    """Whether all that a node gave are whole numbers in a row, as shapes are."""
    outputs = [item for output in event.get("output_type_shape", []) for item in output.items()]
    return bool(outputs) and all(not dtype.startswith(("float", "double")) and len(shape) < 2 for dtype, shape in outputs)
