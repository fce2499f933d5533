"""The one way to open a graph: prediction, validation and the service all come through here.

What validation proved is therefore what is served: the same bytes, the same options, the same provider.
"""

from __future__ import annotations

from collections.abc import Mapping
from pathlib import Path
from typing import Any

import numpy as np
import onnxruntime

from zoo.cpus import planned_threads
from zoo.errors import ArtifactError, RuntimeUnavailableError, SpecError
from zoo.providers import PROVIDERS, Chosen, load_libraries, runtime_name, with_options, without_tf32
from zoo.spec import Arrays, Graph

__all__ = ["PROVIDERS", "Session", "open_session"]

_TYPES = {
    "tensor(float)": "float32",
    "tensor(double)": "float64",
    "tensor(float16)": "float16",
    "tensor(bool)": "bool",
}


class Session:
    """A graph of an artifact, ready to run.

    Raises ArtifactError when ONNX Runtime cannot read the file, SpecError when the file's inputs and outputs are not the
    declared ports, UnknownNameError for a provider that does not exist, and RuntimeUnavailableError for one that did not
    start.
    """

    def __init__(
        self,
        path: Path,
        graph: Graph,
        *,
        provider: str = "cpu",
        threads: int = 0,
        provider_options: Mapping[str, str] | None = None,
    ) -> None:
        """`threads` within one operator; 0 is one for each core that this process may use.

        `provider_options` are ONNX Runtime's, beside and before those of `zoo.providers`; `device_id` of a GPU, say.
        """
        self.path = path
        self.graph = graph
        self.provider = provider
        self._session = open_session(path, provider, threads, provider_options or {})
        self._output_names = [port.name for port in graph.outputs]
        _match_ports(path, graph, self._session)

    def run(self, inputs: Mapping[str, np.ndarray]) -> Arrays:
        """Outputs by name. The inputs must have passed `graph.check`."""
        return dict(zip(self._output_names, self._session.run(self._output_names, dict(inputs)), strict=True))

    def options(self) -> dict[str, Any]:
        """Provider and options, as a certificate records them."""
        return {
            "provider": self._session.get_providers()[0],
            "provider_options": self._session.get_provider_options()[self._session.get_providers()[0]],
            "graph_optimization_level": "ORT_ENABLE_ALL",
        }


def open_session(
    path: Path, provider: str, threads: int, provider_options: Mapping[str, str], *, profile: Path | None = None
) -> onnxruntime.InferenceSession:
    """Open a file with the options that everything is opened with, without a look at its ports.

    `profile` is the beginning of the path of ONNX Runtime's own profile, which is written when it is given.
    """
    name = runtime_name(provider)
    if not path.is_file():
        raise ArtifactError(f"There is no file {path}; export or fetch the model again.")
    options = onnxruntime.SessionOptions()
    options.graph_optimization_level = onnxruntime.GraphOptimizationLevel.ORT_ENABLE_ALL
    options.intra_op_num_threads = threads or planned_threads()
    options.log_severity_level = 3
    if profile:
        options.enable_profiling = True
        options.profile_file_prefix = str(profile)
    with without_tf32(provider):
        return _start(path, name, options, with_options(provider, provider_options))


def _start(path: Path, name: str, options: onnxruntime.SessionOptions, providers: Chosen) -> onnxruntime.InferenceSession:
    missing = load_libraries(name)
    try:
        session = onnxruntime.InferenceSession(str(path), options, providers=providers)
    except Exception as error:  # the runtime raises a dozen unrelated types
        reason = str(error).strip().splitlines()[0]
        raise ArtifactError(f"ONNX Runtime cannot open {path} ({reason}); export the model again.") from error
    if session.get_providers()[0] != name:
        raise RuntimeUnavailableError(
            f"{name} did not start, the graph fell back to {session.get_providers()[0]}"
            f"{f' (not found: {missing})' if missing else ''}; install the extra [gpu] on a machine with an NVIDIA GPU, or "
            "choose provider cpu."
        )
    return session


def _match_ports(path: Path, graph: Graph, session: onnxruntime.InferenceSession) -> None:
    for kind, ports, found in (
        ("inputs", graph.inputs, session.get_inputs()),
        ("outputs", graph.outputs, session.get_outputs()),
    ):
        declared = [(port.name, port.dtype) for port in ports]
        actual = [(node.name, _TYPES.get(node.type, node.type.removeprefix("tensor(").rstrip(")"))) for node in found]
        if declared != actual:
            raise SpecError(f"The {kind} of {path.name} are {actual}, its ports are {declared}; export it again.")
        for port, node in zip(ports, found, strict=True):  # a free axis without a name has size None
            fixed = [
                (expected, size)
                for expected, size in zip(port.shape, node.shape, strict=False)
                if kind == "inputs" and expected != size and (size is not None or isinstance(expected, int))
            ]
            if len(node.shape) != len(port.shape) or fixed:
                raise SpecError(
                    f"Port {port.name!r} of {path.name} has shape {node.shape} in the file and {list(port.shape)} in its "
                    "declaration; export it again."
                )
