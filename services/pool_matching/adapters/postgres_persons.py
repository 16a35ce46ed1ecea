"""Persons, their memberships and the evaluations of pools, in PostgreSQL."""

import asyncio
from collections.abc import Collection, Mapping, Sequence
from datetime import datetime
from functools import partial
from itertools import chain

import asyncpg

from services.pool_matching.adapters import said
from services.pool_matching.adapters.beside import beside
from services.pool_matching.adapters.kept import PEOPLE
from services.pool_matching.adapters.pool_cache import PoolCache, read_pool
from services.pool_matching.adapters.sql import POOLS_LOCK, SQL, joined
from services.pool_matching.adapters.values import PersonRow, columns, consent_of, flat, profile_of, standing, texts
from services.pool_matching.matching.index import Engine
from services.pool_matching.model import (
    Consent,
    Evaluation,
    KeptPerson,
    Member,
    Noted,
    Occupations,
    Person,
    Pool,
    Settled,
)
from services.pool_matching.ports import EVALUATIONS, OVERDUE, TELLINGS, Refs
from services.pool_matching.showing import in_one_form
from shared.contracts.base import Event
from shared.contracts.consent import ConsentChanged
from shared.contracts.grants import Newest
from shared.contracts.pool_matching import MembershipsChangedV1
from shared.contracts.signup import CandidateProfileChangedV1, CoarseProfile, ErasureSweptV1
from shared.facts import Known
from shared.ids import event_id
from shared.messaging.unit import Unit

ERASURES_LOCK = 0x0FA1_B102
"""The advisory lock that whoever keeps something of people without a row of theirs shares, and that an erasure takes alone."""
_SLICE = 100
"""Persons who are made before anything else of the process goes on."""
_WRITTEN_AT_ONCE = 1000
"""Records that are written to the outbox before the end, while the next persons are made."""
LAST_VERSION = 2**63 - 1
"""Of whoever was erased."""


