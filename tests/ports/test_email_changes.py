"""One suite on changes of emails in memory and in PostgreSQL."""

import asyncio
import json
from collections.abc import AsyncIterator
from contextlib import asynccontextmanager, suppress
from dataclasses import dataclass, field, replace
from datetime import datetime, timedelta
from pathlib import Path
from typing import Any, Protocol

import pytest

from services.signup.adapters.email_changes import PostgresEmailChanges
from services.signup.adapters.intake_keys import IntakeKeys
from services.signup.adapters.postgres import PostgresStore
from services.signup.adapters.sessions import PostgresSessions
from services.signup.decisions.inviting import may_register
from services.signup.mailboxes import look_up_mailboxes
from services.signup.model.email_changes import (
    ANSWERED_WITHIN,
    LOOKED_AT_AGAIN,
    WAY_BACK,
    Act,
    Asked,
    CannotPutBack,
    Changed,
    Changes,
    Noted,
    Nothing,
    PutsBack,
    Recovering,
    Stops,
    Waiting,
)
from services.signup.model.records import Claim, Stub
from services.signup.model.sessions import Spent
from services.signup.ports.pages import EmailChanges
from services.signup.vault.addresses import mailbox
from services.signup.vault.hashing import SlowHashes
from services.signup.vault.index import BlindIndex
from services.signup.vault.intake import intake_content_key
from services.signup.vault.reading import read_identities
from services.signup.vault.sealing import Identity, rewrapped, seal_identity
from services.signup.vault.secrets import VaultSecrets
from shared.ids import new_candidate_id
from shared.messaging.unit import Unit, unit_of_work
from shared.postgres.pool import Pool
from shared.security.sessions import SessionSigner
from shared.security.words import KeyPair
from tests.databases import MIGRATIONS_OF, Databases
from tests.fakes.clock import NOON
from tests.fakes.consent_pages import SUBJECT_KEY
from tests.fakes.email_changes import FakeEmailChanges
from tests.fakes.keeper import KEY, first_epoch
from tests.signing import seed_of

MINUTE = timedelta(minutes=1)
OLD, NEW, OTHER = "ana@example.org", "ana.ruiz@example.net", "bo@example.org"
HERE = b"network"
ACTS: tuple[Act, Act] = ("new_yes", "old_yes")


class World(Protocol):
    at: datetime

    @property
    def changes(self) -> EmailChanges: ...
    async def joins(self, mail: str) -> str: ...
    async def is_told_of(self, mail: str) -> str:
        """A stub: by a vendor's word, or by whoever typed the email at the page to join."""

    async def lapsed(self) -> list[str]:
        """Of whom consent was asked whether they may be erased."""

    async def erases(self, candidate: str) -> bool:
        """Now that consent has confirmed it."""

    async def answers(self, candidate: str) -> None:
        """Signup hears what they said by their invitation's link: consent closes nobody who did, and its state confirms them."""

    async def comes_to_have(self, mail: str) -> str:
        """Somebody joins by a mailbox that was another person's less than 72 hours ago, as where an index key was taken away."""

    async def is_registered(self, mail: str) -> bool:
        """Whether a vendor's word brings somebody new by this mailbox."""

    async def found(self, mail: str) -> str | None:
        """Whom a vendor's word by this mailbox is of."""

    async def told(self) -> list[tuple[str, str]]: ...
    async def change_of(self, candidate: str) -> str: ...
    async def sessions(self, candidate: str) -> int: ...
    async def sign_in(self, candidate: str) -> bool:
        """By a link that was made now."""

    async def erase(self, candidate: str) -> None: ...
    async def traces(self, candidate: str) -> int: ...


