"""Traces: off by default, linked rightly, and unable to say what they must not."""

import logging
import socket
import threading
import time
from collections.abc import Iterator
from http.server import BaseHTTPRequestHandler, ThreadingHTTPServer

import pytest
from opentelemetry.sdk.trace import TracerProvider
from opentelemetry.sdk.trace.export import SimpleSpanProcessor
from opentelemetry.sdk.trace.export.in_memory_span_exporter import InMemorySpanExporter
from opentelemetry.trace import SpanContext
from structlog.testing import capture_logs

from shared import tracing
from shared.messaging.errors import FatalError

ONE = "00-0af7651916cd43dd8448eb211c80319c-b7ad6b7169203331-01"
OTHER = "00-1af7651916cd43dd8448eb211c80319c-c7ad6b7169203331-01"


@pytest.fixture
def spans() -> Iterator[InMemorySpanExporter]:
    exporter = InMemorySpanExporter()
    provider = TracerProvider()
    provider.add_span_processor(SimpleSpanProcessor(exporter))
    tracing.use(provider)
    yield exporter
    tracing.use(None)


@pytest.fixture
def library_logger() -> Iterator[None]:
    library = logging.getLogger("opentelemetry")
    before = library.handlers, library.propagate
    yield
    for thread in threading.enumerate():
        if thread.name == "last spans":
            thread.join(5)
    library.handlers, library.propagate = before


def cause(text: str) -> SpanContext:
    found = tracing.read(text)
    assert found is not None
    return found


def test_without_traces_nothing_is_made_read_or_written() -> None:
    with tracing.span("request", "server") as span:
        tracing.note(span, status=200)
        assert (span, tracing.write(), tracing.read(ONE), tracing.found_in([("traceparent", ONE.encode())])) == (
            None, None, None, None
        )  # fmt: skip


def test_what_leaves_inside_a_span_names_it(spans: InMemorySpanExporter) -> None:
    with tracing.span("request", "server"):
        header = tracing.write()
    [span] = spans.get_finished_spans()
    assert span.context is not None
    assert (header or "").startswith(f"00-{span.context.trace_id:032x}-{span.context.span_id:016x}-")


def test_outside_of_any_span_nothing_leaves(spans: InMemorySpanExporter) -> None:
    assert tracing.write() is None


def test_a_batch_of_one_trace_is_part_of_it(spans: InMemorySpanExporter) -> None:
    with tracing.span("batch", "consumer", causes=[cause(ONE), cause(ONE), None]):
        assert (tracing.write(cause(ONE)) or "").split("-")[1] == ONE.split("-")[1]
    [span] = spans.get_finished_spans()
    assert span.parent is not None
    assert (span.parent.span_id, len(span.links)) == (cause(ONE).span_id, 1)


def test_a_batch_of_several_traces_is_linked_to_each_and_what_it_says_goes_on_in_its_cause_s(
    spans: InMemorySpanExporter,
) -> None:
    with tracing.span("request", "server"), tracing.span("batch", "consumer", causes=[cause(ONE), cause(OTHER)]):
        assert tracing.write(cause(ONE)) == ONE
        assert tracing.write(cause(OTHER)) == OTHER
        assert tracing.write() not in (None, ONE, OTHER)
    batch, _ = spans.get_finished_spans()
    assert (batch.parent, len(batch.links)) == (None, 2)


def test_an_error_is_noted_by_its_type_and_never_by_its_words(spans: InMemorySpanExporter) -> None:
    with pytest.raises(ValueError, match="ana"), tracing.span("request", "server"):
        raise ValueError("ana.ruiz@example.org")
    [span] = spans.get_finished_spans()
    assert span.status.description == "ValueError"
    assert (span.events, "ana.ruiz" in span.to_json()) == ((), False)


def test_a_span_cannot_say_what_is_not_on_the_list(spans: InMemorySpanExporter) -> None:
    with pytest.raises(ValueError, match=r"ATTRIBUTES, found candidate"), tracing.span("x", "client", candidate="c"):
        pass
    with pytest.raises(ValueError, match="found key"), tracing.span("x", "client") as span:
        tracing.note(span, key="k")


@pytest.mark.parametrize("header", [b"", b"\xff\xfe", b"00-zz-zz-01", b"00-" + b"0" * 32 + b"-b7ad6b7169203331-01"])
def test_a_header_that_names_no_place_is_passed_over(spans: InMemorySpanExporter, header: bytes) -> None:
    assert tracing.read(header) is None


@pytest.mark.usefixtures("library_logger")
def test_spans_reach_a_collector_before_the_process_ends() -> None:
    asked: list[tuple[str, bytes]] = []

    class Collector(BaseHTTPRequestHandler):
        def do_POST(self) -> None:
            asked.append((self.path, self.rfile.read(int(self.headers["Content-Length"]))))
            self.send_response(200)
            self.end_headers()

        def log_message(self, *_: object) -> None: ...

    with ThreadingHTTPServer(("127.0.0.1", 0), Collector) as server:
        threading.Thread(target=server.serve_forever, args=(0.01,), daemon=True).start()
        end = tracing.start("test", f"http://127.0.0.1:{server.server_port}")
        with tracing.span("request", "server", method="GET"):
            pass
        end()
        server.shutdown()
    [(path, _)] = asked
    assert path == "/v1/traces"


@pytest.mark.usefixtures("library_logger")
@pytest.mark.parametrize("listens", [False, True], ids=["nobody listens", "it never answers"])
def test_a_collector_that_is_away_does_not_keep_the_process_and_is_one_line_in_the_log(
    caplog: pytest.LogCaptureFixture, *, listens: bool
) -> None:
    with socket.socket() as mute, capture_logs() as ours:
        mute.bind(("127.0.0.1", 0))
        if listens:
            mute.listen()
        end = tracing.start("test", f"http://127.0.0.1:{mute.getsockname()[1]}")
        with tracing.span("request", "server", method="GET"):
            pass
        began = time.monotonic()
        end()
        assert time.monotonic() - began < 4, "the library alone tries for five seconds"
    assert tracing.read(ONE) is None
    assert [line["event"] for line in ours] == ["traces_lost"]
    assert caplog.records == [], "the library's own lines"


@pytest.mark.usefixtures("library_logger")
def test_an_end_without_spans_says_nothing() -> None:
    with capture_logs() as ours:
        end = tracing.start("test", "http://127.0.0.1:9")
        assert tracing.read(ONE) is not None
        end()
    assert tracing.read(ONE) is None
    assert ours == []


def test_without_the_packages_for_traces_a_process_says_what_to_do(monkeypatch: pytest.MonkeyPatch) -> None:
    monkeypatch.setitem(__import__("sys").modules, "opentelemetry.sdk.trace", None)
    with pytest.raises(FatalError, match=r"fairpool\[traces\]"):
        tracing.start("test", "http://127.0.0.1:9")
