"""Killed at each command of forgetting an erased person, a service has forgotten nothing yet or all of it, and says so with it."""

import json
from collections import defaultdict
from collections.abc import Mapping
from datetime import timedelta

import pytest

from services.signup.courier import handlers as courier
from services.signup.courier.adapters.postgres import PostgresCourier
from services.signup.courier.model import Mail, Over
from shared.messaging.unit import Unit, unit_of_work
from shared.postgres.pool import Pool
from shared.projections import Blanks, Stays
from tests.databases import MIGRATIONS_OF, Databases
from tests.fakes.clock import NOON
from tests.fakes.keeper import first_epoch
from tests.integration.everywhere import DECLARED, ERASERS, OTHER, WHO, Erase, be_everywhere, heard, standing
from tests.killing import KILLED, killed_before

_MOST = 60


async def _by_the_courier(unit: Unit) -> None:
    await courier.on_candidate_erased(PostgresCourier(unit, first_epoch()), [heard()])


FORGETS: Mapping[str, Erase] = {
    **{service: ERASERS[service] for service in ("consent", "outreach_gateway", "pool_matching")},
    "courier": _by_the_courier,
}
_WAITS = {
    "outreach_gateway": "UPDATE outreach SET state = 'delayed', due_at = now(), sealed = 'words', sealed_job = 'job'; DELETE FROM erased",
    "courier": "UPDATE courier_mails SET state = 'ready', courier = NULL",
}
"""An erasure has most to do with what is still on its way."""
_OF_NOBODY = defaultdict(set[str], outreach_gateway={"erased"}, consent={"ledger_openings", "receipts", "ledger"})
"""What `be_everywhere` does not write under a candidate's own id, or what only the erased are in."""


async def _everything(pool: Pool) -> dict[str, list[str]]:
    """All rows of all tables, as text."""
    tables = [
        row["tablename"] for row in await pool.fetch("SELECT tablename FROM pg_tables WHERE schemaname = 'public'")
    ]
    return {
        table: [
            row["held"] for row in await pool.fetch(f'SELECT one::text AS held FROM "{table}" AS one ORDER BY held')
        ]
        for table in tables
    }


async def _said(pool: Pool) -> list[tuple[str, str]]:
    """Which service said of whom that it has swept, as often as it did."""
    rows = await pool.fetch("SELECT value FROM outbox WHERE topic = 'erasure-confirmations' ORDER BY id")
    told = [json.loads(row["value"]) for row in rows]
    return [(one["service"], one["candidate"]) for one in told if "stores" in one]


@pytest.mark.parametrize("service", FORGETS)
async def test_whoever_is_killed_while_it_forgets_has_forgotten_nothing_or_all_and_says_it_once(
    service: str, databases: Databases, monkeypatch: pytest.MonkeyPatch
) -> None:
    home = "signup" if service == "courier" else service
    async with databases.pool(*MIGRATIONS_OF[home]) as pool:
        async with pool.acquire() as connection:
            for number, who in enumerate((WHO, OTHER), 1):
                await be_everywhere(connection, home, who, number)
            if service in _WAITS:
                await connection.execute(_WAITS[service])
        before = await _everything(pool)
        for step in range(1, _MOST):
            try:
                with killed_before(step, monkeypatch):
                    async with unit_of_work(pool, at=NOON, source=home) as unit:
                        await FORGETS[service](unit)
            except KILLED:
                assert await _everything(pool) == before, step
            else:
                break
        assert 5 < step < _MOST - 1, "it was killed before each of its commands"
        assert await _said(pool) == [(service, WHO)]
        kept = next(kept for kept in DECLARED[home] if kept.service == service)
        stays = {table.name for table in kept.tables if isinstance(table.eraser, Stays | Blanks)} - {"ledger"}
        tables = {table.name for table in kept.tables}
        assert await standing(pool, WHO) & tables == stays
        assert await standing(pool, OTHER) & tables == tables - _OF_NOBODY[service], "nobody else's rows went"
        after = await _everything(pool)
        async with unit_of_work(pool, at=NOON, source=home) as unit:  # killed after its commit: the record comes again
            await FORGETS[service](unit)
        again = await _everything(pool)
        assert {table for table in after if after[table] != again[table]} <= {"outbox"}
        assert await _said(pool) == [(service, WHO)] * 2, "signup takes it once"


@pytest.mark.parametrize("state", ["claimed", "sending"])
async def test_of_an_email_in_the_hand_of_a_courier_that_is_killed_while_another_forgets_its_person_only_that_it_was_stays(
    state: str, databases: Databases
) -> None:
    async with databases.pool(*MIGRATIONS_OF["signup"]) as pool:
        async with pool.acquire() as connection:
            await be_everywhere(connection, "signup", WHO, 1)
            await connection.execute(
                """UPDATE courier_mails SET kind = 'notice', state = $1, courier = 'dead', purpose = 'confirm', trace = 'trace',
                       detail = 'detail', changes = '[]', introduced_by = 'vendor', introduced_at = now(),
                       grant_notice = '{"about": "hired", "ends_at": null, "language": "es"}'""",
                state,
            )
            await connection.execute("DELETE FROM courier_instances")
        async with unit_of_work(pool, at=NOON, source="signup") as unit:
            await _by_the_courier(unit)
        async with unit_of_work(pool, at=NOON, source="signup") as unit:
            couriers = PostgresCourier(unit, first_epoch())
            doubtful = await couriers.bury(at=NOON)
            assert len(doubtful) == (state == "sending")
        if state == "claimed":
            [mail] = await _claimed(pool)
            async with unit_of_work(pool, at=NOON, source="signup") as unit:
                await PostgresCourier(unit, first_epoch()).settle([Over(mail, "withheld", "nobody")], at=NOON)
        [row] = await pool.fetch("SELECT * FROM courier_mails")
        assert row["state"] == ("doubtful" if state == "sending" else "withheld")
        told = ("sealed", "grant_notice", "introduced_by", "introduced_at", "detail", "trace")
        assert [name for name in told if row[name] is not None] == []


async def _claimed(pool: Pool) -> list[Mail]:
    async with unit_of_work(pool, at=NOON + timedelta(days=400), source="signup") as unit:
        found = await PostgresCourier(unit, first_epoch()).claim(at=unit.at, limit=5, consent_is_current=True)
        return list(found)
