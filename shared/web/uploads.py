"""A file that a page's form carries (multipart/form-data, RFC 7578): in memory, and nowhere else.

Starlette's own reader keeps a longer file on disk. The body was bounded before (`gates`), and so is what is looked at here.
"""

from python_multipart.exceptions import FormParserError
from python_multipart.multipart import MultipartParser, parse_options_header

from shared.web import problems

MULTIPART = "multipart/form-data"
_MOST_PARTS = 20


def file_of(content_type: str, raw: bytes, name: str) -> bytes:
    """What the form's field `name` carries, empty where nothing was chosen; a 400 problem for a body that is no such form."""
    found = _Found(name.encode())
    try:
        _, options = parse_options_header(content_type)
        parser = MultipartParser(
            options.get(b"boundary") or b"",
            {
                "on_part_begin": found.on_part_begin,
                "on_part_data": found.on_part_data,
                "on_header_field": found.on_header_field,
                "on_header_value": found.on_header_value,
                "on_header_end": found.on_header_end,
                "on_headers_finished": found.on_headers_finished,
                "on_end": found.on_end,
            },
        )
        parser.write(raw)
        parser.finalize()
    except (FormParserError, ValueError):
        raise _malformed() from None
    if not found.is_whole:
        raise _malformed()
    return bytes(found.data)


class _Found:
    """The one part that is looked for; of others nothing is kept."""

    def __init__(self, name: bytes) -> None:
        self.data = bytearray()
        self.is_whole = False
        self._name = name
        self._parts = 0
        self._header, self._value, self._disposition = b"", b"", b""
        self._is_it = False

    def on_part_begin(self) -> None:
        self._parts += 1
        if self._parts > _MOST_PARTS:
            raise ValueError("far more parts than the form has")
        self._header, self._value, self._disposition = b"", b"", b""
        self._is_it = False

    def on_header_field(self, data: bytes, start: int, end: int) -> None:
        self._header += data[start:end]

    def on_header_value(self, data: bytes, start: int, end: int) -> None:
        self._value += data[start:end]

    def on_header_end(self) -> None:
        if self._header.lower() == b"content-disposition":
            self._disposition = self._value
        self._header, self._value = b"", b""

    def on_headers_finished(self) -> None:
        _, options = parse_options_header(self._disposition)
        self._is_it = options.get(b"name") == self._name and not self.data

    def on_part_data(self, data: bytes, start: int, end: int) -> None:
        if self._is_it:
            self.data += data[start:end]

    def on_end(self) -> None:
        self.is_whole = True


def _malformed() -> problems.Problem:
    return problems.malformed(f"The body is not {MULTIPART} as a form sends it, or was cut off. Send it again.")
