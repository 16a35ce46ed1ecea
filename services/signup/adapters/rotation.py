"""A rotation of the vault in PostgreSQL: each step is one transaction, and what is next is read from the rows."""

from collections.abc import Sequence
from contextlib import suppress
from datetime import date, datetime
from pathlib import Path

import asyncpg
import structlog

from services.signup.model.vault import EpochSeen, Rotation, RotationState, VaultSeen
from services.signup.vault.epoch_rows import EpochRows
from services.signup.vault.epochs import KeeperAwayError, KeyGoneError
from services.signup.vault.intake import unwrap_day_key, wrap_day_key
from services.signup.vault.reading import as_identity
from services.signup.vault.sealing import SealedIdentity, rewrapped
from services.signup.vault.webhooks import NO_SECRET, seal_secret, unseal_secret
from shared.messaging.unit import Unit
from shared.postgres.queries import load
from shared.security.boxes import CannotOpenError

SQL = load(Path(__file__).parent / "rotation.sql")
QUEUE, KEY = "vault_rotation", "rotation"
_FROM_THE_FIRST = (0, "00000000-0000-0000-0000-000000000000")
_log = structlog.get_logger(__name__)


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
        """What the rows say, and what the keeper has: it is asked, since this process would go on from memory."""
        is_away = False
        try:
            await self._rows.refresh(self._sql)
            await self._rows.ask_keeper()
        except KeeperAwayError:
            is_away = True
        epochs = await self._sql.fetch(SQL["epochs_of_the_vault"])
        row = await self._sql.fetchrow(SQL["rotation"])
        return VaultSeen(
            [self._epoch_seen(one) for one in epochs], None if row is None else _rotation(row), keeper_is_away=is_away
        )

    def _epoch_seen(self, row: asyncpg.Record) -> EpochSeen:
        epoch = row["epoch"]
        is_lost = row["reference"] is not None and epoch not in self._rows.epochs.known
        return EpochSeen(epoch, row["name"], row["made_at"], is_lost, epoch in self._rows.in_memory_alone)

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
        after = await self._rewrap_identities(into, rotation["after_epoch"], rotation["after_candidate"])
        if after is not None:
            return
        by = rotation["asked_by"]
        if await self._rewrap_intake_keys(into, by) or await self._rewrap_sources(into, by):
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

    async def _rewrap_intake_keys(self, into: int, by: str) -> int:
        """A day's key that does not open is deleted: whoever comes next makes another, and what it sealed did not open before either."""
        epochs = self._rows.epochs
        taken = await self._sql.fetch(SQL["take_intake_keys"], into, self._batch)
        boxes: dict[date, bytes] = {}
        for row in taken:
            with suppress(CannotOpenError):
                key = unwrap_day_key(epochs, row["epoch"], row["sealed_key"], row["day"])
                boxes[row["day"]] = wrap_day_key(epochs, into, key, row["day"])
        if boxes:
            await self._sql.execute(SQL["save_intake_keys"], into, list(boxes), list(boxes.values()))
        if forgotten := [row["day"] for row in taken if row["day"] not in boxes]:
            await self._sql.execute(SQL["forget_intake_keys"], forgotten)
            await self._sql.execute(SQL["note_days_forgotten"], into, forgotten)
            await self._note(by, "intake_key_forgotten", [(None, day.isoformat()) for day in forgotten])
        return len(taken)

    async def _rewrap_sources(self, into: int, by: str) -> int:
        """A webhook whose secret does not open stays with no secret: nothing is taken there until an operator sets another."""
        taken = await self._sql.fetch(SQL["take_sources"], into, self._batch)
        moved = [
            (row, self._resealed(row, row["sealed_secret"], into), self._resealed(row, row["sealed_previous"], into))
            for row in taken
        ]
        if taken:
            await self._sql.execute(
                SQL["save_sources"],
                into,
                [row["format"] for row in taken],
                [row["source"] for row in taken],
                [NO_SECRET if secret is None else secret for _, secret, _ in moved],
                [previous for _, _, previous in moved],
            )
        for row, _, previous in moved:
            if previous is None and row["sealed_previous"] is not None:
                _log.warning("source_previous_secret_forgotten", name=f"{row['format']}/{row['source']}")
        if shut := [row for row, secret, _ in moved if secret is None and row["sealed_secret"] != NO_SECRET]:
            names = [f"{row['format']}/{row['source']}" for row in shut]
            await self._sql.execute(SQL["note_sources_shut"], into, names)
            employers = [row["employer"] for row in shut]
            await self._note(by, "source_shut", list(zip(employers, names, strict=True)))
        return len(taken)

    def _resealed(self, row: asyncpg.Record, box: bytes | None, into: int) -> bytes | None:
        """The box under the new epoch; None where there is none, or it does not open."""
        if box is None:
            return None
        epochs, name = self._rows.epochs, (row["format"], row["source"])
        with suppress(CannotOpenError):
            return seal_secret(epochs, into, unseal_secret(epochs, row["epoch"], box, *name), *name)
        return None

    async def _note(self, by: str, act: str, what: Sequence[tuple[str | None, str]]) -> None:
        for _, name in what:
            _log.error(act, name=name)
        tenants, names = [tenant for tenant, _ in what], [name for _, name in what]
        await self._sql.execute(SQL["note_shut"], self.at, by, act, tenants, names)


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
        tuple(row["sources_shut"]),
        tuple(row["days_forgotten"]),
    )


def _state(row: asyncpg.Record) -> RotationState:
    if row["done_at"] is not None:
        return "done"
    if not row["made"]:
        return "making"
    return "destroying" if row["ended"] else "rewrapping"