@dataclass
class InMemory:
    changes: FakeEmailChanges = field(default_factory=FakeEmailChanges)
    _sessions: list[str] = field(default_factory=list)

    @property
    def at(self) -> datetime:
        return self.changes.at

    @at.setter
    def at(self, value: datetime) -> None:
        self.changes.at = value

    async def joins(self, mail: str) -> str:
        candidate = new_candidate_id()
        self.changes.emails[candidate] = mail
        return candidate

    async def is_told_of(self, mail: str) -> str:
        candidate = new_candidate_id()
        assert self.changes.told_of(candidate, mail)
        return candidate

    async def lapsed(self) -> list[str]:
        return self.changes.lapsed

    async def erases(self, candidate: str) -> bool:
        return self.changes.closed(candidate)

    async def answers(self, candidate: str) -> None:
        self.changes.answers(candidate)

    async def comes_to_have(self, mail: str) -> str:
        return await self.joins(mail)

    async def is_registered(self, mail: str) -> bool:
        return not self.changes.owners(mail) and mailbox(mail) not in self.changes.refused

    async def found(self, mail: str) -> str | None:
        return next(iter(self.changes.owners(mail)), None)

    async def told(self) -> list[tuple[str, str]]:
        return list(self.changes.told)

    async def change_of(self, candidate: str) -> str:
        return self.changes.rows[candidate].id

    async def sign_in(self, candidate: str) -> bool:
        self._sessions.append(candidate)
        return True

    async def sessions(self, candidate: str) -> int:
        return 0 if candidate in self.changes.sessions_ended else self._sessions.count(candidate)

    async def erase(self, candidate: str) -> None:
        self.changes.erase(candidate)

    async def traces(self, candidate: str) -> int:
        return sum(candidate in kept for kept in (self.changes.emails, self.changes.rows, self.changes.codes))


@dataclass
class InPostgres:
    pool: Pool
    at: datetime = NOON
    epochs = first_epoch()
    _links: int = 0

    def __post_init__(self) -> None:
        self.secrets = VaultSecrets(self.epochs.epochs, BlindIndex(KEY), SlowHashes(KEY))
        self.keys = IntakeKeys(self.epochs, intake_content_key(KEY))
        self.changes = PostgresEmailChanges(
            self.work, lambda unit: PostgresStore(unit, self.keys), self.secrets, self.epochs
        )

    @asynccontextmanager
    async def work(self) -> AsyncIterator[Unit]:
        async with unit_of_work(self.pool, at=self.at, source="signup") as unit:
            yield unit

    async def joins(self, mail: str) -> str:
        candidate = await self.is_told_of(mail)
        await self.pool.execute(
            "UPDATE candidates SET confirmed_at = $1 WHERE candidate = $2::uuid", self.at, candidate
        )
        return candidate

    async def is_told_of(self, mail: str) -> str:
        candidate, mailbox_ = new_candidate_id(), self.secrets.index.of(mail)
        async with self.work() as unit:
            store = PostgresStore(unit, self.keys)
            stub = Stub(candidate, mailbox_.value, self.at + timedelta(days=14), (), mailbox_.key_id)
            assert await store.register([stub]) == {candidate}
            row = seal_identity(candidate, Identity(mail, "Ana"), KeyPair.generate(), self.epochs.epochs)
            await store.save_identities([row])
            await store.save_claims([Claim("ats", candidate, candidate, "acme", registered=True)])
            await store.ask_to_invite({candidate: "ats"})
        return candidate

    async def lapsed(self) -> list[str]:
        rows = await self.pool.fetch("SELECT value FROM outbox WHERE topic = 'candidate-events' ORDER BY id")
        said = [json.loads(row["value"]) for row in rows]
        return [one["candidate"] for one in said if one.get("reason") == "expired"]

    async def erases(self, candidate: str) -> bool:
        async with self.work() as unit:
            return await PostgresStore(unit, self.keys).erase_lapsed([candidate]) == [candidate]

    async def answers(self, candidate: str) -> None:
        async with self.work() as unit:
            store = PostgresStore(unit, self.keys)
            before = (await store.showings([candidate]))[candidate]
            await store.save_showings([replace(before, confirmed=True, consent_version=1)])

    async def comes_to_have(self, mail: str) -> str:
        await self.pool.execute("DELETE FROM former_mailboxes")
        return await self.joins(mail)

    async def is_registered(self, mail: str) -> bool:
        """As a report is handled: who has the mailbox, whether it said no, and then the row."""
        mailbox_ = self.secrets.index.of(mail)
        async with self.work() as unit:
            store = PostgresStore(unit, self.keys)
            (kept,) = await look_up_mailboxes(store, [mail], self.secrets.hashes, marked_alone=True)
            if not may_register(kept.past, by_join=False, reported_at=self.at):
                return False
            stub = Stub(new_candidate_id(), mailbox_.value, self.at, (), mailbox_.key_id)
            made = await store.register([stub])
            await unit.connection.execute("DELETE FROM candidates WHERE candidate = ANY($1::uuid[])", list(made))
        return bool(made)

    async def found(self, mail: str) -> str | None:
        mailbox_ = self.secrets.index.of(mail)
        async with self.work() as unit:
            picture = await PostgresStore(unit, self.keys).look_up([], [mailbox_.value])
        known = picture.addresses.get(mailbox_.value)
        return None if known is None else known.candidate

    async def told(self) -> list[tuple[str, str]]:
        rows = await self.pool.fetch("SELECT value FROM outbox WHERE topic = 'notices' ORDER BY id")
        said = [json.loads(row["value"]) for row in rows]
        return [(one["candidate"], one["about"]) for one in said]

    async def change_of(self, candidate: str) -> str:
        return str(await self.pool.fetchval("SELECT id FROM email_changes WHERE candidate = $1::uuid", candidate))

    async def sign_in(self, candidate: str) -> bool:
        self._links += 1
        started = SessionSigner(seed_of("signup"), SUBJECT_KEY).start(candidate, at=self.at, said_by=None)
        spent = Spent(candidate, str(self._links).encode(), self.at + timedelta(days=3), self.at)
        async with self.work() as unit:
            return await PostgresSessions(unit).start(started.session, spent, "A program") == "good"

    async def sessions(self, candidate: str) -> int:
        async with self.work() as unit:
            return len(await PostgresSessions(unit).of(candidate))

    async def erase(self, candidate: str) -> None:
        await self.pool.execute("DELETE FROM candidates WHERE candidate = $1::uuid", candidate)

    async def traces(self, candidate: str) -> int:
        tables = ("candidates", "identities", "email_changes", "former_mailboxes", "recovery_codes")
        counts = [
            await self.pool.fetchval(f"SELECT count(*) FROM {table} WHERE candidate = $1::uuid", candidate)
            for table in tables
        ]
        return sum(counts)


