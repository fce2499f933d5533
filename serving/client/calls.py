"""What a client can ask, each as a value: one HTTP request, and how its answer is read. Nothing here sends anything."""

from __future__ import annotations

import mimetypes
import os
from collections.abc import Callable, Mapping, Sequence
from dataclasses import dataclass, field
from pathlib import Path
from typing import Any, Generic, TypeVar
from urllib.parse import quote

import httpx
import numpy as np
import orjson

from serving.client.errors import AnswerError, ClientError, UnreachableError, status_error
from serving.client.events import Events
from serving.client.tensors import decode, encode
from zoo.spec import Arrays

Answer = TypeVar("Answer")

_NO = (400, 404, 503)  # of a probe: Triton says 400
_MAGIC = {b"\x89PNG\r\n\x1a\n": "image/png", b"\xff\xd8\xff": "image/jpeg", b"RIFF": "audio/wav"}


@dataclass(frozen=True, kw_only=True)
class Call(Generic[Answer]):
    """`read` makes the answer of a response in 2xx. A `probe` asks yes or no: no server is a no, and so is one not ready."""

    method: str
    path: str
    read: Callable[[Any], Answer]
    headers: dict[str, str] = field(default_factory=dict)
    body: bytes = b""
    probe: bool = False

    def answer(self, outcome: httpx.Response | UnreachableError) -> Answer:
        """Raises what `outcome` is when it is an error."""
        if isinstance(outcome, UnreachableError):
            if not self.probe:
                raise outcome
        elif not outcome.is_success and not (self.probe and outcome.status_code in _NO):
            raise status_error(outcome)
        return self.read(outcome)


def infer(
    model: str,
    inputs: Mapping[str, np.ndarray],
    *,
    version: str | int | None = None,
    outputs: Sequence[str] | None = None,
    binary: bool = True,
    id: str | None = None,
    priority: int | None = None,
    timeout_ms: float | None = None,
) -> Call[Arrays]:
    """Run a graph on arrays: `{input: (batch, …)}` → `{output: (batch, …)}`, shapes as `metadata(model)` has them.

    `outputs` names those wanted, all without it. With `binary` tensors travel as bytes, else as JSON, for servers that
    lack the binary extension. `id` comes back in the answer and is compared. Of two waiting requests that with the
    smaller `priority` (1 and up) is computed first. After `timeout_ms` the server may give up, and LateError is raised.

    Raises ClientError for a dtype that cannot be sent, StatusError, AnswerError and UnreachableError.
    """
    wanted = {"priority": priority, "timeout": None if timeout_ms is None else max(1, round(timeout_ms * 1000))}
    parameters = {name: value for name, value in wanted.items() if value is not None}
    headers, body = encode(inputs, outputs, binary=binary, request_id=id, parameters=parameters)
    path = f"{_model_path(model, version)}/infer"
    return Call(method="POST", path=path, read=lambda got: decode(got, outputs, id), headers=headers, body=body)


def predict(model: str, data: Any, *, media_type: str | None = None) -> Call[list[dict[str, Any]]]:
    """Answers of a model to what a person has, one an item: `[{"label": …, "probabilities": …}, …]`, say.

    `data` is the path of a file (str or Path), the content of one (bytes), or anything else that JSON can say, arrays
    included. `media_type` is found by the file's name or the first bytes of an image or a WAV; bytes of text need it.

    Raises ClientError when there is no such file or its type cannot be told, StatusError, AnswerError, UnreachableError.
    """
    body, found = _read_file(data) if isinstance(data, str | os.PathLike) else _as_body(data)
    media_type = media_type or found
    if media_type is None:
        raise ClientError("What is sent does not show its type; name it, as in media_type='text/csv'.")
    path = f"/v1/models/{quote(model, safe='')}/predict"
    return Call(method="POST", path=path, read=_predictions, headers={"Content-Type": media_type}, body=body)


def generate(
    model: str,
    given: Any = None,
    *,
    version: str | int | None = None,
    stop: str | Sequence[str] = (),
    timeout_ms: float | None = None,
    **options: Any,
) -> Call[dict[str, Any]]:
    """A whole generated answer: `{"text_output": …, "finish_reason": …}`, or what else the model makes, an `image` say.

    `given` is the text to go on from, or what else the model takes; nothing for some. `options` are the model's own, such
    as max_tokens, temperature, top_k, top_p, seed and steps; the answer ends before the first of the words `stop`. After
    `timeout_ms` the server gives up, and LateError is raised.

    Raises ClientError for what JSON cannot say, StatusError, AnswerError and UnreachableError.
    """
    return _generation(model, version, "generate", _document, given, stop, timeout_ms, options)


def stream(
    model: str,
    given: Any = None,
    *,
    version: str | int | None = None,
    stop: str | Sequence[str] = (),
    timeout_ms: float | None = None,
    **options: Any,
) -> Call[Events]:
    """The same answer piece by piece, as it is made: an iterator of `{"text_output": …, "token": …}`, say.

    To stop reading ends the answer, and frees its place on the server. Raises what `generate` raises before the first
    piece, and BrokenOffError when the server could not end what it began.
    """
    return _generation(model, version, "generate_stream", _events, given, stop, timeout_ms, options)


