"""OpenTelemetry spans of requests, one each, below the caller's span where a `traceparent` header names one.

Set up by the OTEL_* variables that OpenTelemetry's SDK reads. OTEL_TRACES_EXPORTER chooses where spans go: `otlp`, the
default, whose package is to be installed, or `console`.
"""

from __future__ import annotations

import os

from opentelemetry.propagate import extract
from opentelemetry.sdk.trace import TracerProvider
from opentelemetry.sdk.trace.export import BatchSpanProcessor, ConsoleSpanExporter, SpanExporter
from opentelemetry.trace import SpanKind, Status, StatusCode

from serving.asgi.access import Visit
from zoo import __version__
from zoo.errors import UsageError


class Tracer:
    """Makes a span of each visit, once it is over. Raises what `make_exporter` raises."""

    def __init__(self) -> None:
        os.environ.setdefault("OTEL_SERVICE_NAME", "zoo")
        self._provider = TracerProvider()
        self._provider.add_span_processor(BatchSpanProcessor(make_exporter()))
        self._tracer = self._provider.get_tracer("zoo.serving", __version__)

    def note(self, visit: Visit) -> None:
        carrier = {name.decode("latin-1"): value.decode("latin-1") for name, value in visit.headers}
        attributes: dict[str, str | int] = {
            "http.request.method": visit.method,
            "url.path": visit.path,
            "http.response.status_code": visit.status,
            "client.address": visit.client,
            "http.request.body.size": visit.bytes_in,
            "http.response.body.size": visit.bytes_out,
        }
        found = {"zoo.model": visit.model, "zoo.version": visit.version, "zoo.request_id": visit.id, "zoo.rows": visit.rows}
        attributes |= {name: value for name, value in found.items() if value is not None}
        span = self._tracer.start_span(
            f"{visit.method} {visit.model}" if visit.model else visit.method,
            context=extract(carrier),
            kind=SpanKind.SERVER,
            attributes=attributes,
            start_time=visit.start_ns,
        )
        if visit.status >= 500:
            span.set_status(Status(StatusCode.ERROR))
        span.end(visit.start_ns + visit.took_ns)

    def close(self) -> None:
        """Send what has not been sent: a worker that is told to stop does not wait for this."""
        self._provider.shutdown()


def make_exporter() -> SpanExporter:
    """Where spans go. Raises UsageError for another than otlp or console, and when the package for otlp is missing."""
    name = os.environ.get("OTEL_TRACES_EXPORTER", "").strip() or "otlp"
    if name == "console":
        return ConsoleSpanExporter()
    if name != "otlp":
        raise UsageError(f"OTEL_TRACES_EXPORTER is {name!r}; set it to otlp or console, or unset ZOO_OTEL.")
    try:
        from opentelemetry.exporter.otlp.proto.http.trace_exporter import OTLPSpanExporter  # type: ignore[import-not-found,unused-ignore]
    except ImportError as error:
        raise UsageError(
            f"ZOO_OTEL is 1, but spans cannot be sent ({error}); install opentelemetry-exporter-otlp-proto-http (the "
            "extra [otel]), or set OTEL_TRACES_EXPORTER=console."
        ) from error
    return OTLPSpanExporter()
