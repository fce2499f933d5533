"""What the service says of itself and its models: the metadata, configuration and statistics of the v2 protocol."""

from __future__ import annotations

from collections.abc import Mapping
from typing import Any

from serving.asgi.protocol import DATATYPES
from serving.batching.stats import statistics_entry
from serving.catalogue import Catalogue
from serving.processes.counters import Record
from serving.served import Endpoint
from zoo import __version__
from zoo.spec import Port

PLATFORM = "onnxruntime_onnx"
EXTENSIONS = [
    "binary_tensor_data",
    "generate",
    "model_configuration",
    "model_repository",
    "parameters",
    "schedule_policy",
    "statistics",
]


def server_document() -> dict[str, Any]:
    return {"name": "zoo", "version": __version__, "extensions": EXTENSIONS}


def model_document(endpoint: Endpoint) -> dict[str, Any]:
    """Model metadata; a free axis is -1."""
    return {
        "name": endpoint.name,
        "versions": [endpoint.version],
        "platform": PLATFORM,
        "inputs": [_tensor(port) for port in endpoint.graph.inputs],
        "outputs": [_tensor(port) for port in endpoint.graph.outputs],
    }


def config_document(endpoint: Endpoint) -> dict[str, Any]:
    """The part of Triton's model configuration that clients read.

    `max_batch_size` 0 means, as there, that the sizes of the tensors include the batch axis.
    """
    return {
        "name": endpoint.name,
        "platform": PLATFORM,
        "backend": "onnxruntime",
        "max_batch_size": 0,
        "input": [_config_tensor(port) for port in endpoint.graph.inputs],
        "output": [_config_tensor(port) for port in endpoint.graph.outputs],
        "parameters": {"max_rows_per_execution": {"string_value": str(endpoint.batcher.max_rows)}},
    }


def statistics_document(endpoints: list[Endpoint], records: list[Record]) -> dict[str, Any]:
    """Triton's `model_stats` of these endpoints, out of the records of all workers."""
    snapshots = {(record["name"], record["version"]): record["statistics"] for record in records if record["statistics"]}
    return {
        "model_stats": [
            statistics_entry(endpoint.name, endpoint.version, snapshots[endpoint.counted_as, endpoint.version])
            for endpoint in endpoints
        ]
    }


def repository_document(
    catalogue: Catalogue, index: Mapping[str, Mapping[str, Any]], *, only_ready: bool = False
) -> list[dict[str, Any]]:
    """Triton's repository index: what is served, and what the hub's `index` has besides."""
    served = [
        {"name": model.name, "version": model.version, "state": "READY" if catalogue.ready else "UNAVAILABLE", "reason": ""}
        for model in catalogue.models.values()
    ]
    rest = [
        {"name": name, "version": str(entry["version"]), "state": "UNAVAILABLE", "reason": "not loaded"}
        for name, entry in index.items()
        if name not in catalogue.models
    ]
    return served if only_ready else served + rest


def _shape(port: Port) -> list[int]:
    return [size if isinstance(size, int) else -1 for size in port.shape]


def _tensor(port: Port) -> dict[str, Any]:
    return {"name": port.name, "datatype": DATATYPES[port.dtype], "shape": _shape(port)}


def _config_tensor(port: Port) -> dict[str, Any]:
    return {"name": port.name, "data_type": f"TYPE_{DATATYPES[port.dtype]}", "dims": _shape(port)}
