"""Matching's outside in memory: one world, in which everything that is opened commits at once."""

from collections.abc import AsyncIterator, Collection, Mapping, Sequence
from contextlib import asynccontextmanager
from dataclasses import dataclass, field, replace
from datetime import datetime, timedelta

from services.pool_matching.adapters import occupations
from services.pool_matching.adapters.postgres_persons import LAST_VERSION
from services.pool_matching.decisions import asks
from services.pool_matching.matching.index import Engine
from services.pool_matching.matching.readable import Readable
from services.pool_matching.model import (
    LONG_SINCE,
    Consent,
    Evaluation,
    KeptPerson,
    Made,
    Member,
    Noted,
    Person,
    Pool,
    Settled,
    ShownMember,
    ShownPool,
)
from services.pool_matching.ports import Refs
from shared.contracts import grants
from shared.contracts.base import Event
from shared.contracts.consent import ConsentChanged, Purpose
from shared.contracts.grants import Newest
from shared.contracts.pool_matching import Membership, MembershipsChangedV1
from shared.contracts.signup import CandidateProfileChangedV1, CoarseProfile
from shared.facts import UNKNOWN, Fact, Known
from tests.fakes.clock import NOON
from tests.fakes.listings import FakeListings

SOC = occupations.load()


def _found(profile: Fact[CoarseProfile | None], consent: Fact[Consent]) -> tuple[CoarseProfile, Consent] | None:
    """Both, of whoever may be found."""
    if (
        not isinstance(profile, Known)
        or profile.value is None
        or not isinstance(consent, Known)
        or not consent.value.match
    ):
        return None
    return profile.value, consent.value


@dataclass
class _Person:
    profile_version: int = 0
    profile: Fact[CoarseProfile | None] = UNKNOWN
    consent_version: int = 0
    consent: Fact[Consent] = UNKNOWN
    no_at: datetime | None = None
    lifts: datetime | None = None
    since: datetime = LONG_SINCE
    before: list[tuple[datetime, datetime, CoarseProfile, Consent]] = field(default_factory=list)
    """From, until, and how they were."""
    generation: int = 0
    version: int = 0
    due_at: datetime | None = None
    members: dict[str, tuple[str, Member]] = field(default_factory=dict)
    """By pool, with the member ref."""

    def keep(self, at: datetime, profile: Fact[CoarseProfile | None], consent: Fact[Consent]) -> None:
        """They are so from now on."""
        then = _found(self.profile, self.consent)
        if (isinstance(profile, Known) and profile.value is None) or (
            isinstance(consent, Known) and not consent.value.match
        ):
            self.before = []
        elif then is not None and self.since < at:
            self.before.append((self.since, at, *then))
        self.since, self.profile, self.consent = at, profile, consent


@dataclass
class _Waiting:
    evaluation: Evaluation
    employer: str
    turn: int
    asked: int
    done: bool = False


