"""Matching's outside in memory: one world, in which everything that is opened commits at once."""

from collections.abc import AsyncIterator, Callable, Collection, Sequence
from contextlib import asynccontextmanager
from dataclasses import dataclass, field, replace
from datetime import datetime, timedelta

from services.pool_matching.adapters import occupations
from services.pool_matching.model import (
    Consent,
    Evaluation,
    Known,
    Listed,
    Member,
    Person,
    Pool,
    PoolIndex,
    Position,
    Settled,
    ShownMember,
    Update,
)
from shared.contracts.base import Event
from shared.contracts.consent import ConsentChangedV1
from shared.contracts.pool_matching import PoolUpdatedV1
from shared.contracts.signup import CandidateProfileChangedV1, CoarseProfile
from tests.fakes.clock import NOON

SOC = occupations.load()


@dataclass
class _Person:
    profile_version: int = 0
    profile: CoarseProfile | None = None
    consent_version: int = 0
    consent: Consent | None = None
    version: int = 0
    due_at: datetime | None = None
    members: dict[str, tuple[str, Member]] = field(default_factory=dict)
    """By pool, with the member ref."""


@dataclass
class FakeMatching:
    """`PersonStore`, `EvaluationStore` and `PoolStore`."""

    at: datetime = NOON
    published: list[Event] = field(default_factory=list)
    _persons: dict[str, _Person] = field(default_factory=dict)
    _pools: dict[str, tuple[Pool, datetime]] = field(default_factory=dict)
    _deleted: dict[str, Pool] = field(default_factory=dict)
    _evaluations: dict[str, tuple[Evaluation, bool]] = field(default_factory=dict)

    def publish(self, *events: Event, id: str | None = None) -> None:
        self.published.extend(events)

    async def hold_pools(self) -> None:
        pass

    async def note(
        self, profiles: Collection[CandidateProfileChangedV1], consents: Collection[ConsentChangedV1]
    ) -> list[str]:
        changed = set()
        for profile in profiles:
            person = self._persons.setdefault(profile.candidate, _Person())
            if profile.version > person.profile_version:
                person.profile_version, person.profile = profile.version, profile.profile
                changed.add(profile.candidate)
        for consent in consents:
            person = self._persons.setdefault(consent.candidate, _Person())
            if consent.version > person.consent_version:
                person.consent_version, person.consent = consent.version, Consent.of(consent)
                changed.add(consent.candidate)
        return sorted(changed)

    async def take_overdue(self, limit: int) -> list[str]:
        overdue = [who for who, person in self._persons.items() if person.due_at and person.due_at <= self.at]
        return sorted(overdue)[:limit]

    async def known(self, candidates: Sequence[str]) -> list[Known]:
        return [
            Known(
                Person.of(who, person.profile, person.consent, SOC),
                person.version,
                person.due_at,
                tuple(member for _, member in person.members.values()),
            )
            for who in sorted(set(candidates))
            if (person := self._persons.get(who))
        ]

    async def pools(self) -> PoolIndex:
        return PoolIndex.of(pool for pool, _ in self._pools.values())

    async def settle(self, settled: Sequence[Settled], refs: Callable[[str, str], str]) -> None:
        for one in settled:
            person = self._persons[one.candidate]
            person.version, person.due_at = one.version, one.due_at
            person.members = {member.pool: (refs(one.candidate, member.employer), member) for member in one.members}

    async def open_evaluations(self, versions: Sequence[tuple[str, int]]) -> None:
        for pool, version in versions:
            exists = pool in self._pools or pool in self._deleted
            asked = self._evaluations.get(pool)
            if exists and (asked is None or asked[0].version < version):
                self._evaluations[pool] = (Evaluation(pool, version, None), False)

    async def take_evaluation(self) -> Evaluation | None:
        return next((one for _, (one, done) in sorted(self._evaluations.items()) if not done), None)

    async def wait_for_batches(self) -> None:
        pass

    async def move(self, evaluation: Evaluation, *, after: str) -> None:
        self._evaluations[evaluation.pool] = (replace(evaluation, after=after), False)

    async def end(self, evaluation: Evaluation) -> None:
        self._evaluations[evaluation.pool] = (evaluation, True)

    async def pool_in_force(self, pool: str) -> Pool | None:
        return self._pools[pool][0] if pool in self._pools else None

    async def concerned(self, pool: str, criteria_of: Pool | None, *, after: str, limit: int) -> list[str]:
        return [
            who
            for who, person in sorted(self._persons.items())
            if who > after and (pool in person.members or (criteria_of and _may_come_in(person, criteria_of)))
        ][:limit]

    async def begin_change(self) -> None:
        pass

    async def count(self, employer: str) -> int:
        return len(await self.of(employer))

    async def of(self, employer: str) -> list[Listed]:
        return sorted(
            (
                Listed(pool, created_at, self._evaluated(pool))
                for pool, created_at in self._pools.values()
                if pool.employer == employer
            ),
            key=lambda listed: (listed.created_at, listed.pool.id),
        )

    async def get(self, employer: str, pool: str) -> Listed | None:
        return next((listed for listed in await self.of(employer) if listed.pool.id == pool), None)

    async def of_any(self, employers: Collection[str], limit: int) -> list[Pool]:
        return [pool for pool, _ in self._pools.values() if pool.employer in employers][:limit]

    async def write(self, pool: Pool) -> None:
        created_at = self._pools[pool.id][1] if pool.id in self._pools else self.at
        self._pools[pool.id] = (pool, created_at)

    async def delete(self, pool: Pool) -> None:
        del self._pools[pool.id]
        self._deleted[pool.id] = pool

    async def members(self, pool: str, *, after: str, limit: int) -> list[ShownMember]:
        found = [person.members[pool] for person in self._persons.values() if pool in person.members]
        ordered = sorted((item for item in found if item[0] > after), key=lambda item: item[0])
        return [ShownMember(ref, member.since, member.shown) for ref, member in ordered[:limit]]

    def _evaluated(self, pool: Pool) -> bool:
        evaluation, done = self._evaluations.get(pool.id, (None, False))
        return done and evaluation is not None and evaluation.version == pool.version

    @asynccontextmanager
    async def work(self) -> AsyncIterator["FakeMatching"]:
        yield self


