"""What every store does with the uses of links and with what people are told of changes, the fake one and the real one."""

import asyncio
import hashlib
import json
from collections.abc import AsyncIterator, Callable, Sequence
from contextlib import AbstractAsyncContextManager, asynccontextmanager
from dataclasses import dataclass, replace
from datetime import UTC, datetime, timedelta
from pathlib import Path
from typing import Any, cast

import pytest

from services.consent.adapters import postgres
from services.consent.adapters.postgres import PostgresConsents
from services.consent.decisions import keys_of_names
from services.consent.model import Attempt, Blocking, Choices, EndedSession, Introduction, Present, VoidLinks
from services.consent.ports import Consents
from shared.contracts.base import rfc3339
from shared.contracts.signup import NoticeRequestedV2
from shared.facts import UNKNOWN, Known
from shared.ids import new_candidate_id
from shared.messaging.unit import unit_of_work
from shared.postgres.pool import Pool
from tests.databases import MIGRATIONS_OF, Databases
from tests.fakes.clock import NOON, FixedClock
from tests.fakes.consent import AGREED, ConsentsDatabase, writes
from tests.signing import SEALS

DAY = timedelta(days=1)
HOUR = timedelta(hours=1)


@dataclass
class Store:
    """A store under test: a transaction on it at a time, and the notices that left it."""

    transaction: Callable[[datetime], AbstractAsyncContextManager[Consents]]
    notices: Callable[[str], Any]

    async def note(self, at: datetime, candidate: str, what: Any, employer: str | None = None) -> None:
        async with self.transaction(at) as consents:
            await consents.note_change(candidate, what, employer)

    async def tell(self, at: datetime, most: int = 100) -> int:
        async with self.transaction(at) as consents:
            return await consents.tell_changes(most)

    async def ask(self, at: datetime, candidate: str, stopped: str | None = None) -> bool:
        async with self.transaction(at) as consents:
            return await consents.ask_to_stop(candidate, stopped)


@pytest.fixture(params=["fake", "postgres"])
def kind(request: pytest.FixtureRequest) -> str:
    return cast(str, request.param)


@pytest.fixture
def store(kind: str, request: pytest.FixtureRequest) -> Store:
    if kind == "fake":
        clock = FixedClock()
        database = ConsentsDatabase(clock)

        def on_fake(at: datetime) -> AbstractAsyncContextManager[Consents]:
            clock.at(at)
            return database.transaction()

        async def of_fake(candidate: str) -> list[NoticeRequestedV2]:
            return [notice for notice in database.links.notices if notice.candidate == candidate]

        return Store(on_fake, of_fake)
    pool: Pool = request.getfixturevalue("consent_pool")

    @asynccontextmanager
    async def transaction(at: datetime) -> AsyncIterator[Consents]:
        async with unit_of_work(pool, at=at, source="consent") as unit:
            yield PostgresConsents(unit, SEALS)

    async def notices(candidate: str) -> list[NoticeRequestedV2]:
        rows = await pool.fetch("SELECT value FROM outbox WHERE topic = 'notices' AND key = $1 ORDER BY id", candidate.encode())  # fmt: skip
        return [NoticeRequestedV2.model_validate(json.loads(row["value"])) for row in rows]

    return Store(transaction, notices)


@pytest.fixture(scope="module")
async def consent_pool(databases: Databases) -> AsyncIterator[Pool]:
    async with databases.pool(*MIGRATIONS_OF["consent"]) as pool:
        yield pool


@pytest.fixture
def candidate() -> str:
    return new_candidate_id()


def attempt(candidate: str, token: str, **given: Any) -> Attempt:
    made = Attempt(
        link=hashlib.sha256(token.encode()).digest(),
        candidate=candidate,
        employer="emp_acme",
        scope="all",
        outcome="changed",
        at=NOON,
        expires_at=NOON + 60 * DAY,
    )
    return replace(made, **given)


async def test_a_link_that_was_not_used_is_none(store: Store, candidate: str) -> None:
    async with store.transaction(NOON) as consents:
        assert await consents.attempt(b"x" * 32) is None
        assert list(await consents.attempts(candidate, 10)) == []


