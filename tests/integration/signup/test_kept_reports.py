"""What a version before kept, and this one can't read."""

from collections.abc import Awaitable, Callable, Sequence

import pytest

from services.signup.adapters.postgres import PostgresStore
from services.signup.model.reports import KeptReport
from shared.contracts.signup import CandidateReportedV1
from shared.ids import new_candidate_id
from shared.messaging.envelope import Record, Undecodable, decode
from shared.messaging.unit import headers_from_json, unit_of_work
from tests.databases import MIGRATIONS_OF, Databases
from tests.fakes.clock import NOON
from tests.fakes.keeper import intake_keys


async def _released(store: PostgresStore) -> Sequence[KeptReport]:
    return await store.release(limit=9)


async def _taken(store: PostgresStore) -> Sequence[KeptReport]:
    return await store.take_kept([("acme", "good"), ("acme", "bad")])


@pytest.mark.parametrize(("read", "waits"), [(_released, True), (_taken, False)], ids=["released", "taken"])
async def test_a_kept_report_that_can_not_be_read_leaves_as_it_is_and_holds_up_no_other(
    databases: Databases, read: Callable[[PostgresStore], Awaitable[Sequence[KeptReport]]], waits: bool
) -> None:
    async with databases.pool(*MIGRATIONS_OF["signup"]) as pool:
        for record in ("good", "bad"):
            event = CandidateReportedV1(
                vendor="acme", record=record, employer="emp_one", change="changed", reported_at=NOON,
                intake_key=NOON.date(), sealed="",
            )  # fmt: skip
            async with unit_of_work(pool, at=NOON, source="signup") as unit:
                waits_for = new_candidate_id() if waits else None
                await PostgresStore(unit, intake_keys()).keep([KeptReport(record, event, waits_for=waits_for)])
        await pool.execute("""UPDATE kept_reports SET event = '{"vendor": "acme"}' WHERE record = 'bad'""")
        async with unit_of_work(pool, at=NOON, source="signup") as unit:
            found = await read(PostgresStore(unit, intake_keys()))
        assert [one.event.record for one in found] == ["good"]
        (left,) = await pool.fetch("SELECT topic, key, value, headers::text FROM outbox")
        sent = Record(left["topic"], 0, 0, left["key"], left["value"], headers_from_json(left["headers"]))
        assert (sent.topic, sent.key) == ("ats-events", b"acme:bad")
        judged = decode(sent, None)
        assert isinstance(judged, Undecodable)
        assert judged.reason.startswith("invalid")
        assert await pool.fetchval("SELECT count(*) FROM kept_reports") == 0
