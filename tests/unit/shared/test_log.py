import asyncio
import io
import json
import logging
import sys
import threading
from collections.abc import Iterator
from datetime import UTC, datetime
from typing import Any
from uuid import UUID

import asyncpg
import pytest
import structlog

from shared import log

CANARY = "ana.ruiz.canary@example.org"
NAME = "Anastasia Ruiz-Canary"


@pytest.fixture
def out(monkeypatch: pytest.MonkeyPatch) -> Iterator[io.StringIO]:
    """Standard output of a process that called `configure`; everything is put back after."""
    stream = io.StringIO()
    monkeypatch.setattr(sys, "stdout", stream)
    hooks = sys.excepthook, threading.excepthook, sys.unraisablehook
    root = logging.getLogger()
    handlers, level, before = root.handlers, root.level, structlog.get_config()
    log.configure("signup")
    yield stream
    logging.captureWarnings(capture=False)
    root.handlers = handlers
    root.setLevel(level)
    structlog.configure(**before)
    sys.excepthook, threading.excepthook, sys.unraisablehook = hooks


def lines(out: io.StringIO) -> list[dict[str, Any]]:
    return [json.loads(line) for line in out.getvalue().splitlines()]


def clean(out: io.StringIO) -> list[dict[str, Any]]:
    assert "canary" not in out.getvalue().lower()
    return lines(out)


def fail() -> None:
    secret = CANARY  # a local variable of the frame that fails
    try:
        raise KeyError(secret)
    except KeyError as error:
        raise ValueError(f"no mail to {secret}") from error


def test_a_line_is_json_with_service_event_level_and_time(out: io.StringIO) -> None:
    structlog.get_logger().info("registered", candidate="c1", outcome="stub")
    (line,) = lines(out)
    assert line.items() >= {
        "service": "signup", "event": "registered", "level": "info", "candidate": "c1", "outcome": "stub"
    }.items()  # fmt: skip
    assert datetime.fromisoformat(line["timestamp"]).tzinfo == UTC


def test_an_exception_is_logged_as_types_and_places_without_its_words(out: io.StringIO) -> None:
    try:
        fail()
    except ValueError:
        structlog.get_logger().exception("batch_failed", topic="ats-events")
    (line,) = clean(out)
    outer, cause = line["exception"]
    assert (outer["type"], cause["type"]) == ("ValueError", "KeyError")
    assert outer["at"][-1].startswith("tests/unit/shared/test_log.py:")
    assert outer["at"][-1].endswith(" fail")


def test_what_a_database_says_about_a_row_is_not_logged(out: io.StringIO) -> None:
    error = asyncpg.UniqueViolationError(f"duplicate key: {CANARY}")
    error.detail = f"Key (name)=({NAME}) already exists."
    logging.getLogger("asyncpg").error("query failed: %s (%s)", error, error.detail, exc_info=error)
    structlog.get_logger().error("batch_failed", exc_info=error, error=error)
    first, second = clean(out)
    assert first["exception"][0]["type"] == "asyncpg.exceptions.UniqueViolationError"
    assert second["error"] == "<UniqueViolationError>"


def test_a_librarys_exception_is_logged_without_its_words(out: io.StringIO) -> None:
    try:
        fail()
    except ValueError as error:
        logging.getLogger("aiokafka.consumer").exception("Unexpected error: %s", error)
        logging.getLogger("faststream").exception(f"{type(error).__name__}: {error}")
        logging.getLogger("uvicorn.error").error("Exception in ASGI application\n", exc_info=sys.exc_info())
    found = clean(out)
    assert [line["logger"] for line in found] == ["aiokafka.consumer", "faststream", "uvicorn.error"]
    assert [line["exception"][0]["type"] for line in found] == ["ValueError"] * 3


def test_a_mail_address_in_a_librarys_message_is_hidden_even_without_an_exception(out: io.StringIO) -> None:
    logging.getLogger("aiosmtplib").warning("recipient <%s> refused", CANARY)
    (line,) = clean(out)
    assert line["event"] == "recipient <<hidden>> refused"


