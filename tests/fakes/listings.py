"""What employers are told of their pools, in memory."""

from collections.abc import Collection, Mapping, Sequence
from dataclasses import dataclass, field, replace
from datetime import datetime
from typing import Protocol

from services.pool_matching.listing import FEWEST, Fit, Listed
from services.pool_matching.model import Listing, Member, Pool, Shown, ShownMember, Told, Update
from services.pool_matching.ports import ListingChangedError
from shared.contracts.base import Event
from shared.contracts.pool_matching import DisclosedV1, DisclosureEndedV1, PoolClosedV1, PoolUpdatedV1
from tests.fakes.clock import NOON

_NOTHING = Shown()


@dataclass
class Row:
    """Somebody on a list; whoever left has no candidate."""

    candidate: str | None
    listed: Listed
    telling: Told | None = None
    """What an older release is about to tell."""
    noted: Shown | None = None
    """What of the row was noted as disclosed."""


class World(Protocol):
    """What the listings are made of."""

    def publish(self, *events: Event, id: str | None = None) -> None: ...
    async def pool_in_force(self, pool: str) -> Pool | None: ...
    def members_of(self, pool: str) -> dict[str, tuple[str, Member]]: ...
    def evaluated(self, pool: str) -> int | None: ...
    def pools_of(self, employer: str) -> list[str]: ...
    def employers(self) -> set[str]: ...
    def version_of(self, candidate: str) -> int: ...


