"""Cursors of feeds: opaque, for one tenant, and equal for no two."""

import struct

from cryptography.exceptions import InvalidTag
from cryptography.hazmat.primitives.ciphers.aead import AESSIV
from cryptography.hazmat.primitives.hashes import SHA256
from cryptography.hazmat.primitives.kdf.hkdf import HKDF

from shared.security import encoding

_FORM = struct.Struct(">QQ")


class FeedCursors:
    """Seals places in a feed (transaction and row, each below 2^64) with AES-SIV (RFC 5297), the tenant as associated data.

    Plain places would tell: one transaction may have written of one person to two employers.
    """

    def __init__(self, key: bytes, *, feed: str) -> None:
        derived = HKDF(SHA256(), 64, salt=None, info=f"fairpool {feed} feed cursor".encode()).derive(key)
        self._siv = AESSIV(derived)

    def make(self, place: tuple[int, int], tenant: str) -> str:
        """The place as this tenant gets it."""
        return encoding.encode(self._siv.encrypt(_FORM.pack(*place), [tenant.encode()]))

    def read(self, cursor: str, tenant: str) -> tuple[int, int] | None:
        """The place behind the cursor, or None when it was not made for this tenant."""
        try:
            transaction, row = _FORM.unpack(self._siv.decrypt(encoding.decode(cursor), [tenant.encode()]))
        except (InvalidTag, ValueError, struct.error):
            return None
        return transaction, row
