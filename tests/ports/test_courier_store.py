"""One suite on the courier's store in memory and on PostgreSQL."""

from collections.abc import AsyncIterator, Sequence
from contextlib import AbstractAsyncContextManager, asynccontextmanager
from dataclasses import dataclass, replace
from datetime import datetime, timedelta
from pathlib import Path
from typing import Protocol

import pytest

from services.signup.courier.adapters.postgres import PostgresCourier, read_positions
from services.signup.courier.model import (
    Again,
    Consent,
    GrantNotice,
    Mail,
    NoticePurpose,
    Over,
    Person,
    State,
    Unreadable,
)
from services.signup.courier.ports import Incoming, Outgoing
from shared.contracts.signup import ChangeNoticed
from shared.facts import UNKNOWN, Known
from shared.messaging.unit import unit_of_work
from shared.postgres.pool import Pool
from shared.security import boxes
from shared.security.words import KeyPair
from tests.databases import MIGRATIONS_OF
from tests.fakes.clock import NOON
from tests.fakes.courier import FakeCourierStore
from tests.fakes.keeper import first_epoch
from tests.integration.courier.tables import mailboxes, published, put_into_vault

ANA = "0192f0c1-2a3b-7c4d-8e5f-60718293a4b5"
BO = "0192f0c1-2a3b-7c4d-8e5f-60718293a4b6"
LEASE = timedelta(minutes=1)
SLOT = NOON + timedelta(minutes=10)
MAIL = Mail(kind="outreach", id="o_1", candidate=ANA, employer="emp_a", version=3, good_until=SLOT, sealed="jwe")
NOTICE = Mail(
    kind="notice", id="n_1", candidate=ANA, version=1, good_until=SLOT, purpose="confirm", introduced_by="emp_a"
)


class Store(Incoming, Outgoing, Protocol):
    """Both stores."""


class Stores(Protocol):
    """What the suite needs of either."""

    def open(self) -> AbstractAsyncContextManager[Store]:
        """A transaction."""

    async def published(self) -> Sequence[str]:
        """The ids of the outcomes that leave."""

    async def die(self, courier: str) -> None:
        """The courier's lease is over."""

    async def put(self, candidate: str, person: Person | Unreadable) -> None:
        """Into the vault."""

    async def positions(self) -> dict[int, int]:
        """How far the consents were read."""

    async def mailboxes(self) -> list[tuple[str, int, bool]]:
        """What was told of mailboxes: candidate, version, reachable."""

    async def due_to_be_looked_at(self) -> set[str]:
        """Of whom signup looks at once what is shown."""


@dataclass(slots=True)
class FakeStores:
    store: FakeCourierStore

    def open(self) -> AbstractAsyncContextManager[Store]:
        return self.store.open()

    async def published(self) -> Sequence[str]:
        return [name for _, name in self.store.published]

    async def die(self, courier: str) -> None:
        self.store.alive.discard(courier)

    async def put(self, candidate: str, person: Person | Unreadable) -> None:
        self.store.vault[candidate] = person

    async def mailboxes(self) -> list[tuple[str, int, bool]]:
        return [(news.candidate, news.version, news.reachable) for news in self.store.mailboxes]

    async def due_to_be_looked_at(self) -> set[str]:
        return self.store.lost

    async def positions(self) -> dict[int, int]:
        return self.store.positions


@dataclass(slots=True)
class PostgresStores:
    pool: Pool
    vault_key: bytes

    @asynccontextmanager
    async def open(self) -> AsyncIterator[Store]:
        async with unit_of_work(self.pool, at=NOON, source="courier") as unit:
            yield PostgresCourier(unit, first_epoch(self.vault_key))

    async def published(self) -> Sequence[str]:
        return list(await published(self.pool))

    async def die(self, courier: str) -> None:
        await self.pool.execute("UPDATE courier_instances SET lives_until = now() - interval '1 second' WHERE courier = $1", courier)  # fmt: skip

    async def put(self, candidate: str, person: Person | Unreadable) -> None:
        key = self.vault_key if isinstance(person, Person) else boxes.new_key()
        await put_into_vault(self.pool, candidate, person if isinstance(person, Person) else ANA_HERSELF, key)

    async def positions(self) -> dict[int, int]:
        return dict(await read_positions(self.pool))

    async def mailboxes(self) -> list[tuple[str, int, bool]]:
        return [(news.candidate, news.version, news.reachable) for news in await mailboxes(self.pool)]

    async def due_to_be_looked_at(self) -> set[str]:
        rows = await self.pool.fetch("SELECT candidate::text FROM candidates WHERE look_again_at <= $1", NOON)
        return {row["candidate"] for row in rows}


