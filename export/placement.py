"""Where the nodes of a graph ran: a provider that takes only part of a graph leaves the rest to the CPU, silently."""

from __future__ import annotations

import json
import tempfile
from collections.abc import Mapping
from pathlib import Path

import numpy as np
import onnxruntime

from zoo.session import PROVIDERS


def nodes_elsewhere(path: Path, inputs: Mapping[str, np.ndarray], provider: str) -> list[str]:
    """Names of the nodes that another provider ran than the one that was asked for, by ONNX Runtime's own profile."""
    wanted = PROVIDERS[provider][0]
    name = wanted if isinstance(wanted, str) else wanted[0]
    with tempfile.TemporaryDirectory() as folder:
        options = onnxruntime.SessionOptions()
        options.enable_profiling = True
        options.profile_file_prefix = str(Path(folder) / "profile")
        options.log_severity_level = 3
        session = onnxruntime.InferenceSession(str(path), options, providers=PROVIDERS[provider])
        session.run(None, dict(inputs))
        events = json.loads(Path(session.end_profiling()).read_text(encoding="utf-8"))
    ran = {
        event["name"].removesuffix("_kernel_time"): event["args"]["provider"]
        for event in events
        if event.get("cat") == "Node" and "provider" in event.get("args", {})
    }
    return sorted(node for node, where in ran.items() if where != name)
