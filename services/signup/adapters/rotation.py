"""A rotation of the vault in PostgreSQL: each step is one transaction, and what is next is read from the rows."""

from contextlib import suppress
from datetime import datetime
from pathlib import Path

import asyncpg

from services.signup.model.vault import EpochSeen, Rotation, RotationState, VaultSeen
from services.signup.vault.epoch_rows import EpochRows
from services.signup.vault.epochs import KeyGoneError
from services.signup.vault.intake import unwrap_day_key, wrap_day_key
from services.signup.vault.reading import as_identity
from services.signup.vault.sealing import SealedIdentity, rewrapped
from services.signup.vault.webhooks import seal_secret, unseal_secret
from shared.messaging.unit import Unit
from shared.postgres.queries import load
from shared.security.boxes import CannotOpenError

SQL = load(Path(__file__).parent / "rotation.sql")
QUEUE, KEY = "vault_rotation", "rotation"
_FROM_THE_FIRST = (0, "00000000-0000-0000-0000-000000000000")


class PostgresRotation:
    """`ports.VaultRotation` in one unit of work."""

    def __init__(self, unit: Unit, epochs: EpochRows, batch: int = 500) -> None:
        self._unit = unit
        self._sql = unit.connection
        self._rows = epochs
        self._batch = batch

    @property
    def at(self) -> datetime:
        """The time of the unit."""
        return self._unit.at

    async def begin(self, *, by: str, give_up_lost: bool = False) -> None:
        """Its row and that of the new epoch, which is made afterwards; one at a time by an index."""
        if await self._sql.fetchval(SQL["begin_rotation"], self.at, by) is not None:
            await self._sql.execute(SQL["note_rotation"], self.at, by)
        if give_up_lost and (lost := await self._lost()):
            await self._sql.execute(SQL["give_up"], lost)
            named = ", ".join(map(str, lost))
            await self._sql.execute(SQL["note_given_up"], self.at, by, f"epochs whose keys are lost: {named}")
        self._unit.work.add(QUEUE, [KEY], at=self.at)

    async def seen(self) -> VaultSeen:
        """What the rows say; which keys are lost, as this process last heard of the keeper."""
        await self._rows.refresh(self._sql)
        epochs = await self._sql.fetch(SQL["epochs_of_the_vault"])
        row = await self._sql.fetchrow(SQL["rotation"])
        known = self._rows.epochs.known
        return VaultSeen(
            [
                EpochSeen(
                    one["epoch"],
                    one["name"],
                    one["made_at"],
                    one["reference"] is not None and one["epoch"] not in known,
                )
                for one in epochs
            ],
            None if row is None else _rotation(row),
        )

    async def step(self) -> bool:
        """The next thing that is to be done; whether there is more."""
        rotation = await self._sql.fetchrow(SQL["open_rotation"])
        if rotation is not None and not rotation["made"]:
            await self._rows.make(self._sql)
            return True
        if rotation is not None and rotation["older"]:
            await self._rewrap_or_end(rotation)
            return True
        for ended in await self._sql.fetch(SQL["to_destroy"]):
            if ended["reference"] is not None:
                await self._rows.destroy(ended["reference"])
            await self._sql.execute(SQL["note_destroyed"], ended["epoch"], self.at)
        await self._sql.execute(SQL["end_rotation"], self.at)
        return False

    async def _rewrap_or_end(self, rotation: asyncpg.Record) -> None:
        into = rotation["into_epoch"]
        lost = await self._lost()
        if set(lost) - set(rotation["given_up"]) or into in lost:
            raise KeyGoneError(
                f"the keeper has no key of epochs {lost}: nothing is moved, so that nothing is lost for good"
            )
        if lost:
            await self._sql.execute(SQL["forget_intake_keys_of"], lost)
            await self._sql.execute(SQL["forget_sources_of"], lost)
        after = await self._rewrap_identities(into, rotation["after_epoch"], rotation["after_candidate"])
        if after is not None:
            return
        if await self._rewrap_intake_keys(into) or await self._rewrap_sources(into):
            return
        with suppress(asyncpg.ForeignKeyViolationError):  # somebody wrote under an old one meanwhile: another sweep
            async with self._sql.transaction():
                await self._sql.execute(SQL["end_epochs"], into, self.at)

    async def _lost(self) -> list[int]:
        """The epochs with a key that this process can't open; one that nobody has made yet is none of them."""
        await self._rows.refresh(self._sql)
        rows = await self._sql.fetch(SQL["epochs_of_the_vault"])
        made = {row["epoch"] for row in rows if row["reference"] is not None}
        return sorted(made - self._rows.epochs.known)

    async def _rewrap_identities(self, into: int, epoch: int, candidate: str) -> tuple[int, str] | None:
        taken = [
            as_identity(row)
            for row in await self._sql.fetch(SQL["take_identities"], into, epoch, candidate, self._batch)
        ]
        moved: list[SealedIdentity] = []
        unreadable: list[str] = []
        for row in taken:
            try:
                moved.append(rewrapped(row, self._rows.epochs, into))
            except CannotOpenError:  # also of an epoch that is given up; what is only not known here is raised
                unreadable.append(row.candidate)
        if moved:
            await self._sql.execute(
                SQL["save_rewrapped"],
                into,
                [row.candidate for row in moved],
                [row.identity_key for row in moved],
                [row.messages_key for row in moved],
                [row.identity for row in moved],
            )
        if unreadable:
            await self._sql.execute(SQL["take_along"], into, unreadable)
        after = (taken[-1].epoch, taken[-1].candidate) if taken else None
        await self._sql.execute(SQL["note_progress"], into, *(after or _FROM_THE_FIRST), len(taken), len(unreadable))
        return after

    async def _rewrap_intake_keys(self, into: int) -> int:
        epochs = self._rows.epochs
        taken = await self._sql.fetch(SQL["take_intake_keys"], into, self._batch)

        def moved(row: asyncpg.Record) -> bytes:
            key = unwrap_day_key(epochs, row["epoch"], row["sealed_key"], row["day"])
            return wrap_day_key(epochs, into, key, row["day"])

        boxes = [moved(row) for row in taken]
        if taken:
            await self._sql.execute(SQL["save_intake_keys"], into, [row["day"] for row in taken], boxes)
        return len(taken)

    async def _rewrap_sources(self, into: int) -> int:
        taken = await self._sql.fetch(SQL["take_sources"], into, self._batch)

        def moved(row: asyncpg.Record, box: bytes | None) -> bytes | None:
            name = (row["format"], row["source"])
            if box is None:
                return None
            return seal_secret(
                self._rows.epochs, into, unseal_secret(self._rows.epochs, row["epoch"], box, *name), *name
            )

        if taken:
            await self._sql.execute(
                SQL["save_sources"],
                into,
                [row["format"] for row in taken],
                [row["source"] for row in taken],
                [moved(row, row["sealed_secret"]) for row in taken],
                [moved(row, row["sealed_previous"]) for row in taken],
            )
        return len(taken)


def _rotation(row: asyncpg.Record) -> Rotation:
    return Rotation(
        row["into_epoch"],
        _state(row),
        row["asked_at"],
        row["asked_by"],
        row["rewrapped"],
        row["left"],
        row["unreadable"],
        row["done_at"],
    )


def _state(row: asyncpg.Record) -> RotationState:
    if row["done_at"] is not None:
        return "done"
    if not row["made"]:
        return "making"
    return "destroying" if row["ended"] else "rewrapping"
