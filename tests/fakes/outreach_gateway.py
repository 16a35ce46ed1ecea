"""The gateway's outside, small and obvious: windows by brute force, rows in a dict."""

import json
from collections.abc import AsyncIterator, Collection, Mapping, Sequence
from dataclasses import dataclass, field, replace
from datetime import UTC, datetime, timedelta
from itertools import chain

from services.outreach_gateway.answers import WENT_OUT, News, Told, Untold
from services.outreach_gateway.decisions import ENDED_KEPT, KEPT
from services.outreach_gateway.model import (
    SHARDS,
    Admit,
    Answer,
    Ask,
    Cancel,
    Consent,
    Delay,
    Drop,
    Hold,
    Memberships,
    NoSlot,
    Outreach,
    Person,
    Place,
    Policy,
    Queue,
    Rule,
    Slot,
    State,
    shard_of,
)
from services.outreach_gateway.ports.outreach import Freed, Reported, Settled
from services.outreach_gateway.ports.windows import Booked, Epoch, Found, Shard, WindowsAwayError, WindowsLostError
from shared.contracts import grants
from shared.contracts.consent import Purpose
from shared.facts import fact
from shared.runner.model import Job
from tests.fakes.clock import NOON

_EPOCH, _MILLISECOND = datetime(1970, 1, 1, tzinfo=UTC), timedelta(milliseconds=1)


@dataclass
class FakeWindows:
    """Tries every moment in steps and counts every window that holds it: slow, and plainly right.

    `step` is how far apart moments are tried: 1 ms for the comparison with Redis, coarser where times are round.
    """

    policy: Policy
    at: datetime = NOON
    step: timedelta = timedelta(minutes=10)
    epoch: Epoch = field(default_factory=lambda: Epoch("one"))
    """Of every shard at the beginning."""
    epochs: dict[int, Epoch] = field(init=False)
    building: dict[int, Epoch] = field(default_factory=dict)
    away: set[int] = field(default_factory=set)
    held: frozenset[int] = frozenset()
    log: dict[str, dict[str, datetime]] = field(default_factory=dict)

    def __post_init__(self) -> None:
        self.epochs = dict.fromkeys(range(SHARDS), self.epoch)

    async def book(self, queues: Sequence[Queue], epochs: Mapping[int, Epoch]) -> Sequence[Sequence[Answer] | None]:
        for shard in {shard_of(queue.candidate) for queue in queues}:
            if shard in self.away or epochs.get(shard) is None or epochs[shard] != self.epochs.get(shard):
                self.held |= {shard}
        return [None if shard_of(queue.candidate) in self.held else self._book(queue) for queue in queues]

    def _book(self, queue: Queue) -> Sequence[Answer]:
        placed = list(queue.taken)
        silent = sum(place.at <= self.at - self.policy.unanswered_after for place in placed)
        halved = 0 < self.policy.halve_after_unanswered <= silent
        answers: list[Answer] = []
        for ask in queue.waiting:
            answer = self._place(queue, ask, placed, halved=halved)
            answers.append(answer)
            if isinstance(answer, Slot):
                placed.append(Place(ask.outreach, ask.employer, answer.at))
        self.log[queue.candidate] = {place.outreach: place.at for place in placed}
        return answers

    def _place(self, queue: Queue, ask: Ask, placed: Sequence[Place], *, halved: bool) -> Answer:
        own = ask.slot_at
        if (
            own is not None
            and timedelta(0) <= self.at - own < self.policy.slot_good_for
            and _is_open(queue, self.at)
            and self._against(queue, ask, placed, own, halved=halved) is None
        ):
            return Slot(own, self.at, None)
        moment, against = self.at, self._against(queue, ask, placed, self.at, halved=halved)
        while moment <= ask.until:
            if _is_open(queue, moment):
                full = self._against(queue, ask, placed, moment, halved=halved)
                if full is None:
                    return Slot(moment, self.at, None if moment == self.at else against or Rule.HOURS)
                against = against or full
            moment += self.step
        return NoSlot(against or Rule.HOURS)

    def _against(
        self, queue: Queue, ask: Ask, placed: Sequence[Place], moment: datetime, *, halved: bool
    ) -> Rule | None:
        """The first window that would hold too many at some time if one more stood at `moment`."""
        for window in queue.windows:
            counted = [place.at for place in placed if window.scope == "network" or place.employer == ask.employer]
            cap = window.halved if halved else window.cap
            ends = [moment, *(at for at in counted if moment <= at < moment + window.length)]
            if any(sum(end - window.length < at <= end for at in [*counted, moment]) > cap for end in ends):
                return window.rule
        return None

    async def refuses_eviction(self) -> bool:
        """Memory forgets nothing."""
        return True

    async def look(self, shards: Mapping[int, Shard]) -> Mapping[int, Found]:
        found = {shard: self._look(shard, known) for shard, known in shards.items()}
        self.held -= shards.keys()
        self.held |= {shard for shard, what in found.items() if what is not Found.OPEN}
        return found

    def _look(self, shard: int, known: Shard) -> Found:
        if shard in self.away:
            return Found.AWAY
        if known.building is not None:
            return Found.BUILDING
        return Found.OPEN if self.epochs.get(shard) == known.epoch else Found.LOST

    async def begin(self, shard: int, epoch: Epoch) -> None:
        self._answers(shard)
        self.epochs.pop(shard, None)
        self.building[shard] = epoch

    async def place(self, shard: int, epoch: Epoch, page: Sequence[Booked]) -> None:
        self._answers(shard)
        if self.building.get(shard) != epoch:
            raise WindowsLostError
        for person in page:
            self.log[person.candidate] = {place.outreach: place.at for place in places_of(person)}

    async def open(self, shard: int, epoch: Epoch) -> None:
        self._answers(shard)
        if epoch not in (self.building.pop(shard, None), self.epochs.get(shard)):
            raise WindowsLostError
        self.epochs[shard] = epoch

    def _answers(self, shard: int) -> None:
        if shard in self.away:
            raise WindowsAwayError

    async def sweep(self) -> AsyncIterator[int]:
        yield 0

    def slots_of(self, candidate: str) -> list[datetime]:
        """As they were placed last."""
        return sorted(self.log.get(candidate, {}).values())