async def test_a_link_is_kept_once_with_its_last_use_and_all_that_it_stopped(store: Store, candidate: str) -> None:
    first = attempt(candidate, candidate, stopped_all=True)
    second = attempt(candidate, candidate, scope="employer", outcome="nothing", at=NOON + DAY, stopped_employer=True)
    async with store.transaction(NOON) as consents:
        await consents.note_attempt(first)
        assert await consents.attempt(first.link) == first
        await consents.note_attempt(second)
    async with store.transaction(NOON) as consents:
        (kept,) = await consents.attempts(candidate, 10)
        assert kept == await consents.attempt(first.link) == replace(second, stopped_all=True)


async def test_the_latest_uses_come_first_and_only_ones_own(store: Store, candidate: str) -> None:
    async with store.transaction(NOON) as consents:
        for number in range(5):
            await consents.note_attempt(attempt(candidate, f"{candidate}{number}", at=NOON + number * DAY))
        await consents.note_attempt(attempt(new_candidate_id(), new_candidate_id()))
        assert [use.at for use in await consents.attempts(candidate, 3)] == [NOON + n * DAY for n in (4, 3, 2)]


async def test_uses_are_forgotten_with_their_links_so_many_at_a_time(store: Store, candidate: str) -> None:
    ends = NOON - 300 * DAY
    async with store.transaction(NOON) as consents:
        for number in range(3):
            await consents.note_attempt(attempt(candidate, f"{candidate}{number}", expires_at=ends))
        await consents.note_attempt(attempt(candidate, candidate))
    async with store.transaction(ends) as consents:
        assert [await consents.forget_attempts(2), await consents.forget_attempts(2)] == [2, 1]
        assert [use.link for use in await consents.attempts(candidate, 9)] == [attempt(candidate, candidate).link]


async def test_the_first_change_is_told_at_once_and_later_ones_together_a_day_after(
    store: Store, candidate: str
) -> None:
    await store.note(NOON, candidate, "employer_stopped", "emp_acme")
    assert await store.tell(NOON) == 1
    assert await store.tell(NOON) == 0
    for hours, what in ((1, "choices_changed"), (2, "everything_stopped"), (3, "choices_changed")):
        await store.note(NOON + timedelta(hours=hours), candidate, what)
    assert await store.tell(NOON + DAY - timedelta(seconds=1)) == 0
    assert await store.tell(NOON + DAY) == 1
    first, second = await store.notices(candidate)
    assert [(change.what, change.employer) for change in first.changes] == [("employer_stopped", "emp_acme")]
    assert [(change.what, change.at.hour - NOON.hour) for change in second.changes] == [
        ("everything_stopped", 2),
        ("choices_changed", 3),
    ]
    assert {first.purpose, second.purpose} == {"changed"}
    assert first.notice != second.notice
    await store.note(NOON + 3 * DAY, candidate, "choices_changed")
    assert await store.tell(NOON + 3 * DAY) == 1, "a day has passed: at once again"


async def test_what_changes_switched_on_and_that_an_employer_was_blocked_by_name_is_told_with_them(
    store: Store, candidate: str
) -> None:
    async with store.transaction(NOON) as consents:
        await consents.note_change(candidate, "choices_changed", switched_on=("contact",))
        await consents.note_change(candidate, "choices_changed", switched_on=("match",))
        await consents.note_change(candidate, "choices_changed")
        await consents.note_change(candidate, "employer_stopped", "emp_acme", by_name=True)
        await consents.note_change(candidate, "employer_stopped", "emp_other")
    await store.tell(NOON)
    (notice,) = await store.notices(candidate)
    told = {(change.what, change.employer): (change.switched_on, change.by_name) for change in notice.changes}
    assert told == {
        ("choices_changed", None): (("match", "contact"), False),
        ("employer_stopped", "emp_acme"): ((), True),
        ("employer_stopped", "emp_other"): ((), False),
    }


async def test_who_told_of_somebody_first_is_kept_in_any_order_until_they_are_gone(
    store: Store, candidate: str
) -> None:
    other = new_candidate_id()
    first, later = Introduction(candidate, "emp_acme", NOON), Introduction(candidate, "acme-ats", NOON + DAY)
    for told in ([later], [first, Introduction(other, "fairpool-join", NOON)], [later]):
        async with store.transaction(NOON) as consents:
            await consents.introduce(told)
    async with store.transaction(NOON) as consents:
        assert await consents.introduction(candidate) == Known(first)
        await consents.close([candidate])
    async with store.transaction(NOON) as consents:
        await consents.introduce([later])
        assert await consents.introduction(candidate) == UNKNOWN
        assert await consents.introduction(other) == Known(Introduction(other, "fairpool-join", NOON))


