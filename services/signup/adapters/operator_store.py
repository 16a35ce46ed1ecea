"""What operators did and why, and what they look up, in PostgreSQL."""

from collections.abc import Callable, Sequence
from contextlib import AbstractAsyncContextManager
from pathlib import Path

from services.signup.model.operators import LookedUp, OperatorAct
from services.signup.vault.index import Indexed
from shared.contracts.operator import TenantChangedV1
from shared.messaging.unit import Unit
from shared.postgres.queries import load

SQL = load(Path(__file__).parent / "queries.sql")


class PostgresOperatorStore:
    """`ports.OperatorStore`."""

    def __init__(self, work: Callable[[], AbstractAsyncContextManager[Unit]]) -> None:
        self._work = work

    async def acts(self, *, after: int, tenant: str | None, limit: int) -> Sequence[OperatorAct]:
        """What was done, oldest first."""
        async with self._work() as unit:
            return [
                OperatorAct(**dict(row)) for row in await unit.connection.fetch(SQL["read_acts"], after, tenant, limit)
            ]

    async def look_up(self, mailbox: Indexed, *, by: str, reason: str) -> LookedUp | None:
        """Whoever has this mailbox; written down with the reason, also when there is nobody."""
        async with self._work() as unit:
            person = await unit.connection.fetchrow(SQL["person_by_address"], [mailbox.value, *mailbox.older])
            candidate = person["candidate"] if person else None
            await unit.connection.execute(SQL["note_look_up"], unit.at, by, candidate, reason)
            if person is None:
                return None
            claims = await unit.connection.fetch(SQL["claims_of"], candidate)
            mails = await unit.connection.fetch(SQL["mails_of"], candidate)
            return LookedUp(**dict(person), claims=tuple(map(dict, claims)), mails=tuple(map(dict, mails)))


class PostgresOperatorActs:
    """`ports.OperatorActs`."""

    def __init__(self, unit: Unit) -> None:
        self._unit = unit

    async def note(self, events: Sequence[TenantChangedV1]) -> None:
        """What was done to tenants, each record once, whichever way an operator took."""
        told = [event for event in events if event.act is not None]
        await self._unit.connection.execute(
            SQL["note_acts"],
            [event.changed_at or self._unit.at for event in told],
            [event.changed_by or "unknown" for event in told],
            [event.act for event in told],
            [event.tenant for event in told],
            [event.reason for event in told],
            [f"{event.tenant}:{event.version}" for event in told],
        )