@pytest.fixture
def migrations() -> tuple[Path, ...]:
    return MIGRATIONS_OF["signup"]


@pytest.fixture(params=["fake", "postgres"])
def world(request: pytest.FixtureRequest) -> World:
    if request.param == "fake":
        return InMemory()
    return InPostgres(request.getfixturevalue("pool"))


async def email_of(world: World, candidate: str) -> str:
    seen = await world.changes.seen(candidate)
    assert seen is not None
    return seen.email


async def changed(world: World, candidate: str, new: str = NEW) -> str:
    """Both mailboxes have said yes."""
    assert await world.changes.ask(candidate, new, HERE) == "begun"
    change = await world.change_of(candidate)
    assert isinstance(await world.changes.answer(candidate, change, "old_yes", world.at), Noted)
    assert await world.changes.answer(candidate, change, "new_yes", world.at) == Changes(Changed(world.at + WAY_BACK))
    return change


async def test_an_email_changes_once_both_mailboxes_have_said_yes_and_not_before(world: World) -> None:
    ana = await world.joins(OLD)
    assert await world.changes.ask(ana, NEW, HERE) == "begun"
    assert await world.told() == [(ana, "old"), (ana, "new")]
    change = await world.change_of(ana)
    assert await world.changes.standing(ana, change) == Asked(NOON + ANSWERED_WITHIN)
    await world.changes.answer(ana, change, "new_yes", world.at)
    assert await world.changes.answer(ana, change, "new_yes", world.at) == Nothing("already")
    assert await email_of(world, ana) == OLD
    assert await world.changes.answer(ana, change, "old_yes", world.at) == Changes(Changed(NOON + WAY_BACK))
    assert await email_of(world, ana) == NEW
    assert (await world.told())[2:] == [(ana, "changed")]
    assert await world.found(NEW) == ana


async def test_for_72_hours_the_old_mailbox_finds_its_person_and_is_nobody_else_s_and_then_it_is_free(
    world: World,
) -> None:
    ana = await world.joins(OLD)
    await changed(world, ana)
    bo = await world.joins(OTHER)
    assert await world.found("ANA+jobs@example.org") == ana
    assert not await world.is_registered(OLD)
    assert await world.changes.ask(bo, OLD, HERE) == "begun"
    assert (await world.told())[-1] == (ana, "taken")
    world.at += WAY_BACK
    assert not await world.changes.settle(20)
    assert await world.found(OLD) is None
    assert not await world.is_registered(OLD), "no vendor's word makes a second person of it"
    assert await world.is_registered("somebody@example.org")
    seen = await world.changes.seen(ana)
    assert seen is not None and (seen.email, seen.standing) == (NEW, None)
    assert await world.changes.ask(bo, OLD, HERE) == "begun"
    assert (await world.told())[-1] == (bo, "new"), "whoever proves it may have it"


