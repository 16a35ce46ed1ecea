"""Member refs: one person's pseudonym for one employer, and for nobody else."""

from uuid import UUID

from cryptography.exceptions import InvalidTag
from cryptography.hazmat.primitives.ciphers.aead import AESSIV

from shared.security import encoding

_PREFIX = "m_"


class MemberRefs:
    """Makes and reads member refs with AES-SIV (RFC 5297), the employer being the associated data."""

    def __init__(self, key: bytes) -> None:
        self._siv = AESSIV(key)

    def make(self, candidate: str, employer: str) -> str:
        """The same person and employer always give the same ref; another employer's shares nothing with it."""
        return _PREFIX + encoding.encode(self._siv.encrypt(UUID(candidate).bytes, [employer.encode()]))

    def read(self, ref: str, employer: str) -> str | None:
        """The candidate behind the ref, or None when it was not made for this employer."""
        try:
            raw = self._siv.decrypt(encoding.decode(ref.removeprefix(_PREFIX)), [employer.encode()])
            return str(UUID(bytes=raw)) if ref.startswith(_PREFIX) else None
        except (InvalidTag, ValueError):
            return None
