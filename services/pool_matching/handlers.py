"""Messages in: read, decide, apply."""

from collections.abc import Callable, Collection, Iterable, Sequence
from dataclasses import replace
from datetime import datetime
from typing import TypeVar

from services.pool_matching.decisions import memberships, settle, to_the_hour
from services.pool_matching.model import Change, Settled
from services.pool_matching.ports import EvaluationStore, PersonStore, PoolStore
from shared.contracts import grants
from shared.contracts.base import Event
from shared.contracts.consent import ConsentChanged
from shared.contracts.pool_matching import Membership, MembershipsChangedV1, PoolChangedV1, PoolUpdatedV1
from shared.contracts.signup import CandidateErasedV1, CandidateProfileChangedV1, ErasureSweptV1
from shared.ids import new_id
from shared.messaging.envelope import Received, only
from shared.messaging.replays import note_replays
from shared.runner.model import Again, Job

V = TypeVar("V", CandidateProfileChangedV1, PoolChangedV1)
Refs = Callable[[str, str], str]
"""`refs(candidate, employer)` is the candidate's member ref for that employer."""

_CHUNK = 500
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
    store.publish(*(ErasureSweptV1(candidate=one, service="pool_matching", at=store.at) for one in sorted(candidates)))


async def on_overdue(store: PersonStore, work: Sequence[Job], refs: Refs) -> None:
    """Their pauses or consents ended: decides those again of whom it is still so."""
    await store.hold_pools()
    await _decide_again(store, await store.take_overdue([job.key for job in work]), refs)


async def on_evaluations(store: EvaluationStore, work: Sequence[Job], refs: Refs) -> Again:
    """One step of one pool of each employer; who has more waiting comes again behind the others.

    Between a new pool and its first step lies at most one step of each other employer, and one between any two of its steps,
    whatever anybody renames, makes or deletes. A step that fails is tried again after one of the employer's next pool.
    """
    more: dict[str, datetime] = {}
    for job in work:
        pool = await store.next_turn(job.key, job.attempts - 1)
        if pool is not None:
            await on_turn(store, pool, refs)
        if await store.has_waiting(job.key):
            more[job.key] = store.at
    return more


async def on_pools_changed(store: EvaluationStore, received: Sequence[Received[Event]]) -> None:
    """Pools came, changed or went: each is to be held against every person, once for all it has asked for."""
    pools = _newest([item.event for item in only(PoolChangedV1, received)])
    await store.open_evaluations(sorted(event.pool for event in pools))


async def on_turn(store: EvaluationStore, pool_id: str, refs: Refs) -> None:
    """One step of this pool's way through all persons, unless it is through or somebody else is at it."""
    evaluation = await store.take_evaluation(pool_id)
    if evaluation is None:
        return
    if evaluation.after is None:
        await store.wait_for_batches()
        await store.move(evaluation, after="")
        return
    pool = await store.pool_in_force(evaluation.pool)
    candidates = await store.concerned(evaluation.pool, pool, after=evaluation.after, limit=_CHUNK)
    settled = []
    for known in await store.known(candidates):
        before = [member for member in known.members if member.pool == evaluation.pool]
        change = memberships(before, known.person, [pool], store.at) if pool else Change(left=tuple(before))
        settled.append(settle(known, change, store.at))
    await _apply(store, settled, refs)
    if len(candidates) < _CHUNK:
        await store.end(evaluation)
    else:
        await store.move(evaluation, after=candidates[-1])


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
    settled = []
    for known in await store.known(candidates):
        change = memberships(known.members, known.person, index.candidates_for(known.person), store.at)
        settled.append(settle(known, change, store.at))
    await _apply(store, settled, refs)


async def _apply(store: PersonStore, decided: Sequence[Settled | None], refs: Refs) -> None:
    settled = [one for one in decided if one is not None]
    if not settled:
        return
    await store.settle(settled, refs)
    for one in settled:
        if one.list_changed:
            store.publish(_list(one))
    # In the order of the refs: that of the persons would be the same for two employers.
    updates = sorted(_updates(settled, refs, store.at), key=lambda event: event.member_ref)
    told = [(new_id(_OF_UPDATES), update) for update in updates]
    await store.tell(told)
    for id_, update in told:
        store.publish(update, id=id_)


def _list(settled: Settled) -> MembershipsChangedV1:
    """In the order of the pools, as a read-back says it again: one version is one value."""
    return MembershipsChangedV1(
        candidate=settled.candidate,
        version=settled.version,
        pools=tuple(
            Membership(pool=member.pool, employer=member.employer, since=member.since)
            for member in sorted(settled.members, key=lambda member: member.pool)
        ),
    )


def _updates(settled: Sequence[Settled], refs: Refs, at: datetime) -> Iterable[PoolUpdatedV1]:
    for one in settled:
        for change, members in (
            ("joined", one.change.joined),
            ("left", one.change.left),
            ("changed", one.change.changed),
        ):
            for member in members:
                yield PoolUpdatedV1(
                    employer=member.employer,
                    pool=member.pool,
                    member_ref=refs(one.candidate, member.employer),
                    change=change,
                    at=to_the_hour(at),
                )


def _newest(events: Iterable[V]) -> list[V]:
    """The highest version of each key."""
    found: dict[str, V] = {}
    for event in events:
        if event.key not in found or event.version > found[event.key].version:
            found[event.key] = event
    return list(found.values())
