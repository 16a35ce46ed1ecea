"""From the bytes of a file that anybody may have made to the resume in it: bounded, in memory, and never unpacked anywhere."""

import codecs
import hashlib
import io
import json
import stat
import struct
import zipfile
import zlib
from collections.abc import Mapping
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
_NO_RESUME = marked(
    "This file is no resume that we can read: choose the zip that you took along from Fairpool, or a JSON Resume."
)


class UnreadableError(Exception):
    """There is nothing in the file to fill a form with; the message says why, to whoever chose it."""


@dataclass(frozen=True, slots=True)
class Opened:
    """A resume as it stands in the file."""

    resume: Mapping[str, Any]
    notes: tuple[PassedOver, ...] = ()


def opened(raw: bytes) -> Opened:
    """The resume in a JSON file, or in a zip that holds one; raises `UnreadableError`."""
    if not raw.strip():
        raise UnreadableError(marked("This file is empty. Choose another one."))
    if len(raw) > MOST_BYTES:
        raise UnreadableError(too_large())
    if raw[:4] in (b"PK\x03\x04", b"PK\x05\x06"):
        resume, notes = _unzipped(raw)
    else:
        resume, notes = raw, ()
    value, is_twice = _json(resume)
    if isinstance(value, str) and value.lstrip().startswith(
        "{"
    ):  # the JSON text once more as a text, as some programs write
        value, is_twice = _json(value.encode("utf-8", "replace"))
    if isinstance(value, list) and len(value) == 1:
        value = value[0]
    if not isinstance(value, dict):
        raise UnreadableError(_NO_RESUME)
    twice = (PassedOver("#", gettext("Some names are in the file twice; what stands last under each was read.")),)
    return Opened(value, notes + (twice if is_twice else ()))


def too_large() -> str:
    """What is said of a longer file."""
    return gettext(
        "This file is larger than %(most)s MB, which is the most. If it is a zip from Fairpool, take %(name)s out of it and choose that.",
        most=MOST_BYTES // 1_000_000,
        name=RESUME,
    )


def _json(raw: bytes) -> tuple[object, bool]:
    """The value, and whether a name stood twice in an object. NaN and Infinity are texts, and so no number to anybody."""
    if raw.count(b"[") + raw.count(b"{") > MOST_PARTS or raw.count(b'"') > 5 * MOST_PARTS:
        raise UnreadableError(gettext("This file has far more parts than a resume."))
    is_twice = False

    def made(pairs: list[tuple[str, Any]]) -> dict[str, Any]:
        nonlocal is_twice
        found = dict(pairs)
        is_twice = is_twice or len(found) != len(pairs)
        return found

    try:
        value = json.loads(_text(raw), parse_constant=str, object_pairs_hook=made)
    except RecursionError:
        raise UnreadableError(gettext("The JSON in this file is nested far deeper than a resume.")) from None
    except json.JSONDecodeError as error:
        raise UnreadableError(
            gettext(
                "This file is neither JSON nor a zip, or is cut off: see line %(line)s, column %(column)s.",
                line=error.lineno,
                column=error.colno,
            )
        ) from None
    except ValueError:  # not the encoding that it seems to have, or a number of thousands of digits
        raise UnreadableError(
            gettext("This file is not text in UTF-8, or holds a number of thousands of digits.")
        ) from None
    return value, is_twice


def _text(raw: bytes) -> str:
    """UTF-8, or UTF-16 with its mark, which Windows calls Unicode."""
    if raw.startswith((codecs.BOM_UTF16_LE, codecs.BOM_UTF16_BE)):
        return raw.decode("utf-16")
    return bodies.utf8(raw)


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
                raise UnreadableError(
                    gettext(
                        "This zip holds no %(name)s. Choose the zip that you took along from Fairpool.", name=RESUME
                    )
                )
            resume = _inflated(archive, entry)
            said = _said_of(archive, entry)
    except _BROKEN:
        raise UnreadableError(marked("This zip is broken or cut off. Take it along from Fairpool once more.")) from None
    is_changed = said is not None and said.lower() != hashlib.sha256(resume).hexdigest()
    return resume, (PassedOver("#", gettext(CHANGED)),) if is_changed else ()


def _only(archive: zipfile.ZipFile, name: str, folder: str | None = None) -> zipfile.ZipInfo | None:
    """The entry of this name in whichever folder, or in that one; a zip of macOS has shadows of files besides."""
    found = []
    for entry in archive.infolist():
        where, _, last = entry.filename.replace("\\", "/").rpartition("/")
        if last.casefold() == name and not where.startswith("__MACOSX") and folder in (None, where):
            found.append(entry)
    if len(found) > 1:
        raise UnreadableError(
            gettext("This zip holds %(name)s more than once, and nobody can tell which one is meant.", name=name)
        )
    return found[0] if found else None


def _inflated(archive: zipfile.ZipFile, entry: zipfile.ZipInfo) -> bytes:
    """What the entry holds; no more is inflated than may be there, whatever the zip says of its size."""
    if entry.flag_bits & 0x1:
        raise UnreadableError(marked("This zip is locked with a password. Unlock it first, and choose what is in it."))
    if stat.S_ISLNK(entry.external_attr >> 16) or entry.compress_type not in _READ:
        raise UnreadableError(
            gettext("%(name)s in this zip is no plain file. Take it along from Fairpool once more.", name=RESUME)
        )
    with archive.open(entry) as part:
        found = part.read(MOST_BYTES + 1)
    if len(found) > MOST_BYTES:
        raise UnreadableError(too_large())
    return found


def _said_of(archive: zipfile.ZipFile, entry: zipfile.ZipInfo) -> str | None:
    """The SHA-256 that the manifest beside it has for the entry, `changed` where it has none; None where there is no manifest."""
    folder, _, name = entry.filename.replace("\\", "/").rpartition("/")
    manifest = _only(archive, MANIFEST, folder)
    if manifest is None:
        return None
    try:
        value, _ = _json(_inflated(archive, manifest))
    except UnreadableError:
        return "changed"
    files = value.get("files") if isinstance(value, dict) else None
    of_it = files.get(name) if isinstance(files, dict) else None
    if isinstance(files, list):
        of_it = next((one for one in files if isinstance(one, dict) and one.get("name") == name), None)
    said = of_it.get("sha256") if isinstance(of_it, dict) else of_it
    return said if isinstance(said, str) else "changed"