async def test_a_task_that_nobody_awaited_is_logged_without_its_words(out: io.StringIO) -> None:
    async def forgotten() -> None:
        raise ValueError(NAME)

    task = asyncio.create_task(forgotten())
    await asyncio.wait([task])
    task.get_loop().call_exception_handler({"message": "never retrieved", "exception": task.exception(), "task": task})
    task.exception()
    (line,) = clean(out)
    assert line["logger"] == "asyncio"
    assert line["exception"][0]["type"] == "ValueError"


def test_an_exception_that_ends_the_process_or_a_thread_is_logged_without_its_words(
    out: io.StringIO, capsys: pytest.CaptureFixture[str]
) -> None:
    try:
        fail()
    except ValueError as error:
        sys.excepthook(type(error), error, error.__traceback__)
    thread = threading.Thread(target=fail)
    thread.start()
    thread.join()
    assert [line["event"] for line in clean(out)] == ["uncaught_exception"] * 2
    assert capsys.readouterr().err == ""


def test_every_member_of_a_group_is_named(out: io.StringIO) -> None:
    group = ExceptionGroup(NAME, [ValueError(CANARY), ExceptionGroup("in", [TypeError(CANARY)])])
    structlog.get_logger().error("batch_failed", exc_info=group)
    (line,) = clean(out)
    assert [link["type"] for link in line["exception"]] == [
        "ExceptionGroup",
        "ValueError",
        "ExceptionGroup",
        "TypeError",
    ]


def test_libraries_are_heard_from_warning_on(out: io.StringIO) -> None:
    logging.getLogger("aiokafka.producer").info("record %s", CANARY)
    logging.getLogger("aiokafka.producer").warning("broker is slow")
    (line,) = clean(out)
    assert line["event"] == "broker is slow"


def test_a_librarys_own_handlers_are_taken_away(out: io.StringIO, monkeypatch: pytest.MonkeyPatch) -> None:
    monkeypatch.setattr(sys, "stdout", out)
    elsewhere = io.StringIO()
    library = logging.getLogger("some.library")
    library.addHandler(logging.StreamHandler(elsewhere))
    library.propagate = False
    log.configure("signup")
    library.warning("hello")
    assert elsewhere.getvalue() == ""
    assert [line["event"] for line in lines(out)] == ["hello"]


def test_a_message_that_does_not_fit_its_arguments_shows_none_of_them(out: io.StringIO) -> None:
    logging.getLogger("some.library").warning("two %s %s", CANARY)
    (line,) = clean(out)
    assert line["event"].startswith("unformattable message at test_log:")


def test_values_are_written_as_ids_and_never_by_their_repr(out: io.StringIO) -> None:
    class Person:
        def __repr__(self) -> str:
            return CANARY

    structlog.get_logger().info("x", candidate=UUID(int=7), person=Person(), people=[Person()])
    (line,) = clean(out)
    assert line["candidate"] == str(UUID(int=7))
    assert line["person"] == "<Person>"
    assert line["people"] == ["<Person>"]


def test_a_long_recursion_is_cut_to_its_innermost_frames() -> None:
    def deeper() -> None:
        deeper()

    try:
        deeper()
    except RecursionError as error:
        (link,) = log.describe(error)
    assert len(link["at"]) == 12  # type: ignore[arg-type]  # a link is a plain dictionary


def test_what_a_library_says_again_and_again_is_said_once_in_ten_seconds_and_counted() -> None:
    now = 0.0
    seldom = log._Seldom(lambda: now)

    def say(template: str, *filled_in: object) -> str | None:
        record = logging.LogRecord("aiokafka", logging.ERROR, "", 0, template, filled_in, None)
        return record.getMessage() if seldom.filter(record) else None

    assert say("no connection to node %s", 1) == "no connection to node 1"
    assert [say("no connection to node %s", number) for number in range(3)] == [None] * 3
    assert say("100 %") == "100 %", "another thing"
    now = 9.9
    assert say("no connection to node %s", 2) is None
    now = 10.0
    assert say("no connection to node %s", 3) == "no connection to node 3 (and 4 times more before this)"
    assert say("no connection to node %s", 3) is None


def test_templates_without_end_are_not_remembered_for_ever() -> None:
    seldom = log._Seldom(lambda: 0.0)
    for number in range(1000):
        seldom.filter(logging.LogRecord("lib", logging.ERROR, "", 0, f"made up {number}", (), None))
    assert len(seldom._said) <= 200
