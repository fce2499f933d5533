"""Requests that schemathesis makes of the service's own OpenAPI document, half of them against its schemas."""

from __future__ import annotations

from collections.abc import Iterator
from typing import Any

import requests
import schemathesis
from hypothesis import HealthCheck, Phase, given, settings
from hypothesis import seed as seeded
from hypothesis.errors import Unsatisfiable
from schemathesis import GenerationMode
from schemathesis.core.result import Ok

from benchmarks.fuzz.wire import Request, render

_PARTS = ("method", "url", "headers", "params", "data", "json", "cookies", "files")


def schema_requests(document: dict[str, Any], count: int, seed: int) -> Iterator[list[Request]]:
    """About `count` requests, in portions: as many of each operation as of any other, as far as it can be varied."""
    results = schemathesis.openapi.from_dict(document).get_all_operations()
    operations = [result.ok() for result in results if isinstance(result, Ok)]
    variable = [one for one in operations if one.method.upper() != "GET" or "{" in one.path]
    each = max(1, count // (2 * len(variable)))
    for operation in operations:
        for mode in GenerationMode:
            yield _made(operation, mode, each if operation in variable else 1, seed)


def _made(operation: Any, mode: GenerationMode, count: int, seed: int) -> list[Request]:
    made: list[Request] = []

    @seeded(seed)
    @settings(
        max_examples=count, database=None, deadline=None, phases=[Phase.generate], suppress_health_check=list(HealthCheck)
    )
    @given(operation.as_strategy(generation_mode=mode))
    def collect(case: Any) -> None:
        made.append(_request(case, mode))

    try:
        collect()
    except Unsatisfiable:  # nothing in this operation can be wrong
        return made
    return made


def _request(case: Any, mode: GenerationMode) -> Request:
    arguments = {
        name: value for name, value in case.as_transport_kwargs(base_url="http://127.0.0.1").items() if name in _PARTS
    }
    prepared = requests.Request(**arguments).prepare()
    body = prepared.body.encode() if isinstance(prepared.body, str) else bytes(prepared.body or b"")  # type: ignore[arg-type]
    headers = {name: _text(value) for name, value in prepared.headers.items() if name.lower() != "content-length"}
    data = render(prepared.method or "GET", prepared.path_url, headers, body)
    return Request(f"schemathesis, {mode.value}", data, method=prepared.method or "GET")


def _text(value: str | bytes) -> str:
    return value.decode("latin-1") if isinstance(value, bytes) else value
