"""Files that anybody may have made: what holds a resume is opened, and all else gets a sentence, within bounds."""

import codecs
import hashlib
import io
import json
import stat
import struct
import warnings
import zipfile
from typing import Any

import pytest
from hypothesis import given
from hypothesis import strategies as st

from services.signup.api.resume_files import CHANGED, MOST_BYTES, UnreadableError, opened

RESUME = {"basics": {"name": "Ana Ruiz"}}
JSON = json.dumps(RESUME).encode()


def zipped(*entries: tuple[str | zipfile.ZipInfo, bytes], kind: int = zipfile.ZIP_DEFLATED) -> bytes:
    """The same bytes whenever it is called: pytest makes the names of tests of them, and each of its workers has to find the same."""
    out = io.BytesIO()
    with warnings.catch_warnings(), zipfile.ZipFile(out, "w", kind) as archive:
        warnings.simplefilter("ignore")  # a name that stands there twice
        for name, content in entries:
            archive.writestr(name if isinstance(name, zipfile.ZipInfo) else zipfile.ZipInfo(name), content, kind)
    return out.getvalue()


def manifest(said: Any) -> bytes:
    return json.dumps({"schema": "fairpool.export.v1", "files": said}).encode()


def why(raw: bytes) -> str:
    with pytest.raises(UnreadableError) as raised:
        opened(raw)
    return str(raised.value)


@pytest.mark.parametrize(
    "raw",
    [
        JSON,
        codecs.BOM_UTF8 + JSON,
        JSON.decode().encode("utf-16"),
        codecs.BOM_UTF16_BE + JSON.decode().encode("utf-16-be"),
        b"\r\n " + JSON + b"\n\n",
        json.dumps(JSON.decode()).encode(),
        b"[" + JSON + b"]",
        zipped(("resume.json", JSON)),
        zipped(("resume.json", JSON), kind=zipfile.ZIP_STORED),
        zipped(("README.txt", b"x"), ("taken along/Resume.JSON", JSON), ("__MACOSX/._resume.json", b"x"), ("inner.zip", zipped(("resume.json", b"{}")))),
        zipped(("..\\..\\resume.json", JSON)),
        zipped(("../../../etc/resume.json", JSON)),
        zipped(("/etc/resume.json", JSON)),
        b"PK\x03\x04" * 10 + zipped(("resume.json", JSON)),
    ],
)  # fmt: skip
def test_a_resume_is_found_however_it_was_written(raw: bytes) -> None:
    found = opened(raw)
    assert (found.resume, found.notes) == (RESUME, ())


def symlink() -> zipfile.ZipInfo:
    info = zipfile.ZipInfo("resume.json")
    info.external_attr = (stat.S_IFLNK | 0o777) << 16
    return info


def encrypted() -> bytes:
    raw = bytearray(zipped(("resume.json", JSON)))
    for mark, offset in ((b"PK\x03\x04", 6), (b"PK\x01\x02", 8)):
        raw[raw.index(mark) + offset] |= 1
    return bytes(raw)


def lying_bomb() -> bytes:
    """Ten megabytes that say of themselves that they are ten bytes."""
    raw = bytearray(zipped(("resume.json", b" " * 10_000_000)))
    for mark, offset in ((b"PK\x03\x04", 22), (b"PK\x01\x02", 24)):
        raw[raw.index(mark) + offset :][:4] = struct.pack("<I", 10)
        struct.pack_into("<I", raw, raw.index(mark) + offset, 10)
    return bytes(raw)


@pytest.mark.parametrize(
    ("raw", "says"),
    [
        (b"", "empty"),
        (b" \r\n", "empty"),
        (b"%PDF-1.7 ...", "This is a PDF"),
        (b"\r\n%PDF-1.4", "This is a PDF"),
        (b"\xd0\xcf\x11\xe0\xa1\xb1\x1a\xe1", "Word"),
        (b"{\\rtf1\\ansi", "Word"),
        (zipped(("[Content_Types].xml", b"<x/>"), ("word/document.xml", b"<x/>")), "Word"),
        (zipped(("mimetype", b"application/vnd.oasis.opendocument.text"), ("content.xml", b"<x/>")), "Word"),
        (b"\x89PNG\r\n", "This is a picture"),
        (b"\xff\xd8\xff\xe0", "This is a picture"),
        (b"\x7fELF\xff", "UTF-8"),
        (b'{"a": "\x00\xff"}', "UTF-8"),
        (b'{"a": "\x81"}', "UTF-8"),
        (b'x = {"a": "\xff"}', "UTF-8"),
        (b"basics:\n  name: Ana", "Files of PDF or Word can’t be read"),
        (JSON[:-1], "neither JSON nor a zip, or is cut off: see line 1"),
        (b'{"a": \xff}', "neither JSON nor a zip"),
        (codecs.BOM_UTF16_LE + b"{", "UTF-8"),
        (b"[" * 10_000 + b"]" * 10_000, "nested"),
        (b'{"a":' * 10_000 + b"1" + b"}" * 10_000, "nested"),
        (b'{"a": ' + b"9" * 5000 + b"}", "thousands of digits"),
        (zipped(("resume.json", b"[" + b"[]," * 20_000 + b"[]]")), "far more parts"),
        (zipped(("resume.json", b"[" + b'"",' * 50_000 + b'""]')), "far more parts"),
        (b"[]", "no resume"),
        (b"7", "no resume"),
        (b"null", "no resume"),
        (b'"text"', "no resume"),
        (b"[{}, {}]", "no resume"),
        (b" " * MOST_BYTES + b"{}", "larger than 1 MB"),
        (zipped(("resume.json", b" " * (MOST_BYTES + 1))), "larger than 1 MB"),
        (zipped(("resume.json", b" " * 100_000_000)), "larger than 1 MB"),
        (zipped(("resume.json", JSON))[:-10], "broken"),
        (zipped(("resume.json", JSON))[:40], "broken"),
        (b"PK\x03\x04", "broken"),
        (b"PK\x05\x06" + bytes(18), "no resume.json"),
        (zipped(), "no resume.json"),
        (zipped(("cv.pdf", b"x")), "no resume.json"),
        (zipped(("inner.zip", zipped(("resume.json", JSON)))), "no resume.json"),
        (zipped(("resume.json", JSON), ("resume.json", JSON)), "more than once"),
        (zipped(("a/resume.json", JSON), ("b/resume.json", JSON)), "more than once"),
        (zipped(*((f"{number}.json", b"") for number in range(201))), "more than 200 files"),
        (zipped((symlink(), b"/etc/passwd")), "no plain file"),
        (zipped(("resume.json", JSON), kind=zipfile.ZIP_LZMA), "no plain file"),
        (zipped(("resume.json", JSON), kind=zipfile.ZIP_BZIP2), "no plain file"),
        (encrypted(), "password"),
        (zipped(("resume.json", b"x")), "neither JSON nor a zip"),
    ],
)  # fmt: skip
def test_what_is_no_resume_gets_a_sentence(raw: bytes, says: str) -> None:
    assert says in why(raw)