ANA_HERSELF = Person("ana.canary@people.example", KeyPair.generate())


@pytest.fixture
def migrations() -> tuple[Path, ...]:
    return MIGRATIONS_OF["signup"]


@pytest.fixture(params=["fake", "postgres"])
def stores(request: pytest.FixtureRequest) -> Stores:
    if request.param == "fake":
        return FakeStores(FakeCourierStore())
    return PostgresStores(request.getfixturevalue("pool"), boxes.new_key())


async def keep(stores: Stores, *mails: Mail) -> None:
    async with stores.open() as store:
        await store.keep(mails, [], at=NOON)


async def claim(stores: Stores, *, current: bool = True, after: timedelta = timedelta(0)) -> Sequence[Mail]:
    async with stores.open() as store:
        return await store.claim(at=NOON + after, limit=10, consent_is_current=current)


async def take(stores: Stores, courier: str, *mails: Mail) -> None:
    async with stores.open() as store:
        await store.take(courier, mails, lease=LEASE)


async def mark(stores: Stores, courier: str, *mails: Mail) -> None:
    await take(stores, courier, *mails)
    async with stores.open() as store:
        assert await store.mark_sending(courier, mails) == {mail.name for mail in mails}


async def state(stores: Stores) -> Mail:
    async with stores.open() as store:
        return (await store.known(["o_1"]))["o_1"]


async def test_what_was_kept_is_claimed_as_it_was(stores: Stores) -> None:
    await keep(stores, MAIL, NOTICE)
    assert sorted(await claim(stores), key=lambda mail: mail.kind) == [NOTICE, MAIL]


@pytest.mark.parametrize("purpose", ["confirm", "sign_in", "changed", "stop_asked"])
async def test_a_notice_of_each_purpose_keeps_who_told_when_and_what_was_changed(
    stores: Stores, purpose: NoticePurpose
) -> None:
    changes = (
        ChangeNoticed(at=NOON, what="employer_stopped", employer="emp_a"),
        ChangeNoticed(at=NOON, what="everything_stopped"),
    )
    notice = replace(NOTICE, purpose=purpose, introduced_at=NOON, changes=changes)
    await keep(stores, notice)
    assert await claim(stores) == [notice]


@pytest.mark.parametrize("ends_at", [NOON + timedelta(days=30), None])
async def test_a_question_about_a_grant_is_claimed_as_it_was_asked(stores: Stores, ends_at: datetime | None) -> None:
    grant = GrantNotice("hired", ends_at, "es" if ends_at else None)
    asked = replace(NOTICE, purpose=None, introduced_by="emp_a", grant=grant)
    await keep(stores, asked)
    assert await claim(stores) == [asked]


async def test_a_notice_that_is_known_stays_as_it_is(stores: Stores) -> None:
    await keep(stores, NOTICE)
    await keep(stores, replace(NOTICE, purpose="sign_in"))
    assert await claim(stores) == [NOTICE]


async def test_a_change_replaces_the_mail_and_starts_its_attempts_anew(stores: Stores) -> None:
    await keep(stores, MAIL)
    later = replace(MAIL, version=5, good_until=SLOT + timedelta(hours=1), sealed="other")
    async with stores.open() as store:
        await store.keep([], [later], at=NOON)
    assert await claim(stores) == [later]


async def test_a_void_mail_is_never_claimed(stores: Stores) -> None:
    await keep(stores, replace(MAIL, state="void", admitted=False, good_until=None, sealed=None))
    assert await claim(stores) == []
    async with stores.open() as store:
        assert await store.next_due() is None