async def test_the_old_mailbox_puts_itself_back_within_72_hours_and_every_session_ends(world: World) -> None:
    ana = await world.joins(OLD)
    assert await world.sign_in(ana)
    change = await changed(world, ana)
    world.at += WAY_BACK - MINUTE
    assert await world.sign_in(ana)
    assert await world.changes.answer(ana, change, "not_me", NOON) == PutsBack()
    assert await email_of(world, ana) == OLD
    assert (await world.found(OLD), await world.found(NEW)) == (ana, None)
    assert await world.sessions(ana) == 0
    assert await world.changes.answer(ana, change, "not_me", NOON) == Nothing("over")


async def test_a_put_back_that_cannot_be_is_not_said_to_be_one_and_ends_every_session_all_the_same(
    world: World,
) -> None:
    ana = await world.joins(OLD)
    code = await world.changes.make_code(ana, first_alone=False)
    change = await changed(world, ana)
    assert await world.sign_in(ana)
    bo = await world.comes_to_have(OLD)
    assert await world.changes.answer(ana, change, "not_me", NOON) == CannotPutBack()
    assert (await email_of(world, ana), await email_of(world, bo)) == (NEW, OLD)
    assert await world.sessions(ana) == 0
    seen = await world.changes.seen(ana)
    assert code is not None and seen is not None and not seen.has_code
    assert await world.changes.ask(ana, OTHER, HERE) == "busy", "nobody carries it further meanwhile"
    await world.erase(bo)
    assert await world.changes.answer(ana, change, "not_me", NOON) == PutsBack(), "and the link still puts it back"
    assert await email_of(world, ana) == OLD


async def test_once_72_hours_are_over_there_is_no_way_back(world: World) -> None:
    ana = await world.joins(OLD)
    change = await changed(world, ana)
    world.at += WAY_BACK
    assert await world.changes.answer(ana, change, "not_me", NOON) == Nothing("over")
    await world.changes.settle(20)
    assert await email_of(world, ana) == NEW


async def test_a_not_me_stops_also_a_change_that_was_asked_for_after_its_email(world: World) -> None:
    ana = await world.joins(OLD)
    world.at += MINUTE
    await world.changes.ask(ana, NEW, HERE)
    first = await world.change_of(ana)
    await world.changes.ask(ana, OTHER, HERE)
    second = await world.change_of(ana)
    assert second != first
    assert await world.changes.answer(ana, first, "new_yes", world.at) == Nothing("over")
    assert await world.changes.answer(ana, first, "not_me", world.at) == Stops()
    assert await world.changes.answer(ana, second, "old_yes", world.at) == Nothing("over")
    assert await world.sessions(ana) == 0 and await email_of(world, ana) == OLD


async def test_a_link_of_a_mailbox_that_was_given_up_for_good_stops_nothing_any_more(world: World) -> None:
    ana = await world.joins(OLD)
    change = await changed(world, ana)
    world.at += WAY_BACK
    await world.changes.settle(20)
    await world.changes.ask(ana, OTHER, HERE)
    assert await world.changes.answer(ana, change, "not_me", NOON) == Nothing("over")
    assert await world.changes.answer(ana, await world.change_of(ana), "new_yes", world.at) != Nothing("over")


async def test_a_mailbox_of_another_person_is_never_told_on_the_page_and_never_taken(world: World) -> None:
    ana, bo = await world.joins(OLD), await world.joins(OTHER)
    assert await world.changes.ask(ana, "Bo+x@example.org", HERE) == "begun"
    assert await world.told() == [(ana, "old"), (bo, "taken")]
    change = await world.change_of(ana)
    await world.changes.answer(ana, change, "old_yes", world.at)
    # Whoever had the mailbox could not have this link; if they had, it would still be Bo's.
    assert await world.changes.answer(ana, change, "new_yes", world.at) == Nothing("taken")
    assert (await email_of(world, ana), await email_of(world, bo)) == (OLD, OTHER)


async def test_who_has_no_code_uses_up_nobody_s_one_email_after_a_never_again(world: World) -> None:
    ana, bo = await world.joins(OLD), await world.joins(OTHER)
    code = await world.changes.make_code(bo, first_alone=False)
    await changed(world, ana)
    world.at += WAY_BACK
    await world.changes.settle(20)
    assert not await world.is_registered(OLD), "as if it had said never again"
    world.at += MINUTE
    for old, typed in ((OTHER, "0" * 24), ("nobody@example.org", code or ""), (OTHER, "")):
        await world.changes.recover(old, typed, OLD, HERE)
    assert await world.changes.ask(bo, OLD, HERE) == "begun"
    assert (await world.told())[-1] == (bo, "new")


