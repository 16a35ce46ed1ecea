"""From the bytes of a file that anybody may have made to the resume in it: bounded, in memory, and never unpacked anywhere.

Why one is not read is said in the language that holds while it is read: the page's, or English for a program.
"""

import codecs
import hashlib
import io
import json
import re
import stat
import struct
import zipfile
import zlib
from collections.abc import Mapping
from contextlib import suppress
from dataclasses import dataclass
from typing import Any

from services.signup.decisions.resume_parts import PassedOver
from shared.i18n import gettext, marked
from shared.web import bodies

MOST_BYTES = 1_000_000
"""Of the file as it comes, and of what is inflated of it: ten times the longest resume that we have seen."""
MOST_ENTRIES = 200
MOST_PARTS = 20_000
"""Lists and objects, and a fifth of the marks around texts: a zip of a kilobyte could hold more than a process should build."""
RESUME, MANIFEST = "resume.json", "manifest.json"
_ENTRY = b"PK\x01\x02"
"""Each entry of a zip's directory begins so: there are no more entries than these, whatever the directory says of itself."""
_READ = frozenset({zipfile.ZIP_STORED, zipfile.ZIP_DEFLATED})
_BROKEN = (zipfile.BadZipFile, zlib.error, struct.error, EOFError, OSError, RuntimeError, ValueError, IndexError, OverflowError)  # fmt: skip
"""What the standard library raises at a zip that is none, or that somebody made to hurt."""
CHANGED = marked(
    "This file was changed since Fairpool wrote it; it is read all the same, for nothing in it is trusted."
)
_WINDOWS = marked(
    "This file is not in UTF-8. It was read as Windows-1252: look whether letters with accents came over well."
)
_NO_CONTROL = re.compile(r"[^\x00-\x08\x0b\x0c\x0e-\x1f\x7f]*")
_IS_PDF = marked("This is a PDF, which Fairpool can’t read: it reads a JSON Resume. Fill in the form yourself.")
_IS_DOCUMENT = marked(
    "This is a file of Word or of another word processor, which Fairpool can’t read: it reads a JSON Resume."
    " Fill in the form yourself."
)
_IS_PICTURE = marked("This is a picture, which Fairpool can’t read: it reads a JSON Resume. Fill in the form yourself.")
_KINDS = (
    (b"%PDF", _IS_PDF), (b"\xd0\xcf\x11\xe0", _IS_DOCUMENT), (b"{\\rtf", _IS_DOCUMENT), (b"\x89PNG", _IS_PICTURE),
    (b"\xff\xd8\xff", _IS_PICTURE), (b"GIF8", _IS_PICTURE),
)  # fmt: skip
"""By how they begin: what somebody has their resume as, most of the time."""
_PARTS_OF_DOCUMENTS = (
    "word/document.xml",
    "content.xml",
    "index/document.iwa",
    "xl/workbook.xml",
    "ppt/presentation.xml",
)
"""Of Word, LibreOffice, Pages, Excel and PowerPoint, which write zips."""
_NO_RESUME = marked(
    "This file is no resume that we can read: choose the zip that you took along from Fairpool, or a JSON Resume."
)


class UnreadableError(Exception):
    """There is nothing in the file to fill a form with; the message says why, to whoever chose it."""


class TooLargeError(UnreadableError):
    """The file, or what it holds, is larger than we read."""

    def __init__(self) -> None:
        super().__init__(too_large())


@dataclass(frozen=True, slots=True)
class Opened:
    """A resume as it stands in the file."""

    resume: Mapping[str, Any]
    notes: tuple[PassedOver, ...] = ()


def opened(raw: bytes) -> Opened:
    """The resume in a JSON file, or in a zip that holds one; raises `UnreadableError`."""
    if not raw.strip():
        raise UnreadableError(gettext("This file is empty. Choose another one."))
    if len(raw) > MOST_BYTES:
        raise TooLargeError
    if kind := next((sentence for begins, sentence in _KINDS if raw[:1024].lstrip().startswith(begins)), None):
        raise UnreadableError(gettext(kind))
    if raw[:4] in (b"PK\x03\x04", b"PK\x05\x06"):
        resume, notes = _unzipped(raw)
    else:
        resume, notes = raw, ()
    text, is_windows = _text(resume)
    value, is_twice = _json(text)
    if isinstance(value, str) and value.lstrip().startswith("{"):  # once more as a text, as some programs write it
        value, is_twice = _json(value)
    if isinstance(value, list) and len(value) == 1:
        value = value[0]
    if not isinstance(value, dict):
        raise UnreadableError(gettext(_NO_RESUME))
    twice = gettext("Some names are in the file twice; what stands last under each was read.")
    more = [sentence for sentence, is_so in ((gettext(_WINDOWS), is_windows), (twice, is_twice)) if is_so]
    return Opened(value, (*notes, *(PassedOver("#", sentence) for sentence in more)))


def too_large() -> str:
    """What is said of a longer file."""
    return gettext(
        "This file is larger than %(most)s MB, which is the most. If it is a zip from Fairpool, take %(name)s out of it"
        " and choose that.",
        most=MOST_BYTES // 1_000_000,
        name=RESUME,
    )


