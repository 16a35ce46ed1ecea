"""Signup's outside, in memory, behaving as the real one does."""

from collections import Counter
from collections.abc import AsyncIterator, Iterable, Mapping, Sequence
from contextlib import asynccontextmanager
from dataclasses import dataclass, field, replace
from datetime import date, datetime
from types import MappingProxyType
from typing import Literal

from services.signup.decisions import quota
from services.signup.decisions.asking import Joining
from services.signup.decisions.quota import is_kept
from services.signup.model.hooks import Source
from services.signup.model.invitations import Asked, Lapse, LapseReason, PastInvitations, ToInvite
from services.signup.model.people import Record
from services.signup.model.provenance import ValueOrigin
from services.signup.model.records import Claim, Known, Picture, Proposal, Proposed, Showing, Stub
from services.signup.model.reports import Deletion, KeptReport, Report, Taken
from services.signup.ports.intake import KEPT
from services.signup.ports.store import LANES, MOST_PROPOSALS
from services.signup.vault.hashing import Prefix, SlowHash, Suspected
from services.signup.vault.index import Indexed
from services.signup.vault.sealing import SealedIdentity
from shared.contracts.base import Event
from shared.contracts.signup import JOIN
from shared.runner.model import Job
from tests.fakes.clock import NOON


@dataclass(slots=True)
class _Person:
    stub: Stub
    showing: Showing
    until: datetime
    lapse: Lapse | None = None
    asked_at: datetime = NOON
    changed_at: datetime | None = None
    told_at: datetime | None = None