def booked(candidate: str, *places: Place) -> Booked:
    """As the rows tell it."""
    when = [(one.at - _EPOCH) // _MILLISECOND for one in places]
    flat = [(str(at), f"{one.outreach}|{one.employer}") for at, one in zip(when, places, strict=True)]
    return Booked(candidate, len(places), json.dumps([max(when), *chain.from_iterable(flat)]))


def places_of(person: Booked) -> list[Place]:
    """One by one."""
    latest, *flat = json.loads(person.places)
    assert len(flat) == 2 * person.slots
    assert latest == max(map(int, flat[::2]))
    found = [(*member.split("|"), int(at)) for at, member in zip(flat[::2], flat[1::2], strict=True)]
    return [Place(outreach, employer, _EPOCH + at * _MILLISECOND) for outreach, employer, at in found]


def _is_open(queue: Queue, moment: datetime) -> bool:
    milliseconds = int(moment.timestamp() * 1000)
    return any(start <= milliseconds < end for start, end in queue.open_hours)


@dataclass
class FakeStore:
    """Rows in a dict; what was published is what was settled."""

    at: datetime = NOON
    rows: dict[str, Outreach] = field(default_factory=dict)
    due: dict[str, datetime] = field(default_factory=dict)
    consents: dict[str, Consent] = field(default_factory=dict)
    memberships: dict[str, tuple[int, Memberships]] = field(default_factory=dict)
    mailboxes: dict[str, tuple[int, bool]] = field(default_factory=dict)
    keys: dict[str, tuple[int, str]] = field(default_factory=dict)
    erased: set[str] = field(default_factory=set)
    settled: list[Settled] = field(default_factory=list)
    epochs: dict[int, Epoch] = field(default_factory=lambda: dict.fromkeys(range(SHARDS), Epoch("one")))

    def submit(self, row: Outreach) -> None:
        self.rows[row.id] = row
        self.due[row.id] = row.submitted_at + timedelta(seconds=30)

    async def hold_epochs(self, shards: Sequence[int]) -> Mapping[int, Epoch]:
        return {shard: self.epochs[shard] for shard in shards if shard in self.epochs}

    async def lock_people(self, candidates: Sequence[str]) -> None:
        pass

    async def places(self, candidates: Sequence[str]) -> Sequence[Outreach]:
        return [
            row
            for row in self.rows.values()
            if row.candidate in candidates
            and (row.state is State.DELAYED or (row.slot_at is not None and row.slot_at > self.at - KEPT))
        ]

    async def earlier(self, pairs: Collection[tuple[str, str]]) -> Mapping[tuple[str, str], Sequence[Outreach]]:
        since = self.at - ENDED_KEPT
        return {
            pair: [
                row for row in self.rows.values() if (row.candidate, row.employer) == pair and row.submitted_at > since
            ]
            for pair in pairs
        }

    def take_back(self, id: str) -> None:
        """As its employer's request writes it."""
        row = self.rows[id] = self.rows[id]._replace(taken_back_at=self.at)
        if row.state in (State.SUBMITTED, State.DELAYED):
            self.due[id] = self.at

    async def lock_live(self, ids: Sequence[str]) -> Sequence[Outreach]:
        wanted = [self.rows[id] for id in sorted(set(ids)) if id in self.rows]
        return [row for row in wanted if row.state is State.SUBMITTED]

    async def take_due(self, candidates: Sequence[str], limit: int) -> Sequence[Outreach]:
        due = [id for id, at in sorted(self.due.items(), key=lambda item: item[1]) if at <= self.at]
        return [self.rows[id] for id in due if self.rows[id].candidate in candidates][:limit]

    async def next_due(self, candidates: Sequence[str]) -> Mapping[str, datetime]:
        found: dict[str, datetime] = {}
        for id, at in self.due.items():
            candidate = self.rows[id].candidate
            if candidate in candidates:
                found[candidate] = min(at, found.get(candidate, at))
        return found

    async def missed_due(self, limit: int) -> Sequence[str]:
        return [self.rows[id].candidate for id, at in self.due.items() if at <= self.at][:limit]

    def decide_for(self, candidates: Sequence[str], at: datetime) -> None:
        """`due` says it all here."""

    def decide_no_more(self, candidates: Sequence[str]) -> None:
        assert not [id for id in self.due if self.rows[id].candidate in candidates], "something of them is due"

    def due_work(self) -> list[Job]:
        """What the runner would claim."""
        return [Job(candidate, self.at, 1) for candidate in sorted({self.rows[id].candidate for id in self.due})]

    async def lock_waiting_of(self, candidates: Sequence[str]) -> Sequence[Outreach]:
        waiting = (State.SUBMITTED, State.DELAYED)
        return [row for row in self.rows.values() if row.candidate in candidates and row.state in waiting]

    async def take_waiting_of_senders(self, employers: Sequence[str], limit: int) -> Sequence[Outreach]:
        waiting = (State.SUBMITTED, State.DELAYED)
        return [row for row in self.rows.values() if row.employer in employers and row.state in waiting][:limit]

    async def people(self, candidates: Sequence[str]) -> Mapping[str, Person]:
        return {
            candidate: Person(
                fact(self.consents.get(candidate)),
                fact(self.memberships[candidate][1] if candidate in self.memberships else None),
                fact(self.mailboxes[candidate][1] if candidate in self.mailboxes else None),
                candidate in self.erased,
            )
            for candidate in candidates
        }

    async def settle(self, settled: Sequence[Settled]) -> None:
        for item in settled:
            row, decision = item.outreach, item.decision
            if isinstance(decision, Hold):
                self.due[row.id] = decision.until
                continue
            self.settled.append(item)
            self.due.pop(row.id, None)
            slot_at = decision.slot_at if isinstance(decision, Admit | Delay) else None
            state = {
                Admit: State.ADMITTED,
                Delay: State.DELAYED,
                Drop: State.DROPPED,
                Cancel: State.CANCELLED,
            }[type(decision)]
            self.rows[row.id] = row._replace(state=state, version=row.version + 1, slot_at=slot_at)
            if isinstance(decision, Delay):
                due_at = decision.due_at or decision.slot_at
                assert due_at is not None
                self.due[row.id] = due_at

    async def hold_erasures(self) -> None:
        pass

    async def begin_erasure(self) -> None:
        pass

    async def erased_unheard(self, limit: int) -> Sequence[str]:
        """Nothing is read back here."""
        return []

    async def erase(self, candidates: Sequence[str]) -> None:
        self.erased |= set(candidates)
        for candidate in candidates:
            self.consents.pop(candidate, None)
            self.memberships.pop(candidate, None)
        await self.forget_keys(candidates)

    async def keep_consents(self, consents: Sequence[Consent]) -> Collection[str]:
        refused = []
        for consent in consents:
            known = self.consents.get(consent.candidate)
            if consent.candidate in self.erased:
                continue
            if known is None or consent.version > known.version:
                no_at = known.no_at if known else None
                lifts = consent.lifts_no_until
                if known and consent.contact and not known.contact and no_at and not (lifts and lifts >= no_at):
                    refused.append(consent.candidate)
                    continue
                self.consents[consent.candidate] = consent._replace(no_at=grants.later(no_at, consent.no_at))
            else:
                before: tuple[Purpose, ...] = ("contact",) if known.contact else ()
                others: tuple[Purpose, ...] = ("contact",) if consent.contact else ()
                contact = bool(grants.still_on(before, others, known.lifts_no_until, consent.no_at))
                self.consents[consent.candidate] = known._replace(
                    contact=contact, no_at=grants.later(known.no_at, consent.no_at)
                )
        return refused

    async def keep_memberships(self, memberships: Mapping[str, tuple[int, Memberships]]) -> None:
        for candidate, found in memberships.items():
            kept = self.memberships.get(candidate)
            completes = kept is not None and kept[1].pools is None and kept[0] == found[0]
            if candidate not in self.erased and (kept is None or found[0] > kept[0] or completes):
                self.memberships[candidate] = found

    async def keep_mailboxes(self, mailboxes: Mapping[str, tuple[int, bool]]) -> None:
        for candidate, found in mailboxes.items():
            if candidate not in self.erased and found[0] > self.mailboxes.get(candidate, (0, True))[0]:
                self.mailboxes[candidate] = found

    async def keep_keys(self, keys: Mapping[str, tuple[int, str]]) -> None:
        for candidate, found in keys.items():
            if candidate not in self.erased and found[0] > self.keys.get(candidate, (0, ""))[0]:
                self.keys[candidate] = found

    async def forget_keys(self, candidates: Sequence[str]) -> None:
        for candidate in candidates:
            self.keys.pop(candidate, None)
            self.mailboxes.pop(candidate, None)

    async def look_again(self, candidates: Sequence[str]) -> None:
        for row in self.rows.values():
            if row.candidate in candidates and row.state is State.SUBMITTED:
                self.due[row.id] = min(self.due.get(row.id, self.at), self.at)

    async def plan_again(self, candidates: Sequence[str]) -> None:
        for row in self.rows.values():
            if row.candidate in candidates and row.state in (State.SUBMITTED, State.DELAYED):
                self.due[row.id] = min(self.due.get(row.id, self.at), self.at)

    async def wish(self, wishes: Mapping[str, tuple[str, datetime]]) -> Collection[str]:
        noted = set()
        for id, (candidate, at) in wishes.items():
            row = self.rows.get(id)
            if row is None or row.candidate != candidate or row.state not in (State.SUBMITTED, State.DELAYED):
                continue
            if row.wished_at is None or row.wished_at < at:
                self.rows[id] = row._replace(wished_at=at)
                noted.add(candidate)
        return noted

    async def report(self, reports: Sequence[Reported]) -> Freed:
        withheld, bounced = [], []
        for report in reports:
            row = self.rows.get(report.outreach)
            if row is None or row.state is not State.ADMITTED or row.version != report.decision_version:
                continue
            if report.outcome == "withheld":
                withheld.append(row)
                continue
            state = State.SUBMITTED if report.outcome == "returned" else State(report.outcome)
            if state is State.BOUNCED:
                bounced.append(row)
            slot_at = None if state is State.BOUNCED else row.slot_at
            if state in WENT_OUT:
                row = row._replace(sent_at=min(report.at, self.at), heard_at=self.at)
            self.rows[row.id] = row._replace(state=state, version=row.version + 1, slot_at=slot_at)
            if state is State.SUBMITTED:
                self.due[row.id] = self.at
        return Freed(withheld, bounced)


@dataclass
class FakeTellings:
    """What employers were told, in dicts; the feed is a list."""

    at: datetime = NOON
    rows: dict[str, Untold] = field(default_factory=dict)
    tell_at_of: dict[str, datetime | None] = field(default_factory=dict)
    feed: list[tuple[str, News]] = field(default_factory=list)
    scheduled: dict[str, datetime] = field(default_factory=dict)

    def put(self, row: Untold, tell_at: datetime | None) -> None:
        self.rows[row.outreach] = row
        self.tell_at_of[row.outreach] = tell_at

    async def take(self, ticks: Mapping[str, datetime], limit: int) -> Sequence[Untold]:
        found: list[Untold] = []
        for employer, tick in sorted(ticks.items()):
            due = [(at, id) for id, at in self.tell_at_of.items() if at and at <= tick and self._is(id, employer)]
            found += [self.rows[id] for _, id in sorted(due)[:limit]]
        return found

    def _is(self, id: str, employer: str) -> bool:
        return self.rows[id].employer == employer

    async def tell(self, looked_at: Sequence[tuple[Untold, Told, datetime | None]], news: Mapping[str, News]) -> None:
        for row, what, again_at in looked_at:
            self.put(replace(row, told=what), again_at)
            if row.outreach in news:
                self.feed.append((row.employer, news[row.outreach]))

    async def next(self, employers: Sequence[str]) -> Mapping[str, datetime]:
        comes = [(self.rows[id].employer, at) for id, at in self.tell_at_of.items() if at is not None]
        return {one: min(at for employer, at in comes if employer == one) for one, _ in comes if one in employers}

    async def missed(self, limit: int) -> Sequence[str]:
        due = [self.rows[id].employer for id, at in self.tell_at_of.items() if at and at <= self.at]
        return [employer for employer in due if employer not in self.scheduled][:limit]

    def tell_at(self, employers: Sequence[str], at: datetime) -> None:
        self.scheduled |= dict.fromkeys(employers, at)

    async def adopt(self, limit: int) -> int:
        """Nothing was written by a version before."""
        return 0
