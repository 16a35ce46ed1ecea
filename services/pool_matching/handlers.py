"""Messages in: read, decide, apply."""

import asyncio
from collections import Counter
from collections.abc import Collection, Iterable, Mapping, Sequence
from dataclasses import replace
from datetime import datetime
from functools import partial
from typing import TypeVar, assert_never

import structlog

from services.pool_matching.decisions import fits_anew, matches, placed, settle
from services.pool_matching.listing import Changes, Closes, Listed, Opens, Stays, at_tick
from services.pool_matching.model import (
    Change,
    Evaluation,
    KeptPerson,
    Listing,
    Person,
    Pool,
    Settled,
    Told,
    Update,
)
from services.pool_matching.ports import (
    EvaluationStore,
    Introduction,
    IntroductionStore,
    ListingStore,
    PersonStore,
    PoolStore,
    Refs,
)
from shared.ahead import one_ahead
from shared.contracts import grants
from shared.contracts.base import Event
from shared.contracts.consent import ConsentChanged
from shared.contracts.operator import TenantChangedV1
from shared.contracts.pool_matching import PoolChangedV1
from shared.contracts.signup import (
    CandidateClaimedV1,
    CandidateConfirmedV1,
    CandidateErasedV1,
    CandidateProfileChangedV1,
)
from shared.ids import new_id, new_ids
from shared.messaging.envelope import Received, only
from shared.messaging.replays import note_replays
from shared.runner.model import Again, Job
from shared.ticks import Ticks

V = TypeVar("V", CandidateProfileChangedV1, PoolChangedV1)

_log = structlog.get_logger(__name__)

_CHUNK = 1000
"""People who are read, decided or told at once."""
_CHUNKS = 3
"""Of a step of a pool's way through all persons. The rows of their people are locked until all are written: for some hundred
milliseconds, and longer where people leave the pool while its list is held (`leave_listed`)."""
_AMONG = 10_000
"""People that are looked through for a chunk of whom a pool concerns."""
_LISTED_AT_ONCE = 2000
"""People of a listing that opens."""
_SLICE = 100
"""People who are decided before anything else of the process goes on: some milliseconds."""
_CHANGES: tuple[Told, ...] = ("left", "joined", "changed")
_OF_UPDATES = "up"
"""What ids of updates begin with; until December 2026 it was `u`, and they came into the feed by their topic."""


async def on_candidates_changed(store: PersonStore, received: Sequence[Received[Event]], refs: Refs) -> None:
    """Profiles and consents came, in any order: whoever's is newer than what is known is decided again."""
    await store.hold_pools()
    profiles = _newest([item.event for item in only(CandidateProfileChangedV1, received)])
    consents = only(ConsentChanged, received)
    newest = grants.newest((item.event for item in consents), now=store.at)
    noted = await store.note(profiles, newest)
    note_replays(consents, newest.replayed | {(one, newest.by_candidate[one].version) for one in noted.replayed})
    await _decide_again(store, noted.news, refs)


async def on_candidates_erased(store: PersonStore, received: Sequence[Received[CandidateErasedV1]], refs: Refs) -> None:
    """Whoever was erased is in no pool any more, in any order with what else is told of them; signup is told that it is so."""
    await _erase(store, {item.event.candidate for item in received}, refs)


async def erase_again(store: PersonStore, limit: int, refs: Refs) -> int:
    """Erases some whom `erasures` has, as it was read back, and a backup brought back; how many."""
    erased = await store.erased_and_known(limit)
    await _erase(store, erased, refs)
    return len(erased)


async def _erase(store: PersonStore, candidates: Collection[str], refs: Refs) -> None:
    await store.hold_pools()
    await _decide_again(store, await store.erase(candidates), refs)
    await store.sweep(candidates)


async def on_overdue(store: PersonStore, work: Sequence[Job], refs: Refs) -> None:
    """Their pauses or consents ended: decides those again of whom it is still so."""
    await store.hold_pools()
    await _decide_again(store, await store.take_overdue([job.key for job in work]), refs)


