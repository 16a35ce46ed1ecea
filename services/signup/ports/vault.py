"""Rotations: of the keys of the vault, and of what addresses are found by."""

from collections.abc import Mapping
from datetime import datetime
from typing import Protocol

from services.signup.model.vault import VaultSeen
from services.signup.vault.index import BlindIndex
from services.signup.vault.sealing import SealedIdentity


class VaultRotation(Protocol):
    """A rotation of the vault: everything under a new epoch key, and the keys before it destroyed; in one transaction."""

    @property
    def at(self) -> datetime:
        """The time of the unit of work."""

    async def begin(self, *, by: str, give_up_lost: bool = False) -> None:
        """Begins one, or has the one that is under way go on: there is one at a time.

        With `give_up_lost` it goes past the epochs whose keys this process finds lost now, and past no other: what was sealed under them is never opened again.
        """

    async def step(self) -> bool:
        """The next thing that is to be done for it; whether there is more. Again after any end it goes on where that was."""

    async def seen(self) -> VaultSeen:
        """How the vault stands; reads alone."""


class SecretRows(Protocol):
    """Which rows are under which key of the blind index, and which hashes under which pepper; inside one transaction."""

    async def to_reindex(self, index: BlindIndex, *, limit: int) -> tuple[Mapping[str, SealedIdentity], bool]:
        """The next who are not under the first key, by candidate, and whether there are more; locked, and whoever is at one of them
        now is passed over. Once all had their turn, those who stay have another one later.
        """

    async def reindex(self, index: BlindIndex, mails: Mapping[str, str]) -> int:
        """Brings these under the first key; how many. A row whose mailbox another row has under it stays as it is."""

    async def under_index_keys(self, index: BlindIndex, *, most: int) -> Mapping[bytes, int]:
        """How many people are not under the first key, by the id of the key (empty: of before rows said so); counted up to `most` each."""

    async def under_peppers(self, *, most: int) -> Mapping[bytes, int]:
        """How many slow hashes there are, by the id of the pepper (empty: of before there were prefixes); up to `most` each."""
