"""What every store of a person's messages does, the fake one and the real one."""

import asyncio
from collections.abc import AsyncIterator, Awaitable, Callable, Sequence
from contextlib import AbstractAsyncContextManager, asynccontextmanager
from dataclasses import dataclass
from datetime import timedelta
from itertools import permutations
from typing import Any, cast

import pytest

from services.consent.adapters.messages import PostgresMessages
from services.consent.adapters.postgres import PostgresConsents
from services.consent.decisions.messages import standing
from services.consent.model import Message
from services.consent.ports import Messages
from services.outreach_gateway.adapters.decided import numbers_of
from services.outreach_gateway.adapters.policy_file import read_policy
from shared.contracts.consent import MessageWishedV1
from shared.contracts.outreach_gateway import OutreachDecidedV1
from shared.contracts.signup import OutreachOutcomeReportedV1
from shared.facts import UNKNOWN, Known
from shared.ids import new_candidate_id
from shared.messaging.unit import unit_of_work
from shared.postgres.pool import Pool
from tests.databases import MIGRATIONS_OF, Databases
from tests.fakes.clock import NOON
from tests.fakes.messages import FakeMessages
from tests.signing import SEALS
from tests.waiting import until_held_up

MINUTE, DAY = timedelta(minutes=1), timedelta(days=1)
NUMBERS = numbers_of(read_policy("2026-12"))


def decided(outreach: str, candidate: str, version: int, outcome: Any, **fields: Any) -> OutreachDecidedV1:
    given = {"employer": "emp_acme", "policy": "2026-12", "at": NOON + version * MINUTE, "asked_at": NOON, **fields}
    return OutreachDecidedV1(outreach=outreach, candidate=candidate, version=version, outcome=outcome, **given)


def reported(outreach: str, candidate: str, version: int, outcome: Any, **fields: Any) -> OutreachOutcomeReportedV1:
    given = {"employer": "emp_acme", "at": NOON + version * MINUTE, **fields}
    return OutreachOutcomeReportedV1(
        outreach=outreach, candidate=candidate, decision_version=version, outcome=outcome, **given
    )


@dataclass
class Store:
    transaction: Callable[[], AbstractAsyncContextManager[Messages]]
    close: Callable[[str], Awaitable[None]]

    async def hear(self, *events: OutreachDecidedV1 | OutreachOutcomeReportedV1) -> None:
        """Each in a batch of its own."""
        for event in events:
            async with self.transaction() as messages:
                await messages.hold_erasures()
                if isinstance(event, OutreachDecidedV1):
                    await messages.keep_decisions([event])
                else:
                    await messages.keep_reports([event])

    async def of(self, candidate: str) -> Sequence[Message]:
        async with self.transaction() as messages:
            return await messages.page(candidate, 50, None)


@pytest.fixture(scope="module")
async def consent_pool(databases: Databases) -> AsyncIterator[Pool]:
    async with databases.pool(*MIGRATIONS_OF["consent"]) as pool:
        yield pool


@pytest.fixture(params=["fake", "postgres"])
def store(request: pytest.FixtureRequest) -> Store:
    if cast(str, request.param) == "fake":
        fake = FakeMessages()

        @asynccontextmanager
        async def opened() -> AsyncIterator[Messages]:
            yield fake

        async def shut(candidate: str) -> None:
            fake.closed.add(candidate)
            fake.kept = {id: one for id, one in fake.kept.items() if one.candidate != candidate}

        return Store(opened, shut)
    pool: Pool = request.getfixturevalue("consent_pool")

    @asynccontextmanager
    async def transaction() -> AsyncIterator[Messages]:
        async with unit_of_work(pool, at=NOON, source="consent") as unit:
            yield PostgresMessages(unit)

    async def close(candidate: str) -> None:
        async with unit_of_work(pool, at=NOON, source="consent") as unit:
            await PostgresConsents(unit, SEALS).close([candidate])

    return Store(transaction, close)


@pytest.fixture
def candidate() -> str:
    return new_candidate_id()


