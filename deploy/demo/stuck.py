"""What is said when a stack does not answer as it should."""

from collections.abc import Iterator
from contextlib import contextmanager
from pathlib import Path

import httpx

from deploy.demo.client import UnexpectedAnswerError
from deploy.demo.watching import TooSlowError
from deploy.local.errors import StackError

_STUCK = (TooSlowError, UnexpectedAnswerError, httpx.TransportError)


class StoryStuckError(StackError):
    """The story could not go on."""

    exit_code = 9


@contextmanager
def plainly(logs: Path) -> Iterator[None]:
    """What a stack did not do in time, or answered otherwise, becomes a sentence that says where to look."""
    try:
        yield
    except (ExceptionGroup, *_STUCK) as error:
        first = _first(error)
        if isinstance(first, _STUCK):
            raise StoryStuckError(f"{first or type(first).__name__}. Logs: {logs}") from error
        raise


def _first(error: BaseException) -> BaseException:
    while isinstance(error, BaseExceptionGroup):
        error = error.exceptions[0]
    return error
