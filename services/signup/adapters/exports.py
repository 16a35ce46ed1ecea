"""What people take along, in PostgreSQL: keys and zip sealed to their person, consent's parts as they came."""

from collections.abc import AsyncIterator, Mapping, Sequence
from contextlib import asynccontextmanager
from datetime import datetime
from pathlib import Path

import asyncpg

from services.signup.adapters.held import PostgresHeld
from services.signup.model.exports import Export, Waiting
from services.signup.model.held import Held
from services.signup.ports.exports import EXPORTS
from services.signup.vault.epoch_rows import EpochRows
from services.signup.vault.reading import read_identities
from services.signup.vault.sealing import SealedIdentity, open_beside, seal_beside
from shared.contracts.consent import ExportAnsweredV1
from shared.contracts.signup import ExportReadyV1, ExportRequestedV1
from shared.messaging.unit import Unit
from shared.postgres.queries import load
from shared.security.boxes import CannotOpenError
from shared.security.parts import open_part, unpack
from shared.security.words import KeyPair

SQL = load(Path(__file__).with_suffix(".sql"))


class PostgresExports:
    """`ports.Exports` on a unit of work."""

    def __init__(self, unit: Unit, epochs: EpochRows) -> None:
        self._unit = unit
        self._sql = unit.connection
        self._epochs = epochs

    @property
    def at(self) -> datetime:
        """The time of the unit."""
        return self._unit.at

    async def hold(self, candidate: str) -> Sequence[Export] | None:
        """The person's row is locked."""
        if await self._sql.fetchrow(SQL["hold_person"], candidate) is None:
            return None
        return [_export(row) for row in await self._sql.fetch(SQL["exports_of"], candidate, self.at)]

    async def start(self, candidate: str, export: Export) -> None:
        """The private half is sealed to the person before it is written; the public half travels."""
        row = await self._identity(candidate)
        if row is None:
            raise RuntimeError("a person who is held has an identity")
        pair = KeyPair.generate()
        private = seal_beside(row, pair.private.encode(), self._epochs.epochs, what=_key_of(export.name))
        await self._sql.execute(SQL["replace_exports"], candidate)
        await self._sql.execute(
            SQL["start_export"], export.name, candidate, export.asked_at, export.ends_at, pair.public, private
        )
        self._ask(candidate, export.name, export.asked_at, export.ends_at, pair.public)

    async def latest(self, candidate: str) -> Export | None:
        """By index."""
        rows = await self._sql.fetch(SQL["exports_of"], candidate, self.at)
        return next((_export(row) for row in rows if row["state"] != "replaced"), None)

    async def fetch(self, candidate: str) -> tuple[Export, bytes] | None:
        """The box is opened here, and nowhere else."""
        row, identity = (
            await self._sql.fetchrow(SQL["fetch_export"], candidate, self.at),
            await self._identity(candidate),
        )
        if row is None or identity is None:
            return None
        export = _export(row)
        try:
            return export, open_beside(identity, row["box"], self._epochs.epochs, what=_zip_of(export.name))
        except CannotOpenError:
            return None

    async def held(self, candidate: str) -> Held | None:
        """As `PostgresHeld`, in this unit."""
        return await PostgresHeld(self._same, self._epochs).held(candidate)

    async def take(self, parts: Sequence[ExportAnsweredV1]) -> None:
        """Whoever takes parts of the same export waits until this is committed, and sees them."""
        locked = await self._sql.fetch(SQL["lock_waiting"], sorted({one.export for one in parts}), self.at)
        whose = {row["name"]: row["candidate"] for row in locked}
        ours = [one for one in parts if whose.get(one.export) == one.candidate]
        if not ours:
            return
        await self._sql.execute(
            SQL["keep_parts"],
            [one.export for one in ours],
            [one.candidate for one in ours],
            [one.answer for one in ours],
            [one.part for one in ours],
            [one.parts for one in ours],
            [one.sealed for one in ours],
        )
        whole = await self._whole(sorted({one.export for one in ours}))
        self._unit.work.add(EXPORTS, sorted(whole), at=self.at)

    async def waiting(self, export: str) -> Waiting | None:
        """Locked; three statements."""
        row = await self._sql.fetchrow(SQL["lock_export"], export, self.at)
        answer = (await self._whole([export])).get(export) if row is not None else None
        if row is None or answer is None:
            return None
        rows = await self._sql.fetch(SQL["parts_of"], export, answer)
        sealed = [
            ExportAnsweredV1(candidate=row["candidate"], export=export, answer=answer, **dict(one)) for one in rows
        ]
        identity = await self._identity(row["candidate"])
        return Waiting(
            _export(row), row["candidate"], None if identity is None else self._opened(identity, row, sealed)
        )

    async def finish(self, candidate: str, export: str, zipped: bytes, *, until: datetime) -> None:
        """The row is held since `waiting`."""
        identity = await self._identity(candidate)
        if identity is None:
            raise RuntimeError("a person whose export is held has an identity")
        box = seal_beside(identity, zipped, self._epochs.epochs, what=_zip_of(export))
        await self._sql.execute(SQL["finish_export"], export, self.at, until, len(zipped), box)
        await self.drop_parts(export)

    async def drop_parts(self, export: str) -> None:
        """One statement."""
        await self._sql.execute(SQL["drop_parts"], [export])

    async def ask_again(self, before: datetime, *, limit: int) -> int:
        """Those that another process makes just now are left to it."""
        rows = await self._sql.fetch(SQL["to_ask_again"], before, self.at, limit)
        await self._sql.execute(SQL["drop_parts"], [row["name"] for row in rows])
        for row in rows:
            self._ask(row["candidate"], row["name"], row["asked_at"], row["ends_at"], row["public_key"])
        return len(rows)

    async def forget(self, *, limit: int) -> int:
        """The oldest first; keys, boxes and parts go with them."""
        done = await self._sql.execute(SQL["forget_exports"], self.at, limit)
        return int(done.rpartition(" ")[2])

    def say(self, event: ExportReadyV1) -> None:
        """Its id is the notice's: a repetition is the same email."""
        self._unit.publish(event, id=event.notice)

    def _ask(self, candidate: str, export: str, asked_at: datetime, ends_at: datetime, key: str) -> None:
        self._unit.publish(
            ExportRequestedV1(candidate=candidate, export=export, at=asked_at, expires_at=ends_at, public_key=key)
        )

    async def _whole(self, exports: Sequence[str]) -> Mapping[str, str]:
        rows = await self._sql.fetch(SQL["whole_answers"], exports)
        return {row["export"]: row["answer"] for row in rows}

    async def _identity(self, candidate: str) -> SealedIdentity | None:
        return (await read_identities(self._sql, [candidate], self._epochs)).get(candidate)

    def _opened(
        self, identity: SealedIdentity, row: asyncpg.Record, parts: Sequence[ExportAnsweredV1]
    ) -> Mapping[str, bytes] | None:
        try:
            private = open_beside(identity, row["private_key"], self._epochs.epochs, what=_key_of(row["name"]))
            pair = KeyPair(row["public_key"], private.decode())
            return unpack([open_part(one.sealed, pair, context=one.context) for one in parts])
        except (CannotOpenError, ValueError):
            return None

    @asynccontextmanager
    async def _same(self) -> AsyncIterator[Unit]:
        yield self._unit


def _export(row: asyncpg.Record) -> Export:
    return Export(row["name"], row["state"], row["asked_at"], row["ends_at"], row["ready_at"], row["size"])


def _key_of(export: str) -> str:
    return f"export key:{export}"


def _zip_of(export: str) -> str:
    return f"export:{export}"
