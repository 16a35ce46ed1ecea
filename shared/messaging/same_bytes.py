"""A request of aiokafka 0.14 that is sent again and again, written once; the version is pinned for this file's sake too."""

from collections.abc import Callable
from io import BytesIO
from typing import Any

_REMEMBERED = 16 * 1024
"""Bytes of an answer; one with records is no answer that comes again."""


class WrittenOnce:
    """One version of a request in bytes, as a connection of aiokafka's takes it; its answer becomes what `read` makes of it."""

    def __init__(self, request: Any, read: Callable[[bytes], object] | None = None) -> None:  # noqa: ANN401 - aiokafka has no types
        self.answers = request.RESPONSE_TYPE
        self.build_request_header = request.build_request_header
        self.parse_response_header = request.parse_response_header
        self.RESPONSE_TYPE = _Answers(read or remembering(self.answers.decode))
        self._bytes: bytes = request.encode()

    def encode(self) -> bytes:
        """What goes behind the header."""
        return self._bytes


class _Answers:
    """What a connection takes for the kind of an answer."""

    def __init__(self, read: Callable[[bytes], object]) -> None:
        self._read = read

    def decode(self, read: BytesIO) -> object:
        """What is left of it behind its header."""
        return self._read(read.read())


def remembering(decode: Callable[[BytesIO], object]) -> Callable[[bytes], object]:
    """Takes an answer apart where it is not the one before: nobody changes what they are given."""
    before, found = b"", None

    def read(answer: bytes) -> object:
        nonlocal before, found
        if not before or answer != before:
            found = decode(BytesIO(answer))
            before = answer if len(answer) <= _REMEMBERED else b""
        return found

    return read