@dataclass
class FakeListings:
    """`ListingStore`."""

    world: World
    at: datetime = NOON
    rows: dict[str, list[Row]] = field(default_factory=dict)
    listings: dict[str, Listing] = field(default_factory=dict)
    to_tell: list[str] = field(default_factory=list)
    told: list[tuple[str, Update]] = field(default_factory=list)
    """What feeds got."""
    brought: set[tuple[str, str]] = field(default_factory=set)
    """Whom which employer introduced."""
    disclosures: list[DisclosedV1 | DisclosureEndedV1] = field(default_factory=list)
    """Noted and not said yet."""

    def publish(self, *events: Event, id: str | None = None) -> None:
        self.world.publish(*events, id=id)

    def tell_later(self, employers: Sequence[str]) -> None:
        self.to_tell += [one for one in employers if one not in self.to_tell]

    async def employers_untold(self, limit: int) -> list[str]:
        return sorted(self.world.employers() - set(self.to_tell))[:limit]

    async def next_listing(self, employer: str, tick: datetime, after: int) -> str | None:
        theirs = {*self.world.pools_of(employer), *(one.pool for one in self._of(employer))}
        due = []
        for pool in sorted(theirs):
            version, listing = self.world.evaluated(pool), self.listings.get(pool)
            if version is None:
                continue
            if (
                listing is None
                or listing.is_unfinished
                or pool not in self.world.pools_of(employer)
                or listing.told_at is None
                or listing.told_at < tick
                or listing.made_for < version
            ):
                due.append((not (listing and listing.is_unfinished), pool))
        return sorted(due)[after % len(due)][1] if due else None

    async def has_pools(self, employer: str) -> bool:
        return bool(self.world.pools_of(employer) or self._of(employer))

    async def listing(self, pool: str) -> Listing | None:
        value = await self.world.pool_in_force(pool)
        if pool not in self.listings:
            if value is None:
                return None
            self.listings[pool] = Listing(pool, value.employer, "new", None, 0, None, True, False)
        return replace(self.listings[pool], version=self.world.evaluated(pool), in_force=value is not None)

    async def standings(self, pool: str, as_of: datetime) -> tuple[dict[str, Listed], dict[str, Fit]]:
        rows = self.rows.get(pool, [])
        there = {row.candidate: row.listed for row in rows if row.candidate is not None}
        gone = {row.listed.fit.member_ref: row.listed for row in rows if row.candidate is None}
        fits = {
            who: Fit(ref, Shown.model_validate_json(member.shown), (who, member.employer) not in self.brought)
            for who, (ref, member) in self.world.members_of(pool).items()
            if who in there or member.fits_since <= as_of
        }
        return {**there, **gone}, fits

    async def hold(self, listing: Listing) -> bool:
        now = self.listings.get(listing.pool)
        return now is not None and (now.told_at, now.made_for, now.is_unfinished) == (
            listing.told_at,
            listing.made_for,
            listing.is_unfinished,
        )

    async def begin(self, listing: Listing) -> bool:
        return await self.hold(listing)

    async def list_left(self, pool: str, refs: Sequence[str]) -> None:
        rows = self.rows.get(pool, [])
        self.rows[pool] = [row for row in rows if row.listed.fit.member_ref not in refs]

    async def list_changed(self, pool: str, rows: Mapping[str, Listed]) -> Collection[str]:
        there = [row for row in self.rows.get(pool, []) if row.candidate in rows]
        for row in there:
            if row.candidate is not None:
                row.listed = rows[row.candidate]
                self._note(pool, row)
        return [row.candidate for row in there if row.candidate is not None]

    async def list_joined(self, pool: str, rows: Mapping[str, Listed], told: Mapping[str, Shown]) -> Collection[str]:
        there = self.world.members_of(pool)
        new = [Row(who, one, None, told.get(who)) for who, one in rows.items() if who in there]
        for row in new:
            self.rows.setdefault(pool, []).append(row)
            self._note(pool, row)
        return [row.listed.fit.member_ref for row in new]

    async def take_off_who_left(self, listing: Listing) -> None:
        if not await self.hold(listing):
            raise ListingChangedError
        for who in [row.candidate for row in self.rows.get(listing.pool, [])]:
            if who is not None and who not in self.world.members_of(listing.pool):
                self.left(listing.pool, who)
            elif who is not None:
                self.renewed(listing.pool, who, self.world.members_of(listing.pool)[who][0])

    def _note(self, pool: str, row: Row) -> None:
        if row.candidate is None or (row.noted is not None and _items(row.listed.row) <= _items(row.noted)):
            return
        row.noted = row.listed.row
        _, member = self.world.members_of(pool)[row.candidate]
        self.disclosures.append(
            DisclosedV1(
                candidate=row.candidate,
                employer=member.employer,
                pool=pool,
                at=self.at,
                fields=tuple(sorted({name for name, _ in _items(row.noted)})),
                way="list",
                member_since=member.since,
                memberships=self.world.version_of(row.candidate),
            )
        )

    async def say_disclosures(self, limit: int) -> int:
        taken, self.disclosures = self.disclosures[:limit], self.disclosures[limit:]
        self.publish(*taken)
        return len(taken)

    def renewed(self, pool: str, candidate: str, ref: str) -> None:
        """Another key made this ref of who may be listed."""
        for row in self.rows.get(pool, []):
            if row.candidate == candidate:
                new = None if ref == row.listed.fit.member_ref else ref
                row.listed = replace(row.listed, renewed_ref=new)

    async def keep_decided(self, listing: Listing) -> None:
        if await self.world.pool_in_force(listing.pool) is None or listing.made_for != self.world.evaluated(
            listing.pool
        ):
            raise ListingChangedError
        self.listings[listing.pool] = listing

    async def keep_listing(self, listing: Listing) -> None:
        self.listings[listing.pool] = listing

    async def take_untold(self, pool: str, limit: int) -> list[tuple[str, Told]]:
        rows = self.rows.get(pool, [])
        waiting = [(row.listed.fit.member_ref, row.telling != "left", row) for row in rows if row.telling]
        page = sorted(waiting, key=lambda one: one[:2])[:limit]
        taken: list[tuple[str, Told]] = []
        for ref, _, row in page:
            if row.telling is not None:
                taken.append((ref, row.telling))
            if row.telling == "left":
                rows.remove(row)
            row.telling = None
        return taken

    async def tell(self, employer: str, updates: Sequence[Update]) -> None:
        self.told += [(employer, one) for one in updates]
        for one in updates:
            self.publish(event_of(employer, one), id=one.id)

    async def clear(self, pool: str, limit: int) -> int:
        rows = self.rows.get(pool, [])
        self.rows[pool] = rows[limit:]
        self.disclosures += [
            DisclosureEndedV1(candidate=row.candidate, employer=self.listings[pool].employer, pool=pool, at=self.at)
            for row in rows[:limit]
            if row.candidate is not None
        ]
        return len(rows[:limit])

    async def drop_listing(self, pool: str) -> None:
        del self.listings[pool]

    def left(self, pool: str, candidate: str) -> None:
        """They left the pool, by whatever act."""
        for row in self.rows.get(pool, []):
            if row.candidate == candidate:
                _leave(row)

    def shown(self, pool: str) -> list[ShownMember] | None:
        """Who is listed, in the order of the refs; None: nobody is shown."""
        there = [row.listed for row in self.rows.get(pool, []) if row.candidate is not None]
        listing = self.listings.get(pool)
        if listing is None or listing.state != "open" or sum(one.fit.counts for one in there) < FEWEST:
            return None
        shown = [ShownMember(one.fit.member_ref, one.since, one.row) for one in there]
        return sorted(shown, key=lambda one: one.member_ref)

    def was_decided(self, pool: str) -> bool:
        listing, version = self.listings.get(pool), self.world.evaluated(pool)
        return listing is not None and version is not None and listing.made_for >= version

    def was_listed(self, pool: str) -> bool:
        """Whether somebody was ever."""
        listing = self.listings.get(pool)
        return listing is not None and listing.state != "new"

    def _of(self, employer: str) -> list[Listing]:
        return [one for one in self.listings.values() if one.employer == employer]


def event_of(employer: str, update: Update) -> PoolUpdatedV1 | PoolClosedV1:
    """The model of what the topic carries of it."""
    if update.change == "closed" or update.member_ref is None:
        return PoolClosedV1(employer=employer, pool=update.pool, at=update.at)
    return PoolUpdatedV1(
        employer=employer, pool=update.pool, member_ref=update.member_ref, change=update.change, at=update.at
    )


def _items(shown: Shown) -> set[tuple[str, object]]:
    found: set[tuple[str, object]] = set()
    for name in Shown.model_fields:
        value = getattr(shown, name)
        if isinstance(value, tuple):
            found |= {(name, one) for one in value}
        elif value is not None:
            found.add((name, value))
    return found


def _leave(row: Row) -> None:
    row.candidate = row.noted = None
    row.listed = replace(row.listed, fit=replace(row.listed.fit, shown=_NOTHING), row=_NOTHING, left=True)