async def test_in_whatever_order_decisions_and_reports_are_heard_the_same_is_kept(store: Store) -> None:
    kept = []
    for number, order in enumerate(permutations(range(4))):
        candidate, id = new_candidate_id(), f"o_order_{number}_{new_candidate_id()}"
        told = (
            decided(id, candidate, 1, "delayed", until=NOON + DAY, rule="network_gap", ends_at=NOON + 9 * DAY),
            decided(id, candidate, 2, "admitted", slot_at=NOON + DAY, good_until=NOON + DAY, ends_at=NOON + 9 * DAY),
            reported(id, candidate, 2, "returned"),
            decided(id, candidate, 4, "admitted", slot_at=NOON + 2 * DAY, ends_at=NOON + 9 * DAY),
        )
        await store.hear(*(told[place] for place in order))
        await store.hear(told[order[0]])  # what came first comes again
        (message,) = await store.of(candidate)
        assert message.decided is not None
        kept.append((message.began_at, message.ends_at, message.decided, message.reported, standing(message)))
    assert len(set(kept)) == 1
    assert kept[0][2].slot_at == NOON + 2 * DAY
    assert kept[0][4] == "leaving"


async def test_of_several_in_one_batch_the_newest_is_kept(store: Store, candidate: str) -> None:
    id = f"o_{candidate}"
    async with store.transaction() as messages:
        await messages.keep_decisions(
            [decided(id, candidate, 3, "dropped", rule="hours"), decided(id, candidate, 2, "delayed")]
        )
        await messages.keep_reports(
            [reported(id, candidate, 5, "delivered"), reported(id, candidate, 5, "bounced"), reported(id, candidate, 4, "returned")]
        )  # fmt: skip
    await store.hear(reported(id, candidate, 4, "bounced"), reported(id, candidate, 5, "bounced"))
    (message,) = await store.of(candidate)
    assert message.decided is not None
    assert message.decided.version == 3
    assert standing(message) == "sent"


async def test_the_job_is_kept_of_what_waits_as_it_was_told_last_and_of_nothing_else(
    store: Store, candidate: str
) -> None:
    id = f"o_{candidate}"
    for version, outcome, sealed in ((1, "delayed", "job"), (2, "delayed", "other job"), (3, "admitted", None)):
        await store.hear(decided(id, candidate, version, outcome, sealed_job=sealed))
        (message,) = await store.of(candidate)
        assert message.sealed_job == sealed
    await store.hear(decided(id, candidate, 2, "delayed", sealed_job="other job"))
    assert [one.sealed_job for one in await store.of(candidate)] == [None]


async def test_what_was_reported_before_its_decision_is_heard_begins_when_it_was_asked_for(
    store: Store, candidate: str
) -> None:
    id = f"o_{candidate}"
    await store.hear(reported(id, candidate, 2, "delivered", at=NOON + 3 * DAY))
    (message,) = await store.of(candidate)
    assert (standing(message), message.began_at, message.decided) == ("sent", NOON + 3 * DAY, None)
    await store.hear(decided(id, candidate, 2, "admitted", asked_at=NOON, slot_at=NOON + 2 * DAY))
    (message,) = await store.of(candidate)
    assert (standing(message), message.began_at) == ("sent", NOON)


