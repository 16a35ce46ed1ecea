"""The epochs as the database has them: which there are, and what finds their keys at the keeper."""

import time
from collections.abc import Iterable, Iterator
from contextlib import contextmanager
from pathlib import Path

import asyncpg
import structlog

from services.signup.vault.epochs import FIRST, EpochKeeper, Epochs, KeyGoneError, UnknownEpochError
from services.signup.vault.sealing import opens
from shared.messaging.errors import FatalError
from shared.postgres.pool import Connection
from shared.postgres.queries import load
from shared.security import boxes

SQL = load(Path(__file__).parent / "queries.sql")
_ASKED_AGAIN_AFTER = 60.0
"""Seconds, for a key that its keeper says it does not have: an operator may put that right."""
_log = structlog.get_logger(__name__)


class EpochRows:
    """Keeps `epochs` as the table and the keeper have them."""

    def __init__(self, epochs: Epochs, keeper: EpochKeeper, *, imported: bytes | None = None) -> None:
        self.epochs = epochs
        self._keeper = keeper
        self._imported = imported
        self._gone: dict[str, float] = {}
        self._references: dict[int, str] = {}
        self.in_memory_alone: frozenset[int] = frozenset()
        """Epochs whose keys the keeper does not have, as it said when it was asked last, and this process does: until it ends."""

    @property
    def lost(self) -> frozenset[int]:
        """Epochs that rows are sealed under and whose keys neither the keeper nor this process has, until they are found or given up."""
        gone = {epoch for epoch, reference in self._references.items() if reference in self._gone}
        return frozenset(gone) - self.epochs.known

    async def know(self, connection: Connection, epochs: Iterable[int]) -> None:
        """Has these in memory; KeeperAwayError where the keeper does not answer. What is over is left out."""
        if set(epochs) - self.epochs.known:
            await self.refresh(connection)

    async def refresh(self, connection: Connection) -> None:
        """Opens what is new in the table, and forgets what is no longer in it."""
        rows = await connection.fetch(SQL["read_epochs"])
        self._references = {row["epoch"]: row["reference"] for row in rows}
        self.epochs.keep_only(self._references)
        self.in_memory_alone &= self._references.keys()
        known_there = set(self._references.values())
        self._gone = {reference: until for reference, until in self._gone.items() if reference in known_there}
        for row in rows:
            if row["epoch"] in self.epochs.known or time.monotonic() < self._gone.get(row["reference"], 0.0):
                continue
            try:
                key = await self._keeper.open(row["reference"])
            except KeyGoneError:
                self._gone[row["reference"]] = time.monotonic() + _ASKED_AGAIN_AFTER
                self.epochs.lose(row["epoch"])
                _log.error("epoch_key_gone", epoch=row["epoch"])
                continue
            self._gone.pop(row["reference"], None)
            self.epochs.learn({row["epoch"]: key})

    async def ask_keeper(self) -> None:
        """Asks for each key, also of those in memory: whoever starts after this process will have no other. KeeperAwayError."""
        missing = set()
        for epoch, reference in sorted(self._references.items()):
            try:
                found: bytes | None = await self._keeper.open(reference)
            except KeyGoneError:
                found = None
            if epoch in self.epochs.known and found != self.epochs.key(epoch):
                missing.add(epoch)
                _log.error("epoch_key_in_memory_alone", epoch=epoch)
        self.in_memory_alone = frozenset(missing) & self._references.keys()

    async def hold(self, connection: Connection) -> int:
        """The current epoch, which can't end before this transaction does."""
        await self.refresh(connection)
        current = self.epochs.current
        if await connection.fetchval(SQL["hold_epoch"], current) is None:
            raise UnknownEpochError(f"epoch {current} is over")
        return current

    async def make(self, connection: Connection) -> None:
        """Makes the key of each epoch that has none yet; FatalError where the first would not open what is sealed under it.

        The row was committed before, so that a key which is made and not noted, by who was killed in between, is found
        under the row's name.
        """
        for row in await connection.fetch(SQL["epochs_to_make"]):
            key = self._imported if row["epoch"] == FIRST else None
            if row["epoch"] == FIRST and key is None and await connection.fetchval(SQL["is_anything_sealed"]):
                raise FatalError(
                    "FAIRPOOL_VAULT_KEY is missing: this vault was sealed with it before it had epochs. Set it once more, and "
                    "remove it when signup has started (docs/operating.md, Rotating the vault)."
                )
            if key is not None:
                await self._must_open(connection, key)
            reference = await self._keeper.make(row["name"], key or boxes.new_key())
            await connection.execute(SQL["note_epoch_made"], row["epoch"], reference)
            _log.info("epoch_made", epoch=row["epoch"], imported=key is not None)

    async def _must_open(self, connection: Connection, key: bytes) -> None:
        rows = await connection.fetch(SQL["some_of_the_first"])
        if rows and not any(
            opens(row["identity_key"], key, candidate=row["candidate"], version=row["version"]) for row in rows
        ):
            raise FatalError(
                "FAIRPOOL_VAULT_KEY is another vault's: nothing that is sealed here opens with it. Set the one that this vault was "
                "sealed with (docs/operating.md, Rotating the vault)."
            )

    async def destroy(self, reference: str) -> None:
        """Ends a key whose epoch no row names any more; again is no error."""
        await self._keeper.destroy(reference)

    @contextmanager
    def may_be_over(self) -> Iterator[None]:
        """Turns the refusal of a row whose epoch has ended into what is tried again, under the next one."""
        try:
            yield
        except asyncpg.ForeignKeyViolationError as error:
            if error.constraint_name is None or not error.constraint_name.endswith("_epoch_fkey"):
                raise
            raise UnknownEpochError("the epoch that this was sealed under is over") from error
