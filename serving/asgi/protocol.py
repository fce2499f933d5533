"""Requests of the Open Inference Protocol v2, JSON or with its binary tensor extension, as arrays.

https://github.com/kserve/open-inference-protocol; binary tensors, `timeout` and `priority` as Triton's extensions have them.
A request that is malformed is a ProtocolError that says what to send.
"""

from __future__ import annotations

from collections.abc import Mapping
from typing import Any, NamedTuple

import numpy as np
import orjson

from serving.asgi.nesting import check_depth
from serving.asgi.tensors import DATATYPES, Blob, read_rows, read_tensor
from serving.asgi.words import kind_of, read_count, read_field, read_flag, read_parameters, shorten
from serving.errors import ProtocolError, too_many_rows
from zoo.spec import Arrays, Graph

__all__ = ["DATATYPES", "Request", "parse"]

DEFAULT_PRIORITY = 10
_MAX_PLANS = 256
_MAX_HEAD = 2048  # bytes of JSON that are worth remembering


class Request(NamedTuple):
    """`outputs` are the ports to answer with, and whether each goes back as bytes instead of JSON numbers.

    `timeout_us` is 0 when none is given. Of `priority`, larger is sooner: a client's 1 is the highest, and a request that
    names none stands at DEFAULT_PRIORITY.
    """

    id: str | None
    inputs: Arrays
    outputs: tuple[tuple[str, bool], ...]
    timeout_us: int = 0
    priority: int = 0


class _Plan(NamedTuple):
    """What the JSON of a request says; `inputs` are arrays, and blobs that follow it in this order."""

    graph: Graph
    id: str | None
    inputs: dict[str, np.ndarray | Blob]
    outputs: tuple[tuple[str, bool], ...]
    timeout_us: int
    priority: int

    @property
    def is_reusable(self) -> bool:
        """Whether it says nothing that only this one request has."""
        return self.id is None and all(isinstance(tensor, Blob) for tensor in self.inputs.values())

    def read(self, body: bytes, start: int) -> Request:
        """The request whose blobs begin at `body[start]`."""
        arrays: Arrays = {}
        for name, tensor in self.inputs.items():
            if isinstance(tensor, Blob):
                arrays[name] = tensor.read(body, start)
                start += tensor.size
            else:
                arrays[name] = tensor
        if start != len(body):
            raise ProtocolError(f"{len(body) - start} bytes follow the last binary tensor; send exactly what is declared.")
        return Request(self.id, arrays, self.outputs, self.timeout_us, self.priority)


# Clients send the same few bytes of JSON in front of their tensors again and again. A key has its graph's identity, which
# stays its own as long as the plan keeps the graph.
_plans: dict[tuple[bytes, int, int, int], _Plan] = {}


def parse(body: bytes, json_size: int | None, graph: Graph, *, max_depth: int = 32, max_rows: int = 2**63) -> Request:
    """A request's body as arrays. `json_size` is its Inference-Header-Content-Length, None without one.

    Raises ProtocolError.
    """
    if json_size is None:
        return _plan(body, graph, max_depth, max_rows, ", with Inference-Header-Content-Length if bytes follow it").read(
            body, len(body)
        )
    if json_size > len(body):
        raise ProtocolError(
            f"Inference-Header-Content-Length is {json_size}, the body has {len(body)} bytes; send the length of the JSON."
        )
    head = body[:json_size]
    key = (head, id(graph), max_depth, max_rows)
    plan = _plans.get(key)
    if plan is None:
        plan = _plan(head, graph, max_depth, max_rows)
        if json_size <= _MAX_HEAD and plan.is_reusable:
            if len(_plans) >= _MAX_PLANS:
                _plans.clear()
            _plans[key] = plan
    return plan.read(body, json_size)


def _plan(text: bytes, graph: Graph, max_depth: int, max_rows: int, hint: str = "") -> _Plan:
    check_depth(text, max_depth)
    try:
        document = orjson.loads(text)
    except ValueError as error:
        raise ProtocolError(f"The body is not JSON ({error}); send one JSON object{hint}.") from error
    if not isinstance(document, dict):
        raise ProtocolError(f"The body is a JSON {kind_of(document)}; send an object with 'inputs'.")
    parameters = read_parameters(document, "The request")
    if parameters.get("sequence_id"):
        raise ProtocolError("'sequence_id' is set, but no model here keeps a state between requests; leave it out.")
    level = read_count(parameters, "priority")
    return _Plan(
        graph,
        _id(document),
        _inputs(document, graph, max_rows),
        _outputs(document.get("outputs"), read_flag(parameters, "binary_data_output", default=False), graph),
        read_count(parameters, "timeout"),
        DEFAULT_PRIORITY - level if level else 0,
    )


def _inputs(document: dict[str, Any], graph: Graph, max_rows: int) -> dict[str, np.ndarray | Blob]:
    tensors = document.get("inputs")
    names = ", ".join(port.name for port in graph.inputs)
    if not isinstance(tensors, list) or not tensors:
        raise ProtocolError(f"'inputs' is {kind_of(tensors)}; send a list of tensors for {names}.")
    ports = {port.name: port for port in graph.inputs}
    found: dict[str, np.ndarray | Blob] = {}
    for tensor in tensors:
        name = read_field(tensor, "name", "An input")
        if name not in ports:
            raise ProtocolError(f"Graph {graph.name!r} has no input {shorten(name)}; its inputs are {names}.")
        if name in found:
            raise ProtocolError(f"Input {name!r} is sent twice; send it once.")
        rows = read_rows(tensor, ports[name], graph.batch)
        if rows > max_rows:
            raise too_many_rows(rows, max_rows)
        found[name] = read_tensor(tensor, ports[name])
    return found


def _outputs(wanted: Any, binary: bool, graph: Graph) -> tuple[tuple[str, bool], ...]:
    names = [port.name for port in graph.outputs]
    if wanted is None or wanted == []:
        return tuple((name, binary) for name in names)
    if not isinstance(wanted, list):
        raise ProtocolError(f"'outputs' is {kind_of(wanted)}; send a list of outputs, or leave it out for all.")
    chosen: dict[str, bool] = {}
    for output in wanted:
        name = read_field(output, "name", "An output")
        if name not in names:
            raise ProtocolError(f"Graph {graph.name!r} has no output {shorten(name)}; its outputs are {', '.join(names)}.")
        if name in chosen:
            raise ProtocolError(f"Output {name!r} is asked for twice; ask once.")
        parameters = read_parameters(output, f"Output {name!r}")
        _refuse_unserved(name, parameters)
        chosen[name] = read_flag(parameters, "binary_data", default=binary)
    return tuple(chosen.items())


def _refuse_unserved(output: str, parameters: Mapping[str, Any]) -> None:
    for unserved in ("classification", "shared_memory_region"):
        if unserved in parameters:
            raise ProtocolError(f"Output {output!r} is asked for with {unserved!r}, which is not served; leave it out.")


def _id(document: dict[str, Any]) -> str | None:
    value = document.get("id")
    if value is not None and not isinstance(value, str):
        raise ProtocolError(f"'id' is {kind_of(value)}; send a string.")
    return value