def test_of_a_bomb_no_more_is_inflated_than_a_resume_may_have(monkeypatch: pytest.MonkeyPatch) -> None:
    inflated = []
    plain = zipfile.ZipExtFile.read

    def reading(self: zipfile.ZipExtFile, n: int | None = -1) -> bytes:
        found = plain(self, n)
        inflated.append(len(found))
        return found

    monkeypatch.setattr(zipfile.ZipExtFile, "read", reading)
    assert "larger" in why(zipped(("resume.json", b" " * 100_000_000)))
    assert sum(inflated) == MOST_BYTES + 1
    why(lying_bomb())
    assert sum(inflated) <= 2 * (MOST_BYTES + 1)


@pytest.mark.parametrize(
    ("said", "is_changed"),
    [
        ([{"name": "resume.json", "sha256": hashlib.sha256(JSON).hexdigest()}], False),
        ([{"name": "resume.json", "sha256": hashlib.sha256(JSON).hexdigest().upper()}], False),
        ({"resume.json": hashlib.sha256(JSON).hexdigest()}, False),
        ([{"name": "resume.json", "sha256": hashlib.sha256(b"x").hexdigest()}], True),
        ([{"name": "other.json", "sha256": hashlib.sha256(JSON).hexdigest()}], True),
        ([{"name": "resume.json", "sha256": ["x"]}], True),
        (None, True),
        (7, True),
    ],
)  # fmt: skip
def test_a_file_whose_hash_does_not_fit_is_read_and_that_is_said(said: Any, *, is_changed: bool) -> None:
    found = opened(
        zipped(("a/resume.json", JSON), ("a/manifest.json", manifest(said)), ("manifest.json", b"of another folder"))
    )
    assert found.resume == RESUME
    assert [note.detail for note in found.notes] == ([CHANGED] if is_changed else [])


def test_a_manifest_that_cant_be_read_is_one_that_does_not_fit() -> None:
    for broken in (b"", b"{", b" " * (MOST_BYTES + 1)):
        assert opened(zipped(("resume.json", JSON), ("manifest.json", broken))).notes


def test_a_file_of_an_old_notepad_is_read_and_that_is_said() -> None:
    found = opened('{"basics": {"name": "José Núñez – “Ñaño” €"}}'.encode("cp1252"))
    assert found.resume == {"basics": {"name": "José Núñez – “Ñaño” €"}}
    assert ["Windows-1252" in note.detail for note in found.notes] == [True]


def test_a_name_that_stands_twice_is_said() -> None:
    (note,) = opened(b'{"basics": {"name": "Ana", "name": "Bo"}}').notes
    assert "twice" in note.detail


def test_nan_is_no_number_and_no_fault_of_the_file() -> None:
    assert opened(b'{"a": NaN, "b": -Infinity, "c": "\\ud800"}').resume == {"a": "NaN", "b": "-Infinity", "c": "\ud800"}


WHOLE = zipped(("resume.json", JSON), ("manifest.json", manifest([])), ("messages.json", b"[]" * 50))


@given(st.lists(st.tuples(st.integers(0, len(WHOLE) - 1), st.integers(0, 255)), max_size=8), st.integers(0, len(WHOLE)))
def test_a_zip_that_was_damaged_anywhere_is_read_or_refused(changes: list[tuple[int, int]], until: int) -> None:
    raw = bytearray(WHOLE)
    for at, byte in changes:
        raw[at] = byte
    for damaged in (bytes(raw), bytes(raw[:until]), bytes(raw[until:])):
        try:
            opened(damaged)
        except UnreadableError as error:
            assert str(error)


@given(st.binary(max_size=400))
def test_bytes_are_read_or_refused(raw: bytes) -> None:
    for one in (raw, b"PK\x03\x04" + raw, b"PK\x05\x06" + raw):
        try:
            opened(one)
        except UnreadableError as error:
            assert str(error)