@dataclass(slots=True)
class FakeStore:
    """`ports.Store` without a database; what is published is listed in `published`."""

    at: datetime = NOON
    published: list[Event] = field(default_factory=list)
    buried: list[str] = field(default_factory=list)
    """Candidates whose key got a tombstone."""
    keys: dict[date, bytes] = field(default_factory=dict)
    vault: dict[str, SealedIdentity] = field(default_factory=dict)
    claims: dict[Record, Claim] = field(default_factory=dict)
    to_look_at: dict[str, datetime] = field(default_factory=dict)
    """When the runner has to look at whom."""
    _proposals: dict[Record, tuple[Proposal, datetime]] = field(default_factory=dict)
    _answered: dict[Record, datetime] = field(default_factory=dict)
    _origins: dict[str, Sequence[ValueOrigin]] = field(default_factory=dict)
    not_theirs: set[tuple[Record, str]] = field(default_factory=set)
    _people: dict[str, _Person] = field(default_factory=dict)
    _queue: dict[str, tuple[bool, datetime]] = field(default_factory=dict)
    _kept: dict[tuple[str, str, str, str], tuple[KeptReport, datetime]] = field(default_factory=dict)
    _invitations: dict[bytes, PastInvitations] = field(default_factory=dict)
    _prefixes: dict[bytes, Prefix] = field(default_factory=dict)

    @property
    def outbox_ids(self) -> Sequence[int]:
        return range(len(self.published))

    def publish(self, event: Event, *, id: str | None = None) -> None:
        self.published.append(event)

    async def intake_keys(self, days: Iterable[date]) -> Mapping[date, bytes]:
        return {day: self.keys[day] for day in days if day in self.keys}

    async def register(self, stubs: Sequence[Stub]) -> set[str]:
        new = set()
        for stub in stubs:
            if all(
                person.stub.blind_index not in (stub.blind_index, *stub.older_indexes)
                for person in self._people.values()
            ):
                showing = Showing(stub.candidate, 0, False, False, None, None, None, 0, None)
                self._people[stub.candidate] = _Person(stub, showing, stub.until)
                new.add(stub.candidate)
        return new

    async def hold(self, records: Sequence[Record]) -> None:
        pass

    async def look_up(
        self,
        records: Sequence[Record],
        blind_indexes: Sequence[bytes],
        older: Mapping[bytes, bytes] = MappingProxyType({}),
    ) -> Picture:
        deletions = {
            ((vendor, record), employer): Deletion(
                vendor, record, employer, one.happened_at, one.event.reported_at, one.counted
            )
            for (vendor, record, employer, kind), (one, kept_at) in self._kept.items()
            if kind == "deleted" and (vendor, record) in records and kept_at >= self.at - KEPT
        }
        claims = {record: self.claims[record] for record in records if record in self.claims}
        wanted = {claim.candidate for claim in claims.values()}
        people = [
            Known(
                candidate,
                older.get(person.stub.blind_index, person.stub.blind_index),
                person.showing.confirmed,
                person.lapse is not None,
                person.showing.profile is not None,
            )
            for candidate, person in self._people.items()
            if candidate in wanted or person.stub.blind_index in (*blind_indexes, *older)
        ]
        return Picture(
            claims,
            {known.candidate: known for known in people},
            {known.blind_index: known for known in people},
            deletions,
            frozenset(one for one in self.not_theirs if one[0] in records),
        )

    async def save_identities(self, identities: Sequence[SealedIdentity]) -> None:
        self.vault |= {row.candidate: row for row in identities}

    async def save_claims(self, claims: Sequence[Claim]) -> None:
        for claim in claims:
            before = self.claims.get((claim.vendor, claim.record))
            kept = before is not None and before.registered and before.candidate == claim.candidate
            happened_at = before.happened_at if before is not None else None
            self.claims[claim.vendor, claim.record] = replace(
                claim, registered=claim.registered or kept, happened_at=happened_at
            )

    async def remove_claims(self, records: Sequence[Record]) -> None:
        for record in records:
            self.claims.pop(record, None)
            self._proposals.pop(record, None)
            self._answered.pop(record, None)

    async def save_proposals(self, told: Sequence[Proposal]) -> None:
        for one in told:
            before = self._proposals.get((one.vendor, one.record))
            is_same = before is not None and replace(before[0], origin=one.origin) == one
            self._proposals[one.vendor, one.record] = one, self.at
            if not is_same:
                self._answered.pop((one.vendor, one.record), None)
        for candidate in {one.candidate for one in told}:
            theirs = [one.proposal for one in await self.proposals(candidate)]
            nth = [[other.vendor for other in theirs[:number]].count(one.vendor) for number, one in enumerate(theirs)]
            theirs = [one for _, one in sorted(zip(nth, theirs, strict=True), key=lambda pair: pair[0])]
            for one in theirs[MOST_PROPOSALS:]:
                del self._proposals[one.vendor, one.record]

    async def proposals(self, candidate: str) -> Sequence[Proposed]:
        theirs = [
            Proposed(
                replace(one, candidate=candidate), self.claims[record].employer, told_at, self._answered.get(record)
            )
            for record, (one, told_at) in self._proposals.items()
            if record in self.claims and self.claims[record].candidate == candidate
        ]
        return sorted(theirs, key=lambda one: one.told_at, reverse=True)

    async def answer_proposals(self, candidate: str, told_until: datetime) -> None:
        for record, (one, told_at) in self._proposals.items():
            if one.candidate == candidate and told_at <= told_until:
                self._answered.setdefault(record, self.at)

    async def answer_proposal(self, candidate: str, record: Record) -> None:
        if record in self._proposals and self._proposals[record][0].candidate == candidate:
            self._answered[record] = self.at

    async def deny(self, candidate: str, record: Record) -> None:
        if record in self.claims and self.claims[record].candidate == candidate:
            await self.remove_claims([record])
            self.not_theirs.add((record, candidate))

    async def origins(self, candidate: str) -> Sequence[ValueOrigin]:
        return self._origins.get(candidate, ())

    async def save_origins(self, candidate: str, origins: Sequence[ValueOrigin]) -> None:
        self._origins[candidate] = tuple(origins)

    async def note_times(self, times: Mapping[Record, datetime]) -> None:
        for record, at in times.items():
            if record in self.claims:
                before = self.claims[record].happened_at
                self.claims[record] = replace(self.claims[record], happened_at=max(at, before or at))

    async def hand_over(self, merged: Mapping[Record, Record]) -> None:
        for lost, into in merged.items():
            claim = self.claims.get(lost)
            if claim is not None and into not in self.claims:
                self.claims[into] = replace(claim, record=into[1])
                if lost in self._proposals:
                    proposal, told_at = self._proposals[lost]
                    self._proposals[into] = replace(proposal, record=into[1]), told_at
            await self.remove_claims([lost])

    async def keep(self, reports: Sequence[KeptReport]) -> None:
        counts = Counter(key[0] for key, (one, _) in self._kept.items() if not one.counted)
        for one in reports:
            kind = one.change
            if not one.counted and not is_kept(kind, counts[one.event.vendor], 2 * quota.MOST_KEPT):
                continue
            key = (one.event.vendor, one.event.record, one.event.employer or "", "deleted" if one.counted else kind)
            before = self._kept[key][0] if key in self._kept else None
            if before is None or not before.happened_at or not one.happened_at or one.happened_at >= before.happened_at:
                self._kept[key] = replace(one, counted=one.counted or (before is not None and before.counted)), self.at

    async def take_kept(self, records: Sequence[Record]) -> Sequence[KeptReport]:
        keys = [
            key
            for key, (one, kept_at) in self._kept.items()
            if key[:2] in records and one.waits_for is None and not one.counted and kept_at >= self.at - KEPT
        ]
        return self._taken(keys)

    async def count_deletions(self, records: Sequence[tuple[Record, str]]) -> None:
        for (vendor, record), employer in records:
            key = (vendor, record, employer, "deleted")
            if key in self._kept and not self._kept[key][0].counted:
                self._kept[key] = replace(self._kept[key][0], counted=True), self.at

    async def forget_told_before(self, deleted: Mapping[tuple[Record, str], datetime | None]) -> None:
        for (vendor, record), employer in deleted:
            at = deleted[(vendor, record), employer]
            for key, (one, _) in list(self._kept.items()):
                is_before = one.happened_at is None or at is None or one.happened_at <= at
                if key[:3] == (vendor, record, employer) and key[3] != "deleted" and is_before:
                    del self._kept[key]

    async def release(self, *, limit: int) -> Sequence[KeptReport]:
        lapsing = {candidate for candidate, person in self._people.items() if person.lapse is not None}
        keys = [key for key, (one, _) in self._kept.items() if one.waits_for and one.waits_for not in lapsing]
        return self._taken(keys[:limit])

    async def forget_kept(self, before: datetime, *, limit: int) -> int:
        keys = [key for key, (one, at) in self._kept.items() if one.waits_for is None and at < before]
        return len(self._taken(keys[:limit]))

    async def lapse_unclaimed(self, candidates: Sequence[str]) -> Sequence[Lapse]:
        claimed = {claim.candidate for claim in self.claims.values()}
        return self._lapse([candidate for candidate in candidates if candidate not in claimed], "deleted")

    async def lapse_expired(self, *, limit: int) -> Sequence[Lapse]:
        over = [
            candidate
            for candidate, person in self._people.items()
            if person.until < self.at and person.lapse is None and not person.showing.confirmed
        ]
        return self._lapse(over[:limit], "expired")

    async def ask_again(self, before: datetime, *, limit: int) -> Sequence[Lapse]:
        found: list[Lapse] = []
        for person in self._people.values():
            if person.lapse is not None and person.asked_at < before and len(found) < limit:
                person.asked_at = self.at
                found.append(person.lapse)
        return found

    async def erase_lapsed(self, candidates: Sequence[str]) -> Sequence[str]:
        gone = [one for one in candidates if one in self._people and self._people[one].lapse is not None]
        for candidate in gone:
            self._erase(candidate)
        return gone

    async def ask_to_invite(self, candidates: Mapping[str, str]) -> None:
        for candidate, vendor in candidates.items():
            before, asked_at = self._queue.get(candidate, (False, self.at))
            self._queue[candidate] = before or vendor == JOIN, asked_at

    async def prolong(self, candidates: Sequence[str], until: datetime) -> None:
        for candidate in candidates:
            person = self._people[candidate]
            person.until = max(person.until, until)

    async def showing(self, candidate: str) -> Showing | None:
        return (await self.showings([candidate])).get(candidate)

    async def showings(self, candidates: Sequence[str]) -> Mapping[str, Showing]:
        return {candidate: self._people[candidate].showing for candidate in candidates if candidate in self._people}

    async def missed_showings(self, before: datetime, *, limit: int) -> Sequence[str]:
        missed = [
            candidate
            for candidate, person in self._people.items()
            if person.showing.look_again_at is not None
            and person.showing.look_again_at <= before
            and candidate not in self.to_look_at
        ]
        return missed[:limit]

    def look_at(self, candidates: Sequence[str]) -> None:
        self.to_look_at |= dict.fromkeys(candidates, self.at)

    async def save_showings(self, showings: Sequence[Showing]) -> None:
        for one in showings:
            person = self._people[one.candidate]
            person.showing = one
            if one.confirmed:
                person.lapse = None
            if one.look_again_at is not None:
                self.to_look_at[one.candidate] = one.look_again_at

    def take_invitations(self) -> list[Job]:
        """What the runner would claim."""
        jobs = [
            Job(candidate, at, 1, {"asked_at": at.isoformat()}, lane=LANES[not by_join])
            for candidate, (by_join, at) in self._queue.items()
        ]
        self._queue.clear()
        return jobs

    async def to_invite(self, asked: Sequence[Asked]) -> Sequence[ToInvite]:
        return [
            ToInvite(
                one.candidate,
                one.by_join,
                self._people[one.candidate].until,
                self._introduced_by(one.candidate),
                introduced_at=one.at,
            )
            for one in asked
            if one.candidate in self._people
            and not (showing := self._people[one.candidate].showing).confirmed
            and self._people[one.candidate].lapse is None
            and (one.by_join or not showing.mailbox_gone)
        ]

    async def identities(self, candidates: Sequence[str]) -> Mapping[str, SealedIdentity]:
        return {candidate: self.vault[candidate] for candidate in candidates if candidate in self.vault}

    async def past_invitations(self, slow_hashes: Sequence[bytes]) -> Mapping[bytes, PastInvitations]:
        return {slow: self._invitations[slow] for slow in slow_hashes if slow in self._invitations}

    async def note_profile_change(self, candidate: str) -> None:
        self._people[candidate].changed_at = self.at

    async def take_profiles_to_tell(self, before: datetime, *, limit: int) -> Mapping[str, datetime]:
        told: dict[str, datetime] = {}
        for candidate, person in self._people.items():
            if person.changed_at and (person.told_at is None or person.told_at <= before) and len(told) < limit:
                told[candidate] = person.changed_at
                person.changed_at, person.told_at = None, self.at
        return told

    async def suspected(self, prefixes: Sequence[Prefix]) -> Suspected:
        return Suspected(frozenset(self._prefixes.values()) & frozenset(prefixes))

    async def note_invitations(self, slow_hashes: Sequence[SlowHash]) -> None:
        for one in slow_hashes:
            slow, self._prefixes[one.value] = one.value, one.prefix
            before = self._invitations.get(slow, PastInvitations(0))
            self._invitations[slow] = replace(before, count=before.count + 1, last_at=self.at)

    async def forget_intake(self, before: datetime, *, limit: int) -> int:
        self.keys = {day: key for day, key in self.keys.items() if day >= before.date()}
        return 0

    async def forget_certificates(self, *, limit: int) -> int:
        return 0

    async def forget_refusals(self, *, limit: int) -> int:
        return 0

    async def forget_page_requests(self, before: datetime, *, origins_before: datetime, limit: int) -> int:
        return 0

    def _lapse(self, candidates: Sequence[str], reason: LapseReason) -> list[Lapse]:
        found = []
        for candidate in candidates:
            person = self._people.get(candidate)
            if person is not None and not person.showing.confirmed and person.lapse is None:
                person.lapse, person.asked_at = Lapse(candidate, reason, self.at), self.at
                found.append(person.lapse)
        return found

    def _taken(self, keys: Sequence[tuple[str, str, str, str]]) -> list[KeptReport]:
        taken = sorted((self._kept.pop(key) for key in keys), key=lambda pair: pair[0].happened_at or pair[1])
        return [replace(one, waits_for=None) for one, _ in taken]

    def _introduced_by(self, candidate: str) -> str | None:
        claims = [claim for claim in self.claims.values() if claim.candidate == candidate]
        first = min(claims, key=lambda claim: not claim.registered, default=None)
        return (first.employer or first.vendor) if first else None

    def _erase(self, candidate: str) -> None:
        del self._people[candidate]
        self.vault.pop(candidate, None)
        self._queue.pop(candidate, None)
        self.claims = {record: claim for record, claim in self.claims.items() if claim.candidate != candidate}
        self.buried.append(candidate)

    @asynccontextmanager
    async def work(self) -> AsyncIterator["FakeStore"]:
        """This store as a unit of work."""
        yield self


