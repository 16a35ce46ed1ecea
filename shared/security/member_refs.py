"""Member refs: one person's pseudonym in one pool of one employer, and for nobody else."""

import hashlib
import hmac
import struct
from dataclasses import dataclass
from functools import lru_cache
from uuid import UUID

from cryptography.exceptions import InvalidTag
from cryptography.hazmat.primitives.ciphers.aead import AESSIV

from shared.security import encoding

_PREFIX = "m_"
_PLAIN = struct.Struct(">16s8sI")
_KEY_ID_BYTES, _UUID_BYTES = 8, 16
MOST_GENERATIONS = 2**32 - 1


@dataclass(frozen=True, slots=True)
class Referred:
    """What a ref says to whoever has the key."""

    candidate: str
    pool_tag: bytes
    """Of the pool in which the person was listed, see `tag_of`."""
    generation: int
    """How often the person had withdrawn from being matched by then: older refs are of nobody any more."""


@lru_cache(maxsize=65_536)
def tag_of(pool: str) -> bytes:
    """What a ref has of its pool."""
    return hashlib.sha256(pool.encode()).digest()[:8]


@lru_cache(maxsize=64)
def _bytes_of(candidate: str) -> bytes:
    """A person's refs are made one after the other."""
    who = bytes.fromhex(candidate.replace("-", ""))  # a third of what `UUID` takes
    if len(who) != _UUID_BYTES:
        raise ValueError("a candidate's id is a UUID")
    return who


class MemberRefs:
    """Makes and reads member refs with AES-SIV (RFC 5297), the employer being the associated data.

    The first key makes them; what an older one made is read as well.
    """

    def __init__(self, key: bytes, *older: bytes) -> None:
        self._sivs = [AESSIV(one) for one in (key, *older)]
        self.key_id = hmac.digest(key, b"fairpool member ref key id", "sha256")[:_KEY_ID_BYTES]
        """Names the first key, and tells nothing of it."""

    def make(self, candidate: str, employer: str, pool: str, generation: int) -> str:
        """The same four always give the same ref; with another of any of them it shares nothing with this one."""
        plain = _PLAIN.pack(_bytes_of(candidate), tag_of(pool), generation)
        return _PREFIX + encoding.encode(self._sivs[0].encrypt(plain, [employer.encode()]))

    def all_of(self, referred: Referred, employer: str) -> list[str]:
        """What says this to this employer: the ref of now first, then those of the older keys."""
        plain = _PLAIN.pack(UUID(referred.candidate).bytes, referred.pool_tag, referred.generation)
        return [_PREFIX + encoding.encode(siv.encrypt(plain, [employer.encode()])) for siv in self._sivs]

    def read(self, ref: str, employer: str) -> Referred | None:
        """The person behind the ref, or None when it was not made for this employer.

        None as well for a ref of before December 2026, which knows no pool: its employer reads its lists anew.
        """
        if not ref.startswith(_PREFIX):
            return None
        try:
            sealed = encoding.decode(ref.removeprefix(_PREFIX))
        except ValueError:
            return None
        for siv in self._sivs:
            try:
                candidate, pool_tag, generation = _PLAIN.unpack(siv.decrypt(sealed, [employer.encode()]))
            except (InvalidTag, ValueError, struct.error):
                continue
            return Referred(str(UUID(bytes=candidate)), pool_tag, generation)
        return None