class PostgresPersons:
    """`PersonStore` and `EvaluationStore` in a unit of work.

    No membership is missed or left over, because a person is decided only under the lock of their row, and because a
    batch that may not know a pool is over before that pool's evaluation looks for persons. A batch takes the shared
    lock, then reads the pools. An evaluation begins after its pool was committed; it takes the lock alone, so it waits
    for every batch that may have read the pools before. What those wrote is then visible to it; batches that come later
    read the pool themselves. Whom both reach they decide one after the other, with the same pool and the same person.
    Nobody who holds a row waits for that lock, so the two cannot block each other for ever.
    """

    def __init__(self, unit: Unit, cache: PoolCache, occupations: Occupations, ref_key: bytes) -> None:
        self._unit = unit
        self._connection = unit.connection
        self._cache = cache
        self._occupations = occupations
        self._ref_key = ref_key
        self._turn = asyncio.Lock()
        """On the connection, for those of whom one reads while the other writes (`one_ahead`)."""
        self._unwritten = 0
        self._rows: dict[str, PersonRow] = {}
        """Of locked people, as they were before what is noted and not written yet."""
        self._noted: dict[str, CandidateProfileChangedV1] = {}
        self.at: datetime = unit.at

    def publish(self, *events: Event, id: str | None = None) -> None:
        """The events leave with the transaction."""
        self._unit.publish(*events, id=id)

    async def hold_pools(self) -> None:
        """The shared half of the lock that the class tells of."""
        await self._connection.execute(SQL["hold_pools"], POOLS_LOCK)

    async def note(self, profiles: Collection[CandidateProfileChangedV1], consents: Newest[ConsentChanged]) -> Noted:
        """Locks all persons concerned in one order first, whoever of them is new too: batches and erasures of the same people go one
        behind the other. Profiles are written at the end, with what was decided by them (`settle`)."""
        candidates = sorted({event.candidate for event in profiles} | set(consents.by_candidate))
        self._rows = await self._locked(candidates)
        consented = await self._note_consents(consents)
        taken = [row for row in consented if row["taken"]]
        for who, _, version, consent, generation in taken:
            kept = self._rows[who]
            self._rows[who] = kept._replace(consent_version=version, consent=consent, generation=generation)
        self._noted = {
            event.candidate: event for event in profiles if event.version > self._rows[event.candidate].profile_version
        }
        news = self._noted.keys() | {row["candidate"] for row in taken}
        return Noted(tuple(sorted(news)), tuple(row["candidate"] for row in consented if not row["taken"]))

    async def _locked(self, candidates: Sequence[str]) -> dict[str, PersonRow]:
        """By candidate; whoever was not there is by now, and is locked as well."""
        whose = joined(candidates)
        rows = await self._connection.fetch(SQL["lock_known"], whose, len(candidates))
        if len(rows) < len(candidates):
            rows = await self._connection.fetch(SQL["make_known"], whose)
        return {row["candidate"]: PersonRow(*row) for row in rows}

    async def _read(self, candidates: Sequence[str]) -> dict[str, PersonRow]:
        rows = await self._connection.fetch(SQL["read_persons"], joined(candidates))
        return {row["candidate"]: PersonRow(*row) for row in rows}

    async def erased_and_known(self, limit: int) -> list[str]:
        """`read_back` is a table of this session while the topic is held against the rows."""
        return [row["candidate"] for row in await self._connection.fetch(SQL["erased_and_known"], limit, LAST_VERSION)]

    async def erase(self, candidates: Collection[str]) -> list[str]:
        """The row stays, empty, with the highest version there is: no event comes after it."""
        await self._connection.execute(SQL["begin_erasure"], ERASURES_LOCK)
        rows = await self._connection.fetch(SQL["erase"], sorted(candidates))
        return sorted(row["candidate"] for row in rows)

    async def sweep(self, candidates: Collection[str]) -> None:
        """Behind the end of their memberships, which has waited for lists that were held."""
        await self._connection.execute(SQL["forget_more"], list(candidates))
        self._unit.publish(
            *(
                ErasureSweptV1(candidate=one, service="pool_matching", at=self.at, stores=PEOPLE.swept)
                for one in sorted(candidates)
            )
        )

    async def overdue(self, limit: int) -> list[str]:
        """By the index of what is due."""
        return [row["candidate"] for row in await self._connection.fetch(SQL["overdue"], self.at, limit)]

    def decide_for(self, candidates: Sequence[str]) -> None:
        """Scheduled."""
        self._unit.work.add(OVERDUE, candidates, at=self.at)

    async def take_overdue(self, candidates: Sequence[str]) -> list[str]:
        """Locked."""
        rows = await self._connection.fetch(SQL["take_overdue"], self.at, list(candidates))
        return [row["candidate"] for row in rows]

    async def known(self, candidates: Sequence[str]) -> list[KeptPerson]:
        """Persons are locked, then their memberships are read: as the last who held the lock left them."""
        rows = self._rows if self._rows.keys() >= set(candidates) else None
        async with self._turn:
            rows = rows or await self._read(candidates)
            # Who was told of no list yet is in no pool.
            listed = [who for who in candidates if who in rows and rows[who].version]
            found = await self._connection.fetch(SQL["read_memberships"], joined(listed)) if listed else ()
        members: dict[str, list[Member]] = {}
        for who, pool, employer, since, text, generation, fits in found:
            # Where no ref of now was made yet (`renew_refs`), it will be of the present generation.
            of = rows[who].generation if generation is None else generation
            members.setdefault(who, []).append(Member(pool, employer, since, in_one_form(text), of, fits))
        known: list[KeptPerson] = []
        for who in sorted(candidates):
            if (row := rows.get(who)) is not None:
                known.append(KeptPerson(self._person(row), row.version, row.due_at, tuple(members.get(who, ()))))
                if len(known) % _SLICE == 0:
                    await asyncio.sleep(0)
        return known

    async def pools(self) -> Engine:
        """From memory, after a look at what changed."""
        return await self._cache.current(self._connection)

    async def settle(self, settled: Sequence[Settled], refs: Refs) -> None:
        """One statement each for who left, joined and changed."""
        gone, left = flat((one.candidate, one.change.left) for one in settled)
        comes, new = flat((one.candidate, one.change.joined) for one in settled)
        others, changed = flat((one.candidate, one.change.changed) for one in settled)
        joining = self._joining(comes, new, refs) if new else ()
        async with self._turn:
            if left:
                await self._connection.execute(SQL["leave"], joined(gone), joined([member.pool for member in left]))
            if new:
                await beside(self._connection.execute(SQL["join"], *joining), partial(self._publish, settled))
            else:
                self._publish(settled)
            if changed:
                pools, _, _, shown, _, _ = zip(*changed, strict=True)
                await self._connection.execute(SQL["show"], joined(others), joined(pools), joined(shown))
            await self._write_persons(settled)
            self._unwritten += len(settled)
            if self._unwritten >= _WRITTEN_AT_ONCE:
                self._unwritten = 0
                await self._unit.flush()

    def _joining(self, who: Sequence[str], new: Sequence[Member], refs: Refs) -> Sequence[object]:
        """The columns of `join`: of ten rows a person, so nothing is made for each of them but its ref."""
        pools, employers, since, shown, generations, fits = zip(*new, strict=True)
        moments = {moment: str(place) for place, moment in enumerate(dict.fromkeys(chain(since, fits)), 1)}
        return (
            joined(who),
            joined(pools),
            joined(employers),
            joined(map(refs, who, employers, pools, generations)),
            joined(map(moments.__getitem__, since)),
            joined(shown),
            joined(map(str, generations)),
            joined(map(moments.__getitem__, fits)),
            list(moments),
            self._ref_key,
        )

    async def _write_persons(self, settled: Sequence[Settled]) -> None:
        """What was noted and not written yet, and what was decided, in one statement where the same people are meant."""
        now = {one.candidate: (one.candidate, one.version, one.due_at) for one in settled}
        as_before = {who: (who, row.version, row.due_at) for who in self._noted for row in (self._rows[who],)}
        noted, self._noted = self._noted, {}
        await self._write_profiles(noted, [now.get(who, before) for who, before in as_before.items()])
        others = [standing(*one) for who, one in now.items() if who not in noted]
        if others:
            await self._connection.execute(SQL["settle"], *texts(others, 3))

    def _publish(self, settled: Sequence[Settled]) -> None:
        events = [(event_id(), one.candidate, said.memberships(one)) for one in settled if one.list_changed]
        self._unit.publish_written(MembershipsChangedV1, events)

    async def changed_since(self, candidates: Sequence[str], at: datetime) -> dict[str, Person]:
        """By the rows that `note` left."""
        async with self._turn:
            rows = await self._connection.fetch(SQL["changed_since"], joined(candidates), at)
        return {row["candidate"]: self._earlier(row) for row in rows}

    async def note_fits(self, pool: str, fits_since: Mapping[str, datetime]) -> None:
        """One statement."""
        async with self._turn:
            await self._connection.execute(SQL["note_fits"], pool, list(fits_since), list(fits_since.values()))

    async def forget_earlier(self, limit: int, *, before: datetime) -> int:
        """By age."""
        return len(await self._connection.fetch(SQL["forget_earlier"], before, limit))

    async def renew_refs(self, limit: int, refs: Refs) -> int:
        """Whoever is at one of them now is passed over. As who leaves, it waits for whoever holds a listing; one that opens, and is not
        held yet, finds the new refs at its end (`take_off_who_left`)."""
        rows = await self._connection.fetch(SQL["with_older_refs"], limit, self._ref_key)
        new = [
            (who, pool, refs(who, employer, pool, generation), generation) for who, pool, employer, generation in rows
        ]
        if new:
            await self._connection.execute(SQL["hold_listings"], list({pool for _, pool, _, _ in new}))
            await self._connection.execute(SQL["renew_refs"], *columns(new, 4), self._ref_key)
        return len(new)

    async def under_ref_keys(self, *, most: int) -> dict[bytes, int]:
        """From the index of keys alone."""
        rows = await self._connection.fetch(SQL["under_ref_keys"], self._ref_key, most)
        return {row["key"]: row["count"] for row in rows}

    async def open_evaluations(self, pools: Sequence[str]) -> None:
        """Waits for a chunk of the same pool that is under way."""
        rows = await self._connection.fetch(SQL["open_evaluations"], pools)
        self.evaluate_for([row["employer"] for row in rows])

    def evaluate_for(self, employers: Sequence[str]) -> None:
        """Scheduled: behind every employer that waits."""
        self._unit.work.add(EVALUATIONS, employers, at=self.at)

    async def employers_waiting(self, limit: int) -> list[str]:
        """Without a row of work."""
        return [row["employer"] for row in await self._connection.fetch(SQL["employers_waiting"], "", limit, self.at)]

    async def next_turn(self, employer: str, after: int) -> str | None:
        """One statement, by index."""
        pool: str | None = await self._connection.fetchval(SQL["next_turn"], employer, after)
        return pool

    async def has_waiting(self, employer: str) -> bool:
        """One look at the index."""
        return bool(await self._connection.fetchval(SQL["has_waiting"], employer))

    async def take_evaluation(self, pool: str) -> tuple[Evaluation, Pool | None] | None:
        """Locked until the transaction is over; the pool is read anew for each chunk."""
        row = await self._connection.fetchrow(SQL["take_evaluation"], pool)
        if row is None:
            return None
        evaluation = Evaluation(row["pool"], row["evaluated"], row["after_candidate"])
        return evaluation, None if row["criteria"] is None else read_pool(row)

    async def wait_for_batches(self) -> None:
        """The exclusive half of the lock; commit soon, new batches wait."""
        await self._connection.execute(SQL["wait_for_batches"], POOLS_LOCK)

    async def move(self, evaluation: Evaluation, *, after: str) -> None:
        """Survives a kill: the next process goes on from there."""
        await self._connection.execute(SQL["move_evaluation"], evaluation.pool, after)

    async def end(self, evaluation: Evaluation) -> None:
        """From now on the pool is `ready`."""
        employer: str = await self._connection.fetchval(SQL["end_evaluation"], evaluation.pool)
        self._unit.work.add(TELLINGS, [employer], at=self.at)

    async def concerned(
        self, pool: str, criteria_of: Pool | None, *, after: str, limit: int, among: int
    ) -> tuple[list[str], str | None]:
        """Not locked yet: who changes in between is decided by the batch that changes them."""
        async with self._turn:
            if criteria_of is None:
                rows = await self._connection.fetch(SQL["members_after"], pool, after, limit)
                upto = None
            else:
                asked = criteria_of.criteria
                rows = await self._connection.fetch(
                    SQL["concerned_by_pool"], pool, after, asked.occupations, asked.states, limit, among
                )
                upto = rows[0]["upto"]
        found = [row["candidate"] for row in rows if row["candidate"] is not None]
        return found, found[-1] if len(found) == limit else upto

    async def _write_profiles(
        self,
        events: Mapping[str, CandidateProfileChangedV1],
        standings: Sequence[tuple[str, int, datetime | None]],
    ) -> None:
        """Newer ones of locked people, with the version of each one's list and when they are due."""
        rows = [
            (
                who,
                str(events[who].version),
                profile.model_dump_json() if profile else "",
                self._reach(profile.occupations if profile else ()),
                (profile.state if profile else None) or "",
                *standing(who, version, due_at)[1:],
            )
            for who, version, due_at in standings
            for profile in (events[who].profile,)
        ]
        if rows:
            await self._connection.execute(SQL["note_profiles"], *texts(rows, 7), self.at)

    async def _note_consents(self, newest: Newest[ConsentChanged]) -> list[asyncpg.Record]:
        rows = [
            (
                who,
                event.version,
                Consent.of(event).model_dump_json(),
                event.lifts_no_until,
                newest.no_at[who],
                newest.withdrawn.get(who),
            )
            for who, event in newest.by_candidate.items()
        ]
        return await self._connection.fetch(SQL["note_consents"], *columns(rows, 6), self.at) if rows else []

    def _reach(self, codes: Sequence[str]) -> str:
        return ",".join(sorted({*chain.from_iterable(map(self._occupations.lineage, codes))}))

    def _person(self, row: PersonRow) -> Person:
        noted = self._noted.get(row.candidate)
        profile = profile_of(row) if noted is None else Known(noted.profile)
        return Person.of(row.candidate, profile, consent_of(row), self._occupations, row.generation)

    def _earlier(self, row: asyncpg.Record) -> Person:
        found = row["profile"] is not None
        profile = CoarseProfile.model_validate_json(row["profile"]) if found else None
        consent = Consent.model_validate_json(row["consent"]) if found else Consent.none()
        return Person.of(row["candidate"], Known(profile), Known(consent), self._occupations)