async def test_while_a_change_counts_no_other_is_begun(world: World) -> None:
    ana = await world.joins(OLD)
    await changed(world, ana)
    assert await world.changes.ask(ana, OTHER, HERE) == "busy"


async def test_the_same_mailbox_in_another_spelling_is_changed_like_any_other_and_stays_its_person_s(
    world: World,
) -> None:
    ana = await world.joins(OLD)
    await changed(world, ana, "Ana+fairpool@example.org")
    world.at += WAY_BACK
    await world.changes.settle(20)
    assert await email_of(world, ana) == "Ana+fairpool@example.org"
    assert await world.found(OLD) == ana


async def test_who_asks_very_often_is_told_so_and_no_mailbox_is_flooded(world: World) -> None:
    ana = await world.joins(OLD)
    answers = [await world.changes.ask(ana, f"n{place}@example.org", HERE) for place in range(12)]
    assert answers[-1] == "too_many"
    assert answers.count("begun") <= 8


async def test_with_the_code_a_lost_mailbox_is_left_after_72_hours_of_its_silence(world: World) -> None:
    ana = await world.joins(OLD)
    code = await world.changes.make_code(ana, first_alone=True)
    assert code is not None and await world.changes.make_code(ana, first_alone=True) is None
    for old, typed in ((OTHER, code), (OLD, "0" * 24), (OLD, "")):
        await world.changes.recover(old, typed, NEW, HERE)
    assert await world.told() == []
    await world.changes.recover(OLD, code.lower(), NEW, HERE)
    await world.changes.recover(OLD, code, NEW, HERE)  # the code is not spent before the new mailbox has answered
    change = await world.change_of(ana)
    waiting = Waiting(world.at + WAY_BACK)
    assert await world.changes.answer(ana, change, "new_yes", world.at) == Noted(waiting)
    assert (await world.told())[-1] == (ana, "recovering")
    assert await world.sign_in(ana)
    world.at += WAY_BACK - MINUTE
    await world.changes.settle(20)
    assert await email_of(world, ana) == OLD
    world.at += MINUTE
    await world.changes.settle(20)
    assert await email_of(world, ana) == NEW
    assert await world.sessions(ana) == 0
    assert (await world.told())[-1] == (ana, "done")
    assert await world.found(OLD) is None and not await world.is_registered(OLD)
    assert await world.changes.make_code(ana, first_alone=False) is not None


async def test_whoever_has_the_code_takes_back_a_slip_that_a_stranger_said_yes_to(world: World) -> None:
    ana = await world.joins(OLD)
    code = await world.changes.make_code(ana, first_alone=True)
    assert code is not None
    await world.changes.recover(OLD, code, OTHER, HERE)  # mistyped
    slip = await world.change_of(ana)
    assert await world.changes.answer(ana, slip, "new_yes", world.at) == Noted(Waiting(world.at + WAY_BACK))
    world.at += MINUTE
    await world.changes.recover(OLD, code, NEW, HERE)
    change = await world.change_of(ana)
    assert isinstance(await world.changes.standing(ana, change), Recovering)
    assert await world.changes.answer(ana, slip, "new_yes", world.at) == Nothing("over"), (
        "their yes was for another one"
    )
    assert await world.changes.answer(ana, change, "new_yes", world.at) == Noted(Waiting(world.at + WAY_BACK))
    assert [about for _, about in await world.told()].count("recovering") == 2, "the old mailbox hears of each"
    world.at += WAY_BACK
    await world.changes.settle(20)
    assert await email_of(world, ana) == NEW


