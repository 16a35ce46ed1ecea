"""The blind index: how a mailbox is found again without being kept in clear."""

import hmac
from dataclasses import dataclass

from services.signup.vault.addresses import blind_index

_KEY_ID_BYTES = 8


@dataclass(frozen=True, slots=True)
class Indexed:
    """One mailbox: what a new row has, and what an older key made of it."""

    value: bytes
    key_id: bytes
    """Of the key that made it."""
    older: tuple[bytes, ...] = ()


class BlindIndex:
    """New rows get what the first key makes of a mailbox; a look-up takes what any of the keys makes of it."""

    def __init__(self, key: bytes, *older: bytes) -> None:
        self._keys = (key, *older)
        self.key_id = key_id(key)
        """Names the first key, and tells nothing of it."""

    def __repr__(self) -> str:
        return "BlindIndex(hidden)"

    @property
    def key(self) -> bytes:
        """The first, for what lives a day and needs no overlap: counts by network, digests of repetitions."""
        return self._keys[0]

    def of(self, mail: str) -> Indexed:
        """The mailbox under each key."""
        value, *older = (blind_index(mail, key) for key in self._keys)
        return Indexed(value, self.key_id, tuple(older))


def key_id(key: bytes) -> bytes:
    """Says which key made a row, to whoever has the keys."""
    return hmac.digest(key, b"fairpool key id", "sha256")[:_KEY_ID_BYTES]