async def test_what_is_told_is_bounded_by_its_batch(store: Store) -> None:
    for _ in range(5):
        await store.note(NOON, new_candidate_id(), "choices_changed")
    assert [await store.tell(NOON, 2) for _ in range(4)] == [2, 2, 1, 0]


async def test_a_process_that_dies_while_it_tells_has_told_nothing(store: Store, candidate: str) -> None:
    await store.note(NOON, candidate, "choices_changed")
    with pytest.raises(ZeroDivisionError):
        async with store.transaction(NOON) as consents:
            await consents.tell_changes(100)
            raise ZeroDivisionError
    assert await store.notices(candidate) == []
    assert await store.tell(NOON) == 1
    assert len(await store.notices(candidate)) == 1


async def test_a_person_is_asked_once_a_day_whether_everything_is_to_stop(store: Store, candidate: str) -> None:
    asked = [await store.ask(NOON + hours * timedelta(hours=1), candidate, "emp_acme") for hours in (0, 1, 23, 24)]
    assert asked == [True, False, False, True]
    first, _ = await store.notices(candidate)
    assert first.purpose == "stop_asked"
    assert [change.employer for change in first.changes] == ["emp_acme"]
    assert rfc3339(first.expires_at) == rfc3339(NOON + 3 * DAY)


async def test_of_somebody_who_is_gone_nothing_is_kept_and_nothing_told(store: Store, candidate: str) -> None:
    used = attempt(candidate, candidate)
    async with store.transaction(NOON) as consents:
        present = await consents.lock(candidate)
        choices = Choices(purposes=("match",), blocked_names=(f"Globex {candidate}",))
        await consents.append(writes(present, choices, NOON, "me"))
        await consents.note_attempt(used)
        await consents.note_change(candidate, "choices_changed")
        await consents.close([candidate])
    async with store.transaction(NOON) as consents:
        assert await consents.attempt(used.link) is None
        blocking = Blocking("emp_globex", tuple(keys_of_names(choices.blocked_names)), NOON)
        assert list(await consents.who_named(blocking, 10)) == []
        assert (await consents.read(candidate)).choices.blocked_names == ()
    await store.tell(NOON + DAY)
    assert await store.notices(candidate) == []


async def test_changes_noted_while_others_are_told_are_neither_lost_nor_told_twice(
    store: Store, kind: str, candidate: str
) -> None:
    if kind == "fake":
        pytest.skip("the fake takes its transactions one after the other")

    async def notes() -> None:
        for number in range(30):
            await store.note(NOON + number * DAY, candidate, "employer_stopped", f"emp_{number}")

    async def tells(done: asyncio.Event) -> None:
        while not done.is_set():
            await store.tell(NOON + 100 * DAY)

    done = asyncio.Event()
    async with asyncio.TaskGroup() as tasks:
        telling = [tasks.create_task(tells(done)) for _ in range(2)]
        await notes()
        done.set()
        await asyncio.gather(*telling)
    await store.tell(NOON + 300 * DAY)
    told = [change.employer for notice in await store.notices(candidate) for change in notice.changes]
    assert sorted(told) == sorted(f"emp_{number}" for number in range(30))


def ended(candidate: str, session: str, expires_at: datetime = NOON + timedelta(hours=4)) -> EndedSession:
    return EndedSession(candidate, session, expires_at)


async def test_a_session_that_was_ended_is_seen_with_the_person_and_another_of_theirs_is_not(store: Store) -> None:
    candidate, stranger = new_candidate_id(), new_candidate_id()
    async with store.transaction(NOON) as consents:
        await consents.register([candidate])
        for _ in range(2):  # told twice
            await consents.end_sessions([ended(candidate, f"s-{candidate}"), ended(stranger, f"s-{stranger}")])
    async with store.transaction(NOON) as consents:
        assert (await consents.read(candidate, f"s-{candidate}")).session_ended
        assert (await consents.lock(candidate, f"s-{candidate}")).session_ended
        assert not (await consents.read(candidate, "another")).session_ended
        assert not (await consents.read(candidate)).session_ended
        assert (await consents.read(stranger, f"s-{stranger}")).session_ended  # also of whoever has no row here yet


