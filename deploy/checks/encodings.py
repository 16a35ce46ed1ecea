"""How a text can be written down: what a scanner looks for, and what it has to unpack first."""

import base64
import contextlib
import hashlib
import json
import quopri
import struct
import zlib
from collections.abc import Callable, Iterator
from urllib.parse import quote, quote_plus

import cramjam  # comes with aiokafka[lz4]

Needle = tuple[bytes, str]
"""The bytes to look for, and the encoding's name."""
_UNPACKED_AT_MOST = 16 * 1024 * 1024
_DEEPEST = 3
_DEFLATED = 8
ZIP = b"PK\x03\x04"
"""How an archive begins, and each file in it."""
_SOFT_BREAKS = (b"=\r\n", b"=\n")


def case_matters(text: str) -> Iterator[Needle]:
    """Where another case is another text: base64 at each of its three offsets, and digests."""
    for form in _cases(text):
        raw = form.encode()
        for shift in range(3):
            # Only whole groups of three bytes are the same whatever stands before and behind.
            inner = raw[-shift % 3 :] if shift else raw
            whole = inner[: len(inner) // 3 * 3]
            yield base64.b64encode(whole), "base64"
            yield base64.urlsafe_b64encode(whole), "base64"
        digest = hashlib.sha256(raw).digest()
        yield digest, "SHA-256"
        yield base64.b64encode(digest).rstrip(b"="), "SHA-256"
        yield base64.urlsafe_b64encode(digest).rstrip(b"="), "SHA-256"


def case_does_not_matter(text: str) -> Iterator[Needle]:
    """The bytes in lower case, for data in lower case: clear, and what writes one character as several."""
    for form in _cases(text):
        raw = form.encode()
        for encoded, name in (
            (raw, "clear"),
            (raw.hex().encode(), "hex"),
            (quote(form, safe="").encode(), "URL encoding"),
            (quote_plus(form).encode(), "URL encoding"),
            (json.dumps(form)[1:-1].encode(), "JSON escapes"),
            ("".join(f"\\u{ord(mark):04x}" for mark in form if ord(mark) < 0x10000).encode(), "JSON escapes"),
            (quopri.encodestring(raw), "quoted-printable"),
            (form.encode("utf-16-le"), "UTF-16"),
            (form.encode("utf-16-be"), "UTF-16"),
            (hashlib.sha256(raw).hexdigest().encode(), "SHA-256"),
        ):
            yield encoded.lower(), name


def unpacked(data: bytes, depth: int = _DEEPEST) -> Iterator[tuple[bytes, str]]:
    """What lies compressed in the data, at any place, and what of that is compressed again; and mail lines put together."""
    if any(mark in data for mark in _SOFT_BREAKS):
        joined = data
        for mark in _SOFT_BREAKS:
            joined = joined.replace(mark, b"")
        yield joined, "quoted-printable"
    if not depth:
        return
    for magic, unpack, name in _PACKED:
        start = data.find(magic)
        while start >= 0:
            inner = unpack(data[start:])
            if inner:
                yield inner, name
                yield from unpacked(inner, depth - 1)
            start = data.find(magic, start + 1)


def _cases(text: str) -> list[str]:
    return list(dict.fromkeys((text, text.lower(), text.casefold())))


def _gzip(data: bytes) -> bytes:
    try:
        return zlib.decompressobj(31).decompress(data, _UNPACKED_AT_MOST)
    except zlib.error:
        return b""


def _zlib(data: bytes) -> bytes:
    try:
        return zlib.decompressobj().decompress(data, _UNPACKED_AT_MOST)
    except zlib.error:
        return b""


def _zip(data: bytes) -> bytes:
    """One file of an archive, by the header in front of it (APPNOTE.TXT, 4.3.7); one that is stored is there as it is."""
    with contextlib.suppress(struct.error, zlib.error):
        method, name, extra = (struct.unpack_from("<H", data, at)[0] for at in (8, 26, 28))
        if method == _DEFLATED:
            return zlib.decompressobj(-15).decompress(data[30 + name + extra :], _UNPACKED_AT_MOST)
    return b""


def _zstd(data: bytes) -> bytes:
    """As far as it goes: what stands behind a frame is none, and what was unpacked until then is there."""
    found = cramjam.Buffer()
    with contextlib.suppress(cramjam.DecompressionError):
        cramjam.zstd.decompress_into(data, found)
    found.seek(0)
    return bytes(found.read())


_PACKED: tuple[tuple[bytes, Callable[[bytes], bytes], str], ...] = (
    (b"\x1f\x8b\x08", _gzip, "gzip"),
    (b"\x78\x9c", _zlib, "zlib"),
    (b"\x28\xb5\x2f\xfd", _zstd, "zstd"),
    (ZIP, _zip, "zip"),
)