async def on_evaluations(store: EvaluationStore, work: Sequence[Job], refs: Refs, ticks: Ticks) -> Again:
    """One step of one pool of each employer; who has more waiting comes again behind the others.

    Between a new pool and its first step lies at most one step of each other employer, and one between any two of its steps,
    whatever anybody renames, makes or deletes. A step that fails is tried again after one of the employer's next pool.
    """
    more: dict[str, datetime] = {}
    for job in work:
        pool = await store.next_turn(job.key, job.attempts - 1)
        if pool is not None:
            await on_turn(store, pool, refs, ticks)
        if await store.has_waiting(job.key):
            more[job.key] = store.at
    return more


async def on_pools_changed(store: EvaluationStore, received: Sequence[Received[Event]]) -> None:
    """Pools came, changed or went: each is to be held against every person, once for all it has asked for."""
    pools = _newest([item.event for item in only(PoolChangedV1, received)])
    await store.open_evaluations(sorted(event.pool for event in pools))


async def on_candidates_claimed(store: IntroductionStore, received: Sequence[Received[CandidateClaimedV1]]) -> None:
    """Keeps who introduced whom."""
    events = [item.event for item in received]
    await store.note([Introduction(event.candidate, event.vendor, event.employer, event.at) for event in events])


async def on_candidates_confirmed(store: IntroductionStore, received: Sequence[Received[CandidateConfirmedV1]]) -> None:
    """Keeps when people first said yes."""
    latest_first = sorted((item.event for item in received), key=lambda event: event.at, reverse=True)
    await store.confirmed({event.candidate: event.at for event in latest_first})


async def on_tenants_changed(store: IntroductionStore, received: Sequence[Received[TenantChangedV1]]) -> None:
    """Keeps who holds an employer's seat, and who held it until now, however short; one that left the network has no seat."""
    turns: list[dict[str, str | None]] = []
    told = Counter[str]()
    for event in sorted((item.event for item in received), key=lambda event: event.version):
        if event.kind == "employer":
            if told[event.tenant] == len(turns):
                turns.append({})
            turns[told[event.tenant]][event.tenant] = None if event.removed else event.vendor
            told[event.tenant] += 1
    for vendors in turns:
        await store.seat(vendors)


async def on_turn(store: EvaluationStore, pool_id: str, refs: Refs, ticks: Ticks) -> None:
    """One step of this pool's way through all persons, unless it is through or somebody else is at it.

    Whom the pool would have taken in as of its employer's last tick belongs since then: so it is shown at once what that would have shown.
    """
    taken = await store.take_evaluation(pool_id)
    if taken is None:
        return
    evaluation, pool = taken
    if evaluation.after is None:
        await store.wait_for_batches()
        await store.move(evaluation, after="")
        return
    way = _Way(store, evaluation, pool, ticks)
    # PostgreSQL reads the next chunk while this process decides one, and writes one while this process makes persons of the next.
    await one_ahead(way.read, partial(way.decide, refs=refs))
    if way.after is None:
        await store.end(evaluation)
    else:
        await store.move(evaluation, after=way.after)


class _Way:
    """One step of a pool's way through all persons, a chunk at a time."""

    def __init__(self, store: EvaluationStore, evaluation: Evaluation, pool: Pool | None, ticks: Ticks) -> None:
        self._store, self._pool, self._id = store, pool, evaluation.pool
        self._tick = ticks.as_of(ticks.last(pool.employer, store.at)) if pool else store.at
        self._chunks = 0
        self.after = evaluation.after
        """After whom to go on; None once nobody else is there."""

    async def read(self) -> "tuple[Sequence[KeptPerson], Mapping[str, Person]] | None":
        """The next who may be concerned, locked, and how they were as of the tick if they have changed since; None: no more in this step."""
        if self.after is None or self._chunks == _CHUNKS:
            return None
        self._chunks += 1
        candidates, self.after = await self._store.concerned(
            self._id, self._pool, after=self.after, limit=_CHUNK, among=_AMONG
        )
        known = await self._store.known(candidates)
        return known, await self._store.changed_since(candidates, self._tick) if self._pool else {}

    async def decide(self, found: tuple[Sequence[KeptPerson], Mapping[str, Person]], *, refs: Refs) -> None:
        """Writes who comes into the pool, leaves it and is shown otherwise."""
        everyone, earlier = found
        settled: list[Settled | None] = []
        fits: dict[str, datetime] = {}
        for start in range(0, len(everyone), _SLICE):
            settled += [self._settle(known, earlier, fits) for known in everyone[start : start + _SLICE]]
            await asyncio.sleep(0)
        await _apply(self._store, settled, refs)
        if fits:
            await self._store.note_fits(self._id, fits)

    def _settle(self, known: KeptPerson, earlier: Mapping[str, Person], fits: dict[str, datetime]) -> Settled | None:
        """What is to be written; who is in the pool already and belongs since another time goes into `fits`."""
        at, pool = self._store.at, self._pool
        who, before = known.person.candidate, [member for member in known.members if member.pool == self._id]
        if pool is None:
            return settle(known, Change(left=tuple(before)), at)
        member, fits_now = before[0] if before else None, matches(known.person, pool, at)
        then, fitting = earlier.get(who, known.person), known.person if fits_now else None
        since = fits_anew(pool, then, member, tick=self._tick, at=at, fitting=fitting)
        if member is not None and since != member.fits_since:
            fits[who] = since
        return settle(known, placed(before, known.person, [pool] if fits_now else [], at, fits_since=since), at)


