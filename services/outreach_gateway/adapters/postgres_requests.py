"""The gateway's rows as requests need them."""

from collections.abc import Callable, Sequence

import asyncpg

from services.outreach_gateway.adapters.kept import SQL
from services.outreach_gateway.adapters.postgres import PostgresOutreach, outreach_of
from services.outreach_gateway.model import Outreach, Policy, PublicKey, Rule, State
from services.outreach_gateway.ports import Account, Settled, Submission
from shared.contracts.outreach_gateway import OutreachRequestedV1
from shared.facts import Fact, fact
from shared.feed.ports import FeedWriter
from shared.messaging.unit import Unit


class PostgresRequestStore:
    """The `RequestStore` inside one unit of work."""

    def __init__(self, unit: Unit, policy: Policy, feed: Callable[[Unit], FeedWriter]) -> None:
        self._unit = unit
        self._sql = unit.connection
        self._rows = PostgresOutreach(unit, policy, feed)

    async def public_key(self, candidate: str) -> Fact[PublicKey]:
        """The person's key, if it has arrived."""
        return fact(await self._sql.fetchval(SQL["public_key"], candidate))

    async def digest_of(self, id: str) -> bytes | None:
        """Of the row under this id."""
        digest: bytes | None = await self._sql.fetchval(SQL["digest_of"], id)
        return digest

    async def submit(self, submission: Submission) -> bytes:
        """Row and event, or what was there before."""
        fresh = await self._sql.fetchval(
            SQL["submit"],
            submission.id,
            submission.employer,
            submission.candidate,
            submission.member_ref,
            submission.digest,
            submission.sealed,
            submission.at,
            submission.expires_at,
            submission.held_until,
            submission.valid_through,
        )
        if fresh is None:
            digest: bytes = await self._sql.fetchval(SQL["digest_of"], submission.id)
            return digest
        event = OutreachRequestedV1(
            outreach=submission.id,
            employer=submission.employer,
            candidate=submission.candidate,
            at=submission.at,
            expires_at=submission.expires_at,
        )
        self._unit.publish(event, id=submission.id)
        return submission.digest

    async def account(self, id: str, employer: str | None) -> Account | None:
        """One row."""
        row = await self._sql.fetchrow(SQL["account"], id, employer)
        return None if row is None else _account(row)

    async def accounts_of(self, candidate: str, *, limit: int) -> list[Account]:
        """Everything to one person, newest first."""
        return [_account(row) for row in await self._sql.fetch(SQL["accounts_of"], candidate, limit)]

    async def lock_one(self, id: str, employer: str) -> Outreach | None:
        """One row, locked after its person."""
        candidate = await self._sql.fetchval(SQL["person_of"], id, employer)
        if candidate is None:
            return None
        await self._rows.lock_people([candidate])
        row = await self._sql.fetchrow(SQL["lock_one"], id, employer)
        return None if row is None else outreach_of(row)

    async def settle(self, settled: Sequence[Settled]) -> None:
        """Rows, feed and events together."""
        await self._rows.settle(settled)

    async def plan_again(self, candidates: Sequence[str]) -> None:
        """What waits for them is due now."""
        await self._rows.plan_again(candidates)


def _account(row: asyncpg.Record) -> Account:
    return Account(
        id=row["id"],
        employer=row["employer"],
        member_ref=row["member_ref"],
        state=State(row["state"]),
        submitted_at=row["submitted_at"],
        expires_at=row["expires_at"],
        decision=row["decision"],
        rule=Rule(row["rule"]) if row["rule"] else None,
        policy=row["policy"],
        decided_at=row["decided_at"],
        slot_at=row["slot_at"],
    )
