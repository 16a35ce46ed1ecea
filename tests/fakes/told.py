"""What employers could read of people, in memory."""

from collections.abc import Collection, Mapping, Sequence
from dataclasses import dataclass, field, replace
from datetime import datetime

from services.consent.model import BEGINNING, Disclosed, Memberships, TellingPlace
from shared.contracts.pool_matching import (
    Criteria,
    DisclosedV1,
    DisclosureEndedV1,
    MembershipsChangedV1,
    PoolChangedV1,
)
from shared.facts import UNKNOWN, Fact, Known
from tests.fakes.clock import NOON

Key = tuple[str, datetime, str]


@dataclass
class FakeTellings:
    """The port `Tellings`; everything commits at once."""

    at: datetime = NOON
    erased: set[str] = field(default_factory=set)
    rows: dict[Key, tuple[Disclosed, int]] = field(default_factory=dict)
    """With the version of the memberships."""
    stays: dict[str, tuple[MembershipsChangedV1, datetime]] = field(default_factory=dict)
    pools: dict[str, tuple[PoolChangedV1, Criteria | None, datetime | None]] = field(default_factory=dict)

    async def hold(self, candidates: Collection[str]) -> Collection[str]:
        return set(candidates) - self.erased

    async def note_disclosures(self, events: Sequence[DisclosedV1]) -> None:
        for one in events:
            row = Disclosed(one.employer, one.pool, one.at, one.fields, one.way, one.member_since, None)
            self.rows.setdefault((one.candidate, one.at, one.pool), (row, one.memberships))
        self._end_stays()

    async def end_disclosures(self, events: Sequence[DisclosureEndedV1]) -> None:
        for one in events:
            for key, (row, version) in self.rows.items():
                if key[0] == one.candidate and row.pool == one.pool and row.at <= one.at and row.ended_at is None:
                    self.rows[key] = replace(row, ended_at=one.at), version

    async def note_memberships(self, events: Sequence[tuple[MembershipsChangedV1, datetime]]) -> None:
        for event, at in events:
            if event.candidate not in self.stays or self.stays[event.candidate][0].version < event.version:
                self.stays[event.candidate] = event, at
        self._end_stays()

    def _end_stays(self) -> None:
        for key, (row, version) in self.rows.items():
            if row.ended_at is not None or key[0] not in self.stays:
                continue
            present, at = self.stays[key[0]]
            is_there = any((one.pool, one.since) == (row.pool, row.member_since) for one in present.pools)
            if version <= present.version and not is_there:
                self.rows[key] = replace(row, ended_at=max(at, row.at)), version

    async def note_pools(self, events: Sequence[PoolChangedV1]) -> None:
        for one in events:
            before = self.pools.get(one.pool)
            if before is None or before[0].version < one.version:
                asked = one.criteria or (before[1] if before else None)
                self.pools[one.pool] = one, asked, None if one.criteria else self.at

    async def memberships(self, candidate: str) -> Fact[Memberships]:
        return Known(Memberships(self.stays[candidate][0].pools)) if candidate in self.stays else UNKNOWN

    async def in_force(self, candidate: str) -> Sequence[Disclosed]:
        return [row for row in self._of(candidate) if row.ended_at is None]

    async def disclosures(self, candidate: str, most: int, *, before: TellingPlace = BEGINNING) -> Sequence[Disclosed]:
        return [row for row in self._of(candidate) if (row.at, row.pool) < (before.at, before.pool)][:most]

    async def asked(self, pools: Collection[str]) -> Mapping[str, Criteria]:
        return {one: asked for one in pools if one in self.pools and (asked := self.pools[one][1]) is not None}

    async def forget(self, most: int, *, before: datetime) -> bool:
        old = [key for key, (row, _) in self.rows.items() if row.ended_at is not None and row.ended_at < before]
        gone = [pool for pool, (_, _, at) in self.pools.items() if at is not None and at < before]
        for key in old[:most]:
            del self.rows[key]
        for pool in gone[:most]:
            del self.pools[pool]
        return max(len(old), len(gone)) >= most

    def _of(self, candidate: str) -> list[Disclosed]:
        rows = [row for key, (row, _) in self.rows.items() if key[0] == candidate]
        return sorted(rows, key=lambda row: (row.at, row.pool), reverse=True)
