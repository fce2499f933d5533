"""How many worker processes there are, and which GPU each has: on GPUs one worker each, unless `ZOO_WORKERS` says more."""

from __future__ import annotations

import os
from collections.abc import Callable, MutableMapping
from typing import Any

WORKERS = "ZOO_WORKERS"
VISIBLE = "CUDA_VISIBLE_DEVICES"
Environment = MutableMapping[str, str]


def count_gpus() -> int:
    """NVIDIA GPUs of this machine, by its driver; 0 where there is none."""
    import pynvml  # type: ignore[import-untyped]

    try:
        pynvml.nvmlInit()
        return int(pynvml.nvmlDeviceGetCount())
    except pynvml.NVMLError:
        return 0


def visible_gpus(environment: Environment, count: Callable[[], int] = count_gpus) -> list[str]:
    """Names of the GPUs that this service may use, as CUDA_VISIBLE_DEVICES writes them: numbers, or UUIDs."""
    if VISIBLE not in environment:
        return [str(number) for number in range(count())]
    return [name for one in environment[VISIBLE].split(",") if (name := one.strip()) not in ("", "-1")]


def plan(environment: Environment = os.environ, count: Callable[[], int] = count_gpus) -> dict[str, Any]:
    """`workers` and `resources` of the BentoML service. `ZOO_WORKERS` says the number from now on, to workers too.

    A value that is no number is left for `Settings` to refuse, in a sentence.
    """
    gpus = visible_gpus(environment, count) if environment.get("ZOO_PROVIDER", "cpu") not in ("", "cpu") else []
    text = environment.get(WORKERS, "").strip()
    if not text:
        text = environment[WORKERS] = str(len(gpus) or 1)
    workers = int(text) if text.isdecimal() and int(text) else 1
    return {"workers": workers, "resources": {"gpu": len(gpus)}} if gpus else {"workers": workers}


def claim_gpu(worker: int | None, environment: Environment = os.environ) -> None:
    """Leave worker number `worker` (from 1; None outside of a worker) one GPU to see, before CUDA starts in it.

    A worker that starts again has the number of the one that died. With more workers than GPUs they share.
    """
    gpus = [] if VISIBLE not in environment else visible_gpus(environment)
    if worker is not None and len(gpus) > 1:
        environment[VISIBLE] = gpus[(worker - 1) % len(gpus)]