async def test_a_session_that_was_ended_is_forgotten_when_its_time_is_up_and_not_before(store: Store) -> None:
    candidate = new_candidate_id()
    names = [f"{n}-{candidate}" for n in range(3)]
    async with store.transaction(NOON) as consents:
        await consents.end_sessions([ended(candidate, name, NOON + HOUR) for name in names])
        await consents.end_sessions([ended(candidate, f"over-{candidate}", NOON)])
        assert not (await consents.read(candidate, f"over-{candidate}")).session_ended
    async with store.transaction(NOON + HOUR - timedelta(seconds=1)) as consents:
        assert await consents.forget_ended_sessions(10) == 0
        assert (await consents.read(candidate, names[0])).session_ended
    async with store.transaction(NOON + HOUR) as consents:
        assert [await consents.forget_ended_sessions(2), await consents.forget_ended_sessions(2)] == [2, 1]
        assert not (await consents.read(candidate, names[0])).session_ended


async def test_of_whoever_is_erased_no_ended_session_is_kept_nor_noted_later(store: Store) -> None:
    candidate = new_candidate_id()
    async with store.transaction(NOON) as consents:
        await consents.end_sessions([ended(candidate, f"before-{candidate}")])
        await consents.close([candidate])
        await consents.end_sessions([ended(candidate, f"after-{candidate}")])
    async with store.transaction(NOON) as consents:
        assert not (await consents.read(candidate, f"before-{candidate}")).session_ended
        assert not (await consents.read(candidate, f"after-{candidate}")).session_ended
        assert (await consents.read(candidate)).is_closed


async def answer(store: Store, candidate: str, choices: Choices, version: str, at: datetime = NOON) -> None:
    async with store.transaction(at) as consents:
        entry = writes(await consents.lock(candidate), choices, at, "me")
        await consents.append(replace(entry, agreement=version))


def of(candidate: str, people: Sequence[Present]) -> list[Present]:
    return [present for present in people if present.candidate == candidate]


async def test_who_allows_something_under_an_older_text_is_there_to_be_asked_until_it_is_noted(
    store: Store, candidate: str
) -> None:
    other = new_candidate_id()
    await answer(store, candidate, Choices(purposes=("match",)), "2026-12-01")
    await answer(store, other, Choices(), "2026-12-01")
    async with store.transaction(NOON) as consents:
        assert of(candidate, await consents.whom_to_ask_again("2026-12-01", 100)) == []
        (found,) = of(candidate, await consents.whom_to_ask_again("2026-12-02", 100))
        assert (found.agreement, found.language, found.own_end) == ("2026-12-01", "en", None)
        assert of(other, await consents.whom_to_ask_again("2026-12-02", 100)) == []
        await consents.note_asked([candidate], "2026-12-02")
    async with store.transaction(NOON) as consents:
        assert of(candidate, await consents.whom_to_ask_again("2026-12-02", 100)) == []
        assert of(candidate, await consents.whom_to_ask_again("2026-12-03", 100)) != []
        assert (await consents.read(candidate)).agreement == "2026-12-01"  # asked is not signed


async def test_a_reminder_is_due_from_its_moment_on_until_the_next_is_noted(store: Store, candidate: str) -> None:
    await answer(store, candidate, Choices(purposes=("match",), ends_at=NOON + 40 * DAY), "2026-12-02")
    async with store.transaction(NOON + 10 * DAY - timedelta(seconds=1)) as consents:
        assert of(candidate, await consents.whom_to_remind(100)) == []
    async with store.transaction(NOON + 10 * DAY) as consents:
        assert len(of(candidate, await consents.whom_to_remind(100))) == 1
        await consents.note_reminded({candidate: NOON + 33 * DAY})
    async with store.transaction(NOON + 33 * DAY) as consents:
        assert len(of(candidate, await consents.whom_to_remind(100))) == 1
        await consents.note_reminded({candidate: None})
    async with store.transaction(NOON + 50 * DAY) as consents:
        assert of(candidate, await consents.whom_to_remind(100)) == []


async def test_a_hire_asks_at_most_once_a_month(store: Store, candidate: str) -> None:
    asked = []
    for days in (0, 29, 30, 31):
        async with store.transaction(NOON + days * DAY) as consents:
            asked.append(await consents.ask_whether_hired(await consents.lock(candidate), "emp_acme"))
    assert asked == [True, False, True, False]


