"""Traces: spans of our own, off unless asked for, that hold names, counts and outcomes, and never an id, a key or an address.

A trace begins at our own edge and goes on in the header `traceparent` of records (W3C Trace Context); a stranger's is not
taken up. Libraries' instrumentation is not used: it records whole paths and message keys, which are tokens and people here.
"""

import logging
import threading
from collections.abc import Callable, Iterable, Iterator
from contextlib import contextmanager
from datetime import timedelta

import structlog
from opentelemetry import trace
from opentelemetry.context import Context
from opentelemetry.trace import Link, Span, SpanContext, SpanKind, Status, StatusCode, Tracer, TracerProvider
from opentelemetry.trace.propagation.tracecontext import TraceContextTextMapPropagator

from shared.messaging.errors import FatalError

HEADER = "traceparent"
KINDS = {
    "server": SpanKind.SERVER,
    "client": SpanKind.CLIENT,
    "producer": SpanKind.PRODUCER,
    "consumer": SpanKind.CONSUMER,
}
ATTRIBUTES = frozenset({"method", "route", "status", "subscription", "records", "mail_kind", "outcome", "asks"})
"""All that a span may say of itself. Each is a name from the code, a number or an outcome."""

_FLUSH_WITHIN = timedelta(seconds=1)
_log = structlog.get_logger(__name__)
_SCHEME = TraceContextTextMapPropagator()
_tracer: Tracer | None = None


def use(provider: TracerProvider | None) -> None:
    """Sends this process' spans to the provider; None makes no spans."""
    global _tracer
    _tracer = provider.get_tracer("fairpool") if provider is not None else None


def start(service: str, endpoint: str) -> Callable[[], None]:
    """Exports spans to an OTLP collector (HTTP); returns what ends that, within a second. FatalError without the extra `traces`."""
    try:
        from opentelemetry.exporter.otlp.proto.http.trace_exporter import OTLPSpanExporter
        from opentelemetry.sdk.resources import Resource
        from opentelemetry.sdk.trace import TracerProvider as Provider
        from opentelemetry.sdk.trace.export import BatchSpanProcessor
    except ImportError as error:
        raise FatalError(
            "FAIRPOOL_TRACES names a collector, but the packages for traces are not installed. "
            "Install fairpool[traces], or set FAIRPOOL_TRACES=none."
        ) from error
    provider = Provider(resource=Resource.create({"service.name": f"fairpool-{service}"}), shutdown_on_exit=False)
    exporter = OTLPSpanExporter(f"{endpoint}/v1/traces", timeout=5)
    provider.add_span_processor(BatchSpanProcessor(exporter))
    use(provider)

    def end() -> None:
        use(None)
        complaints = _hear_complaints()
        # The library's own limits don't hold: it tries a collector that is away again for seconds.
        flush = threading.Thread(target=provider.shutdown, name="last spans", daemon=True)
        flush.start()
        flush.join(_FLUSH_WITHIN.total_seconds())
        if late := flush.is_alive():
            exporter.shutdown()  # type: ignore[no-untyped-call]  # untyped in the library. No more tries; the thread is left alone
        if late or complaints:
            _log.warning("traces_lost", why="the collector did not take the last spans")

    return end


def _hear_complaints() -> list[str]:
    """What the library says from now on, instead of its lines in the log."""
    heard: list[str] = []

    class Ear(logging.Handler):
        def emit(self, record: logging.LogRecord) -> None:
            heard.append(record.name)

    library = logging.getLogger("opentelemetry")
    library.handlers, library.propagate = [Ear(logging.WARNING)], False
    return heard


@contextmanager
def span(
    name: str, kind: str, *, causes: Iterable[SpanContext | None] = (), **attributes: str | int
) -> Iterator[Span | None]:
    """A span around the block, linked to its causes; None when traces are off.

    When all causes are of one trace the span belongs to it; of several, it begins a trace of its own. Without causes it
    is part of whatever is under way. An error is noted by its type alone.
    """
    if _tracer is None:
        yield None
        return
    _check(attributes)
    known = {(cause.trace_id, cause.span_id): cause for cause in causes if cause is not None}
    with _tracer.start_as_current_span(
        name,
        context=_parent(list(known.values())),
        kind=KINDS[kind],
        attributes=attributes,
        links=[Link(cause) for cause in known.values()],
        record_exception=False,
        set_status_on_exception=False,
    ) as current:
        try:
            yield current
        except BaseException as error:
            current.set_status(Status(StatusCode.ERROR, type(error).__name__))
            raise


def note(current: Span | None, *, name: str | None = None, **attributes: str | int) -> None:
    """What is known only later."""
    if current is None:
        return
    _check(attributes)
    current.set_attributes(attributes)
    if name is not None:
        current.update_name(name)


def read(traceparent: str | bytes | None) -> SpanContext | None:
    """The place in a trace that a header names; None when traces are off or it names none."""
    if _tracer is None or not traceparent:
        return None
    text = traceparent.decode("ascii", "replace") if isinstance(traceparent, bytes) else traceparent
    found = trace.get_current_span(_SCHEME.extract({HEADER: text}, context=Context())).get_span_context()
    return found if found.is_valid else None


def found_in(headers: Iterable[tuple[str, bytes | None]]) -> SpanContext | None:
    """The place in a trace that a record's headers name."""
    if _tracer is None:
        return None
    return read(next((raw for name, raw in headers if name == HEADER), None))


def write(cause: SpanContext | None = None) -> str | None:
    """The header of what leaves now: of the span under way, or of the cause when that is of another trace."""
    if _tracer is None:
        return None
    here = trace.get_current_span().get_span_context()
    named = here if cause is None or (here.is_valid and here.trace_id == cause.trace_id) else cause
    if not named.is_valid or not named.trace_flags.sampled:
        return None
    carrier: dict[str, str] = {}
    _SCHEME.inject(carrier, context=trace.set_span_in_context(trace.NonRecordingSpan(named), Context()))
    return carrier.get(HEADER)


def _parent(causes: list[SpanContext]) -> Context | None:
    if not causes:
        return None
    if len({cause.trace_id for cause in causes}) > 1:
        return Context()
    return trace.set_span_in_context(trace.NonRecordingSpan(causes[0]), Context())


def _check(attributes: dict[str, str | int]) -> None:
    if unknown := attributes.keys() - ATTRIBUTES:
        raise ValueError(f"expected one of shared.tracing.ATTRIBUTES, found {', '.join(sorted(unknown))}")