async def test_the_next_mail_is_due_at_its_time_or_when_its_own_time_is_over(stores: Stores) -> None:
    async with stores.open() as store:
        assert await store.next_due() is None
    await keep(stores, MAIL, NOTICE)
    async with stores.open() as store:
        assert await store.next_due() == NOON
        await store.hold({MAIL.name: NOON + timedelta(days=1), NOTICE.name: NOON + timedelta(seconds=7)})
    async with stores.open() as store:
        assert await store.next_due() == NOON + timedelta(seconds=7)
        await store.hold({NOTICE.name: NOON + timedelta(days=1)})
    async with stores.open() as store:
        due = await store.next_due()
    assert due is not None
    assert MAIL.good_until is not None
    assert due > MAIL.good_until, "a mail is over from the moment after its own time on"
    assert {mail.id for mail in await claim(stores, after=due - NOON)} == {"o_1", "n_1"}


async def test_without_current_consents_only_what_needs_no_grant_or_is_over_is_claimed(stores: Stores) -> None:
    await keep(stores, MAIL, NOTICE)
    assert await claim(stores, current=False) == [NOTICE]
    late = await claim(stores, current=False, after=timedelta(minutes=11))
    assert {mail.id for mail in late} == {"o_1", "n_1"}


async def test_a_marked_mail_is_not_claimed_again(stores: Stores) -> None:
    await keep(stores, MAIL)
    await mark(stores, "one", MAIL)
    assert await claim(stores) == []
    assert (await state(stores)).state == "sending"


async def test_what_was_taken_and_not_marked_goes_back_when_its_courier_dies(stores: Stores) -> None:
    await keep(stores, MAIL)
    await take(stores, "one", MAIL)
    assert await claim(stores) == []
    async with stores.open() as store:
        await store.bury(at=NOON)
    assert await claim(stores) == [], "it lives"
    await stores.die("one")
    async with stores.open() as store:
        assert await store.bury(at=NOON) == []
    assert await claim(stores) == [MAIL]
    async with stores.open() as store:
        assert await store.mark_sending("one", [MAIL]) == frozenset(), "the dead may come back, and hand nothing over"


@pytest.mark.parametrize("outcome", ["void", "ready"])
async def test_a_decision_that_comes_before_the_mark_stops_the_attempt(stores: Stores, outcome: State) -> None:
    await keep(stores, MAIL)
    await take(stores, "one", MAIL)
    later = replace(MAIL, version=4, state=outcome, admitted=outcome == "ready")
    async with stores.open() as store:
        await store.keep([], [later], at=NOON)
    if outcome == "ready":
        await take(stores, "one", later)
    async with stores.open() as store:
        assert await store.mark_sending("one", [MAIL]) == frozenset()
        assert await store.record("one", [Again(MAIL, NOON, 1), Over(MAIL, "bounced")], at=NOON) == frozenset()
    assert (await state(stores)).version == 4
    assert await stores.published() == []


async def test_an_end_is_written_down_and_reported_once(stores: Stores) -> None:
    await keep(stores, MAIL)
    await mark(stores, "one", MAIL)
    for expected in ({MAIL.name}, set()):
        async with stores.open() as store:
            assert await store.record("one", [Over(MAIL, "delivered")], at=NOON) == expected
    after = await state(stores)
    assert (after.state, after.sealed) == ("delivered", None)
    assert await stores.published() == ["o_1.3.delivered"]


async def test_another_couriers_mail_is_not_touched(stores: Stores) -> None:
    await keep(stores, MAIL)
    await mark(stores, "one", MAIL)
    async with stores.open() as store:
        assert await store.record("two", [Over(MAIL, "delivered")], at=NOON) == frozenset()
        assert await store.bury(at=NOON) == []
    assert (await state(stores)).state == "sending"
    assert await stores.published() == []


async def test_a_mail_to_try_again_is_due_when_its_time_comes(stores: Stores) -> None:
    await keep(stores, MAIL)
    await mark(stores, "one", MAIL)
    async with stores.open() as store:
        await store.record("one", [Again(MAIL, NOON + timedelta(seconds=4), 3)], at=NOON)
    assert await claim(stores, after=timedelta(seconds=3)) == []
    assert await claim(stores, after=timedelta(seconds=4)) == [replace(MAIL, attempts=3)]


