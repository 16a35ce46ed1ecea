"""The courier's outside by hand: a store in memory, a vault, letters and a relay that do what a test says."""

from collections import Counter
from collections.abc import AsyncIterator, Awaitable, Callable, Collection, Iterable, Mapping, Sequence
from contextlib import asynccontextmanager
from dataclasses import dataclass, field, replace
from datetime import datetime, timedelta

from services.signup.courier.decisions import report
from services.signup.courier.model import (
    Addresses,
    Again,
    CalledOff,
    Cleared,
    Consent,
    ConsentCheck,
    Handed,
    Kind,
    Letter,
    Mail,
    NotTaken,
    Over,
    People,
    Person,
    RefusesUs,
    State,
    Taken,
    Unreadable,
    Unwritable,
)
from services.signup.courier.ports import Clear, Mark, Writing
from shared.contracts import grants
from shared.contracts.signup import MailboxChangedV1, OutreachOutcomeReportedV1
from shared.facts import Fact, fact
from shared.messaging.errors import TransientError
from tests.fakes.clock import NOON

Name = tuple[Kind, str]


@dataclass(slots=True)
class Row:
    """A mail with what the store adds to it."""

    mail: Mail
    not_before: datetime
    courier: str | None = None
    claimed_version: int | None = None


@dataclass(slots=True)
class FakeCourierStore:
    """Both stores of the courier in memory; `published` holds each outcome with its event id."""

    at: datetime = NOON
    rows: dict[Name, Row] = field(default_factory=dict)
    kept: dict[str, Consent] = field(default_factory=dict)
    positions: dict[int, int] = field(default_factory=dict)
    vault: dict[str, Person | Unreadable] = field(default_factory=dict)
    moving: dict[str, Addresses] = field(default_factory=dict)
    """Whose email is to be changed, or was."""
    alive: set[str] = field(default_factory=set)
    published: list[tuple[OutreachOutcomeReportedV1, str]] = field(default_factory=list)
    erased: set[str] = field(default_factory=set)
    read_back: set[str] = field(default_factory=set)
    """Whom `erasures` names."""
    swept: list[str] = field(default_factory=list)
    """Whose erasure was confirmed to signup."""
    lost: set[str] = field(default_factory=set)
    """Whose mailboxes count as gone."""
    mailboxes: list[MailboxChangedV1] = field(default_factory=list)
    """What was told of mailboxes."""

    @asynccontextmanager
    async def open(self) -> AsyncIterator["FakeCourierStore"]:
        """A transaction in name only."""
        yield self

    async def known(self, outreaches: Iterable[str]) -> Mapping[str, Mail]:
        """The outreach mails of these ids."""
        return {name: self.rows["outreach", name].mail for name in outreaches if ("outreach", name) in self.rows}

    async def keep(self, new: Sequence[Mail], changed: Sequence[Mail], *, at: datetime) -> None:
        """Adds and changes."""
        for mail in new:
            self.rows.setdefault(mail.name, Row(mail, at))
        for mail in changed:
            row = self.rows[mail.name]
            row.mail, row.not_before = mail, at
            row.courier = row.courier if mail.state == "sending" else None

    async def keep_consents(self, consents: Sequence[Consent], positions: Mapping[int, int]) -> Collection[str]:
        """The highest version of each."""
        refused = []
        for item in consents:
            if item.candidate in self.erased:
                continue
            known = self.kept.get(item.candidate)
            if known is not None and known.version >= item.version:
                on = grants.still_on(known.purposes, item.purposes, known.lifts_no_until, item.no_at)
                no_at = grants.later(known.no_at, item.no_at)
                self.kept[item.candidate] = replace(known, purposes=on, no_at=no_at)
                continue
            no_at, lifts = known.no_at if known else None, item.lifts_no_until
            if known and no_at and not set(item.purposes) <= set(known.purposes) and not (lifts and lifts >= no_at):
                refused.append(item.candidate)
                continue
            self.kept[item.candidate] = replace(item, no_at=grants.later(no_at, item.no_at))
        for partition, offset in positions.items():
            self.positions[partition] = max(offset, self.positions.get(partition, 0))
        return refused

    async def erase(self, candidates: Sequence[str]) -> None:
        """Forgets the consents, and remembers who is gone, as signup's own table does."""
        self.erased |= set(candidates)
        self.swept += candidates
        for candidate in candidates:
            self.kept.pop(candidate, None)

    async def erased_unheard(self, limit: int) -> Sequence[str]:
        """Of `read_back`, those of whom something is kept."""
        known = {*self.kept, *(row.mail.candidate for row in self.rows.values())}
        return sorted(known & self.read_back)[:limit]

    async def next_due(self) -> datetime | None:
        """The earliest time of a ready mail, or the end of one's own."""
        ready = [row for row in self.rows.values() if row.mail.state == "ready"]
        ends = [row.mail.good_until + timedelta(microseconds=1) for row in ready if row.mail.good_until is not None]
        return min([*(row.not_before for row in ready), *ends], default=None)

    async def claim(self, *, at: datetime, limit: int, consent_is_current: bool) -> Sequence[Mail]:
        """Ready mails whose time has come: what is over, what is urgent, then outreach and notices by halves."""
        over = list(await self.claim_over(at=at, limit=limit))
        due = sorted((row for row in self._due(at) if row.mail not in over), key=lambda row: row.not_before)
        lanes = [_by_turns([row.mail for row in due if row.mail.lane == lane]) for lane in (0, 1, 2)]
        found = (over + lanes[0])[:limit]
        outreach = lanes[2][: (limit - len(found) + 1) // 2] if consent_is_current else []
        return [*found, *outreach, *lanes[1][: limit - len(found) - len(outreach)]]

    async def claim_over(self, *, at: datetime, limit: int) -> Sequence[Mail]:
        """Ready mails whose own time is over."""
        return [row.mail for row in self._due(at) if _is_over(row.mail, at)][:limit]

    async def gone(self, candidates: Iterable[str]) -> frozenset[str]:
        """Whose mailboxes count as gone."""
        return frozenset(candidates) & self.lost

    async def consents(self, candidates: Iterable[str]) -> Mapping[str, Fact[Consent]]:
        """What is kept."""
        return {name: fact(self.kept.get(name)) for name in candidates}

    async def people(self, candidates: Iterable[str]) -> People:
        """Who is in the vault."""
        return {name: self.vault[name] for name in candidates if name in self.vault}

    async def addresses(self, candidates: Iterable[str]) -> Mapping[str, Addresses]:
        """Of changes that a test put here."""
        return {name: self.moving[name] for name in candidates if name in self.moving}

    async def take(self, courier: str, mails: Sequence[Mail], *, lease: timedelta) -> None:
        """These are this courier's."""
        self.alive.add(courier)
        for mail in mails:
            row = self.rows[mail.name]
            row.courier, row.claimed_version = courier, mail.version
            self._state(mail.name, "claimed")

    async def mark_sending(self, courier: str, mails: Sequence[Mail]) -> frozenset[Name]:
        """Those that are still this courier's in this version."""
        mine = [mail for mail in mails if self._is_in_hand(mail, courier)]
        mine = [mail for mail in mine if self.rows[mail.name].mail.state == "claimed"]
        for mail in mine:
            self._state(mail.name, "sending")
        return frozenset(mail.name for mail in mine)

    async def settle(self, over: Sequence[Over], *, at: datetime) -> None:
        """Ends without an attempt."""
        self._end(over, at)

    async def hold(self, held: Mapping[Name, datetime]) -> None:
        """Later."""
        for name, until in held.items():
            self.rows[name].not_before = until

    async def record(self, courier: str, after: Sequence[Again | Over], *, at: datetime) -> frozenset[Name]:
        """Ends and new attempts of this courier's own rows."""
        mine = [item for item in after if self._is_in_hand(item.mail, courier)]
        for item in mine:
            if isinstance(item, Again):
                row = self.rows[item.mail.name]
                row.not_before, row.courier = item.not_before, None
                row.mail = replace(row.mail, attempts=item.attempts)
                self._state(item.mail.name, "ready" if row.mail.admitted else "void")
        over = [item for item in mine if isinstance(item, Over)]
        self._note_mailboxes(over, at)
        self._end(over, at)
        return frozenset(item.mail.name for item in mine)

    async def show_life(self, courier: str, *, lease: timedelta) -> None:
        """It lives until a test says that it died."""
        self.alive.add(courier)

    async def leave(self, courier: str) -> None:
        """It sends nothing more."""
        self.alive.discard(courier)

    async def bury(self, *, at: datetime) -> Sequence[Over]:
        """What the dead were sending, and had taken."""
        for row in self.rows.values():
            if row.mail.state == "claimed" and row.courier not in self.alive:
                row.courier = None
                self._state(row.mail.name, "ready")
        over = [
            Over(replace(row.mail, version=row.claimed_version or row.mail.version), "doubtful", "died")
            for row in self.rows.values()
            if row.mail.state == "sending" and row.courier not in self.alive
        ]
        self._end(over, at)
        return over

    async def forget(self, limit: int, *, older_than: timedelta) -> int:
        """What is over, if any time at all is old enough: nothing here knows when it was."""
        over = [name for name, row in self.rows.items() if row.mail.state not in ("ready", "claimed", "sending")]
        gone = over[:limit] if older_than <= timedelta(0) else []
        for name in gone:
            del self.rows[name]
        return len(gone)

    def _due(self, at: datetime) -> list[Row]:
        ready = [row for row in self.rows.values() if row.mail.state == "ready"]
        return [row for row in ready if row.not_before <= at or _is_over(row.mail, at)]

    def _is_in_hand(self, mail: Mail, courier: str) -> bool:
        row = self.rows[mail.name]
        return row.mail.state in ("claimed", "sending") and (row.courier, row.claimed_version) == (
            courier,
            mail.version,
        )

    def _end(self, over: Sequence[Over], at: datetime) -> None:
        for item in over:
            self.rows[item.mail.name].courier = None
            self.rows[item.mail.name].mail = replace(self.rows[item.mail.name].mail, sealed=None)
            self._state(item.mail.name, item.outcome)
            if (told := report(item, at=at)) is not None:
                self.published.append(told)

    def _note_mailboxes(self, over: Sequence[Over], at: datetime) -> None:
        words = {item.mail.candidate: item.mailbox_back for item in over if item.mailbox_back or item.mailbox_gone}
        for candidate, reachable in words.items():
            if candidate in self.vault and reachable == (candidate in self.lost):
                self.lost ^= {candidate}
                version = 1 + sum(news.candidate == candidate for news in self.mailboxes)
                news = MailboxChangedV1(candidate=candidate, version=version, at=at, reachable=reachable)
                self.mailboxes.append(news)

    def _state(self, name: Name, state: State) -> None:
        self.rows[name].mail = replace(self.rows[name].mail, state=state)


def _is_over(mail: Mail, at: datetime) -> bool:
    return mail.good_until is not None and mail.good_until < at


@dataclass(slots=True)
class FakeLetters:
    """Letters that name their mail; `unwritable` are refused."""

    unwritable: set[str] = field(default_factory=set)
    zones: dict[str, str | None] = field(default_factory=dict)
    """In which zone each notice was told."""

    def outreach(self, mail: Mail, person: Person, employer: str, *, at: datetime) -> Writing:
        """A letter whose content is the mail's id, in two steps."""
        yield
        return self.notice(mail, person, employer, at=at)

    def notice(
        self, mail: Mail, person: Person, introducer: str | None, *, at: datetime, zone: str | None = None
    ) -> Letter | Unwritable:
        """A letter whose content is the mail's id."""
        self.zones[mail.id] = zone
        if mail.id in self.unwritable:
            return Unwritable("not to be written")
        return Letter("bounces@fairpool.test", person.address, mail.id.encode())

    def email(self, mail: Mail, person: Person, change: str | None, *, at: datetime) -> Letter | Unwritable:
        """A letter whose content is the mail's id."""
        return self.notice(mail, person, None, at=at)


GREETING, CHECKING = 3.0, 0.02
"""Seconds."""


async def _at_once(_: str) -> None:
    pass


@dataclass(slots=True)
class FakeRelay:
    """A relay that goes through the conversation as a real one does, and says at each step what a test tells it.

    Its greeting takes `GREETING` seconds, as one against spam does: a check from before the connection is too old for the words.
    Besides, its time passes only when a test adds to `now`, in `before_recipient`, `before_go_on` or `before_words`.
    """

    let_in: Callable[[str], RefusesUs | NotTaken | None] = lambda _: None
    """To connection, login and MAIL."""
    recipient: Callable[[str], Handed | None] = lambda _: None
    """To RCPT."""
    answer: Callable[[str], Handed] = lambda _: Taken()
    """To the words."""
    before_recipient: Callable[[str], Awaitable[None]] = _at_once
    before_go_on: Callable[[str], Awaitable[None]] = _at_once
    """Between the recipient and the 354 that asks for the words."""
    before_words: Callable[[str], Awaitable[None]] = _at_once
    """After the mark."""
    now: float = 0.0
    is_open: bool = False
    """Whether it has greeted us already."""
    asked: list[str] = field(default_factory=list)
    """What it heard MAIL for."""
    named: list[str] = field(default_factory=list)
    """Of which it heard the recipient."""
    given: list[str] = field(default_factory=list)
    """Of which it got the words."""

    async def hand_over(self, letter: Letter, clear: Clear, mark: Mark) -> Handed:
        """Answers what the test said."""
        name = letter.content.decode()
        if not self.is_open:
            self.now += GREETING
            self.is_open = True
        self.asked.append(name)
        if (no := self.let_in(name)) is not None:
            return no
        await self.before_recipient(name)
        self.named.append(name)
        if (refusal := self.recipient(name)) is not None:
            return refusal
        cleared = await clear()
        if not isinstance(cleared, Cleared):
            return cleared
        await self.before_go_on(name)
        if cleared.check is not None and not cleared.check.is_fresh(self.now):
            cleared = await clear()
            if not isinstance(cleared, Cleared):
                return cleared
        if not await mark():
            return CalledOff("not_marked")
        await self.before_words(name)
        if cleared.check is not None and not cleared.check.lets_hand_over(self.now):
            return CalledOff("late")
        self.given.append(name)
        return self.answer(name)

    async def answers(self) -> RefusesUs | NotTaken | None:
        """What it would say to anybody."""
        return self.let_in("")


@dataclass(slots=True)
class FakeConsentCheck:
    """The projection is current unless a test says that it is behind; a check takes `CHECKING` seconds by the relay's clock."""

    relay: Callable[[], FakeRelay]
    behind: bool = False
    made: int = 0
    brings: Callable[[], object] = lambda: None
    """What had not arrived before a check."""

    async def __call__(self) -> ConsentCheck:
        """A check of the moment at which it was asked for."""
        at = self.relay().now
        self.relay().now += CHECKING
        self.made += 1
        if self.behind:
            raise TransientError("behind")
        self.brings()
        return ConsentCheck(at)


def _by_turns(mails: Sequence[Mail]) -> list[Mail]:
    turn: Counter[str] = Counter()
    ranked = []
    for mail in mails:
        turn[mail.sender] += mail.lane > 0
        ranked.append((turn[mail.sender], mail))
    return [mail for _, mail in sorted(ranked, key=lambda each: each[0])]
