"""Cursors of feeds: opaque, for one tenant, and equal for no two."""

import struct
from datetime import UTC, datetime, timedelta

from cryptography.exceptions import InvalidTag
from cryptography.hazmat.primitives.ciphers.aead import AESSIV
from cryptography.hazmat.primitives.hashes import SHA256
from cryptography.hazmat.primitives.kdf.hkdf import HKDF

from shared.security import encoding

_FORM = struct.Struct(">QQQ")
_FORM_OF_2026 = struct.Struct(">QQ")
"""A transaction and a row, until December 2026."""
_EPOCH = datetime(1970, 1, 1, tzinfo=UTC)
_STEP = timedelta(microseconds=1)

Inside = tuple[int, int, datetime]
"""The generation of the feed's numbers, the number of a row, and when it was told."""
OF_NO_GENERATION: Inside = (0, 0, _EPOCH)
"""A cursor that we made in a form that is read no more: no feed has this generation."""


class FeedCursors:
    """Seals places in a feed with AES-SIV (RFC 5297), the tenant as associated data.

    Plain numbers would tell how much the whole network is told, and who was told something in the same moment. The first key
    makes cursors; those that an older one made are read.
    """

    def __init__(self, key: bytes, *older: bytes, feed: str) -> None:
        self._sivs = [AESSIV(_derived(one, feed)) for one in (key, *older)]

    def make(self, place: Inside, tenant: str) -> str:
        """The place as this tenant gets it."""
        generation, seq, told_at = place
        plain = _FORM.pack(generation, seq, (told_at - _EPOCH) // _STEP)
        return encoding.encode(self._sivs[0].encrypt(plain, [tenant.encode()]))

    def read(self, cursor: str, tenant: str) -> Inside | None:
        """The place behind the cursor, or None when it was not made for this tenant."""
        plain = self._opened(cursor, tenant)
        if plain is None:
            return None
        if len(plain) == _FORM_OF_2026.size:
            return OF_NO_GENERATION
        try:
            generation, seq, microseconds = _FORM.unpack(plain)
            return generation, seq, _EPOCH + microseconds * _STEP
        except (struct.error, OverflowError):
            return None

    def _opened(self, cursor: str, tenant: str) -> bytes | None:
        for siv in self._sivs:
            try:
                return siv.decrypt(encoding.decode(cursor), [tenant.encode()])
            except (InvalidTag, ValueError):
                continue
        return None


def _derived(key: bytes, feed: str) -> bytes:
    return HKDF(SHA256(), 64, salt=None, info=f"fairpool {feed} feed cursor".encode()).derive(key)
