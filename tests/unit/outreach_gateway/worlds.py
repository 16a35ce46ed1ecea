"""Small worlds to compare: one employer that looks, its rivals, and a person, played through the gateway's own handlers.

What the employer does is one thing, what rivals and the person do another. A world is played by the hour, and gives all that the
employer is answered on its way. Beside it stands the world that is made of the employer's own doing and of its messages' end
states alone: with what it answers, what was answered here is compared.
"""

import asyncio
from collections.abc import Callable, Mapping, Sequence
from dataclasses import dataclass, field
from datetime import date, datetime, time, timedelta
from typing import Any

from services.outreach_gateway import handlers
from services.outreach_gateway.adapters.policy_file import read_policy
from services.outreach_gateway.answers import (
    News,
    Told,
    Untold,
    at_tick,
    closed_until,
    course_of,
    end,
    handed_on_until,
    in_words,
    known_at,
    sent_on,
)
from services.outreach_gateway.model import Consent, Memberships, Outreach, Standing, State
from shared.contracts.base import Event
from shared.contracts.consent import ConsentChangedV1, Purpose, QuietHours
from shared.contracts.outreach_gateway import OutreachRequestedV1
from shared.contracts.signup import CandidateErasedV1, MailboxChangedV1, OutreachOutcomeReportedV1
from shared.facts import Fact, Known
from shared.messaging.envelope import Received, Record
from shared.ticks import Ticks
from tests.fakes.clock import NOON
from tests.fakes.outreach_gateway import FakeStore, FakeWindows

POLICY = read_policy("2026-12")
ANA = "01890000-0000-7000-8000-00000000000a"
ME = "emp_me"
RIVALS = ("emp_1", "emp_2", "emp_3", "emp_4")
TICKS = Ticks(b"k" * 32)
HOUR = timedelta(hours=1)
HEARD = timedelta(minutes=5)
"""How long after a mail left the gateway hears of it."""
WAITS = (State.SUBMITTED, State.DELAYED)


@dataclass(frozen=True, slots=True)
class Write:
    """A message to Ana under one of the refs that its employer has of her."""

    hour: int
    days: int = 14
    ref: str = "m_one"
    by: str = ME


@dataclass(frozen=True, slots=True)
class TakeBack:
    """Of the employer's n-th message, if it waits by then for all it knows."""

    hour: int
    number: int = 0


@dataclass(frozen=True, slots=True)
class Says:
    """What Ana allows from this hour on."""

    hour: int
    contact: bool = True
    blocks: bool = False
    zone: str | None = "America/Denver"
    quiet: tuple[int, int] | None = None
    paused_days: int | None = None


@dataclass(frozen=True, slots=True)
class Ends:
    """Her mailbox is gone, or she is erased."""

    hour: int
    erased: bool = False


@dataclass(frozen=True, slots=True)
class TakesBack:
    """A rival, all of its own."""

    hour: int
    by: str


Mine = Write | TakeBack
Others = Write | Says | Ends | TakesBack
Show = Callable[[Outreach, Told, datetime], object]
"""What an employer is answered of a message, by its row and what was told of it at the last tick."""


def shown(row: Outreach, what: Told, at: datetime) -> object:
    """The answer as it is."""
    course = course_of(row)
    day = sent_on(course) if what is Told.SENT else None
    return what, day, known_at(course, TICKS, ME).date(), in_words(what, course, TICKS, ME)


@dataclass
class Seen:
    """All that the employer is told, as it is told."""

    show: Show
    written: list[str] = field(default_factory=list)
    told: dict[str, Told] = field(default_factory=dict)
    answers: list[tuple[datetime, str, object]] = field(default_factory=list)
    """When another one than before."""
    feed: list[News] = field(default_factory=list)
    refused: list[tuple[datetime, date | None]] = field(default_factory=list)
    _last: dict[str, object] = field(default_factory=dict)

    def tick(self, at: datetime, rows: Mapping[str, Outreach]) -> None:
        """What comes to be told at this tick."""
        for id in self.written:
            what, _ = at_tick(Untold(id, ME, course_of(rows[id]), self.told[id]), TICKS, at)
            if what is not self.told[id]:
                self.told[id] = what
                self.feed.append(News(id, what, sent_on(course_of(rows[id])) if what is Told.SENT else None, at))

    def look(self, at: datetime, rows: Mapping[str, Outreach]) -> None:
        """Every message of its own."""
        for id in self.written:
            answer = self.show(rows[id], self.told[id], at)
            if answer != self._last.get(id):
                self._last[id] = answer
                self.answers.append((at, id, answer))

    def may_write(self, ref: str, at: datetime, rows: Mapping[str, Outreach], refs: Mapping[str, str]) -> bool:
        """Whether an earlier message to the same ref closes it."""
        until: date | None = at.date()
        for id in self.written:
            if refs[id] == ref and until is not None:
                opens = closed_until(self.told[id], course_of(rows[id]), same_employer=POLICY.same_employer)
                until = None if opens is None else max(until, opens)
        if until == at.date():
            return True
        self.refused.append((at, until))
        return False

    def take_back(self, number: int, at: datetime) -> str | None:
        """The message's id, if it is one that can be taken back."""
        if number >= len(self.written) or self.told[self.written[number]] is not Told.WAITING:
            return None
        id = self.written[number]
        self.told[id] = Told.CANCELLED
        self.feed.append(News(id, Told.CANCELLED, None, at))
        return id


