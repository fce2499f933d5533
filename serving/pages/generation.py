"""The routes of models that generate, in the OpenAPI document."""

from __future__ import annotations

from collections.abc import Sequence
from typing import Any

from serving.asgi.completions import COMPLETIONS, MAX_CHOICES, MAX_TOKENS
from serving.pages.operations import COMPUTE, MEANINGS, TEXT, operation, parameter
from serving.pages.schemas import Schema, record
from serving.served import ServedModel

_FLAG: Schema = {"type": "boolean"}
_COUNT: Schema = {"type": "integer", "minimum": 1}
_STOP: Schema = {"anyOf": [TEXT, {"type": "array", "items": TEXT}], "description": "words that end the answer before them"}
_REQUEST: Schema = {
    "type": "object",
    "properties": {
        "id": TEXT,
        "text_input": {"type": "string", "description": "what a model of text continues or translates"},
        "input": {"description": "what another model takes, as an instance of its task endpoint; nothing for some"},
        "parameters": {
            "type": "object",
            "properties": {"stop": _STOP, "seed": {"type": "integer"}},
            "description": "options of the model: max_tokens, temperature, top_k, top_p, steps; a wrong one is answered "
            "with those that there are",
        },
    },
}
_ANSWER: Schema = record(model_name=TEXT, model_version=TEXT)
_ANSWER["properties"] |= {"text_output": TEXT, "finish_reason": TEXT, "image": TEXT, "id": TEXT}
_CHOICE: Schema = record(text=TEXT, index={"type": "integer"}, finish_reason={"type": ["string", "null"]})
_COMPLETION: Schema = record(
    id=TEXT,
    object={"const": "text_completion"},
    created={"type": "integer"},
    model=TEXT,
    choices={"type": "array", "items": _CHOICE},
    usage={"type": "object"},
)
_ERROR: Schema = record(error=record(message=TEXT, type=TEXT))


def generation_paths(models: Sequence[ServedModel], timeout: dict[str, Any]) -> dict[str, Any]:
    """Of the models that generate; empty where there are none. `timeout` is the header that says how long one may take."""
    growing = [model for model in models if model.generator is not None]
    paths: dict[str, Any] = {}
    if growing:
        paths |= _generate_paths(growing, timeout)
    completing = [model.name for model in growing if model.generator is not None and model.generator.completes()]
    if completing:
        paths[COMPLETIONS] = {"post": _completions(sorted(completing), timeout)}
    return paths


def _generate_paths(models: Sequence[ServedModel], timeout: dict[str, Any]) -> dict[str, Any]:
    """Triton's generate extension, of any version and of one."""
    name = parameter("model", sorted(model.name for model in models))
    version = parameter("version", sorted({model.version for model in models}))
    answers: dict[str, tuple[str, Schema | str]] = {
        "generate": ("An answer, when it is whole", _ANSWER),
        "generate_stream": ("An answer as it grows, as server-sent events", "text/event-stream"),
    }
    paths = {}
    for base, more in (("/v2/models/{model}", []), ("/v2/models/{model}/versions/{version}", [version])):
        for verb, (summary, answer) in answers.items():
            found = operation(f"{verb}{' of a version' if more else ''}", summary, "generation", answer, COMPUTE)
            found |= {"parameters": [timeout], "requestBody": _body(_REQUEST)}
            paths[f"{base}/{verb}"] = {"post": found, "parameters": [name, *more]}
    return paths


def _completions(models: list[str], timeout: dict[str, Any]) -> dict[str, Any]:
    request = record(model={"enum": models}, prompt={"anyOf": [TEXT, {"type": "array", "minItems": 1, "items": TEXT}]})
    request["properties"] |= {
        "max_tokens": {**_COUNT, "default": MAX_TOKENS},
        "temperature": {"type": "number", "minimum": 0},
        "top_p": {"type": "number", "minimum": 0, "maximum": 1},
        "n": {
            **_COUNT,
            "maximum": MAX_CHOICES,
            "default": 1,
            "description": "answers to each prompt, of seeds one after another",
        },
        "seed": {"type": "integer", "description": "makes the answers repeatable"},
        "stop": _STOP,
        "echo": {**_FLAG, "default": False},
        "stream": {**_FLAG, "default": False, "description": "server-sent events, ended by `data: [DONE]`"},
        "stream_options": {"type": "object", "properties": {"include_usage": _FLAG}},
    }
    found = operation("completions", "Texts continued, as OpenAI's clients ask", "generation", _COMPLETION, ())
    found["responses"]["200"]["content"]["text/event-stream"] = {"schema": TEXT}
    content = {"application/json": {"schema": _ERROR}}
    found["responses"] |= {str(status): {"description": MEANINGS[status], "content": content} for status in COMPUTE}
    return {**found, "parameters": [timeout], "requestBody": _body(request)}


def _body(schema: Schema) -> dict[str, Any]:
    return {"required": True, "content": {"application/json": {"schema": schema}}}