async def test_the_end_that_a_person_chose_stays_known_while_a_newer_text_has_ended_it_earlier(
    store: Store, candidate: str
) -> None:
    chosen = NOON + 300 * DAY
    await answer(store, candidate, Choices(purposes=("match",), ends_at=chosen), "2026-12-02")
    async with store.transaction(NOON) as consents:
        present = await consents.lock(candidate)
        await consents.append(writes(present, replace(present.choices, ends_at=NOON + DAY), NOON, "agreement"))
    async with store.transaction(NOON) as consents:
        present = await consents.read(candidate)
        assert (present.choices.ends_at, present.own_end) == (NOON + DAY, chosen)
        await consents.close([candidate])
    async with store.transaction(NOON) as consents:
        present = await consents.read(candidate)
        assert (present.own_end, present.agreement, present.language) == (None, None, None)
        assert of(candidate, await consents.whom_to_remind(100)) == []


async def test_who_answered_before_texts_were_noted_is_found_by_their_receipt(
    consent_pool: Pool, candidate: str
) -> None:
    """`0048_post_agreements`, after the version before has written its last row."""
    async with unit_of_work(consent_pool, at=NOON, source="consent") as unit:
        consents = PostgresConsents(unit, SEALS)
        choices = Choices(purposes=("match",), ends_at=datetime.now(UTC) + 20 * DAY)
        await consents.append(writes(await consents.lock(candidate), choices, NOON, "me"))
    of_before = "UPDATE consents SET agreement = NULL, language = NULL, text_asked = NULL, remind_at = NULL WHERE candidate = $1"
    await consent_pool.execute(of_before, candidate)
    migrations = Path(postgres.__file__).parent.parent / "migrations"
    await consent_pool.execute((migrations / "0048_post_agreements.sql").read_text())
    row = await consent_pool.fetchrow("SELECT * FROM consents WHERE candidate = $1", candidate)
    assert row is not None
    assert (row["agreement"], row["language"], row["text_asked"]) == (AGREED.version, "en", AGREED.version)
    assert row["remind_at"] == row["ends_at"] - 7 * DAY


def void(candidate: str, before: datetime = NOON, until: datetime = NOON + HOUR) -> VoidLinks:
    return VoidLinks(candidate, before, until)


async def test_from_when_links_count_is_seen_with_the_person_and_the_latest_moment_stays(store: Store) -> None:
    candidate, stranger = new_candidate_id(), new_candidate_id()
    async with store.transaction(NOON) as consents:
        await consents.register([candidate])
        await consents.void_links([void(candidate), void(candidate, NOON - HOUR), void(stranger)])
        await consents.void_links([void(candidate, NOON - 2 * HOUR)])  # out of order
    async with store.transaction(NOON) as consents:
        assert (await consents.read(candidate)).links_from == NOON
        assert (await consents.lock(candidate)).links_from == NOON
        assert (await consents.read(stranger)).links_from == NOON  # also of whoever has no row here yet
        assert (await consents.read(new_candidate_id())).links_from is None


async def test_from_when_links_count_is_forgotten_once_those_of_before_have_ended(store: Store) -> None:
    people, end = [new_candidate_id() for _ in range(3)], NOON + timedelta(minutes=10)
    async with store.transaction(NOON) as consents:
        await consents.void_links([*(void(one, until=end) for one in people), void(new_candidate_id(), until=NOON)])
        await consents.void_links([void(people[0], until=NOON + HOUR)])
    async with store.transaction(end - timedelta(seconds=1)) as consents:
        assert await consents.forget_void_links(10) == 0
    async with store.transaction(end) as consents:
        assert [await consents.forget_void_links(1), await consents.forget_void_links(5)] == [1, 1]
        assert [(await consents.read(one)).links_from for one in people] == [NOON, None, None]


async def test_of_whoever_is_erased_nothing_of_links_is_kept_nor_noted_later(store: Store) -> None:
    candidate = new_candidate_id()
    async with store.transaction(NOON) as consents:
        await consents.void_links([void(candidate)])
        await consents.close([candidate])
        await consents.void_links([void(candidate)])
    async with store.transaction(NOON) as consents:
        assert (await consents.read(candidate)).links_from is None
