"""The parts that every operation of an OpenAPI document is made of: answers, errors, parameters."""

from __future__ import annotations

from collections.abc import Iterable
from typing import Any

from serving.pages.schemas import Schema

READ = (401, 404, 503)
SMALL = (401, 500, 503)
COMPUTE = (400, 401, 404, 413, 415, 422, 429, 500, 503, 504)
CONTROL = (400, 401, 403, 404, 413, 422, 500, 503)
MEANINGS = {
    400: "The request is malformed; the sentence says what to send.",
    401: "The key is missing or wrong.",
    403: "The key does not open this door, or nobody's does.",
    404: "There is no such model, version or route.",
    413: "The body is too large.",
    415: "The media type or encoding is not read here.",
    422: "Well formed, but it cannot be done.",
    429: "The queue is full; try again after Retry-After seconds.",
    500: "The server failed on this request.",
    503: "The service is not ready, or is shutting down.",
    504: "The request's time was over before it was computed.",
}
TEXT: Schema = {"type": "string"}


def operation(name: str, summary: str, tag: str, answer: Schema | str | None, errors: Iterable[int]) -> dict[str, Any]:
    """`answer` is a JSON schema, another media type, or None where the body does not matter."""
    found: dict[str, Any] = {"description": "Done"}
    if answer is not None:
        found["content"] = (
            {answer: {"schema": TEXT}} if isinstance(answer, str) else {"application/json": {"schema": answer}}
        )
    responses = {str(status): {"$ref": f"#/components/responses/{status}"} for status in errors}
    return {"operationId": name, "summary": summary, "tags": [tag], "responses": {"200": found, **responses}}


def open_operation(*description: Any) -> dict[str, Any]:
    """An operation that needs no key."""
    return {**operation(*description), "security": [{}]}


def parameter(name: str, values: list[str] | None) -> dict[str, Any]:
    return {"name": name, "in": "path", "required": True, "schema": TEXT if values is None else {"enum": values}}


def error_response(status: int) -> dict[str, Any]:
    content = {"application/json": {"schema": {"$ref": "#/components/schemas/Error"}}}
    response: dict[str, Any] = {"description": MEANINGS[status], "content": content}
    if status == 429:
        response["headers"] = {"Retry-After": {"schema": {"type": "integer"}, "description": "seconds"}}
    return response
