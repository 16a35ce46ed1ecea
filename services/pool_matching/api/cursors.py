"""Cursors of the feed: opaque, for one employer, and equal for no two."""

import struct

from cryptography.exceptions import InvalidTag
from cryptography.hazmat.primitives.ciphers.aead import AESSIV
from cryptography.hazmat.primitives.hashes import SHA256
from cryptography.hazmat.primitives.kdf.hkdf import HKDF

from services.pool_matching.model import Position
from shared.security import encoding

_FORM = struct.Struct(">QQ")


class FeedCursors:
    """Seals positions with AES-SIV (RFC 5297), the employer being the associated data.

    Plain positions would tell: one transaction may have written of one person to two employers.
    """

    def __init__(self, member_ref_key: bytes) -> None:
        derived = HKDF(SHA256(), 64, salt=None, info=b"fairpool pool_matching feed cursor").derive(member_ref_key)
        self._siv = AESSIV(derived)

    def make(self, position: Position, employer: str) -> str:
        """The position as this employer gets it."""
        plain = _FORM.pack(position.transaction, position.row)
        return encoding.encode(self._siv.encrypt(plain, [employer.encode()]))

    def read(self, cursor: str, employer: str) -> Position | None:
        """The position behind the cursor, or None when it was not made for this employer."""
        try:
            return Position(*_FORM.unpack(self._siv.decrypt(encoding.decode(cursor), [employer.encode()])))
        except (InvalidTag, ValueError, struct.error):
            return None