def _json(text: str) -> tuple[object, bool]:
    """The value, and whether a name stood twice in an object. NaN and Infinity are texts, and so no number to anybody."""
    if text.count("[") + text.count("{") > MOST_PARTS or text.count('"') > 5 * MOST_PARTS:
        raise UnreadableError(gettext("This file has far more parts than a resume."))
    is_twice = False

    def made(pairs: list[tuple[str, Any]]) -> dict[str, Any]:
        nonlocal is_twice
        found = dict(pairs)
        is_twice = is_twice or len(found) != len(pairs)
        return found

    try:
        value = json.loads(text, parse_constant=str, object_pairs_hook=made)
    except RecursionError:
        raise UnreadableError(gettext("The JSON in this file is nested far deeper than a resume.")) from None
    except json.JSONDecodeError as error:
        sentence = marked(
            "This file is neither JSON nor a zip, or is cut off: see line %(line)s, column %(column)s."
            " Files of PDF or Word can’t be read."
        )
        raise UnreadableError(gettext(sentence, line=error.lineno, column=error.colno)) from None
    except ValueError:
        raise UnreadableError(gettext("This file holds a number of thousands of digits.")) from None
    return value, is_twice


def _text(raw: bytes) -> tuple[str, bool]:
    """UTF-8, or UTF-16 with its mark, which Windows calls Unicode, or the 256 letters that Windows calls ANSI; whether it is these."""
    try:
        if raw.startswith((codecs.BOM_UTF16_LE, codecs.BOM_UTF16_BE)):
            return raw.decode("utf-16"), False
        return bodies.utf8(raw), False
    except UnicodeDecodeError:
        pass
    with suppress(UnicodeDecodeError):
        text = raw.decode("cp1252")
        if _NO_CONTROL.fullmatch(text) and text.lstrip()[:1] in ("{", "["):
            return text, True
    raise UnreadableError(gettext("This file is not text in UTF-8. Save it as UTF-8, or fill in the form yourself."))


def _unzipped(raw: bytes) -> tuple[bytes, tuple[PassedOver, ...]]:
    """The entry `resume.json`, and what its manifest says of it. Names are compared, and never used as paths."""
    if raw.count(_ENTRY) > MOST_ENTRIES:
        raise UnreadableError(
            gettext("This zip holds more than %(most)s files, so it is none that Fairpool wrote.", most=MOST_ENTRIES)
        )
    try:
        with zipfile.ZipFile(io.BytesIO(raw)) as archive:
            entry = _only(archive, RESUME)
            if entry is None:
                raise UnreadableError(_without_resume(archive))
            resume = _inflated(archive, entry)
            said = _said_of(archive, entry)
    except _BROKEN:
        raise UnreadableError(
            gettext("This zip is broken or cut off. Take it along from Fairpool once more.")
        ) from None
    is_changed = said is not None and said.lower() != hashlib.sha256(resume).hexdigest()
    return resume, (PassedOver("#", gettext(CHANGED)),) if is_changed else ()


def _without_resume(archive: zipfile.ZipFile) -> str:
    if any(entry.filename.casefold() in _PARTS_OF_DOCUMENTS for entry in archive.infolist()):
        return gettext(_IS_DOCUMENT)
    sentence = marked("This zip holds no %(name)s. Choose the zip that you took along from Fairpool.")
    return gettext(sentence, name=RESUME)


def _only(archive: zipfile.ZipFile, name: str, folder: str | None = None) -> zipfile.ZipInfo | None:
    """The entry of this name in whichever folder, or in that one; a zip of macOS has shadows of files besides."""
    found = []
    for entry in archive.infolist():
        where, _, last = entry.filename.replace("\\", "/").rpartition("/")
        if last.casefold() == name and not where.startswith("__MACOSX") and folder in (None, where):
            found.append(entry)
    if len(found) > 1:
        sentence = marked("This zip holds %(name)s more than once, and nobody can tell which one is meant.")
        raise UnreadableError(gettext(sentence, name=name))
    return found[0] if found else None


def _inflated(archive: zipfile.ZipFile, entry: zipfile.ZipInfo) -> bytes:
    """What the entry holds; no more is inflated than may be there, whatever the zip says of its size."""
    if entry.flag_bits & 0x1:
        raise UnreadableError(gettext("This zip is locked with a password. Unlock it first, and choose what is in it."))
    if stat.S_ISLNK(entry.external_attr >> 16) or entry.compress_type not in _READ:
        sentence = marked("%(name)s in this zip is no plain file. Take it along from Fairpool once more.")
        raise UnreadableError(gettext(sentence, name=RESUME))
    with archive.open(entry) as part:
        found = part.read(MOST_BYTES + 1)
    if len(found) > MOST_BYTES:
        raise TooLargeError
    return found


def _said_of(archive: zipfile.ZipFile, entry: zipfile.ZipInfo) -> str | None:
    """The SHA-256 that the manifest beside it has for the entry, `changed` where it has none; None where there is no manifest."""
    folder, _, name = entry.filename.replace("\\", "/").rpartition("/")
    manifest = _only(archive, MANIFEST, folder)
    if manifest is None:
        return None
    try:
        value, _ = _json(_text(_inflated(archive, manifest))[0])
    except UnreadableError:
        return "changed"
    files = value.get("files") if isinstance(value, dict) else None
    of_it = files.get(name) if isinstance(files, dict) else None
    if isinstance(files, list):
        of_it = next((one for one in files if isinstance(one, dict) and one.get("name") == name), None)
    said = of_it.get("sha256") if isinstance(of_it, dict) else of_it
    return said if isinstance(said, str) else "changed"
