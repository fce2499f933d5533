"""ONNX Runtime's execution providers under short names, with the options that everything is opened with."""

from __future__ import annotations

import contextlib
import io
import os
from collections.abc import Iterator, Mapping
from contextlib import contextmanager
from functools import cache

from zoo.errors import UnknownNameError

Chosen = list[str | tuple[str, dict[str, str]]]

# TensorFloat-32 is off: it keeps 10 of 23 bits. EXHAUSTIVE is ONNX Runtime's own choice; tests/gpu measures the others.
_CUDA = ("CUDAExecutionProvider", {"device_id": "0", "use_tf32": "0", "cudnn_conv_algo_search": "EXHAUSTIVE"})

TF32_OVERRIDE = "NVIDIA_TF32_OVERRIDE"  # "0" overrules every option of a provider
PROVIDERS: dict[str, Chosen] = {
    "cpu": ["CPUExecutionProvider"],
    "cuda": [_CUDA, "CPUExecutionProvider"],
    "tensorrt": [("TensorrtExecutionProvider", {"device_id": "0"}), _CUDA, "CPUExecutionProvider"],
}


def runtime_name(provider: str) -> str:
    """ONNX Runtime's name of a provider. Raises UnknownNameError."""
    if provider not in PROVIDERS:
        raise UnknownNameError("provider", provider, PROVIDERS)
    first = PROVIDERS[provider][0]
    return first if isinstance(first, str) else first[0]


def with_options(provider: str, options: Mapping[str, str]) -> Chosen:
    """The list that ONNX Runtime takes, `options` of the first provider replaced or added. Raises UnknownNameError."""
    name = runtime_name(provider)
    if not options:
        return PROVIDERS[provider]
    first, *others = PROVIDERS[provider]
    known = {} if isinstance(first, str) else first[1]
    return [(name, {**known, **options}), *others]


@contextmanager
def without_tf32(provider: str) -> Iterator[None]:
    """TensorFloat-32 off in this process from here on where the provider is TensorRT; as it was where the body fails.

    The provider has no option for it, the libraries read the variable when they start:
    https://docs.nvidia.com/cuda/cublas/
    """
    if runtime_name(provider) != "TensorrtExecutionProvider" or TF32_OVERRIDE in os.environ:
        yield
        return
    os.environ[TF32_OVERRIDE] = "0"
    try:
        yield
    except BaseException:
        del os.environ[TF32_OVERRIDE]
        raise


@cache
def load_libraries(name: str) -> str:
    """Load the CUDA and cuDNN libraries that pip installed, which no search path names; what could not be loaded.

    `name` is ONNX Runtime's. Nothing is done for the CPU.
    """
    if name not in ("CUDAExecutionProvider", "TensorrtExecutionProvider"):
        return ""
    import onnxruntime

    said = io.StringIO()
    with contextlib.redirect_stdout(said):
        onnxruntime.preload_dlls()
    failed = [line.split(":")[0] for line in said.getvalue().splitlines() if line.startswith("Failed to load ")]
    return ", ".join(line.removeprefix("Failed to load ") for line in failed)