async def test_a_mail_to_try_again_is_due_at_once_when_its_slot_is_over(stores: Stores) -> None:
    await keep(stores, MAIL)
    await mark(stores, "one", MAIL)
    async with stores.open() as store:
        await store.record("one", [Again(MAIL, NOON + timedelta(hours=1), 3)], at=NOON)
    assert len(await claim(stores, after=timedelta(minutes=11))) == 1


async def test_a_no_that_came_while_sending_stops_the_next_attempt(stores: Stores) -> None:
    await keep(stores, MAIL)
    await mark(stores, "one", MAIL)
    void = replace(MAIL, version=4, admitted=False, good_until=None, sealed=None, state="sending")
    async with stores.open() as store:
        await store.keep([], [void], at=NOON)
    async with stores.open() as store:
        await store.record("one", [Again(MAIL, NOON, 1)], at=NOON)
    assert (await state(stores)).state == "void"


async def test_what_the_dead_were_sending_is_doubtful_for_ever(stores: Stores) -> None:
    await keep(stores, MAIL)
    await mark(stores, "one", MAIL)
    newer = replace(MAIL, version=4, state="sending")
    async with stores.open() as store:
        await store.keep([], [newer], at=NOON)
    await stores.die("one")
    async with stores.open() as store:
        over = await store.bury(at=NOON)
    assert [(item.mail.id, item.outcome) for item in over] == [("o_1", "doubtful")]
    assert await stores.published() == ["o_1.3.doubtful"], "the version that was being sent"
    async with stores.open() as store:
        assert await store.record("one", [Over(MAIL, "delivered")], at=NOON) == frozenset()
    assert await claim(stores, after=timedelta(days=1)) == []


async def test_who_leaves_counts_as_dead_and_who_shows_life_does_not(stores: Stores) -> None:
    await keep(stores, MAIL)
    await mark(stores, "one", MAIL)
    async with stores.open() as store:
        await store.leave("one")
        await store.show_life("one", lease=LEASE)
        assert await store.bury(at=NOON) == []
        await store.leave("one")
    async with stores.open() as store:
        assert len(await store.bury(at=NOON)) == 1


async def test_a_mail_can_end_or_wait_without_an_attempt(stores: Stores) -> None:
    await keep(stores, MAIL, NOTICE)
    async with stores.open() as store:
        await store.settle([Over(MAIL, "withheld", "no grant")], at=NOON)
        await store.hold({NOTICE.name: NOON + timedelta(seconds=5)})
    assert (await state(stores)).state == "withheld"
    assert await stores.published() == ["o_1.3.withheld"]
    assert await claim(stores, after=timedelta(seconds=4)) == []
    assert await claim(stores, after=timedelta(seconds=5)) == [NOTICE]


async def test_the_highest_version_of_a_consent_is_kept(stores: Stores) -> None:
    first = Consent(ANA, 1, ("match", "contact"), ("emp_x",), NOON, SLOT)
    second = Consent(ANA, 2, ())
    async with stores.open() as store:
        await store.keep_consents([second, first], {0: 2, 1: 7})
        await store.keep_consents(
            [first, Consent(BO, 1, ("contact",), ("emp_x", "emp_y"), time_zone="America/Denver")], {0: 1, 1: 8}
        )
        found = await store.consents([ANA, BO, "nobody"])
    of_bo = Consent(BO, 1, ("contact",), ("emp_x", "emp_y"), time_zone="America/Denver")
    assert found == {ANA: Known(second), BO: Known(of_bo), "nobody": UNKNOWN}
    assert await stores.positions() == {0: 2, 1: 8}


async def test_the_vault_says_who_a_person_is_or_that_it_does_not_open(stores: Stores) -> None:
    await stores.put(ANA, ANA_HERSELF)
    await stores.put(BO, Unreadable())
    async with stores.open() as store:
        people = await store.people([ANA, BO, "0192f0c1-2a3b-7c4d-8e5f-60718293a4b7"])
    assert people == {ANA: ANA_HERSELF, BO: Unreadable()}


