"""Epoch keys: every other key of the vault is sealed under one of them, and they are never in the database."""

from collections.abc import Iterable, Mapping
from typing import Protocol

from shared.messaging.errors import TransientError
from shared.security import boxes

FIRST = 1
"""The epoch of whatever was sealed before there were epochs: its key is the one key that the vault had."""


class UnknownEpochError(TransientError):
    """This process has not heard of the epoch yet, or it is over: look again, and do it again."""

    WAITS_FOR = "vault"
    MAY_END_THE_PROCESS = False


class KeeperAwayError(TransientError):
    """Whoever keeps the epoch keys does not answer, or refuses us now."""

    WAITS_FOR = "vault"
    MAY_END_THE_PROCESS = False


class KeyGoneError(Exception):
    """The keeper has no such key (any more): nothing that was sealed under it can be opened again."""


class EpochKeeper(Protocol):
    """Keeps the keys of epochs, outside of the database. What is transient is a KeeperAwayError."""

    async def make(self, name: str, key: bytes) -> str:
        """Keeps this key; the reference that finds it again, which says nothing of it.

        Called again under a name, by who was killed before it was noted, it may keep the earlier key: `open` tells which.
        """

    async def open(self, reference: str) -> bytes:
        """The key, 32 bytes; KeyGoneError when it was destroyed."""

    async def destroy(self, reference: str) -> None:
        """Nobody can open it again, from then on or, where the keeper has a shortest wait, after that; again is no error."""


class Epochs:
    """The keys that this process has in memory, by the numbers of their epochs; it shows nothing of them."""

    def __init__(self, keys: Mapping[int, bytes] | None = None) -> None:
        self._keys = dict(keys or {})
        self._lost: set[int] = set()

    @property
    def current(self) -> int:
        """The newest, under which everything is sealed from now on; UnknownEpochError where none is known."""
        if not self._keys:
            raise UnknownEpochError("no key of the vault was opened yet")
        return max(self._keys)

    @property
    def known(self) -> frozenset[int]:
        """The numbers."""
        return frozenset(self._keys)

    def key(self, epoch: int) -> bytes:
        """The key; UnknownEpochError where this process does not have it, CannotOpenError where its keeper lost it."""
        if epoch in self._lost:
            raise boxes.CannotOpenError(f"epoch {epoch}: its keeper does not have the key")
        try:
            return self._keys[epoch]
        except KeyError:
            raise UnknownEpochError(f"the key of epoch {epoch} is not known here") from None

    def seal(self, epoch: int, plain: bytes, *, context: str) -> bytes:
        """A box under this epoch's key."""
        return boxes.seal(self.key(epoch), plain, context=context)

    def unseal(self, epoch: int, box: bytes, *, context: str) -> bytes:
        """What is in the box; CannotOpenError where it is not of this epoch and context."""
        return boxes.unseal(self.key(epoch), box, context=context)

    def learn(self, keys: Mapping[int, bytes]) -> None:
        """These too."""
        self._keys |= keys
        self._lost -= keys.keys()

    def lose(self, epoch: int) -> None:
        """Its keeper says that it has no such key: nothing of it opens, until it is found; what is in memory is not lost."""
        if epoch not in self._keys:
            self._lost.add(epoch)

    def keep_only(self, epochs: Iterable[int]) -> None:
        """Forgets all others."""
        kept = set(epochs)
        self._keys = {epoch: key for epoch, key in self._keys.items() if epoch in kept}
        self._lost &= kept

    def __repr__(self) -> str:
        return f"Epochs({sorted(self._keys)})"