async def on_tellings(store: ListingStore, work: Sequence[Job], ticks: Ticks) -> Again:
    """One step of one pool of each employer, as of its last tick; who has more to be told comes again behind the others, else at
    the next tick. A step that fails is tried again after one of the employer's next pool."""
    again: dict[str, datetime] = {}
    for job in work:
        tick = ticks.last(job.key, store.at)
        pool = await store.next_listing(job.key, tick, job.attempts - 1)
        if pool is not None:
            await on_telling(store, pool, tick, ticks)
            again[job.key] = store.at
        elif await store.has_pools(job.key):
            again[job.key] = ticks.next(job.key, store.at)
    return again


async def on_telling(store: ListingStore, pool: str, tick: datetime, ticks: Ticks) -> None:
    """One step: tells or forgets what is left of the last decision, or decides what becomes of the listing at this tick.

    A listing remembers the tick and the version of the pool that it was decided for: once more changes and tells nothing.
    """
    listing = await store.listing(pool)
    if listing is None:
        return
    if listing.is_unfinished and listing.state == "open" and listing.in_force:
        await _tell_some(store, listing)
    elif listing.is_unfinished or not listing.in_force:
        await _forget_some(store, listing)
    elif listing.version is not None:
        await _decide_listing(store, listing, tick, ticks)


async def _tell_some(store: ListingStore, listing: Listing) -> None:
    if not await store.hold(listing):
        return
    untold = await store.take_untold(listing.pool, _CHUNK)
    at = listing.told_at or store.at
    updates = [
        Update(id=new_id(_OF_UPDATES), change=told, pool=listing.pool, member_ref=ref, at=at) for ref, told in untold
    ]
    await store.tell(listing.employer, updates)
    if len(untold) < _CHUNK:
        await store.keep_listing(replace(listing, is_unfinished=False))


async def _forget_some(store: ListingStore, listing: Listing) -> None:
    if not await store.hold(listing) or await store.clear(listing.pool, _CHUNK) == _CHUNK:
        return
    if listing.in_force:
        await store.keep_listing(replace(listing, is_unfinished=False))
    else:
        await store.drop_listing(listing.pool)


async def _decide_listing(store: ListingStore, listing: Listing, tick: datetime, ticks: Ticks) -> None:
    listed, fits = await store.standings(listing.pool, ticks.as_of(tick))
    # In a thread: of many people it takes seconds, in which the process does other work.
    outcome = await asyncio.to_thread(
        at_tick,
        listed,
        fits,
        is_open=listing.state == "open",
        closed_before=listing.state == "closed",
        is_weekly=ticks.were_weekly(listing.employer, after=listing.told_at, until=tick),
        today=tick.date(),
    )
    now = replace(listing, told_at=tick, made_for=listing.version or listing.made_for)
    # Whom a listing shows that opens are many, and nobody sees them before it is open: it is written first and held for a moment
    # at the end, so that who leaves does not wait for all of it.
    if not await (store.begin(listing) if isinstance(outcome, Opens) else store.hold(listing)):
        return
    match outcome:
        case Opens(rows):
            await _list_all(store, now, rows)
            await store.take_off_who_left(listing)
            now = replace(now, state="open")
        case Changes(joined, left, changed):
            gone = [listed[who].fit.member_ref for who in left]
            await store.list_left(listing.pool, gone)
            there = await store.list_changed(listing.pool, changed)
            new = await store.list_joined(
                listing.pool, joined, {who: listed[who].row for who in joined if who in listed}
            )
            others = [one.fit.member_ref for who, one in changed.items() if who in there and one.row != listed[who].row]
            await _tell(store, now, left=gone, joined=new, changed=others)
        case Stays(blurred):
            await store.list_changed(listing.pool, blurred)
        case Closes():
            await store.tell(
                now.employer, [Update(id=new_id(_OF_UPDATES), change="closed", pool=listing.pool, at=tick)]
            )
            now = replace(now, state="closed", is_unfinished=True)
        case _:
            assert_never(outcome)
    await store.keep_decided(now)