def _may_come_in(person: _Person, pool: Pool) -> bool:
    if person.profile is None:
        return False
    codes = {code for own in person.profile.occupations for code in SOC.lineage(own)}
    asked = pool.criteria
    return (not asked.occupations or not codes.isdisjoint(asked.occupations)) and (
        not asked.states or person.profile.state in asked.states
    )


@dataclass
class FakeFeed:
    """`FeedStore`."""

    at: datetime = NOON
    _rows: list[tuple[str, Update, datetime]] = field(default_factory=list)
    _next: int = 1
    _forgotten: dict[str, Position] = field(default_factory=dict)

    async def note(self, updates: Sequence[tuple[str, PoolUpdatedV1]]) -> None:
        for id_, event in updates:
            update = Update(Position(1, self._next), id_, event.change, event.pool, event.member_ref, event.at)
            self._rows.append((event.employer, update, self.at))
            self._next += 1

    async def read(self, employer: str, *, after: Position, limit: int) -> list[Update]:
        own = [update for whose, update, _ in self._rows if whose == employer and update.position > after]
        return own[:limit]

    async def forget(self, limit: int, *, kept: timedelta) -> int:
        old = [row for row in self._rows if row[2] < self.at - kept][:limit]
        self._rows = [row for row in self._rows if row not in old]
        for employer, update, _ in old:
            self._forgotten[employer] = max(self._forgotten.get(employer, Position()), update.position)
        return len(old)

    async def forgotten(self, employer: str) -> Position:
        return self._forgotten.get(employer, Position())

    @asynccontextmanager
    async def work(self) -> AsyncIterator["FakeFeed"]:
        yield self
