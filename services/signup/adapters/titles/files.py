"""Published lists of titles, as an operator gets them: the Direct Match file of the BLS, O*NET's Alternate Titles."""

import csv
from collections import defaultdict
from collections.abc import Iterator, Mapping, Sequence
from dataclasses import dataclass
from functools import cache
from pathlib import Path

from services.signup.adapters.titles.table import official

DIRECT_MATCH, ONET = "direct-match", "onet"
LARGEST = 30_000_000
"""Bytes; O*NET's file has about 5 million."""
MOST_TITLES = 200_000
MOST_CODES = 8
"""A title of more occupations names none."""
_LONGEST = 200
_PREFACE = 20
"""Lines that may stand before the header: the BLS's sheet begins with a title and notes."""
_NOTICES = {
    DIRECT_MATCH: "2018 Standard Occupational Classification, Direct Match Title File, U.S. Bureau of Labor Statistics. Public domain.",
    ONET: "This site includes information from the O*NET Database by the U.S. Department of Labor, Employment and Training"
    " Administration (USDOL/ETA). Used under the CC BY 4.0 license. O*NET® is a trademark of USDOL/ETA. Fairpool has modified"
    " some of this information. USDOL/ETA has not approved, endorsed, or tested these modifications.",
}
_CODE_COLUMNS = ("soc", "code", "soc code", "2018 soc code")
_TITLE_COLUMNS = ("title", "direct match title", "2018 soc direct match title")
_ONET_CODE, _ONET_TITLE, _ONET_SHORT = "o*net-soc code", "alternate title", "short title"


class BadFileError(ValueError):
    """The file is none of the lists that are known, or holds something else than they do; the text says what and where."""


@dataclass(frozen=True, slots=True)
class TitleFile:
    """What a file holds: each title once, with its codes in the file's order."""

    source: str
    titles: Mapping[str, tuple[str, ...]]
    notice: str
    left_out: int
    """Titles of more than `MOST_CODES` occupations."""


def read_file(path: Path) -> TitleFile:
    """The whole file, checked; raises `BadFileError` for anything that is not as it should be, and reads nothing of it then."""
    lines = _text(path).splitlines()
    source, start, delimiter, code_at, title_columns = _header(lines)
    found: dict[str, dict[str, None]] = defaultdict(dict)
    for number, row in _rows(lines, start, delimiter):
        if not any(cell.strip() for cell in row):
            continue
        code = _code(row, code_at, number)
        for title in _titles(row, title_columns, number):
            found[title][code] = None
    if not found:
        raise BadFileError("expected titles below the header, found none.")
    if len(found) > MOST_TITLES:
        raise BadFileError(f"expected at most {MOST_TITLES:,} titles, found {len(found):,}.")
    kept = {title: tuple(codes) for title, codes in found.items() if len(codes) <= MOST_CODES}
    return TitleFile(source, kept, _NOTICES[source], len(found) - len(kept))


def _text(path: Path) -> str:
    try:
        if path.stat().st_size > LARGEST:
            raise BadFileError(f"expected at most {LARGEST:,} bytes, found {path.stat().st_size:,}.")
        text = path.read_text("utf-8-sig")
    except OSError as error:
        raise BadFileError(f"expected a file that can be read, found: {error.strerror}.") from error
    except UnicodeDecodeError as error:
        raise BadFileError(
            f"expected text in UTF-8, found something else at byte {error.start:,}. Save a sheet as CSV in UTF-8."
        ) from error
    if "\x00" in text:
        raise BadFileError("expected text, found the character U+0000.")
    return text


def _header(lines: Sequence[str]) -> tuple[str, int, str, int, list[int]]:
    """The list's name, its header's place, what separates, and where code and titles are."""
    for place, line in enumerate(lines[:_PREFACE]):
        for delimiter in ("\t", ","):
            names = [" ".join(cell.lower().split()) for cell in next(csv.reader([line], delimiter=delimiter), [])]
            if _ONET_CODE in names and _ONET_TITLE in names:
                titles = [names.index(name) for name in (_ONET_TITLE, _ONET_SHORT) if name in names]
                return ONET, place, delimiter, names.index(_ONET_CODE), titles
            code = next((names.index(name) for name in _CODE_COLUMNS if name in names), None)
            title = next((names.index(name) for name in reversed(_TITLE_COLUMNS) if name in names), None)
            if code is not None and title is not None:
                return DIRECT_MATCH, place, delimiter, code, [title]
    raise BadFileError(
        f"expected a header within the first {_PREFACE} lines: `soc,title` or the columns of the BLS's Direct Match Title File"
        " (as CSV), or `O*NET-SOC Code` and `Alternate Title` of O*NET's Alternate Titles (as the text file); found none."
    )


def _rows(lines: Sequence[str], start: int, delimiter: str) -> Iterator[tuple[int, list[str]]]:
    if delimiter == ",":
        rows = csv.reader(lines[start + 1 :], strict=True)
    else:  # O*NET's text has no quoting
        rows = csv.reader(lines[start + 1 :], delimiter=delimiter, quoting=csv.QUOTE_NONE, strict=True)
    try:
        for row in rows:
            yield start + 1 + rows.line_num, row
    except csv.Error as error:
        raise BadFileError(f"line {start + 1 + rows.line_num:,}: expected a row, found: {error}.") from error


def _code(row: Sequence[str], place: int, number: int) -> str:
    written = row[place].strip() if place < len(row) else ""
    code = written[:7] if len(written) == 10 and written[7] == "." else written
    if code not in _codes():
        hint = " The file may be of an older classification." if len(code) == 7 and code[2:3] == "-" else ""
        raise BadFileError(
            f"line {number:,}: expected a detailed code of the 2018 SOC such as 29-1141, found {written[:20]!r}.{hint}"
        )
    return code


@cache
def _codes() -> frozenset[str]:
    return frozenset(official().values())


def _titles(row: Sequence[str], places: Sequence[int], number: int) -> Iterator[str]:
    for at, place in enumerate(places):
        title = " ".join(row[place].split()) if place < len(row) else ""
        if at > 0 and title.lower() in ("", "n/a"):
            continue
        if not title or len(title) > _LONGEST or not title.isprintable():
            raise BadFileError(f"line {number:,}: expected a title of 1 to {_LONGEST} characters on one line.")
        yield title