@pytest.mark.parametrize("told_of", ["before", "between", "twice"])
async def test_an_invitation_that_nobody_answered_ends_no_change_of_whoever_proves_the_mailbox(
    world: World, told_of: str
) -> None:
    ana = await world.joins(OLD)
    stub = "" if told_of == "between" else await world.is_told_of(NEW)
    assert await world.changes.ask(ana, NEW, HERE) == "begun"
    assert await world.told() == [(ana, "old"), (ana, "new")], "the mailbox is asked, as any other"
    change = await world.change_of(ana)
    await world.changes.answer(ana, change, "new_yes", world.at)
    if told_of == "between":
        stub = await world.is_told_of("Ana.Ruiz+x@example.net")
    agreed = Asked(world.at + LOOKED_AT_AGAIN, new_said=True, old_said=True)
    assert await world.changes.answer(ana, change, "old_yes", world.at) == Noted(agreed)
    if told_of == "twice":
        assert await world.changes.answer(ana, change, "old_yes", world.at) == Nothing("already")
    assert await world.changes.ask(ana, OTHER, HERE) == "busy"
    assert await world.lapsed() == [stub], "it ends as stubs do: consent is asked"
    world.at += MINUTE
    assert await world.changes.settle(1)
    assert not await world.changes.settle(1), "what waits for consent holds up no other"
    assert await email_of(world, ana) == OLD, (
        "whoever answered keeps the mailbox: nothing is moved before consent has said so"
    )
    assert await world.lapsed() == [stub]
    assert await world.erases(stub) and not await world.erases(ana)
    world.at += MINUTE
    await world.changes.settle(20)
    assert await world.traces(stub) == 0
    assert (await email_of(world, ana), await world.found(NEW)) == (NEW, ana)
    assert await world.changes.standing(ana, change) == Changed(world.at + WAY_BACK)
    assert (await world.told())[-1] == (ana, "changed")


@pytest.mark.parametrize("by", ["both mailboxes", "the code"])
async def test_an_invitation_that_was_answered_before_signup_heard_of_it_keeps_its_mailbox(
    world: World, by: str
) -> None:
    ana = await world.joins(OLD)
    code = await world.changes.make_code(ana, first_alone=True)
    stub = await world.is_told_of(NEW)
    if by == "the code":
        await world.changes.recover(OLD, code or "", NEW, HERE)
        await world.changes.answer(ana, await world.change_of(ana), "new_yes", world.at)
        world.at += WAY_BACK
        await world.changes.settle(20)
    else:
        await world.changes.ask(ana, NEW, HERE)
        change = await world.change_of(ana)
        for act in ACTS:
            await world.changes.answer(ana, change, act, world.at)
    assert (await email_of(world, ana), await world.lapsed()) == (OLD, [stub])
    told = len(await world.told())
    await world.answers(stub)
    world.at += MINUTE
    await world.changes.settle(20)
    assert (await email_of(world, ana), await email_of(world, stub)) == (OLD, NEW)
    assert (await world.found(OLD), await world.found(NEW)) == (ana, stub), (
        "each is found by the mailbox that they have"
    )
    assert not await world.erases(stub)
    tell = [(stub, "taken")] if by == "both mailboxes" else [(ana, "not_moved"), (stub, "not_moved")]
    assert sorted((await world.told())[told:]) == sorted(tell)
    assert (await world.changes.seen(ana)).standing is None  # type: ignore[union-attr]  # there is somebody


async def test_a_not_me_stops_what_waits_for_an_invitation_to_be_closed(world: World) -> None:
    ana = await world.joins(OLD)
    stub = await world.is_told_of(NEW)
    await world.changes.ask(ana, NEW, HERE)
    change = await world.change_of(ana)
    for act in ACTS:
        await world.changes.answer(ana, change, act, world.at)
    assert await world.changes.answer(ana, change, "not_me", world.at) == Stops()
    assert await world.erases(stub)
    world.at += MINUTE
    await world.changes.settle(20)
    assert (await email_of(world, ana), await world.found(NEW)) == (OLD, None)


async def test_an_invitation_that_nobody_answered_ends_no_recovery(world: World) -> None:
    ana = await world.joins(OLD)
    code = await world.changes.make_code(ana, first_alone=True)
    assert code is not None
    await world.changes.recover(OLD, code, NEW, HERE)
    await world.changes.answer(ana, await world.change_of(ana), "new_yes", world.at)
    stub = await world.is_told_of(NEW)
    world.at += WAY_BACK
    await world.changes.settle(20)
    assert (await email_of(world, ana), await world.lapsed()) == (OLD, [stub])
    assert await world.erases(stub)
    world.at += MINUTE
    await world.changes.settle(20)
    assert (await email_of(world, ana), await world.found(NEW)) == (NEW, ana)
    assert [about for _, about in await world.told()].count("recovering") == 1
    assert (ana, "done") in await world.told()


async def test_where_somebody_else_came_to_have_the_new_mailbox_meanwhile_the_code_still_works(world: World) -> None:
    ana = await world.joins(OLD)
    code = await world.changes.make_code(ana, first_alone=True)
    assert code is not None
    await world.changes.recover(OLD, code, NEW, HERE)
    await world.changes.answer(ana, await world.change_of(ana), "new_yes", world.at)
    bo = await world.joins(NEW)
    world.at += WAY_BACK
    await world.changes.settle(20)
    assert await email_of(world, ana) == OLD
    assert sorted((await world.told())[2:]) == sorted([(ana, "not_moved"), (bo, "not_moved")]), "both mailboxes hear it"
    await world.changes.recover(OLD, code, OTHER, HERE)
    assert isinstance(await world.changes.standing(ana, await world.change_of(ana)), Recovering)