def metadata(model: str | None = None, *, version: str | int | None = None) -> Call[dict[str, Any]]:
    """Name, versions and tensors of a model, a free axis -1; without a model, name and extensions of the server.

    Raises StatusError, AnswerError and UnreachableError.
    """
    return _get("/v2" if model is None else _model_path(model, version))


def statistics(model: str | None = None, *, version: str | int | None = None) -> Call[list[dict[str, Any]]]:
    """Counts and durations (ns) of a model, or of all: `model_stats` of the protocol's extension.

    Raises StatusError, AnswerError and UnreachableError.
    """
    path = "/v2/models/stats" if model is None else f"{_model_path(model, version)}/stats"
    return Call(method="GET", path=path, read=lambda got: _list(_document(got).get("model_stats"), got))


def live() -> Call[bool]:
    """Whether the server answers at all. Raises StatusError when it does not say."""
    return Call(method="GET", path="/v2/health/live", read=_is_yes, probe=True)


def ready(model: str | None = None, *, version: str | int | None = None) -> Call[bool]:
    """Whether the server, or one model of it, takes requests now. Raises StatusError when it does not say."""
    path = "/v2/health/ready" if model is None else f"{_model_path(model, version)}/ready"
    return Call(method="GET", path=path, read=_is_yes, probe=True)


def models() -> Call[list[dict[str, Any]]]:
    """Everything in the server's repository, loaded or not: `[{"name": …, "version": …, "state": …}, …]`.

    Raises StatusError, AnswerError and UnreachableError.
    """
    return _post("/v2/repository/index", {}, lambda got: _list(_json(got), got))


def load(model: str, *, version: str | int | None = None) -> Call[None]:
    """Have the server load a model, in place of the version that it serves; needs an admin key.

    Raises StatusError and UnreachableError.
    """
    return _order(model, "load", {} if version is None else {"parameters": {"version": str(version)}})


def unload(model: str) -> Call[None]:
    """Have the server stop serving a model; needs an admin key. Raises StatusError and UnreachableError."""
    return _order(model, "unload", {})


def _generation(
    model: str,
    version: str | int | None,
    verb: str,
    read: Callable[[Any], Answer],
    given: Any,
    stop: str | Sequence[str],
    timeout_ms: float | None,
    options: Mapping[str, Any],
) -> Call[Answer]:
    asked = {} if given is None else {"text_input" if isinstance(given, str) else "input": given}
    body, media_type = _as_body({**asked, "parameters": {**options, **({"stop": stop} if stop else {})}})
    limit = {} if timeout_ms is None else {"X-Request-Timeout-Ms": str(max(1, round(timeout_ms)))}
    headers = {"Content-Type": str(media_type), **limit}
    return Call(method="POST", path=f"{_model_path(model, version)}/{verb}", read=read, headers=headers, body=body)


def _events(response: httpx.Response) -> Events:
    return Events(str(response.request.url))


def _order(model: str, verb: str, parameters: dict[str, Any]) -> Call[None]:
    path = f"/v2/repository/models/{quote(model, safe='')}/{verb}"
    return _post(path, parameters, lambda got: None)


def _post(path: str, document: dict[str, Any], read: Callable[[httpx.Response], Answer]) -> Call[Answer]:
    headers = {"Content-Type": "application/json"}
    return Call(method="POST", path=path, read=read, headers=headers, body=orjson.dumps(document))


def _is_yes(outcome: httpx.Response | UnreachableError) -> bool:
    return isinstance(outcome, httpx.Response) and outcome.is_success


def _get(path: str) -> Call[dict[str, Any]]:
    return Call(method="GET", path=path, read=_document)


def _model_path(model: str, version: str | int | None) -> str:
    path = f"/v2/models/{quote(model, safe='')}"
    return path if version is None else f"{path}/versions/{quote(str(version), safe='')}"


def _predictions(response: httpx.Response) -> list[dict[str, Any]]:
    return _list(_document(response).get("predictions"), response)


def _document(response: httpx.Response) -> dict[str, Any]:
    document = _json(response)
    if not isinstance(document, dict):
        raise _strange(response)
    return document


def _list(value: Any, response: httpx.Response) -> list[dict[str, Any]]:
    if not isinstance(value, list):
        raise _strange(response)
    return value


def _json(response: httpx.Response) -> Any:
    try:
        return orjson.loads(response.content)
    except ValueError as error:
        raise _strange(response) from error


def _strange(response: httpx.Response) -> AnswerError:
    return AnswerError(f"{response.request.url} answered {response.content[:60]!r}, which is not of the protocol.")


def _read_file(path: str | os.PathLike[str]) -> tuple[bytes, str | None]:
    try:
        body = Path(path).read_bytes()
    except OSError as error:
        raise ClientError(f"{os.fspath(path)!r:.200} cannot be read ({error.strerror}); give a file, or bytes.") from error
    return body, mimetypes.guess_type(os.fspath(path))[0] or _sniff(body)


def _as_body(data: Any) -> tuple[bytes, str | None]:
    if isinstance(data, bytes | bytearray | memoryview):
        return bytes(data), _sniff(bytes(data[:16]))
    try:
        return orjson.dumps(data, option=orjson.OPT_SERIALIZE_NUMPY), "application/json"
    except TypeError as error:
        raise ClientError(f"A {type(data).__name__} cannot be sent as JSON ({error}); give lists or arrays.") from error


def _sniff(body: bytes) -> str | None:
    return next((media_type for magic, media_type in _MAGIC.items() if body.startswith(magic)), None)
