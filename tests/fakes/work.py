"""The rows of the runner in memory, with transactions that undo themselves."""

from collections import Counter
from collections.abc import AsyncIterator, Mapping, Sequence
from contextlib import asynccontextmanager
from dataclasses import dataclass, field, replace
from datetime import datetime, timedelta
from typing import Any

from shared.runner.model import TURN, Depth, Job, Wanted
from tests.fakes.clock import NOON


@dataclass(frozen=True, slots=True)
class Row:
    lane: int
    run_at: datetime
    attempts: int = 0
    lease: str | None = None
    leased_until: datetime | None = None
    again_at: datetime | None = None
    set_aside_at: datetime | None = None
    reason: str | None = None
    payload: Mapping[str, Any] | None = None
    traceparent: str | None = None
    flow: str = ""


@dataclass(slots=True)
class FakeWork:
    """`WorkRows` that are committed when the block of `transaction` ends."""

    table: dict[tuple[str, str], Row] = field(default_factory=dict)
    server: datetime = NOON
    """The clock by which leases last."""

    @asynccontextmanager
    async def transaction(self) -> AsyncIterator["FakeWork"]:
        before = dict(self.table)
        try:
            yield self
        except BaseException:
            self.table.clear()
            self.table.update(before)
            raise

    async def schedule(self, wanted: Sequence[Wanted]) -> None:
        for one in wanted:
            old = self.table.get((one.queue, one.key))
            if old is None:
                self.table[one.queue, one.key] = Row(
                    one.lane, one.run_at, payload=one.payload, traceparent=one.traceparent, flow=one.flow
                )
                continue
            run_at, again_at = old.run_at, None
            if old.lease is not None:
                again_at = one.run_at if one.exactly else _least(old.again_at, one.run_at)
            elif one.exactly or old.set_aside_at is not None:
                run_at = one.run_at
            else:
                run_at = min(run_at, one.run_at)
            comes = old.run_at if old.lease is None else old.again_at
            is_theirs = one.exactly or old.set_aside_at is not None or comes is None or one.run_at < comes
            self.table[one.queue, one.key] = replace(
                old,
                flow=one.flow if is_theirs else old.flow,
                lane=min(old.lane, one.lane),
                run_at=run_at,
                again_at=again_at,
                attempts=old.attempts if old.set_aside_at is None else 0,
                set_aside_at=None,
                payload=one.payload or old.payload,
                traceparent=one.traceparent or old.traceparent,
            )

    async def begin(self, queues: Sequence[str], *, at: datetime) -> None:
        for queue in queues:
            row = self.table.get((queue, TURN))
            if row is None or row.lease is None:
                await self.schedule([Wanted(queue, TURN, at)])

    async def cancel(self, queue: str, keys: Sequence[str]) -> None:
        for key in keys:
            self.table.pop((queue, key), None)

    async def claim(
        self, queue: str, lanes: Sequence[int], limit: int, *, at: datetime, lease: str, lasts: timedelta
    ) -> list[Job]:
        found = []
        for lane in lanes:
            free = sorted(key for key in self.table if key[0] == queue and self._is_free(key, lane, at))
            found += self._by_turns(sorted(free, key=lambda place: self.table[place].run_at))
        jobs = []
        for place in found[:limit]:
            row = replace(
                self.table[place],
                lease=lease,
                leased_until=self.server + lasts,
                attempts=self.table[place].attempts + 1,
            )
            self.table[place] = row
            jobs.append(Job(place[1], row.run_at, row.attempts, row.payload, row.traceparent, row.lane, row.reason))
        return jobs

    def _by_turns(self, places: Sequence[tuple[str, str]]) -> list[tuple[str, str]]:
        turn: Counter[str] = Counter()
        ranked = []
        for place in places:
            turn[self.table[place].flow] += 1
            ranked.append((turn[self.table[place].flow], place))
        return [place for _, place in sorted(ranked, key=lambda each: each[0])]

    def _is_free(self, place: tuple[str, str], lane: int, at: datetime) -> bool:
        row = self.table[place]
        return (
            row.lane == lane
            and row.set_aside_at is None
            and row.run_at <= at
            and (row.leased_until is None or row.leased_until <= self.server)
        )

    async def renew(self, queue: str, lease: str, keys: Sequence[str], *, lasts: timedelta) -> None:
        for key in keys:
            row = self.table.get((queue, key))
            if row is not None and row.lease == lease:
                self.table[queue, key] = replace(row, leased_until=self.server + lasts)

    async def take_turn(self, queue: str, *, at: datetime, until: datetime) -> bool:
        place = queue, TURN
        if place not in self.table or not self._is_free(place, self.table[place].lane, at):
            return False
        row = self.table[place]
        self.table[place] = Row(row.lane, until, payload=row.payload, traceparent=row.traceparent, flow=row.flow)
        return True

    async def next(self, queues: Sequence[str], lanes: Sequence[int]) -> Mapping[str, datetime]:
        found: dict[str, datetime] = {}
        for place, row in self.table.items():
            if place[0] in queues and any(self._is_free(place, one, row.run_at) for one in lanes):
                found[place[0]] = min(row.run_at, found.get(place[0], row.run_at))
        return found

    async def finish(self, queue: str, lease: str, jobs: Mapping[str, datetime | None]) -> int:
        done = 0
        for key, again in jobs.items():
            row = self.table.get((queue, key))
            if row is None or row.lease != lease:
                continue
            done += 1
            run_at = _least(row.again_at, again)
            if run_at is None:
                del self.table[queue, key]
            else:
                self.table[queue, key] = Row(
                    row.lane, run_at, payload=row.payload, traceparent=row.traceparent, flow=row.flow
                )
        return done

    async def put_back(self, queue: str, lease: str, keys: Sequence[str], *, until: datetime | None = None) -> None:
        for key in keys:
            row = self.table.get((queue, key))
            if row is not None and row.lease == lease:
                self.table[queue, key] = replace(
                    row,
                    run_at=_least(row.again_at, until or row.run_at) or row.run_at,
                    again_at=None,
                    lease=None,
                    leased_until=None,
                    attempts=row.attempts - 1,
                )

    async def fail(
        self, queue: str, lease: str, key: str, reason: str, *, again: datetime | None, at: datetime
    ) -> None:
        row = self.table.get((queue, key))
        if row is None or row.lease != lease:
            return
        is_new = row.again_at is not None
        self.table[queue, key] = replace(
            row,
            run_at=row.again_at or again or row.run_at,
            again_at=None,
            lease=None,
            leased_until=None,
            reason=reason,
            attempts=0 if is_new else row.attempts,
            set_aside_at=at if again is None and not is_new else None,
        )

    async def depths(self, queues: Sequence[str], lanes: Sequence[int], *, at: datetime) -> Mapping[str, Depth]:
        found = {}
        for queue in queues:
            rows = [row for (name, _), row in self.table.items() if name == queue]
            due = [row.run_at for row in rows if row.set_aside_at is None and row.run_at <= at and row.lane in lanes]
            oldest = at - min(due) if due else timedelta(0)
            found[queue] = Depth(len(due), oldest, sum(row.set_aside_at is not None for row in rows))
        return found


def _least(one: datetime | None, other: datetime | None) -> datetime | None:
    return min((at for at in (one, other) if at is not None), default=None)