async def test_the_old_mailbox_stops_a_recovery_and_the_code_is_worth_nothing_any_more(world: World) -> None:
    ana = await world.joins(OLD)
    code = await world.changes.make_code(ana, first_alone=False)
    assert code is not None
    await world.changes.recover(OLD, code, NEW, HERE)
    change = await world.change_of(ana)
    await world.changes.answer(ana, change, "new_yes", world.at)
    world.at += WAY_BACK - MINUTE
    assert await world.changes.answer(ana, change, "not_me", NOON) == Stops()
    world.at += MINUTE
    await world.changes.settle(20)
    assert await email_of(world, ana) == OLD
    await world.changes.recover(OLD, code, NEW, HERE)
    assert await world.changes.answer(ana, None, "not_me", None) == Nothing("over")


@pytest.mark.parametrize("is_changed", [False, True])
async def test_a_not_me_leaves_no_code_in_force_that_an_open_session_made(world: World, is_changed: bool) -> None:
    ana = await world.joins(OLD)
    code = await world.changes.make_code(ana, first_alone=False)
    assert code is not None
    if is_changed:
        await changed(world, ana)
    else:
        await world.changes.ask(ana, NEW, HERE)
    assert await world.changes.answer(ana, None, "not_me", None) == (PutsBack() if is_changed else Stops())
    seen = await world.changes.seen(ana)
    assert seen is not None and not seen.has_code
    await world.changes.recover(OLD, code, OTHER, HERE)
    assert await world.changes.answer(ana, None, "not_me", None) == Nothing("over")


@pytest.mark.parametrize("had_code", [False, True])
async def test_an_invitation_s_link_makes_no_code_after_one_was_spent_nor_after_a_not_me(
    world: World, had_code: bool
) -> None:
    ana = await world.joins(OLD)
    if had_code:
        assert await world.changes.make_code(ana, first_alone=True, issued_at=NOON) is not None
    world.at += MINUTE
    await world.changes.ask(ana, NEW, HERE)
    assert await world.changes.answer(ana, None, "not_me", None) == Stops()
    assert await world.changes.make_code(ana, first_alone=True, issued_at=NOON) is None
    made = await world.changes.make_code(ana, first_alone=True, issued_at=world.at + MINUTE)
    assert (made is None) == had_code, "the first one is made once"
    assert await world.changes.make_code(ana, first_alone=False) is not None


async def test_a_code_that_a_session_makes_is_told_to_the_mailbox_a_few_times_a_day_and_counts_against_nothing_else(
    world: World,
) -> None:
    ana = await world.joins(OLD)
    assert await world.changes.make_code(ana, first_alone=True) is not None
    assert await world.told() == [], "the first one is on the page that a yes leads to"
    codes = {await world.changes.make_code(ana, first_alone=False) for _ in range(9)}
    assert len(codes) == 9 and None not in codes
    assert await world.told() == [(ana, "code_made")] * 5
    assert await world.changes.ask(ana, NEW, HERE) == "begun", "emails that guard the way in are as many as before"
    assert (await world.told())[5:] == [(ana, "old"), (ana, "new")]


async def test_of_whoever_is_erased_nothing_of_a_change_stays_and_its_links_do_nothing(world: World) -> None:
    ana = await world.joins(OLD)
    await world.changes.make_code(ana, first_alone=False)
    change = await changed(world, ana)
    await world.erase(ana)
    assert await world.traces(ana) == 0
    assert await world.changes.answer(ana, change, "not_me", NOON) == Nothing("over")
    assert await world.changes.seen(ana) is None
    assert await world.changes.ask(ana, OTHER, HERE) == "gone"
    assert await world.changes.make_code(ana, first_alone=False) is None
    world.at += WAY_BACK
    assert not await world.changes.settle(20)


