"""What every store of consents does, the fake one and the real one."""

import asyncio
import os
from collections.abc import AsyncIterator, Awaitable, Callable
from contextlib import AbstractAsyncContextManager, asynccontextmanager
from dataclasses import dataclass, replace
from datetime import time, timedelta
from functools import partial
from itertools import pairwise
from typing import cast

import asyncpg
import pytest

from services.consent import decisions
from services.consent.adapters import agreement
from services.consent.adapters.postgres import PostgresConsents
from services.consent.decisions import Changed
from services.consent.model import PURPOSES, Choices, Entry, Present, Quiet
from services.consent.ports import Consents
from shared.clock import Clock
from shared.ids import new_candidate_id, new_id
from shared.messaging.unit import unit_of_work
from shared.postgres.pool import Pool
from tests.databases import MIGRATIONS_OF, Databases
from tests.fakes.clock import NOON, FixedClock
from tests.fakes.consent import ConsentsDatabase
from tests.signing import SEALS
from tests.stack import Servers
from tests.waiting import others_run, until_held_up

AGREED = agreement.read()
COMPLETE = Choices(
    purposes=PURPOSES,
    sectors=("29-0000", "31-1120"),
    blocked_employers=("emp_acme",),
    first_contacts_per_week=1,
    min_gap_hours=48,
    quiet_hours=Quiet(time(21), time(8)),
    time_zone="America/Denver",
    paused_until=NOON + timedelta(days=1, microseconds=1),
    ends_at=NOON + timedelta(days=365),
)


@dataclass
class Store:
    """A store under test: how a transaction on it is made."""

    transaction: Callable[[], AbstractAsyncContextManager[Consents]]
    confirmed: Callable[..., Awaitable[list[str]]]
    """Which of these people's erasures were confirmed to signup."""
    until_others_wait: Callable[[], Awaitable[None]]
    """Until whoever else wants a row that is locked waits for it."""

    async def answer(self, candidate: str, choices: Choices) -> Present:
        """One whole change."""
        async with self.transaction() as consents:
            present = await consents.lock(candidate)
            return await consents.append(entry(present, choices))

    async def present(self, candidate: str) -> Present:
        async with self.transaction() as consents:
            return await consents.read(candidate)


OF_THE_PERSON = "candidate = (SELECT principal FROM consents WHERE candidate = $1)"
"""The ledger names a principal."""


def entry(present: Present, choices: Choices) -> Entry:
    return decisions.record(
        present,
        choices,
        at=NOON,
        door="me",
        agreement=AGREED,
        where="https://signup.example/sign-in",
        home="https://consent.example",
        nonce=os.urandom(32),
        receipt=new_id("r"),
    )


@pytest.fixture(params=["fake", "postgres"])
def kind(request: pytest.FixtureRequest) -> str:
    return cast(str, request.param)


@pytest.fixture
def store(kind: str, request: pytest.FixtureRequest) -> Store:
    if kind == "fake":
        database = ConsentsDatabase(FixedClock())

        async def remembered(*candidates: str) -> list[str]:
            return [one for one in database.confirmed if one in candidates]

        return Store(database.transaction, remembered, others_run)
    pool: Pool = request.getfixturevalue("consent_pool")

    @asynccontextmanager
    async def transaction() -> AsyncIterator[Consents]:
        async with unit_of_work(pool, at=NOON, source="consent") as unit:
            yield PostgresConsents(unit, SEALS)

    async def confirmed(*candidates: str) -> list[str]:
        keys = [candidate.encode() for candidate in candidates]
        sql = "SELECT key FROM outbox WHERE headers::text LIKE '%erasure.confirmed.v1%' AND key = ANY($1) ORDER BY id"
        return [row["key"].decode() for row in await pool.fetch(sql, keys)]

    return Store(transaction, confirmed, partial(until_held_up, pool))


@pytest.fixture(scope="module")
async def consent_pool(databases: Databases) -> AsyncIterator[Pool]:
    async with databases.pool(*MIGRATIONS_OF["consent"]) as pool:
        yield pool


@pytest.fixture
def candidate() -> str:
    return new_candidate_id()


async def test_of_somebody_unknown_nothing_is_on_and_reading_makes_no_row(store: Store, candidate: str) -> None:
    assert await store.present(candidate) == Present(candidate, principal="")


async def test_registering_makes_a_row_once(store: Store, candidate: str) -> None:
    async with store.transaction() as consents:
        await consents.register([candidate, candidate])
    first = await store.present(candidate)
    async with store.transaction() as consents:
        await consents.register([new_candidate_id(), candidate])
    assert await store.present(candidate) == first
    assert first.principal != ""
    assert first.version == 0


async def test_locking_somebody_unknown_makes_the_row(store: Store, candidate: str) -> None:
    async with store.transaction() as consents:
        locked = await consents.lock(candidate)
        assert await consents.lock(candidate) == locked
    assert await store.present(candidate) == locked