def received(event: Event) -> list[Received[Any]]:
    """As it comes from Kafka."""
    record = Record(event.TOPIC.name, 0, 0, event.key.encode(), event.model_dump_json().encode(), ())
    return [Received("id", "test", None, event, record)]


def good(_: str) -> Fact[Standing]:
    """Everybody's standing."""
    return Known(Standing.GOOD)


@dataclass
class World:
    """One world, played by the hour."""

    seen: Seen
    store: FakeStore = field(default_factory=FakeStore)
    windows: FakeWindows = field(default_factory=lambda: FakeWindows(POLICY, step=HOUR))
    refs: dict[str, str] = field(default_factory=dict)
    version: int = 1
    late: timedelta = timedelta(0)
    """How much later than `HEARD` the gateway hears of what was mailed."""
    mailed: dict[str, datetime] = field(default_factory=dict)

    def __post_init__(self) -> None:
        self.store.consents[ANA] = Consent(ANA, 1, contact=True, time_zone="America/Denver")
        self.store.memberships[ANA] = (1, Memberships(frozenset({ME, *RIVALS})))

    async def play(self, mine: Sequence[Mine], others: Sequence[Others], *, days: int) -> Seen:
        """So many days; in an hour the others come first."""
        for hour in range(days * 24):
            before, at = NOON + (hour - 1) * HOUR, NOON + hour * HOUR
            tick = TICKS.last(ME, at)
            if before < tick <= at:
                self._to(tick)
                self.seen.tick(tick, self.store.rows)
            self._to(at)
            for act in (*others, *mine):
                if act.hour == hour:
                    await self._do(act)
            await self._decide()
            self._to(at + HEARD)
            await self._mailed()
            self.seen.look(self.store.at, self.store.rows)
        return self.seen

    def _to(self, at: datetime) -> None:
        self.store.at = self.windows.at = at

    async def _decide(self) -> None:
        while jobs := [job for job in self.store.due_work() if self._is_due(job.key)]:
            await handlers.on_due(self.store, jobs, self.windows, POLICY, good, 100)

    def _is_due(self, candidate: str) -> bool:
        rows, at = self.store.rows, self.store.at
        return any(
            due <= at and rows[id].candidate == candidate and rows[id].state in WAITS
            for id, due in self.store.due.items()
        )

    async def _do(self, act: Mine | Others) -> None:
        match act:
            case Write():
                await self._write(act)
            case TakeBack(number=number):
                if (id := self.seen.take_back(number, self.store.at)) is not None:
                    self.store.take_back(id)
            case TakesBack(by=by):
                for row in [row for row in self.store.rows.values() if row.employer == by and row.state in WAITS]:
                    self.store.take_back(row.id)
            case Says():
                await handlers.on_consent_changed(self.store, received(self._consent(act)))
            case Ends(erased=True):
                event = CandidateErasedV1(candidate=ANA, at=self.store.at)
                await handlers.on_candidate_erased(self.store, received(event))
            case Ends():
                gone = MailboxChangedV1(candidate=ANA, version=1, at=self.store.at, reachable=False)
                await handlers.on_mailbox_changed(self.store, received(gone))

    def _consent(self, act: Says) -> ConsentChangedV1:
        self.version += 1
        purposes: tuple[Purpose, ...] = ("match", "contact") if act.contact else ("match",)
        paused = None if act.paused_days is None else self.store.at + timedelta(days=act.paused_days)
        quiet = None if act.quiet is None else QuietHours(start=time(act.quiet[0]), end=time(act.quiet[1]))
        return ConsentChangedV1(
            candidate=ANA, version=self.version, at=self.store.at, purposes=purposes, time_zone=act.zone, quiet_hours=quiet,
            blocked_employers=(ME,) if act.blocks else (), paused_until=paused, lifts_no_until=self.store.at,
        )  # fmt: skip

    async def _write(self, act: Write) -> None:
        at, last = self.store.at, (self.store.at + timedelta(days=act.days)).date()
        id = f"{act.by}-{len(self.refs)}" if act.by != ME else f"me-{len(self.seen.written)}"
        if act.by == ME:
            if not self.seen.may_write(act.ref, at, self.store.rows, self.refs):
                return
            self.seen.written.append(id)
            self.seen.told[id] = Told.WAITING
        self.refs[id] = act.ref
        until = handed_on_until(last)
        self.store.submit(Outreach(id, 0, State.SUBMITTED, act.by, ANA, at, until, last_day=last))
        event = OutreachRequestedV1(outreach=id, employer=act.by, candidate=ANA, at=at, expires_at=until)
        await handlers.on_outreach_requested(self.store, received(event), self.windows, POLICY, good)

    async def _mailed(self) -> None:
        for row in [row for row in self.store.rows.values() if row.state is State.ADMITTED]:
            at = self.mailed.setdefault(row.id, self.store.at)
            if self.store.at < at + self.late:
                continue
            outcome = ("delivered", "bounced", "doubtful")[at.hour % 3]
            event = OutreachOutcomeReportedV1(
                outreach=row.id, decision_version=row.version, candidate=ANA, employer=row.employer, outcome=outcome,
                at=at,
            )  # fmt: skip
            await handlers.on_outcome_reported(self.store, received(event))


