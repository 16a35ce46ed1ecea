"""Messages to pools, in dicts: who fits is given, and what is spread is kept as it is."""

from collections import Counter
from collections.abc import Mapping, Sequence
from dataclasses import dataclass, field, replace
from datetime import datetime

from services.outreach_gateway.answers import PoolNews
from services.outreach_gateway.model import Fitting, PoolMessage, State
from services.outreach_gateway.ports.jobs import Child
from tests.fakes.clock import NOON


@dataclass
class FakePoolMessages:
    at: datetime = NOON
    kept: dict[str, PoolMessage] = field(default_factory=dict)
    words: dict[str, bytes] = field(default_factory=dict)
    people: dict[tuple[str, str], list[Fitting]] = field(default_factory=dict)
    """By employer and pool."""
    children: dict[str, dict[str, Child]] = field(default_factory=dict)
    """By message and person."""
    went_out: set[str] = field(default_factory=set)
    left: set[str] = field(default_factory=set)
    """Children that were taken back."""
    told: list[PoolNews] = field(default_factory=list)
    scheduled: dict[str, datetime] = field(default_factory=dict)

    async def lock_pool(self, employer: str, pool: str) -> PoolMessage | None:
        of_pool = [one for one in self.kept.values() if (one.employer, one.pool) == (employer, pool)]
        return max(of_pool, key=lambda one: one.submitted_at, default=None)

    async def keep(self, message: PoolMessage, words: bytes) -> None:
        self.kept[message.id], self.words[message.id] = message, words
        self.scheduled[message.id] = self.at

    async def find(self, ids: Sequence[str], employer: str) -> PoolMessage | None:
        for id in ids:
            if (found := await self.get(id, employer)) is not None:
                return found
        return None

    async def get(self, id: str, employer: str | None) -> PoolMessage | None:
        found = self.kept.get(id)
        return found if found is not None and employer in (None, found.employer) else None

    async def of(self, employer: str, *, after: str, limit: int) -> Sequence[PoolMessage]:
        theirs = [one for id, one in sorted(self.kept.items()) if one.employer == employer and id > after]
        return theirs[:limit]

    async def take(self, ids: Sequence[str]) -> Sequence[tuple[PoolMessage, bytes | None]]:
        return [(self.kept[id], self.words.get(id)) for id in sorted(ids) if id in self.kept]

    async def fitting(self, message: PoolMessage, limit: int) -> Sequence[Fitting]:
        return self.people.get((message.employer, message.pool), [])[:limit]

    async def spread(self, message: PoolMessage, children: Sequence[Child], held_until: datetime) -> None:
        del self.words[message.id]
        self.children[message.id] = {child.candidate: child for child in children}

    async def take_back(self, message: PoolMessage, at: datetime) -> None:
        self.kept[message.id] = replace(message, taken_back_at=at)
        self.words.pop(message.id, None)
        self.told.append(PoolNews(message.id, "cancelled", None, at))
        self.scheduled[message.id] = at

    async def take_back_each(self, message: PoolMessage) -> None:
        self.left |= {child.id for child in self.children.get(message.id, {}).values()}

    async def states(self, id: str) -> Mapping[State, int]:
        children = self.children.get(id, {}).values()
        return Counter(State.DELIVERED if child.id in self.went_out else State.SUBMITTED for child in children)

    async def end(self, message: PoolMessage, sent: int, *, told_at: datetime) -> None:
        self.kept[message.id] = replace(self.kept[message.id], sent=sent)
        self.told.append(PoolNews(message.id, "ended", sent, told_at))

    async def forget(self, limit: int, *, submitted_before: datetime) -> int:
        old = [one.id for one in self.kept.values() if one.submitted_at < submitted_before and one.sent is not None]
        for id in old[:limit]:
            del self.kept[id]
        return len(old[:limit])
