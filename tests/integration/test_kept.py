"""What a service keeps of people is declared, table by table, and an erasure leaves nothing of a person but what is declared to stay.

The databases are asked themselves: a table, or a column that could hold a candidate's id, that nobody spoke of fails here.
"""

import json
import re

import pytest

from services.outreach_gateway.adapters.kept import PEOPLE as GATEWAY
from services.signup.courier.adapters.kept import PEOPLE as COURIER
from services.signup.courier.adapters.postgres import PostgresCourier
from shared.contracts.registry import EVENTS
from shared.contracts.topics import TOPICS, Topic
from shared.messaging.unit import unit_of_work
from shared.projections import PLUMBING, Blanks, Deletes, Follows, Kept, Projection, Stays, Table
from tests.databases import MIGRATIONS_OF, Databases
from tests.fakes.clock import NOON
from tests.fakes.keeper import first_epoch
from tests.integration.everywhere import (
    ALL,
    DECLARED,
    ERASERS,
    OTHER,
    PRINCIPALS,
    TELLING,
    WHO,
    be_everywhere,
    by_consent,
    named,
    standing,
    tables_of,
)


@pytest.mark.parametrize("service", DECLARED)
async def test_every_table_is_declared_with_how_it_ends_or_as_one_that_holds_nobody(
    service: str, databases: Databases
) -> None:
    async with databases.pool(*MIGRATIONS_OF[service]) as pool, pool.acquire() as connection:
        tables = await tables_of(connection)
        spoken_of = frozenset[str]().union(*(kept.all for kept in DECLARED[service]))
        assert set(tables) - spoken_of == set(), f"say in {service}'s adapters/kept.py how a person ends in it"
        assert spoken_of - set(tables) == set(), "there is no such table any more"
        columns = {(table, column) for kept in DECLARED[service] for one in kept.tables for table, column in named(one)}
        there = {(name, column["name"]) for name, several in tables.items() for column in several}
        assert columns - there == set()
        telling = {(table, column) for table, column in there if TELLING.search(column)}
        # a table's other columns that tell a person are erased with the row
        assert {table for table, _ in telling} - {table for table, _ in columns} == set()


@pytest.mark.parametrize("kept", ALL, ids=lambda kept: kept.service)
def test_whatever_stays_says_why(kept: Kept) -> None:
    for table in kept.tables:
        match table.eraser:
            case Stays(why) | Follows(why) | Blanks(stays=why):
                assert len(why) > 10, table.name
            case Deletes():
                pass


def test_nothing_is_declared_with_an_eraser_that_is_not_there() -> None:
    with pytest.raises(ValueError, match="no statement forget_them"):
        Kept("some", (Table("some", ("candidate",), Deletes("forget_them")),), {}, nobody={})


@pytest.mark.parametrize("kept", ALL, ids=lambda kept: kept.service)
def test_what_writes_a_copy_of_anothers_facts_passes_by_whatever_is_older(kept: Kept) -> None:
    for table in kept.tables:
        if isinstance(table, Projection):
            guard = rf"WHERE[^;]*\b{table.version} < ((excluded|new)\.{table.version}|new\.version)"
            assert re.search(guard, kept.queries[table.statement]), f"{table.name}: {table.statement}"


@pytest.mark.parametrize("topic", TOPICS, ids=lambda topic: topic.name)
def test_every_topic_forgets_by_age_or_says_what_it_says_of_the_erased(topic: Topic) -> None:
    names_people = any("candidate" in event.model_fields for event in EVENTS.values() if event.TOPIC is topic)
    if topic.kept is None and names_people:
        assert topic.erased, f"say in shared/contracts/topics.py what {topic.name} says of whoever was erased"
    else:
        assert topic.erased is None


def test_the_keys_of_redis_are_those_that_are_declared() -> None:
    assert [keys.pattern for keys in GATEWAY.keys] == ["fp:{s<shard>}:<candidate>"]
    assert [kept.service for kept in ALL if kept.keys] == ["outreach_gateway"], "only the gateway has a Redis"


# --- erasing somebody who is everywhere


@pytest.mark.parametrize("service", DECLARED)
async def test_of_somebody_who_is_everywhere_an_erasure_leaves_what_is_declared_to_stay_alone(
    service: str, databases: Databases
) -> None:
    async with databases.pool(*MIGRATIONS_OF[service]) as pool:
        async with pool.acquire() as connection:
            for number, who in enumerate((WHO, OTHER), 1):
                await be_everywhere(connection, service, who, number)
        declared = {table.name: table for kept in DECLARED[service] if kept is not PLUMBING for table in kept.tables}
        on_their_way = {"rotations", "erasures_outstanding", "ledger_openings", "receipts", "ledger"}
        before = await standing(pool, WHO)
        assert declared.keys() - on_their_way - before == set(), "they were everywhere"
        for _ in range(2):  # once more changes nothing
            async with unit_of_work(pool, at=NOON, source=service) as unit:
                if service == "signup" and "candidates" not in before:
                    await PostgresCourier(unit, first_epoch()).erase([WHO])
                else:
                    await ERASERS[service](unit)
            before -= {"candidates"}
        stays = {name for name, table in declared.items() if isinstance(table.eraser, Stays | Blanks)}
        assert await standing(pool, WHO) - {"outbox"} == stays - {"ledger"}
        told = await pool.fetch(
            "SELECT key, value FROM outbox WHERE value LIKE '%fairpool.erasure.swept.v1%' OR headers::text LIKE '%erasure.swept%'"
        )
        assert {row["key"] for row in told} == {WHO.encode()}
        sweeper = COURIER if service == "signup" else DECLARED[service][0]
        declared_places = {table.name for table in sweeper.tables} | {keys.pattern for keys in sweeper.keys}
        for row in told:
            assert {one["store"] for one in json.loads(row["value"])["stores"]} == declared_places
        assert await standing(pool, OTHER) >= declared.keys() - on_their_way, "nobody else's rows went"


async def test_nothing_ties_the_ledger_to_whoever_was_erased(databases: Databases) -> None:
    async with databases.pool(*MIGRATIONS_OF["consent"]) as pool:
        async with pool.acquire() as connection:
            for number, who in enumerate((WHO, OTHER), 1):
                await be_everywhere(connection, "consent", who, number)
        assert await standing(pool, PRINCIPALS[WHO]) == {"consents", "ledger"}
        async with unit_of_work(pool, at=NOON, source="consent") as unit:
            await by_consent(unit)
        assert await standing(pool, PRINCIPALS[WHO]) == {"ledger"}
        assert await pool.fetchval("SELECT count(*) FROM receipts") == 1
        assert await pool.fetchval("SELECT count(*) FROM ledger_openings") == 1
        assert await pool.fetchval("SELECT count(*) FROM ledger") == 2
