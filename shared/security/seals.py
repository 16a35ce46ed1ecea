"""What only some readers of a topic need is sealed to them: AES-SIV (RFC 5297), bound to what it is part of.

The same is sealed the same, so that what is said again is the same record; another context (what stands beside it)
is sealed otherwise. The first key seals, all of them open: so one is exchanged while records of the one before are still read.
"""

from collections.abc import Sequence
from hashlib import sha256, sha512

from cryptography.exceptions import InvalidTag
from cryptography.hazmat.primitives.ciphers.aead import AESSIV

from shared.security import encoding

_KEY_ID_BYTES = 8
_STEP = 256
"""Lengths are rounded up to it: how long a list is does not show in steps smaller than that."""


class UnknownSealError(ValueError):
    """It is sealed with a key that nobody has here."""


class Seals:
    """The keys of one process; without any it neither seals nor opens."""

    def __init__(self, keys: Sequence[bytes] = ()) -> None:
        self._keys = {
            sha256(b"fairpool seal v1\x00" + key).digest()[:_KEY_ID_BYTES]: AESSIV(
                sha512(b"fairpool seal v1\x00" + key).digest()
            )
            for key in keys
        }

    def __bool__(self) -> bool:
        return bool(self._keys)

    def seal(self, plain: str, *, context: str) -> str:
        """The text (JSON: blanks are added to its end) as base64url; ValueError where there is no key."""
        if not self._keys:
            raise ValueError("there is no key to seal with")
        id, key = next(iter(self._keys.items()))
        raw = plain.encode()
        return encoding.encode(id + key.encrypt(raw + b" " * (-len(raw) % _STEP), [context.encode()]))

    def open(self, sealed: str, *, context: str) -> str:
        """What was sealed; UnknownSealError without its key, ValueError for what was changed or is for another context."""
        raw = encoding.decode(sealed)
        key = self._keys.get(raw[:_KEY_ID_BYTES])
        if key is None:
            raise UnknownSealError("sealed with a key that nobody has here")
        try:
            return key.decrypt(raw[_KEY_ID_BYTES:], [context.encode()]).decode()
        except InvalidTag as error:
            raise ValueError("it does not open") from error

    def is_current(self, sealed: str) -> bool:
        """Whether it is sealed with the key that seals now; True where there is none."""
        first = next(iter(self._keys), None)
        return first is None or encoding.encode(first)[:10] == sealed[:10]
