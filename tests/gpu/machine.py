"""What a result was measured on."""

from __future__ import annotations

import os
import platform
import shutil
import subprocess
import time

import onnxruntime
import torch

from zoo.cpus import available_cpus

QUERY = "name,driver_version,memory.total,clocks.max.sm"


def describe(provider: str) -> dict[str, str]:
    gpu = "none"
    if provider != "cpu" and shutil.which("nvidia-smi"):
        line = ["nvidia-smi", f"--query-gpu={QUERY}", "--format=csv,noheader"]
        gpu = subprocess.run(line, capture_output=True, text=True, check=False).stdout.strip() or "unknown"
    return {
        "date": time.strftime("%Y-%m-%d"),
        "gpu": gpu,
        "cpus": f"{available_cpus()} of {os.cpu_count()}, {platform.machine()}",
        "python": platform.python_version(),
        "onnxruntime": onnxruntime.__version__,
        "torch": torch.__version__,
        "cuda": str(torch.version.cuda),
        "cudnn": str(torch.backends.cudnn.version()),
    }