async def test_a_due_change_that_does_not_open_is_ended_and_the_others_go_on(databases: Databases) -> None:
    async with databases.pool(*MIGRATIONS_OF["signup"]) as pool:
        world = InPostgres(pool)
        ana, bo = await world.joins(OLD), await world.joins(OTHER)
        await changed(world, ana)
        world.at += MINUTE
        await changed(world, bo, "bo.new@example.net")
        cy = await world.joins("cy@example.org")
        code = await world.changes.make_code(cy, first_alone=False)
        await world.changes.recover("cy@example.org", code or "", "cy.new@example.net", HERE)
        await world.changes.answer(cy, await world.change_of(cy), "new_yes", world.at)
        await pool.execute("UPDATE email_changes SET sealed = 'x' WHERE candidate = ANY($1::uuid[])", [ana, cy])
        world.at += WAY_BACK
        assert not await world.changes.settle(20)
        assert await pool.fetchval("SELECT count(*) FROM email_changes") == 0
        assert await email_of(world, bo) == "bo.new@example.net" and not await world.is_registered(OTHER)
        assert [one for one in await world.told() if one[1] == "not_moved"] == [(cy, "not_moved")]


async def test_two_who_name_each_other_s_mailbox_at_once_both_get_an_answer(databases: Databases) -> None:
    async with databases.pool(*MIGRATIONS_OF["signup"]) as pool:
        world = InPostgres(pool)
        ana, bo = await world.joins(OLD), await world.joins(OTHER)
        both_hold_one, held = asyncio.Event(), 0

        class Meets(PostgresEmailChanges):
            """Waits, once it has begun, until the other one has begun too: each has what it locks first."""

            async def _begin(self, *of: Any) -> None:
                nonlocal held
                held += 1
                if held == 2:
                    both_hold_one.set()
                with suppress(TimeoutError):  # the other one waits for what this one holds: in order
                    await asyncio.wait_for(both_hold_one.wait(), 0.3)
                await super()._begin(*of)

        changes = Meets(world.work, lambda unit: PostgresStore(unit, world.keys), world.secrets, world.epochs)
        answers = await asyncio.gather(changes.ask(ana, OTHER, HERE), changes.ask(bo, OLD, HERE))
        assert list(answers) == ["begun", "begun"]
        assert sorted(await world.told()) == sorted([(ana, "old"), (bo, "taken"), (bo, "old"), (ana, "taken")])


async def test_links_from_before_a_not_me_sign_nobody_in(databases: Databases) -> None:
    async with databases.pool(*MIGRATIONS_OF["signup"]) as pool:
        world = InPostgres(pool)
        ana = await world.joins(OLD)
        change = await changed(world, ana)
        made_at, world.at = world.at, world.at + MINUTE
        await world.changes.answer(ana, change, "not_me", NOON)
        world.at += MINUTE
        started = SessionSigner(seed_of("signup"), SUBJECT_KEY).start(ana, at=world.at, said_by=None)
        before = Spent(ana, b"to the new mailbox", world.at + timedelta(days=3), made_at)
        async with world.work() as unit:
            assert await PostgresSessions(unit).state_of(before) == "spent"
            assert await PostgresSessions(unit).start(started.session, before, "A program") == "spent"
        assert await world.sign_in(ana)


async def test_what_is_kept_of_a_change_names_no_address_in_clear_and_goes_on_to_open_after_a_rotation(
    databases: Databases,
) -> None:
    async with databases.pool(*MIGRATIONS_OF["signup"]) as pool:
        world = InPostgres(pool)
        ana = await world.joins(OLD)
        await world.changes.make_code(ana, first_alone=False)
        change = await changed(world, ana)
        rows = [dict(row) for table in ("email_changes", "recovery_codes", "identities", "outbox")
                for row in await pool.fetch(f"SELECT * FROM {table}")]  # fmt: skip
        assert "example" not in str(rows)
        # What a rotation does to the row: the data keys alone are wrapped anew.
        world.epochs.epochs.learn({2: bytes(range(1, 33))})
        async with world.work() as unit:
            who = (await read_identities(unit.connection, [ana], world.epochs))[ana]
            moved = rewrapped(who, world.epochs.epochs, 2)
            await unit.connection.execute(
                "INSERT INTO epochs (epoch, name, reference, made_at) VALUES (2, 'two', 'two', now()) ON CONFLICT DO NOTHING"
            )
            await unit.connection.execute(
                "UPDATE identities SET epoch = 2, identity_key = $2, messages_key = $3 WHERE candidate = $1::uuid",
                ana, moved.identity_key, moved.messages_key,
            )  # fmt: skip
        assert await email_of(world, ana) == NEW
        assert await world.changes.answer(ana, change, "not_me", NOON) == PutsBack()
        assert await email_of(world, ana) == OLD