@dataclass
class FakeMatching:
    """`PersonStore`, `EvaluationStore` and `PoolStore`."""

    at: datetime = NOON
    published: list[Event] = field(default_factory=list)
    listings: FakeListings = field(init=False)
    _persons: dict[str, _Person] = field(default_factory=dict)
    _pools: dict[str, tuple[Pool, datetime]] = field(default_factory=dict)
    _deleted: dict[str, Pool] = field(default_factory=dict)
    _asks_since: dict[str, int] = field(default_factory=dict)
    _made: dict[tuple[str, bytes], Made] = field(default_factory=dict)
    _evaluations: dict[str, _Waiting] = field(default_factory=dict)
    _asked: int = 0
    to_evaluate: list[str] = field(default_factory=list)
    """Employers in the order in which the runner takes them."""
    to_decide: set[str] = field(default_factory=set)
    _used_until: dict[str, datetime] = field(default_factory=dict)

    def __post_init__(self) -> None:
        self.listings = FakeListings(self)

    def publish(self, *events: Event, id: str | None = None) -> None:
        self.published.extend(events)

    async def hold_pools(self) -> None:
        pass

    async def note(self, profiles: Collection[CandidateProfileChangedV1], consents: Newest[ConsentChanged]) -> Noted:
        changed, replayed = set(), []
        for profile in profiles:
            person = self._persons.setdefault(profile.candidate, _Person())
            if profile.version > person.profile_version:
                person.keep(self.at, Known(profile.profile), person.consent)
                person.profile_version = profile.version
                changed.add(profile.candidate)
        for consent in consents.by_candidate.values():
            person = self._persons.setdefault(consent.candidate, _Person())
            no_at = grants.later(person.no_at, consents.no_at[consent.candidate])
            if consent.version <= person.consent_version:
                kept = person.consent.value if isinstance(person.consent, Known) else Consent.none()
                if person.consent_version < LAST_VERSION:
                    on: tuple[Purpose, ...] = ("match",) if kept.match else ()
                    on = grants.still_on(on, consent.purposes, person.lifts, consents.no_at[consent.candidate])
                    person.generation += kept.match and not on
                    person.keep(self.at, person.profile, Known(kept.model_copy(update={"match": bool(on)})))
                    person.no_at = no_at
                    changed.add(consent.candidate)
                continue
            after = Consent.of(consent)
            before = person.consent.value if isinstance(person.consent, Known) else Consent.none()
            was_on = before.match
            pauses = grants.is_paused(after, at=self.at) and not grants.is_paused(before, at=self.at)
            leaves = not after.match or pauses or grants.has_ended(before, at=self.at)
            if after.match and not was_on and person.no_at is not None and consent.lifts_no_until < person.no_at:
                replayed.append(consent.candidate)
                continue
            withdrawn = consents.withdrawn.get(consent.candidate, 0)
            person.generation += was_on and (leaves or withdrawn > person.consent_version)
            person.keep(self.at, person.profile, Known(after))
            person.consent_version = consent.version
            person.no_at, person.lifts = no_at, consent.lifts_no_until
            changed.add(consent.candidate)
        return Noted(tuple(sorted(changed)), tuple(replayed))

    async def erased_and_known(self, limit: int) -> list[str]:
        """Nothing is read back here."""
        return []

    async def erase(self, candidates: Collection[str]) -> list[str]:
        news = [who for who in candidates if self._persons.get(who, _Person()).profile_version < LAST_VERSION]
        for who in news:
            known = self._persons.get(who, _Person())
            self._persons[who] = replace(
                known,
                profile_version=LAST_VERSION,
                profile=Known(None),
                consent_version=LAST_VERSION,
                consent=Known(Consent.none()),
                no_at=None,
                lifts=None,
                generation=0,
                before=[],
                since=LONG_SINCE,
            )
        return sorted(news)

    async def sweep(self, candidates: Collection[str]) -> None:
        """Nothing else is kept here."""

    async def overdue(self, limit: int) -> list[str]:
        overdue = [who for who, person in self._persons.items() if person.due_at and person.due_at <= self.at]
        return sorted(set(overdue) - self.to_decide)[:limit]

    def decide_for(self, candidates: Sequence[str]) -> None:
        self.to_decide |= set(candidates)

    async def take_overdue(self, candidates: Sequence[str]) -> list[str]:
        self.to_decide -= set(candidates)
        return sorted(set(candidates) & set(await self.overdue(len(self._persons))))

    async def known(self, candidates: Sequence[str]) -> list[KeptPerson]:
        return [
            KeptPerson(
                Person.of(who, person.profile, person.consent, SOC, person.generation),
                person.version,
                person.due_at,
                tuple(member for _, member in person.members.values()),
            )
            for who in sorted(set(candidates))
            if (person := self._persons.get(who))
        ]

    async def pools(self) -> Engine:
        return Readable(pool for pool, _ in self._pools.values())

    async def settle(self, settled: Sequence[Settled], refs: Refs) -> None:
        for one in settled:
            person = self._persons[one.candidate]
            person.version, person.due_at = one.version, one.due_at
            person.members = {
                member.pool: (
                    _kept_ref(person, member) or refs(one.candidate, member.employer, member.pool, member.generation),
                    member,
                )
                for member in one.members
            }
            for member in one.change.left:
                self.listings.left(member.pool, one.candidate)
        self.publish(*(list_of(one) for one in settled if one.list_changed))

    async def changed_since(self, candidates: Sequence[str], at: datetime) -> Mapping[str, Person]:
        found: dict[str, Person] = {}
        for who in candidates:
            if (person := self._persons[who]).since > at:
                were = [(profile, consent) for since, until, profile, consent in person.before if since <= at < until]
                profile, consent = were[0] if were else (None, Consent.none())
                found[who] = Person.of(who, Known(profile), Known(consent), SOC)
        return found

    async def note_fits(self, pool: str, fits_since: Mapping[str, datetime]) -> None:
        for who, since in fits_since.items():
            if pool in (members := self._persons[who].members):
                ref, member = members[pool]
                members[pool] = (ref, member._replace(fits_since=since))

    async def forget_earlier(self, limit: int, *, before: datetime) -> int:
        forgotten = 0
        for person in self._persons.values():
            kept = [one for one in person.before if one[1] >= before or forgotten == limit]
            forgotten += len(person.before) - len(kept)
            person.before = kept
        return forgotten

    async def renew_refs(self, limit: int, refs: Refs) -> int:
        renewed = 0
        for who, person in self._persons.items():
            for pool, (before, member) in person.members.items():
                now = refs(who, member.employer, pool, member.generation)
                if before != now and renewed < limit:
                    person.members[pool] = (now, member)
                    self.listings.renewed(pool, who, now)
                    renewed += 1
        return renewed

    async def under_ref_keys(self, *, most: int) -> Mapping[bytes, int]:
        """No ref of another key stays."""
        return {}

    async def open_evaluations(self, pools: Sequence[str]) -> None:
        for pool in pools:
            if pool not in self._asks_since:
                continue
            fresh = Evaluation(pool, self._asks_since[pool], None)
            employer = self._deleted[pool].employer if pool in self._deleted else self._pools[pool][0].employer
            known = self._evaluations.get(pool)
            if known is None or (known.done and known.evaluation.version < fresh.version):
                turn = 1 + max([0, *(one.turn for one in self._waiting() if one.employer == employer)])
                self._asked += 1
                self._evaluations[pool] = _Waiting(fresh, employer, turn, self._asked)
            elif known.evaluation.version < fresh.version:
                known.evaluation = fresh
            else:
                continue
            self.evaluate_for([employer])

    def evaluate_for(self, employers: Sequence[str]) -> None:
        self.to_evaluate += [employer for employer in employers if employer not in self.to_evaluate]

    async def employers_waiting(self, limit: int) -> list[str]:
        return sorted({one.employer for one in self._waiting()} - set(self.to_evaluate))[:limit]

    async def next_turn(self, employer: str, after: int) -> str | None:
        own = sorted(
            (one for one in self._waiting() if one.employer == employer), key=lambda one: (one.turn, one.asked)
        )
        if not own:
            return None
        taken = own[after % len(own)]
        taken.turn = 1 + own[-1].turn
        return taken.evaluation.pool

    async def has_waiting(self, employer: str) -> bool:
        return any(one.employer == employer for one in self._waiting())

    async def take_evaluation(self, pool: str) -> tuple[Evaluation, Pool | None] | None:
        found = self._evaluations.get(pool)
        return None if found is None or found.done else (found.evaluation, await self.pool_in_force(pool))

    def _waiting(self) -> list[_Waiting]:
        return [one for one in self._evaluations.values() if not one.done]

    async def wait_for_batches(self) -> None:
        pass

    async def move(self, evaluation: Evaluation, *, after: str) -> None:
        self._evaluations[evaluation.pool].evaluation = replace(evaluation, after=after)

    async def end(self, evaluation: Evaluation) -> None:
        self._evaluations[evaluation.pool].done = True
        self.listings.tell_later([self._evaluations[evaluation.pool].employer])

    async def pool_in_force(self, pool: str) -> Pool | None:
        return self._pools[pool][0] if pool in self._pools else None

    async def concerned(
        self, pool: str, criteria_of: Pool | None, *, after: str, limit: int, among: int
    ) -> tuple[list[str], str | None]:
        behind = [one for one in sorted(self._persons.items()) if one[0] > after]
        looked_at = behind if criteria_of is None else behind[:among]
        upto = looked_at[-1][0] if criteria_of and len(looked_at) == among else None
        found = [
            who
            for who, person in looked_at
            if pool in person.members or (criteria_of and _may_come_in(person, criteria_of))
        ][:limit]
        return found, found[-1] if len(found) == limit else upto

    async def begin_change(self, pool: str | None = None) -> None:
        pass

    async def count(self, employer: str) -> int:
        return len(await self.of(employer))

    async def of(self, employer: str) -> list[ShownPool]:
        return sorted(
            (
                ShownPool(
                    pool,
                    created_at,
                    self._evaluated(pool),
                    _size(self.listings.shown(pool.id)),
                    was_listed=self.listings.was_listed(pool.id),
                    is_decided=self._evaluated(pool) and self.listings.was_decided(pool.id),
                )
                for pool, created_at in self._pools.values()
                if pool.employer == employer
            ),
            key=lambda listed: (listed.created_at, listed.pool.id),
        )

    async def get(self, employer: str, pool: str) -> ShownPool | None:
        return next((listed for listed in await self.of(employer) if listed.pool.id == pool), None)

    async def of_any(self, employers: Collection[str], limit: int) -> list[Pool]:
        return [pool for pool, _ in self._pools.values() if pool.employer in employers][:limit]

    async def use_change(self, employer: str, *, most: int, within: timedelta, of: str = "") -> timedelta | None:
        employer = f"{employer} {of}" if of else employer
        used_until = max(self.at, min(self._used_until.get(employer, self.at), self.at + within))
        if (wait := used_until + within / most - self.at - within) > timedelta():
            return wait
        self._used_until[employer] = used_until + within / most
        return None

    async def write(self, pool: Pool) -> None:
        before, created_at = self._pools.get(pool.id, (None, self.at))
        if before is None or asks(before.criteria) != asks(pool.criteria):
            self._asks_since[pool.id] = pool.version
        self._pools[pool.id] = (pool, created_at)

    async def made_by(self, employer: str, key: bytes) -> Made | None:
        return self._made.get((employer, key))

    async def note_made(self, key: bytes, made: Made) -> None:
        self._made[made.employer, key] = made

    async def delete(self, pool: Pool) -> None:
        del self._pools[pool.id]
        self._deleted[pool.id] = pool
        self._asks_since[pool.id] = pool.version

    async def all_told(self, employer: str) -> bool:
        theirs = [one for one in self.listings.listings.values() if one.employer == employer]
        return not any(one.is_unfinished for one in theirs)

    async def members(self, pool: str, *, after: str, limit: int) -> list[ShownMember]:
        return [one for one in self.listings.shown(pool) or () if one.member_ref > after][:limit]

    def members_of(self, pool: str) -> dict[str, tuple[str, Member]]:
        return {who: person.members[pool] for who, person in self._persons.items() if pool in person.members}

    def version_of(self, candidate: str) -> int:
        return self._persons[candidate].version

    def evaluated(self, pool: str) -> int | None:
        found = self._evaluations.get(pool)
        is_of_now = found is not None and (
            pool not in self._pools or found.evaluation.version >= self._asks_since[pool]
        )
        return found.evaluation.version if found and found.done and is_of_now else None

    def pools_of(self, employer: str) -> list[str]:
        return [pool.id for pool, _ in self._pools.values() if pool.employer == employer]

    def employers(self) -> set[str]:
        return {pool.employer for pool, _ in self._pools.values()}

    def _evaluated(self, pool: Pool) -> bool:
        found = self._evaluations.get(pool.id)
        return found is not None and found.done and found.evaluation.version >= self._asks_since[pool.id]

    @asynccontextmanager
    async def work(self) -> AsyncIterator["FakeMatching"]:
        yield self


def list_of(settled: Settled) -> MembershipsChangedV1:
    """The model of what is said of whose pools are others now."""
    return MembershipsChangedV1(
        candidate=settled.candidate,
        version=settled.version,
        pools=tuple(
            Membership(pool=one.pool, employer=one.employer, since=one.since)
            for one in sorted(settled.members, key=lambda member: member.pool)
        ),
        generation=settled.generation,
    )


def _size(shown: Sequence[ShownMember] | None) -> int | None:
    return None if shown is None else len(shown)


def _may_come_in(person: _Person, pool: Pool) -> bool:
    profile = person.profile.value if isinstance(person.profile, Known) else None
    if profile is None:
        return False
    codes = {code for own in profile.occupations for code in SOC.lineage(own)}
    asked = pool.criteria
    return (not asked.occupations or not codes.isdisjoint(asked.occupations)) and (
        not asked.states or profile.state in asked.states
    )


def _kept_ref(person: "_Person", member: Member) -> str | None:
    """Who stays keeps the ref, whichever key made it."""
    ref, before = person.members.get(member.pool, (None, None))
    return ref if before is not None and before.generation == member.generation else None