async def _list_all(store: ListingStore, listing: Listing, rows: Mapping[str, Listed]) -> None:
    """Lists them and tells of them, some at a time, in the order of the refs: while PostgreSQL lists some, this process makes what is
    told of those before."""
    in_order = sorted(rows, key=lambda who: rows[who].fit.member_ref)
    parts = iter(range(0, len(in_order), _LISTED_AT_ONCE))

    async def lists() -> Collection[str] | None:
        start = next(parts, None)
        if start is None:
            return None
        some = {who: rows[who] for who in in_order[start : start + _LISTED_AT_ONCE]}
        return await store.list_joined(listing.pool, some, {})

    async def tell(refs: Collection[str]) -> None:
        await _tell(store, listing, joined=refs)

    await one_ahead(lists, tell)


async def _tell(
    store: ListingStore,
    listing: Listing,
    *,
    left: Collection[str] = (),
    joined: Collection[str] = (),
    changed: Collection[str] = (),
) -> None:
    """In the order of the refs, which tells nothing of anybody; who left and came back under the same, left first. Some at a time:
    what is made of many at once is what everything else in the process waits for. All of them are sorted at once, as texts: of 100,000
    that takes some 50 ms, a third of what pairs take, and in a thread everything else would wait as well."""
    refs = sorted(f"{ref}\0{kind}" for kind, some in enumerate((left, joined, changed)) for ref in some)
    at = listing.told_at or store.at
    for start in range(0, len(refs), _CHUNK):
        some = [one.split("\0") for one in refs[start : start + _CHUNK]]
        updates = [
            Update(id=id, change=_CHANGES[int(told)], pool=listing.pool, member_ref=ref, at=at)
            for id, (ref, told) in zip(new_ids(_OF_UPDATES, len(some)), some, strict=True)
        ]
        await store.tell(listing.employer, updates)


async def on_employers_removed(store: PoolStore, employers: Collection[str], *, limit: int) -> int:
    """Closes some of the pools of employers that have left, as their own DELETE would; how many."""
    if not employers or not await store.of_any(employers, 1):
        return 0
    await store.begin_change()
    pools = await store.of_any(employers, limit)
    for pool in pools:
        gone = replace(pool, version=pool.version + 1)
        await store.delete(gone)
        event = PoolChangedV1(pool=gone.id, version=gone.version, employer=gone.employer, name="", criteria=None)
        store.publish(event, id=f"{event.pool}-{event.version}")
    return len(pools)


async def _decide_again(store: PersonStore, candidates: Sequence[str], refs: Refs) -> None:
    if not candidates:
        return
    index = await store.pools()
    everyone = await store.known(candidates)
    found = index.match([known.person for known in everyone], store.at)
    settled = [
        settle(known, placed(known.members, known.person, pools, store.at), store.at)
        for known, pools in zip(everyone, found, strict=True)
    ]
    await _apply(store, settled, refs)


async def _apply(store: PersonStore, decided: Sequence[Settled | None], refs: Refs) -> None:
    settled = [one for one in decided if one is not None]
    await store.settle(settled, refs)
    beyond = [one.beyond for one in settled if one.beyond]
    if beyond:
        _log.warning("in_as_many_pools_as_can_be_told", people=len(beyond), pools_beyond=sum(beyond))


def _newest(events: Iterable[V]) -> list[V]:
    """The highest version of each key."""
    found: dict[str, V] = {}
    for event in events:
        if event.key not in found or event.version > found[event.key].version:
            found[event.key] = event
    return list(found.values())
