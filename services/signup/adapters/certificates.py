"""An erasure that its person wished, and the certificate of it, in PostgreSQL."""

import json
from collections.abc import Awaitable, Callable
from contextlib import AbstractAsyncContextManager
from datetime import datetime, timedelta
from hashlib import sha256
from pathlib import Path
from secrets import token_urlsafe

from services.signup.adapters.erasures import SERVICES
from services.signup.adapters.lapses import buried
from services.signup.adapters.mailboxes import give_up_mailbox
from services.signup.model.erasures import Erased, ErasureRecord, Sweep
from services.signup.vault.epoch_rows import EpochRows
from services.signup.vault.hashing import SlowHash
from services.signup.vault.index import Indexed
from services.signup.vault.reading import read_identities
from services.signup.vault.sealing import open_identity
from services.signup.vault.secrets import VaultSecrets
from shared.contracts.signup import CandidateErasedV1, SweptStore
from shared.messaging.unit import Unit
from shared.postgres.pool import Connection
from shared.postgres.queries import load
from shared.security import encoding
from shared.security.boxes import CannotOpenError

SQL = load(Path(__file__).parent / "certificates.sql")
READABLE_FOR = timedelta(days=100)
"""Longer than the last backup that could be asked about, and no longer."""
HashedOld = Callable[[str], Awaitable[SlowHash | None]]
"""Of a mailbox that the person gave up less than 72 hours ago."""
_MOST_OPENINGS = 20
"""Of one erasure: each time that it is asked for again makes one."""


class PostgresErasing:
    """`ports.Erasing`."""

    def __init__(
        self,
        work: Callable[[], AbstractAsyncContextManager[Unit]],
        secrets: VaultSecrets,
        epochs: EpochRows,
        hashed_old: HashedOld,
    ) -> None:
        self._work = work
        self._hashed_old = hashed_old
        self._secrets = secrets
        self._epochs = epochs

    async def knows(self, candidate: str) -> bool:
        """One statement."""
        async with self._work() as unit:
            return bool(await unit.connection.fetchval(SQL["is_known"], candidate))

    async def worked_then(self, candidate: str, session: str) -> bool:
        """One statement."""
        async with self._work() as unit:
            return bool(await unit.connection.fetchval(SQL["worked_then"], candidate, session, unit.at))

    async def erase(self, candidate: str, opening: str | None = None, *, session: str | None = None) -> Erased | None:
        """The slow hash comes first, while nothing is locked; the rest is one transaction."""
        hashed, old = await self._hashed(candidate), await self._hashed_old(candidate)
        async with self._work() as unit:
            return await self._erase(unit, candidate, hashed, old, opening, session or "")

    async def erase_mailbox(self, mailbox: Indexed, *, by: str, reason: str) -> Erased | None:
        """Written down with the erasure, without the person; also that there was nobody."""
        async with self._work() as unit:
            candidate = await unit.connection.fetchval(SQL["candidate_by_mailbox"], [mailbox.value, *mailbox.older])
        hashed = await self._hashed(candidate) if candidate else None
        old = await self._hashed_old(candidate) if candidate else None
        async with self._work() as unit:
            erased = await self._erase(unit, candidate, hashed, old, None, "") if candidate else None
            act = "nobody_erased" if erased is None else "erased"
            await unit.connection.execute(SQL["note_erasure"], unit.at, by, act, reason)
            return erased

    async def record(self, opening: str) -> ErasureRecord | None:
        """One statement, by the hash of the opening."""
        hashed = _hash(opening)
        async with self._work() as unit:
            row = await unit.connection.fetchrow(SQL["read_certificate"], hashed, unit.at)
        if row is None:
            return None
        return ErasureRecord(
            id=encoding.encode(hashed),
            erased_at=row["erased_at"],
            readable_until=row["readable_until"],
            sweeps=tuple(
                Sweep(
                    one["service"],
                    datetime.fromisoformat(one["at"]),
                    tuple(SweptStore.model_validate(store) for store in one["stores"]),
                )
                for one in json.loads(row["sweeps"])
            ),
            outstanding=tuple(row["outstanding"]),
        )

    async def _hashed(self, candidate: str) -> SlowHash | None:
        """None of somebody whom the vault does not have, or can't open any more: they are erased all the same."""
        async with self._work() as unit:
            row = (await read_identities(unit.connection, [candidate], self._epochs)).get(candidate)
        if row is None:
            return None
        try:
            mail = open_identity(row, self._secrets.epochs).mail
        except CannotOpenError:
            return None
        return await self._secrets.hashes.new(mail)

    async def _erase(
        self,
        unit: Unit,
        candidate: str,
        hashed: SlowHash | None,
        old: SlowHash | None,
        opening: str | None,
        session: str,
    ) -> Erased | None:
        """Of two at once the second waits for the first, and finds what it did."""
        rows = await unit.connection.fetch(
            SQL["erase_wished"],
            candidate,
            unit.at,
            SERVICES,
            unit.at + READABLE_FOR,
            hashed and hashed.value,
            hashed and hashed.prefix.pepper,
            hashed and hashed.prefix.bits,
            session,
        )
        if rows and old is not None:
            await give_up_mailbox(unit, old)
        for gone in buried(unit, rows):
            unit.publish(CandidateErasedV1(candidate=gone, at=unit.at))
        for one in (opening, token_urlsafe(32)):
            if one is not None and (since := await self._certify(unit, candidate, one, session)) is not None:
                return Erased(since, one)
        since = await unit.connection.fetchval(SQL["erased_since"], candidate, unit.at, session)
        return None if since is None else Erased(since, None)

    async def _certify(self, unit: Unit, candidate: str, opening: str, session: str) -> datetime | None:
        """Since when they are erased; None where the opening is another erasure's, or there are too many."""
        await unit.connection.execute(
            SQL["add_certificate"], _hash(opening), candidate, unit.at, _MOST_OPENINGS, session
        )
        since: datetime | None = await unit.connection.fetchval(
            SQL["certified_since"], _hash(opening), candidate, unit.at
        )
        return since


async def forget_certificates(connection: Connection, at: datetime, *, limit: int) -> int:
    """Removes those that can't be read any more, the oldest first; how many."""
    done = await connection.execute(SQL["forget_certificates"], at, limit)
    return int(done.rpartition(" ")[2])


def _hash(opening: str) -> bytes:
    return sha256(opening.encode()).digest()