async def test_what_is_not_yet_over_is_never_forgotten(stores: Stores) -> None:
    await keep(stores, MAIL)
    async with stores.open() as store:
        assert await store.forget(10, older_than=timedelta(0)) == 0
    assert len(await claim(stores)) == 1


async def test_what_is_over_is_forgotten_some_at_a_time(stores: Stores) -> None:
    for place in range(3):
        await end(stores, Over(replace(MAIL, id=f"{MAIL.id}:{place}"), "bounced", "550 5.1.1"))
    for limit, gone in ((2, 2), (2, 1), (2, 0)):
        async with stores.open() as store:
            assert await store.forget(limit, older_than=timedelta(0)) == gone


GONE = Over(MAIL, "bounced", "550 5.1.1", mailbox_gone=True)


async def end(stores: Stores, over: Over) -> None:
    await keep(stores, over.mail)
    await mark(stores, "one", over.mail)
    async with stores.open() as store:
        assert await store.record("one", [over], at=NOON) == {over.mail.name}


async def test_a_lost_mailbox_is_known_from_the_outcome_on_and_told_once(stores: Stores) -> None:
    for candidate in (ANA, BO):
        await stores.put(candidate, ANA_HERSELF)
    await end(stores, GONE)
    async with stores.open() as store:
        assert await store.gone([ANA, BO]) == {ANA}
    assert await stores.mailboxes() == [(ANA, 1, False)]
    assert await stores.due_to_be_looked_at() == {ANA}
    await end(stores, replace(GONE, mail=replace(MAIL, id="o_2")))
    assert await stores.mailboxes() == [(ANA, 1, False)]


async def test_a_mailbox_comes_back_and_can_be_lost_again(stores: Stores) -> None:
    await stores.put(ANA, ANA_HERSELF)
    await end(stores, Over(replace(NOTICE, id="n_0"), "delivered", mailbox_back=True))
    assert await stores.mailboxes() == [], "it was not gone"
    await end(stores, GONE)
    await end(stores, Over(NOTICE, "delivered", mailbox_back=True))
    async with stores.open() as store:
        assert await store.gone([ANA]) == frozenset()
    await end(stores, replace(GONE, mail=replace(MAIL, id="o_2")))
    assert await stores.mailboxes() == [(ANA, 1, False), (ANA, 2, True), (ANA, 3, False)]


async def test_of_two_words_at_once_the_relays_last_counts_and_an_erased_person_has_no_mailbox(stores: Stores) -> None:
    await stores.put(ANA, ANA_HERSELF)
    back = Over(NOTICE, "delivered", mailbox_back=True)
    nobody = replace(GONE, mail=replace(MAIL, id="o_2", candidate=BO))
    mails = [over.mail for over in (GONE, back, nobody)]
    await keep(stores, *mails)
    await mark(stores, "one", *mails)
    async with stores.open() as store:
        await store.record("one", [back, GONE, nobody], at=NOON)
    assert await stores.mailboxes() == [(ANA, 1, False)]
    again = [replace(over, mail=replace(over.mail, id=f"{over.mail.id}_again")) for over in (GONE, back)]
    await keep(stores, *(over.mail for over in again))
    await mark(stores, "one", *(over.mail for over in again))
    async with stores.open() as store:
        await store.record("one", again, at=NOON)
    assert await stores.mailboxes() == [(ANA, 1, False), (ANA, 2, True)]


async def test_a_settled_end_says_that_the_mailbox_is_gone_and_changes_nothing_about_it(stores: Stores) -> None:
    await stores.put(ANA, ANA_HERSELF)
    await keep(stores, MAIL)
    async with stores.open() as store:
        await store.settle([GONE], at=NOON)
    assert await stores.published() == ["o_1.3.bounced"]
    assert await stores.mailboxes() == []


SIGN_IN = replace(NOTICE, id="n_now", purpose="sign_in", introduced_by=None)