async def test_who_never_answered_is_closed_for_good_and_confirmed(store: Store, candidate: str) -> None:
    unheard_of = new_candidate_id()
    async with store.transaction() as consents:
        await consents.register([candidate])
        await consents.close_unanswered([candidate, unheard_of])
    async with store.transaction() as consents:
        await consents.register([candidate, unheard_of])
        assert (await consents.lock(candidate)).is_closed
        assert (await consents.read(unheard_of)).is_closed
    assert sorted(await store.confirmed(candidate, unheard_of)) == sorted([candidate, unheard_of])
    async with store.transaction() as consents:
        await consents.close_unanswered([candidate])
    assert await store.confirmed(candidate) == [candidate, candidate]


async def test_who_answered_is_not_closed_by_a_lapse_and_nothing_is_confirmed(store: Store, candidate: str) -> None:
    await store.answer(candidate, Choices())
    async with store.transaction() as consents:
        await consents.close_unanswered([candidate])
    assert not (await store.present(candidate)).is_closed
    assert await store.confirmed(candidate) == []


async def test_an_erased_person_is_closed_whatever_they_answered(store: Store, candidate: str) -> None:
    unheard_of = new_candidate_id()
    await store.answer(candidate, COMPLETE)
    async with store.transaction() as consents:
        await consents.close([candidate, unheard_of])
        await consents.close([candidate])
    present = await store.present(candidate)
    assert present.is_closed
    assert (present.version, present.choices, present.principal) == (2, Choices(), "")
    assert (await store.present(unheard_of)).is_closed
    assert await store.confirmed(candidate) == []
    async with store.transaction() as consents:
        await consents.close_unanswered([candidate])
    assert await store.confirmed(candidate) == [candidate]


async def test_an_answer_that_is_being_given_comes_before_the_lapse(store: Store, candidate: str) -> None:
    has_the_row = asyncio.Event()

    async def answer() -> None:
        async with store.transaction() as consents:
            present = await consents.lock(candidate)
            has_the_row.set()
            await store.until_others_wait()
            await consents.append(entry(present, COMPLETE))

    async def lapse() -> None:
        await has_the_row.wait()
        async with store.transaction() as consents:
            await consents.close_unanswered([candidate])

    async with store.transaction() as consents:
        await consents.register([candidate])
    await asyncio.gather(answer(), lapse())
    assert not (await store.present(candidate)).is_closed
    assert await store.confirmed(candidate) == []


async def test_everything_that_was_chosen_comes_back(store: Store, candidate: str) -> None:
    written = await store.answer(candidate, COMPLETE)
    assert written.choices == COMPLETE
    assert await store.present(candidate) == written
    assert (await store.answer(candidate, Choices())).choices == Choices()


async def test_each_change_raises_the_version_by_one_and_extends_the_chain(store: Store, candidate: str) -> None:
    first = await store.answer(candidate, COMPLETE)
    second = await store.answer(candidate, Choices())
    assert (first.version, second.version) == (1, 2)
    assert second.receipt is not None
    async with store.transaction() as consents:
        receipt = await consents.receipt(second.receipt, candidate)
        assert await consents.receipt(second.receipt, new_candidate_id()) is None, "it is of somebody else"
    assert receipt is not None
    assert first.leaf is not None
    assert receipt["ledger"]["committed"]["previous"] == first.leaf.hex()
    assert first.outbox_id != second.outbox_id


async def test_receipts_are_read_page_by_page_the_latest_first_and_are_their_persons_own(
    store: Store, candidate: str
) -> None:
    made = [await store.answer(candidate, one) for one in (COMPLETE, Choices(), COMPLETE)]
    async with store.transaction() as consents:
        latest = await consents.receipts(candidate, 2)
        assert [one["receipt"] for one in latest] == [made[2].receipt, made[1].receipt]
        assert latest[0] == await consents.receipt(made[2].receipt or "", candidate)
        (oldest,) = await consents.receipts(candidate, 2, before=latest[-1]["ledger"]["committed"]["version"])
        assert oldest["receipt"] == made[0].receipt
        assert await consents.receipts(new_candidate_id(), 2) == []


async def test_a_grant_is_kept_with_its_time_and_no_other_change_moves_it(store: Store, candidate: str) -> None:
    assert (await store.answer(candidate, Choices())).granted_at is None
    assert (await store.answer(candidate, COMPLETE)).granted_at == NOON
    assert (await store.answer(candidate, replace(COMPLETE, purposes=()))).granted_at == NOON
    assert (await store.present(candidate)).granted_at == NOON


async def test_an_unknown_receipt_is_none(store: Store) -> None:
    async with store.transaction() as consents:
        assert await consents.receipt(new_id("r"), new_candidate_id()) is None


async def test_what_fails_leaves_nothing_behind(store: Store, candidate: str) -> None:
    with pytest.raises(ZeroDivisionError):
        async with store.transaction() as consents:
            made = await consents.append(entry(await consents.lock(candidate), COMPLETE))
            raise ZeroDivisionError
    assert await store.present(candidate) == Present(candidate, principal="")
    async with store.transaction() as consents:
        assert await consents.receipt(made.receipt or "", candidate) is None


