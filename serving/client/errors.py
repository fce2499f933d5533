"""What can go wrong between a client and its server, as one tree."""

from __future__ import annotations

import time
from email.utils import parsedate_to_datetime
from typing import Any

import httpx
import orjson

from zoo.errors import ZooError

_LONGEST_QUOTE = 300


class ClientError(ZooError):
    """Root of the errors of a client."""


class UnreachableError(ClientError):
    """The server could not be reached, or the connection broke; `sent` says whether the request may have arrived."""

    def __init__(self, message: str, *, sent: bool) -> None:
        super().__init__(message)
        self.sent = sent


class AnswerError(ClientError):
    """The server answered, but not what the protocol says."""


class BrokenOffError(ClientError):
    """The server began its answer, but could not end it; the sentence says why."""


class StatusError(ClientError):
    """The server answered with an error: its `http_status`, its `sentence`, and `retry_after_s` where it named one."""

    def __init__(self, message: str, http_status: int, sentence: str, retry_after_s: float | None) -> None:
        super().__init__(message)
        self.http_status = http_status
        self.sentence = sentence
        self.retry_after_s = retry_after_s


class RefusedError(StatusError):
    """4xx: the request cannot be answered as it is; the sentence says what to send."""


class DeniedError(RefusedError):
    """401 or 403: the key is missing, or does not open this door."""


class NotFoundError(RefusedError):
    """404: no such model, version or route."""


class OverloadedError(StatusError):
    """429 or 503, after all retries: the same request may succeed later."""


class LateError(StatusError):
    """504: the request's time was over before it was computed."""


class ServerFailedError(StatusError):
    """Any other 5xx: the server's own failure."""


_BY_STATUS = {
    401: DeniedError,
    403: DeniedError,
    404: NotFoundError,
    429: OverloadedError,
    503: OverloadedError,
    504: LateError,
}


def status_error(response: httpx.Response) -> StatusError:
    """The error that an answer outside 2xx is."""
    status = response.status_code
    kind = _BY_STATUS.get(status, ServerFailedError if status >= 500 else RefusedError if status >= 400 else StatusError)
    sentence = _sentence(response)
    request = response.request
    message = f"{request.method} {request.url.path} was answered with {status}: {sentence}"
    return kind(message, status, sentence, _retry_after_s(response))


def connection_error(error: httpx.HTTPError, url: str) -> UnreachableError:
    """What a failure below HTTP is to a caller; a request whose connection was never there was not sent."""
    reason = str(error) or type(error).__name__
    if isinstance(error, httpx.ConnectError | httpx.ConnectTimeout):
        return UnreachableError(f"{url} cannot be reached ({reason}); check the address and start the server.", sent=False)
    if isinstance(error, httpx.TimeoutException):
        return UnreachableError(f"{url} did not answer in time ({reason}); give it longer with timeout=…", sent=True)
    return UnreachableError(f"The connection to {url} broke before its answer was whole ({reason}); try again.", sent=True)


def _sentence(response: httpx.Response) -> str:
    try:
        document: Any = orjson.loads(response.content)
    except ValueError:
        document = None
    if isinstance(document, dict) and isinstance(document.get("error"), str):
        return document["error"]
    return response.text.strip()[:_LONGEST_QUOTE] or response.reason_phrase or "no reason is given."


def _retry_after_s(response: httpx.Response) -> float | None:
    """Seconds that Retry-After asks for, as a number or as a date; None without one that can be read."""
    value = response.headers.get("retry-after", "").strip()
    if value.isascii() and value.isdigit():
        return float(value[:9])
    try:
        return max(0.0, parsedate_to_datetime(value).timestamp() - time.time())
    except (ValueError, OverflowError):
        return None
