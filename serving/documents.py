"""What the service says of itself and its models: the metadata, configuration and statistics of the v2 protocol."""

from __future__ import annotations

from typing import Any

from serving.catalogue import Endpoint
from serving.protocol import DATATYPES
from zoo import __version__
from zoo.spec import Port

PLATFORM = "onnxruntime_onnx"


def index_document(models: list[str], endpoints: list[str]) -> dict[str, Any]:
    """What a person sees who opens the service's address."""
    return {
        "service": f"zoo {__version__}",
        "task": {f"POST /v1/models/{name}/predict": "an image, CSV or JSON" for name in models},
        "open_inference_protocol": {f"POST /v2/models/{name}/infer": f"GET /v2/models/{name}" for name in endpoints},
        "health": ["/v2/health/live", "/v2/health/ready"],
    }


def server_document() -> dict[str, Any]:
    return {"name": "zoo", "version": __version__, "extensions": ["binary_tensor_data", "model_configuration", "statistics"]}


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


def statistics_document(endpoints: list[Endpoint]) -> dict[str, Any]:
    return {"model_stats": [endpoint.batcher.statistics.document(endpoint.name, endpoint.version) for endpoint in endpoints]}


def _shape(port: Port) -> list[int]:
    return [size if isinstance(size, int) else -1 for size in port.shape]


def _tensor(port: Port) -> dict[str, Any]:
    return {"name": port.name, "datatype": DATATYPES[port.dtype], "shape": _shape(port)}


def _config_tensor(port: Port) -> dict[str, Any]:
    return {"name": port.name, "data_type": f"TYPE_{DATATYPES[port.dtype]}", "dims": _shape(port)}