async def test_what_somebody_waits_for_is_claimed_first_and_then_outreach_and_notices_by_halves(stores: Stores) -> None:
    many = [replace(MAIL, id=f"o_{n:02}") for n in range(20)] + [replace(NOTICE, id=f"n_{n:02}") for n in range(20)]
    await keep(stores, *many)
    async with stores.open() as store:
        await store.keep([SIGN_IN], [], at=NOON + timedelta(seconds=1))
        first = await store.claim(at=NOON + timedelta(seconds=2), limit=7, consent_is_current=True)
    assert first[0] == SIGN_IN
    assert [mail.kind for mail in first[1:]].count("outreach") == 3
    async with stores.open() as store:
        behind = await store.claim(at=NOON + timedelta(seconds=2), limit=7, consent_is_current=False)
    assert behind[0] == SIGN_IN
    assert [mail.kind for mail in behind] == ["notice"] * 7


async def test_one_senders_burst_is_not_in_front_of_anothers_email(stores: Stores) -> None:
    burst = [replace(MAIL, id=f"o_{n:03}", employer="emp_many") for n in range(200)]
    told = [replace(NOTICE, id=f"n_{n:03}", introduced_by="emp_many") for n in range(200)]
    await keep(stores, *burst, *told)
    async with stores.open() as store:
        later = [replace(MAIL, id="o_one"), replace(NOTICE, id="n_one")]
        await store.keep(later, [], at=NOON + timedelta(seconds=1))
        claimed = await store.claim(at=NOON + timedelta(seconds=2), limit=8, consent_is_current=True)
    assert {"o_one", "n_one"} <= {mail.id for mail in claimed}
    assert len({mail.id for mail in claimed}) == len(claimed) == 8, "and nobody's place stays empty"


async def test_senders_whose_emails_are_not_due_take_no_turn_from_those_whose_are(stores: Stores) -> None:
    waiting = [replace(MAIL, id=f"o_later_{n}", employer=f"emp_{n}") for n in range(2_000)]
    told = [replace(NOTICE, id=f"n_later_{n}", introduced_by=f"emp_{n}") for n in range(2_000)]
    many = [replace(MAIL, id=f"o_{n:03}", employer="emp_many") for n in range(200)]
    of_many = [replace(NOTICE, id=f"n_{n:03}", introduced_by="emp_many") for n in range(200)]
    small = [replace(MAIL, id=f"o_small_{n}", employer="emp_small") for n in range(5)]
    of_small = [replace(NOTICE, id=f"n_small_{n}", introduced_by="emp_small") for n in range(5)]
    async with stores.open() as store:
        await store.keep([*waiting, *told], [], at=NOON + timedelta(minutes=5))
        await store.keep([*many, *of_many], [], at=NOON)
        await store.keep([*small, *of_small], [], at=NOON + timedelta(seconds=1))
        claimed = await store.claim(at=NOON + timedelta(seconds=2), limit=20, consent_is_current=True)
    assert {mail.id for mail in (*small, *of_small)} <= {mail.id for mail in claimed}
    assert len({mail.id for mail in claimed}) == len(claimed) == 20


async def test_behind_a_burst_of_any_size_senders_whose_emails_are_due_are_found_among_those_who_wait(
    stores: Stores,
) -> None:
    waiting = [replace(MAIL, id=f"o_later_{n}", employer=f"emp_{n}") for n in range(500)]
    many = [replace(MAIL, id=f"o_{n:05}", employer="emp_many") for n in range(10_100)]
    small = [replace(MAIL, id=f"o_small_{n}", employer="emp_small") for n in range(5)]
    async with stores.open() as store:
        await store.keep(waiting, [], at=NOON + timedelta(minutes=5))
        await store.keep(many, [], at=NOON)
        await store.keep(small, [], at=NOON + timedelta(seconds=1))
        claimed = await store.claim(at=NOON + timedelta(seconds=2), limit=20, consent_is_current=True)
    assert {mail.id for mail in small} <= {mail.id for mail in claimed}


async def test_what_is_over_is_found_by_itself(stores: Stores) -> None:
    await keep(stores, MAIL, replace(NOTICE, good_until=SLOT + timedelta(days=1)))
    late = SLOT + timedelta(seconds=1)
    async with stores.open() as store:
        assert await store.claim_over(at=SLOT, limit=10) == []
        assert await store.claim_over(at=late, limit=10) == [MAIL]
        assert (await store.claim(at=late, limit=1, consent_is_current=True))[0] == MAIL
