"""Logs: one JSON object a line on stdout, with ids and outcomes, and never the words of an exception."""

import contextlib
import json
import logging
import math
import re
import sys
import threading
import time
import traceback
from collections import Counter
from collections.abc import Callable, Iterator, Mapping
from datetime import datetime, timedelta
from enum import Enum
from pathlib import Path, PurePath
from types import TracebackType
from typing import Any
from uuid import UUID

import structlog
from structlog.typing import EventDict, Processor, WrappedLogger

_ROOT = str(Path(__file__).resolve().parent.parent) + "/"
_FRAMES = 12  # of each exception, the innermost; a RecursionError has a thousand
_LINKS = 6  # causes, contexts and members of groups together
_SAID_AGAIN_AFTER = timedelta(seconds=10)
_TEMPLATES = 200  # that are remembered; a library may make its messages without a template
_HAS_AT = re.compile(r"(?<![^\s\"'<>(){},;=])[^\s\"'<>(){},;=]+@[^\s\"'<>(){},;]+")

Where = dict[str, object]


def configure(service: str, level: str = "INFO") -> None:
    """Send this process' logs, its libraries' warnings and its uncaught exceptions to stdout as JSON.

    Libraries log at WARNING and above, whatever `level` is: below it they show records and queries.
    """
    first: list[Processor] = [
        structlog.contextvars.merge_contextvars,
        structlog.processors.add_log_level,
        structlog.processors.TimeStamper(fmt="iso", utc=True),
        _named(service),
    ]
    last: list[Processor] = [_exceptions_without_words, structlog.processors.JSONRenderer(serializer=_to_json)]
    structlog.configure(
        processors=[*first, *last],
        wrapper_class=structlog.make_filtering_bound_logger(logging.getLevelNamesMapping()[level]),
        logger_factory=structlog.WriteLoggerFactory(sys.stdout),
        cache_logger_on_first_use=False,
    )
    formatter = structlog.stdlib.ProcessorFormatter(
        foreign_pre_chain=[structlog.stdlib.add_logger_name, *first],
        processors=[structlog.stdlib.ProcessorFormatter.remove_processors_meta, *last],
    )
    _route_libraries(formatter)
    sys.excepthook = _uncaught
    threading.excepthook = lambda args: _uncaught(args.exc_type, args.exc_value, args.exc_traceback)
    sys.unraisablehook = lambda args: _uncaught(args.exc_type, args.exc_value, args.exc_traceback)


def describe(error: BaseException) -> list[Where]:
    """An exception and what caused it, as types and places only: `[{"type": ..., "at": ["file:line function", ...]}]`.

    A message or a local variable can hold a mail address (asyncpg puts whole rows into details), so neither is here.
    """
    return [{"type": _type_name(link), "at": _places(link.__traceback__)} for link in _chain(error)]


def _chain(error: BaseException) -> list[BaseException]:
    found: list[BaseException] = []
    waiting: list[BaseException | None] = [error]
    while waiting and len(found) < _LINKS:
        link = waiting.pop(0)
        if link is None or any(link is known for known in found):
            continue
        found.append(link)
        waiting.append(link.__cause__ or (None if link.__suppress_context__ else link.__context__))
        if isinstance(link, BaseExceptionGroup):
            waiting.extend(link.exceptions)
    return found


def _type_name(error: BaseException) -> str:
    kind = type(error)
    return kind.__qualname__ if kind.__module__ == "builtins" else f"{kind.__module__}.{kind.__qualname__}"


def _places(trace: TracebackType | None) -> list[str]:
    frames = [(frame.f_code, line) for frame, line in traceback.walk_tb(trace)][-_FRAMES:]
    return [f"{_short(code.co_filename)}:{line} {code.co_name}" for code, line in frames]


def _short(path: str) -> str:
    """From the repository's root, from a package's, or the file's name alone: a home directory is nobody's business."""
    _, marker, packaged = path.rpartition("site-packages/")
    if marker:
        return packaged
    return path.removeprefix(_ROOT) if path.startswith(_ROOT) else path.rpartition("/")[2]


def _named(service: str) -> Processor:
    def add(_: WrappedLogger, __: str, event: EventDict) -> EventDict:
        return {"service": service, **event}

    return add


def _exceptions_without_words(_: WrappedLogger, __: str, event: EventDict) -> EventDict:
    given = event.pop("exc_info", None)
    event.pop("stack_info", None)
    if given is True:
        given = sys.exc_info()
    error = given[1] if isinstance(given, tuple) else given
    if isinstance(error, BaseException):
        event["exception"] = describe(error)
    return event