def _record(report: Report) -> Record:
    return report.vendor, report.record


@dataclass(slots=True)
class FakeIntake:
    """`ports.Intake`: recognises what it took; `fails` is raised once it is set."""

    taken: list[Report] = field(default_factory=list)
    noted: list[Report] = field(default_factory=list)
    fails: Exception | None = None

    async def take(self, reports: Sequence[Report]) -> Taken:
        if self.fails is not None:
            raise self.fails
        accepted, conflicts = 0, []
        for place, report in enumerate(reports):
            same = next((one for one in self.noted if (one.vendor, one.mark) == (report.vendor, report.mark)), None)
            if same is not None:
                conflicts += [place] if same.content != report.content else []
                continue
            self.noted.append(report)
            last = next((one for one in reversed(self.taken) if _record(one) == _record(report)), None)
            if report.by_content and last is not None and last.by_content and last.content == report.content:
                continue
            accepted += 1
            self.taken.append(report)
        return Taken(accepted, len(reports) - accepted - len(conflicts), tuple(conflicts))


@dataclass(slots=True)
class FakeSources:
    """`ports.Sources`."""

    kept: dict[tuple[str, str], Source] = field(default_factory=dict)

    async def find(self, format_: str, source: str) -> Source | None:
        return self.kept.get((format_, source))

    async def add(self, source: Source) -> Literal["added", "same", "different"]:
        there = self.kept.setdefault((source.format, source.source), source)
        if there is source:
            return "added"
        return "same" if there == source else "different"


@dataclass(slots=True)
class FakePageRequests:
    """`ports.PageRequests`: notes who asked, and may be told that it was too often."""

    enough: bool = False
    joined: list[bytes] = field(default_factory=list)
    signed_in: list[bytes] = field(default_factory=list)

    async def join(self, mailbox: Indexed, origin: bytes) -> Joining:
        self.joined.append(mailbox.value)
        return Joining(not self.enough, not self.enough)

    async def may_join_from(self, origin: bytes) -> bool:
        return True

    async def may_sign_in_from(self, origin: bytes) -> bool:
        return True

    async def sign_in(self, mailbox: Indexed, origin: bytes) -> None:
        self.signed_in.append(mailbox.value)
