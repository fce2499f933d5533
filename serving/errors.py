"""What the service answers when it cannot answer: the errors of serving, and the HTTP status of every error.

Each error reaches a client as `{"error": "<sentence>"}`. A mistake of the client's is a 4xx that says what to send
instead; anything unexpected is a 500 whose details stay in the server's log.
"""

from __future__ import annotations

import logging

from zoo.errors import HubError, MediaTypeError, UnknownNameError, UsageError, ZooError

log = logging.getLogger(__name__)

RETRY_AFTER_SECONDS = 1


class ServingError(ZooError):
    """Root of the errors that only a service meets."""

    http_status = 500


class ProtocolError(ServingError):
    """A request that is malformed, or asks for what this service does not have."""

    http_status = 400

    def __init__(self, message: str, *, status: int = 400) -> None:
        super().__init__(message)
        self.http_status = status


class QueueFullError(ServingError):
    """More rows wait than the queue may hold; the same request may succeed later."""

    http_status = 429


class GoneError(ServingError):
    """The client hung up before its rows were computed, so they were not."""

    http_status = 499


class DeadlineError(ServingError):
    """The time that the client allows was over before its rows were computed, so they were not."""

    http_status = 504


class NotReadyError(ServingError):
    """Nothing is served yet, or any more, or the models could not be loaded."""

    http_status = 503


class UnservableError(ServingError):
    """A model that is not taken into service: damaged, not proven here, or refused by one of the workers."""

    http_status = 422


class ExecutionError(ServingError):
    """A graph failed on an input that had passed every check."""


def too_many_rows(rows: int, limit: int) -> ProtocolError:
    return ProtocolError(f"The request has {rows} rows; send at most {limit} at once (ZOO_MAX_QUEUE_ROWS).", status=413)


def http_status(error: BaseException) -> int:
    """The status that `error` is answered with."""
    if isinstance(error, ServingError):
        return error.http_status
    if isinstance(error, UnknownNameError):
        return 404
    if isinstance(error, MediaTypeError):
        return 415
    if isinstance(error, HubError):
        return 503
    return 400 if isinstance(error, UsageError) else 500


def explain(error: BaseException) -> tuple[int, str]:
    """Status and sentence for `error`. What only the operator may see is logged here, never sent."""
    status = http_status(error)
    if status != 500:
        return status, str(error)
    if isinstance(error, ExecutionError):
        return status, str(error)
    log.error("A request failed unexpectedly", exc_info=error)
    return status, "The server failed on this request; try again, and look at the server's log if it fails again."