async def test_a_page_follows_the_one_before_without_a_gap(store: Store, candidate: str) -> None:
    async with store.transaction() as messages:
        await messages.keep_decisions(
            [decided(f"o_{place}_{candidate}", candidate, 1, "delayed", asked_at=NOON - place // 2 * DAY) for place in range(7)]
            + [decided(f"o_other_{candidate}", new_candidate_id(), 1, "delayed")]
        )  # fmt: skip
        found: list[Message] = []
        while page := await messages.page(candidate, 3, (found[-1].began_at, found[-1].outreach) if found else None):
            found += page
        assert len(found) == len({one.outreach for one in found}) == 7
        assert found == sorted(found, key=lambda one: (one.began_at, one.outreach), reverse=True)
        assert list(await messages.since(candidate, NOON - 2 * DAY, 50)) == [
            one for one in found if one.began_at > NOON - 2 * DAY
        ]


async def test_the_numbers_of_a_policy_are_those_that_its_decisions_carry(store: Store, candidate: str) -> None:
    name = f"own-{candidate[:8]}"
    async with store.transaction() as messages:
        assert await messages.numbers(name) is UNKNOWN
        await messages.keep_decisions(
            [decided(f"o_{candidate}", candidate, 1, "delayed", policy=name, numbers=NUMBERS)]
        )
        await messages.keep_decisions(
            [decided(f"o_{candidate}", candidate, 2, "delayed", policy=name, numbers=NUMBERS)]
        )
        assert await messages.numbers(name) == Known(NUMBERS)


async def test_nothing_is_kept_of_whoever_is_closed(store: Store, candidate: str) -> None:
    await store.hear(decided(f"o_{candidate}", candidate, 1, "admitted"))
    await store.close(candidate)
    assert await store.of(candidate) == []
    await store.hear(
        decided(f"o_{candidate}", candidate, 2, "cancelled"), reported(f"o_{candidate}", candidate, 1, "delivered")
    )
    assert await store.of(candidate) == []


async def test_what_is_old_is_forgotten_so_many_at_once(store: Store, candidate: str) -> None:
    old = [decided(f"o_{place}_{candidate}", candidate, 1, "dropped", asked_at=NOON - 400 * DAY) for place in range(3)]
    async with store.transaction() as messages:
        await messages.keep_decisions([*old, decided(f"o_new_{candidate}", candidate, 1, "dropped")])
        assert await messages.forget(NOON - 396 * DAY, 2) == 2
        assert await messages.forget(NOON - 396 * DAY, 2) == 1
        assert [one.outreach for one in await messages.page(candidate, 9, None)] == [f"o_new_{candidate}"]


async def test_a_wish_is_noted_of_ones_own_message_alone_and_stays_when_it_is_decided_anew(
    store: Store, candidate: str
) -> None:
    id = f"o_{candidate}"
    await store.hear(decided(id, candidate, 1, "delayed"))
    async with store.transaction() as messages:
        assert await messages.lock(new_candidate_id(), id) is UNKNOWN
        message = await messages.lock(candidate, id)
        assert isinstance(message, Known)
        await messages.wish(message.value)
    await store.hear(decided(id, candidate, 2, "delayed"), reported(id, candidate, 1, "returned"))
    (kept,) = await store.of(candidate)
    assert kept.wished_at == NOON


async def test_a_wish_leaves_through_the_outbox(consent_pool: Pool, candidate: str) -> None:
    id = f"o_{candidate}"
    async with unit_of_work(consent_pool, at=NOON, source="consent") as unit:
        messages = PostgresMessages(unit)
        await messages.keep_decisions([decided(id, candidate, 1, "delayed")])
        message = await messages.lock(candidate, id)
        assert isinstance(message, Known)
        await messages.wish(message.value)
    value = await consent_pool.fetchval(
        "SELECT convert_from(value, 'utf8') FROM outbox WHERE topic = 'wishes' AND key = $1", candidate.encode()
    )
    assert MessageWishedV1.model_validate_json(value) == MessageWishedV1(candidate=candidate, outreach=id, at=NOON)


async def test_an_erasure_waits_for_what_is_being_written_and_takes_it_along(
    consent_pool: Pool, candidate: str
) -> None:
    async def erase() -> None:
        async with unit_of_work(consent_pool, at=NOON, source="consent") as unit:
            await PostgresConsents(unit, SEALS).close([candidate])

    async with asyncio.TaskGroup() as group, unit_of_work(consent_pool, at=NOON, source="consent") as unit:
        messages = PostgresMessages(unit)
        await messages.hold_erasures()
        await messages.keep_decisions([decided(f"o_{candidate}", candidate, 1, "admitted")])
        group.create_task(erase())
        await until_held_up(consent_pool)
    assert await consent_pool.fetchval("SELECT count(*) FROM messages WHERE candidate = $1", candidate) == 0
