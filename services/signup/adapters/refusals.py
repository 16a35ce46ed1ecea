"""A person's no to an invitation, in PostgreSQL."""

from collections.abc import Callable
from contextlib import AbstractAsyncContextManager
from datetime import datetime
from pathlib import Path

from services.signup.adapters.lapses import lapse
from services.signup.model.invitations import Refusal
from services.signup.vault.epoch_rows import EpochRows
from services.signup.vault.hashing import SlowHash
from services.signup.vault.reading import read_identities
from services.signup.vault.sealing import open_identity
from services.signup.vault.secrets import VaultSecrets
from shared.contracts.signup import CandidateLapsedV1
from shared.messaging.unit import Unit
from shared.postgres.pool import Connection
from shared.postgres.queries import load
from shared.security.links import is_void

SQL = load(Path(__file__).parent / "refusals.sql")


class PostgresRefusals:
    """`ports.Refusals`."""

    def __init__(
        self, work: Callable[[], AbstractAsyncContextManager[Unit]], secrets: VaultSecrets, epochs: EpochRows
    ) -> None:
        self._work = work
        self._secrets = secrets
        self._epochs = epochs

    async def standing(self, candidate: str, issued_at: datetime | None) -> Refusal:
        """One statement."""
        async with self._work() as unit:
            return await _standing(unit.connection, candidate, issued_at)

    async def _hashed(self, candidate: str) -> SlowHash | None:
        """Of whoever may be about to refuse; None: nobody is known by it."""
        async with self._work() as unit:
            is_invited = await _standing(unit.connection, candidate, None) == "invited"
            rows = await read_identities(unit.connection, [candidate], self._epochs) if is_invited else {}
        if candidate not in rows:
            return None
        return await self._secrets.hashes.new(open_identity(rows[candidate], self._secrets.epochs).mail)

    async def refuse(
        self, candidate: str, *, never_again: bool, until: datetime, issued_at: datetime | None
    ) -> Refusal:
        """The person's row is locked, so that of two at once the second finds what the first has done.

        What is slow is done before: neither a lock nor a connection waits for it. After an answer consent stops all that was allowed
        until now, and has the person told, as where a no finds an answer that signup had not heard of.
        """
        hashed = await self._hashed(candidate)
        async with self._work() as unit:
            await unit.connection.execute(SQL["lock_person"], candidate)
            standing = await _standing(unit.connection, candidate, issued_at)
            if standing == "answered" and never_again:
                unit.publish(CandidateLapsedV1(candidate=candidate, at=unit.at, reason="refused"))
                return "stopped"
            if standing == "invited":
                for one in await lapse(unit.connection, [candidate], "refused", unit.at):
                    unit.publish(CandidateLapsedV1(candidate=one.candidate, at=one.at, reason=one.reason))
                assert hashed is not None  # noqa: S101 - nobody becomes invited between the two looks
                prefix = hashed.prefix
                await unit.connection.execute(
                    SQL["note_refusal"], candidate, hashed.value, until, unit.at, prefix.pepper, prefix.bits
                )
                standing = "refused"
            if standing == "refused" and never_again:
                await unit.connection.execute(SQL["never_again"], candidate, unit.at)
                standing = "never_again"
        return standing


async def forget_refusals(connection: Connection, at: datetime, *, limit: int) -> int:
    """Removes those whose link has expired, the oldest first; how many."""
    done = await connection.execute(SQL["forget_refusals"], at, limit)
    return int(done.rpartition(" ")[2])


async def _standing(connection: Connection, candidate: str, issued_at: datetime | None) -> Refusal:
    row = await connection.fetchrow(SQL["standing"], candidate)
    assert row is not None  # noqa: S101 - it is a join on one line
    if row["has_answered"]:
        return "answered_and_moved" if is_void(issued_at, row["links_from"]) else "answered"
    if row["never_again"] is not None:
        return "never_again" if row["never_again"] else "refused"
    return "invited" if row["is_known"] else "gone"