@dataclass
class Alone:
    """The world in which there is nothing but the employer's own doing, and each message's end state."""

    seen: Seen
    ends: Mapping[str, date | None]
    """The day on which it was sent, or none."""
    rows: dict[str, Outreach] = field(default_factory=dict)
    refs: dict[str, str] = field(default_factory=dict)

    def play(self, mine: Sequence[Mine], *, days: int) -> Seen:
        """As `World.play`."""
        for hour in range(days * 24):
            before, at = NOON + (hour - 1) * HOUR, NOON + hour * HOUR
            tick = TICKS.last(ME, at)
            if before < tick <= at:
                self.seen.tick(tick, self._as_of(tick))
            for act in mine:
                if act.hour == hour:
                    self._do(act, at)
            self.seen.look(at + HEARD, self._as_of(at))
        return self.seen

    def _do(self, act: Mine, at: datetime) -> None:
        if isinstance(act, TakeBack):
            if (id := self.seen.take_back(act.number, at)) is not None:
                self.rows[id] = _with(self.rows[id], taken_back_at=at)
        elif self.seen.may_write(act.ref, at, self._as_of(at), self.refs):
            id, last = f"me-{len(self.seen.written)}", (at + timedelta(days=act.days)).date()
            self.seen.written.append(id)
            self.seen.told[id], self.refs[id] = Told.WAITING, act.ref
            self.rows[id] = Outreach(id, 0, State.SUBMITTED, ME, ANA, at, handed_on_until(last), last_day=last)

    def _as_of(self, at: datetime) -> dict[str, Outreach]:
        return {id: self._row(row, at) for id, row in self.rows.items()}

    def _row(self, row: Outreach, at: datetime) -> Outreach:
        day = self.ends.get(row.id)
        if day is not None and end(day) <= at:
            noon = datetime.combine(day, time(12), NOON.tzinfo)
            return _with(row, state=State.DELIVERED, sent_at=noon, heard_at=noon)
        return row if at < end(row.last_day) else _with(row, state=State.DROPPED)


def _with(row: Outreach, **more: Any) -> Outreach:
    return row._replace(**more)


def interferes(mine: Sequence[Mine], others: Sequence[Others], *, show: Show = shown, days: int = 20) -> bool:
    """Whether anything that the employer was told is not made of its own doing and its messages' end states alone."""
    world = World(Seen(show))
    seen = asyncio.run(world.play(mine, others, days=days))
    ends = {id: sent_on(course_of(world.store.rows[id])) for id in seen.written}
    alone = Alone(Seen(show), ends).play(mine, days=days)
    return (seen.answers, seen.feed, seen.refused) != (alone.answers, alone.feed, alone.refused)


def ends_of(mine: Sequence[Mine], others: Sequence[Others], *, days: int = 20) -> tuple[object, ...]:
    """The end states themselves, as they are told: the one thing that may differ."""
    seen = asyncio.run(World(Seen(shown)).play(mine, others, days=days))
    return tuple((news.outreach, news.state, news.sent_on) for news in seen.feed)