async def test_a_change_decided_on_an_older_version_is_refused(store: Store, candidate: str) -> None:
    old = await store.answer(candidate, COMPLETE)
    await store.answer(candidate, Choices())
    with pytest.raises(RuntimeError, match="another version"):
        async with store.transaction() as consents:
            await consents.lock(candidate)
            await consents.append(entry(old, COMPLETE))
    assert (await store.present(candidate)).version == 2


async def test_twenty_changes_at_once_are_one_chain_without_a_gap(store: Store, candidate: str) -> None:
    written = await asyncio.gather(
        *(store.answer(candidate, replace(COMPLETE, min_gap_hours=24 + number)) for number in range(20))
    )
    by_version = sorted(written, key=lambda present: present.version)
    assert [present.version for present in by_version] == list(range(1, 21))
    for before, after in pairwise(by_version):
        async with store.transaction() as consents:
            receipt = await consents.receipt(after.receipt or "", candidate)
        assert receipt is not None
        assert before.leaf is not None
        assert receipt["ledger"]["committed"]["previous"] == before.leaf.hex()


@pytest.mark.parametrize("last", ["withdrawal", "grant"])
async def test_whoever_locks_last_decides(store: Store, candidate: str, last: str) -> None:
    """The second waits for the row, then decides on what the first has written."""
    first_has_the_row, second_waits = asyncio.Event(), asyncio.Event()

    async def change(choices: Choices, *, is_first: bool) -> None:
        if not is_first:
            await first_has_the_row.wait()
            second_waits.set()
        async with store.transaction() as consents:
            present = await consents.lock(candidate)
            if is_first:
                first_has_the_row.set()
                await second_waits.wait()
                await store.until_others_wait()
            outcome = decisions.change(present, choices, NOON, employers={"emp_acme"})
            assert isinstance(outcome, Changed)
            await consents.append(entry(present, outcome.choices))

    withdrawal = replace(COMPLETE, purposes=())
    await asyncio.gather(change(COMPLETE, is_first=last == "withdrawal"), change(withdrawal, is_first=last == "grant"))
    present = await store.present(candidate)
    assert present.version == 2
    assert present.choices.purposes == (() if last == "withdrawal" else PURPOSES)


async def test_registering_and_answering_at_once_do_not_lose_each_other(store: Store) -> None:
    people = [new_candidate_id() for _ in range(20)]

    async def register(order: list[str]) -> None:
        async with store.transaction() as consents:
            await consents.register(order)

    await asyncio.gather(
        register(people), register(people[::-1]), *(store.answer(person, COMPLETE) for person in people)
    )
    assert [(await store.present(person)).version for person in people] == [1] * 20


async def test_the_ledger_can_only_grow(consent_pool: Pool, servers: Servers, candidate: str) -> None:
    clock: Clock = FixedClock()
    async with unit_of_work(consent_pool, at=clock.now(), source="consent") as unit:
        consents = PostgresConsents(unit, SEALS)
        await consents.append(entry(await consents.lock(candidate), COMPLETE))
    database = await consent_pool.fetchval("SELECT current_database()")
    administrator = await asyncpg.connect(f"{servers.postgres.rpartition('/')[0]}/{database}")
    for statement in ("UPDATE ledger SET version = 9", "DELETE FROM ledger", "TRUNCATE ledger CASCADE"):
        with pytest.raises(asyncpg.InsufficientPrivilegeError):
            await consent_pool.execute(statement)
        with pytest.raises(asyncpg.RestrictViolationError, match="only ever grows"):  # nor by a slip of who may
            await administrator.execute(statement)
    await administrator.close()


async def test_a_shredded_opening_leaves_leaf_and_chain_standing(consent_pool: Pool, candidate: str) -> None:
    async with unit_of_work(consent_pool, at=NOON, source="consent") as unit:
        consents = PostgresConsents(unit, SEALS)
        present = await consents.append(entry(await consents.lock(candidate), COMPLETE))
    await consent_pool.execute(
        f"DELETE FROM ledger_openings WHERE seq = (SELECT seq FROM ledger WHERE {OF_THE_PERSON})", candidate
    )
    async with unit_of_work(consent_pool, at=NOON, source="consent") as unit:
        receipt = await PostgresConsents(unit, SEALS).receipt(present.receipt or "", candidate)
    assert receipt is not None
    assert receipt["ledger"]["opening"] is None
    assert await consent_pool.fetchval(f"SELECT leaf FROM ledger WHERE {OF_THE_PERSON}", candidate) == present.leaf


async def test_the_ledgers_rows_show_each_persons_chain(consent_pool: Pool, candidate: str) -> None:
    for choices in (COMPLETE, Choices(), COMPLETE):
        async with unit_of_work(consent_pool, at=NOON, source="consent") as unit:
            consents = PostgresConsents(unit, SEALS)
            await consents.append(entry(await consents.lock(candidate), choices))
    rows = await consent_pool.fetch(f"SELECT * FROM ledger WHERE {OF_THE_PERSON} ORDER BY seq", candidate)
    assert [row["version"] for row in rows] == [1, 2, 3]
    assert [row["previous"] for row in rows] == [None, rows[0]["leaf"], rows[1]["leaf"]]