def _to_json(event: Mapping[str, Any], **_: object) -> str:
    return json.dumps(event, default=_plain, ensure_ascii=True)


def _plain(value: object) -> object:
    if isinstance(value, UUID | datetime | timedelta | PurePath):
        return str(value)
    if isinstance(value, Enum):
        return value.name
    if isinstance(value, set | frozenset):
        return sorted(map(str, value))
    return f"<{type(value).__name__}>"  # a repr may show what the value holds


def _route_libraries(formatter: logging.Formatter) -> None:
    handler = _Stdout()
    handler.addFilter(_Seldom())
    handler.addFilter(_without_words)
    handler.setFormatter(formatter)
    root = logging.getLogger()
    root.handlers = [handler]
    root.setLevel(logging.WARNING)
    for name in list(logging.root.manager.loggerDict):
        library = logging.getLogger(name)
        library.handlers = []
        library.propagate = True
        library.disabled = False
        library.setLevel(logging.NOTSET)
    logging.captureWarnings(capture=True)


class _Stdout(logging.StreamHandler[Any]):
    """Writes to stdout; a record that can't be formatted is named, not shown."""

    def __init__(self) -> None:
        super().__init__(sys.stdout)

    def handleError(self, record: logging.LogRecord) -> None:  # noqa: N802 - logging's name
        """Replace logging's own report, which prints the record's arguments to stderr."""
        line = _to_json(
            {"event": "log_record_unusable", "logger": record.name, "place": f"{record.module}:{record.lineno}"}
        )
        with contextlib.suppress(OSError, ValueError):
            self.stream.write(line + "\n")


class _Seldom(logging.Filter):
    """Lets a library say the same thing once in 10 s, with how often it wanted to: clients of a server that is away say
    it hundreds of times a second, and would push everything else out of what is kept of a log.
    """

    def __init__(self, clock: Callable[[], float] = time.monotonic) -> None:
        super().__init__()
        self._clock = clock
        self._said: dict[tuple[str, str], float] = {}
        self._unsaid: Counter[tuple[str, str]] = Counter()

    def filter(self, record: logging.LogRecord) -> bool:
        """By logger and template, not by what is filled in."""
        what, now = (record.name, str(record.msg)), self._clock()
        if now - self._said.get(what, -math.inf) < _SAID_AGAIN_AFTER.total_seconds():
            self._unsaid[what] += 1
            return False
        if len(self._said) >= _TEMPLATES:
            self._said.clear()
            self._unsaid.clear()
        self._said[what] = now
        if unsaid := self._unsaid.pop(what, 0):
            record.msg = f"{record.msg} (and {unsaid} times more before this)"
        return True


def _without_words(record: logging.LogRecord) -> bool:
    """Take exceptions' words, and whatever has an @, out of what a library wrote."""
    try:
        message = _HAS_AT.sub("<hidden>", _cleaned(record))
    except Exception:  # noqa: BLE001 - a library's own mistake must neither lose the line nor show its arguments
        message = f"unformattable message at {record.module}:{record.lineno}"
    record.msg, record.args = message, None
    return True


def _cleaned(record: logging.LogRecord) -> str:
    message = record.getMessage()
    errors = [value for value in _arguments(record) if isinstance(value, BaseException)]
    if record.exc_info and record.exc_info[1] is not None:
        errors.append(record.exc_info[1])
    for link in (link for error in errors for link in _chain(error)):
        for words in _words(link):
            message = message.replace(words, f"<{type(link).__name__}>")
    return message


def _arguments(record: logging.LogRecord) -> Iterator[object]:
    if isinstance(record.args, Mapping):
        yield from record.args.values()
    else:
        yield from record.args or ()


def _words(error: BaseException) -> list[str]:
    """What of an exception may stand in a message, the longest first."""
    found = {repr(error), str(error), *(str(value) for value in error.args), *(repr(value) for value in error.args)}
    detail = getattr(error, "detail", None)
    if isinstance(detail, str):
        found.add(detail)
    return sorted((words for words in found if len(words) > 3), key=len, reverse=True)  # "1" is in every message


def _uncaught(kind: type[BaseException], error: BaseException | None, trace: TracebackType | None) -> None:
    if error is None or issubclass(kind, KeyboardInterrupt):
        return
    structlog.get_logger().critical("uncaught_exception", exc_info=error.with_traceback(trace))
