"""What employers are told of their pools, in PostgreSQL."""

import asyncio
from collections.abc import Callable, Iterable, Mapping, Sequence
from datetime import datetime
from functools import cache, partial
from itertools import groupby
from typing import TypeVar

import asyncpg

from services.pool_matching.adapters import said
from services.pool_matching.adapters.beside import beside
from services.pool_matching.adapters.sql import LISTINGS_LOCK, SQL, joined
from services.pool_matching.introductions import remembered_since
from services.pool_matching.listing import Fit, Listed
from services.pool_matching.model import Listing, Shown, Told, Update
from services.pool_matching.ports import SAY_DISCLOSURES, TELLINGS, ListingChangedError
from shared.ahead import one_ahead
from shared.contracts.base import Event
from shared.contracts.pool_matching import PoolClosedV1, PoolUpdatedV1
from shared.feed.model import Telling
from shared.feed.ports import FeedWriter
from shared.messaging.unit import Unit
from shared.postgres.pool import SILENT_AT_MOST
from shared.runner.model import TURN

T = TypeVar("T")

_AT_ONCE = 2000
"""Rows that are read or written by one turn on the connection."""
_SAID_AT_ONCE = 1000
"""Disclosures."""
_MANY = 10_000
"""Of more it takes seconds to decide, on a busy machine more than a transaction may be silent."""
_NOTHING = Shown()
"""What is known of whoever left."""


class PostgresListings:
    """`ListingStore` in a unit of work.

    Nobody is listed after they left: who leaves waits for whoever holds the listing, and is taken off it then
    (`leave_listed`, a trigger of `memberships`); who holds it lists only whom `memberships` still has. A listing
    that opens is held once all of it is written, and who left meanwhile is taken off it then. And nobody is listed without a
    note of what can be read of them from then on: the statement that lists writes it, and the table refuses a row that shows more
    than was noted (`nothing_is_shown_unnoted`).
    """

    def __init__(self, unit: Unit, feed: Callable[[Unit], FeedWriter]) -> None:
        self._unit = unit
        self._connection = unit.connection
        self._feed = feed(unit)
        self._turn = asyncio.Lock()
        """On the connection, for those of whom one lists while the other tells (`one_ahead`)."""
        self._begun = "1:1:"
        """The snapshot that the list was begun with: what it does not show may have changed somebody since."""
        self._may_have_noted = False
        self._unwritten = 0
        self._generations: dict[str, int] = {}
        """Of the refs that `standings` read, by candidate; most are of the first, and not here."""
        self.at: datetime = unit.at

    def publish(self, *events: Event, id: str | None = None) -> None:
        """The events leave with the transaction."""
        self._unit.publish(*events, id=id)

    def tell_later(self, employers: Sequence[str]) -> None:
        """Scheduled."""
        self._unit.work.add(TELLINGS, employers, at=self.at)

    async def employers_untold(self, limit: int) -> list[str]:
        """Without a row of work."""
        return [row["employer"] for row in await self._connection.fetch(SQL["employers_untold"], "", limit)]

    async def next_listing(self, employer: str, tick: datetime, after: int) -> str | None:
        """What was begun goes first."""
        pool: str | None = await self._connection.fetchval(SQL["next_listing"], employer, tick, after)
        return pool

    async def has_pools(self, employer: str) -> bool:
        """By index."""
        return bool(await self._connection.fetchval(SQL["has_pools"], employer))

    async def listing(self, pool: str) -> Listing | None:
        """Not locked."""
        row = await self._connection.fetchrow(SQL["read_listing"], pool)
        if row is None:
            await self._connection.execute(SQL["make_listing"], pool)
            row = await self._connection.fetchrow(SQL["read_listing"], pool)
        return Listing(**row) if row else None

    async def standings(self, pool: str, as_of: datetime) -> tuple[dict[str, Listed], dict[str, Fit]]:
        """Read by and by: of what is shown each value is held once, whoever shows it."""
        read = cache(Shown.model_validate_json)
        listed: dict[str, Listed] = {}
        fits: dict[str, Fit] = {}
        cursor = await self._connection.cursor(SQL["listing_standings"], pool, as_of, remembered_since(as_of))

        async def fetch() -> list[asyncpg.Record] | None:
            return await cursor.fetch(_AT_ONCE) or None

        async def note(rows: Sequence[asyncpg.Record]) -> None:
            for row in rows:
                if row["generation"]:
                    self._generations[row["candidate"]] = row["generation"]
                fits[row["candidate"]] = Fit(row["member_ref"], read(row["fits"]), row["fits_counts"])
                if row["listed_ref"] is not None:
                    fit = Fit(row["listed_ref"], read(row["fit"]), row["counts"])
                    listed[row["candidate"]] = Listed(
                        fit, row["since"], read(row["shown"]), renewed_ref=row["renewed_ref"]
                    )

        await one_ahead(fetch, note)
        for row in await self._connection.fetch(SQL["listed_who_left"], pool):
            gone = Fit(row["member_ref"], _NOTHING, row["counts"])
            listed[row["member_ref"]] = Listed(gone, row["since"], _NOTHING, left=True)
        if len(fits) > _MANY:
            await self._connection.execute(SQL["decide_in_peace"])
        return listed, fits

    async def begin(self, listing: Listing) -> bool:
        """Waits for another process that opens it."""
        self._begun = await self._connection.fetchval(SQL["decide_alone"], LISTINGS_LOCK, listing.pool)
        return _is_as_read(listing, await self._connection.fetchrow(SQL["listing_standing"], listing.pool))

    async def hold(self, listing: Listing) -> bool:
        """Waits for those who are leaving."""
        return _is_as_read(listing, await self._connection.fetchrow(SQL["hold_listing"], listing.pool, SILENT_AT_MOST))

    async def list_left(self, pool: str, refs: Sequence[str]) -> None:
        """Some at a time."""
        for some in _pages(refs):
            await self._connection.execute(SQL["list_left"], pool, some)

    async def list_changed(self, pool: str, rows: Mapping[str, Listed]) -> set[str]:
        """Some at a time."""
        there = set[str]()
        for some in _pages(list(rows.items())):
            new = [(who, one.fit.counts, _json(one.fit.shown), _json(one.row)) for who, one in some]
            found = await self._connection.fetch(SQL["list_changed"], pool, *_columns(new, 4), self.at)
            there.update(row["candidate"] for row in found)
        self._may_have_noted |= bool(there)
        return there

    async def list_joined(self, pool: str, rows: Mapping[str, Listed], told: Mapping[str, Shown]) -> list[str]:
        """Some at a time, in the order of the people, as their rows lie."""
        there: list[str] = []
        pages = [*_pages(sorted(rows))]
        columns = self._joining(pages[0], rows, told) if pages else ()
        for number in range(1, len(pages) + 1):
            after = pages[number] if number < len(pages) else ()
            async with self._turn:
                found, columns = await beside(
                    self._connection.fetch(SQL["list_joined"], pool, *columns, self.at),
                    partial(self._joining, after, rows, told),
                )
            there += [row["member_ref"] for row in found]
        self._may_have_noted |= bool(there)
        return there

    def _joining(
        self, people: Sequence[str], rows: Mapping[str, Listed], told: Mapping[str, Shown]
    ) -> Sequence[Sequence[object]]:
        """The columns of `list_joined`."""
        faces = _Faces()
        new = [
            (
                who,
                one.fit.member_ref,
                one.since.isoformat(),
                "t" if one.fit.counts else "f",
                faces.place(one.fit.shown),
                faces.place(one.row),
                faces.place(told[who]) if who in told else "",
                str(self._generations.get(who, 0)),
            )
            for who in people
            for one in (rows[who],)
        ]
        columns = [joined(column) for column in _columns(new, 8)]
        return (*columns[:4], faces.values(), *columns[4:])

    async def take_off_who_left(self, listing: Listing) -> None:
        """Held from here on: who leaves later waits, and takes themselves off it; so does another key of the refs."""
        if not await self.hold(listing):
            raise ListingChangedError
        gone, renewed, noted = [], {}, []
        for who, ref, generation, is_as_listed in await self._connection.fetch(
            SQL["listed_otherwise"], listing.pool, self._begun
        ):
            if ref is None or generation != self._generations.get(who, 0):
                gone.append(who)
                continue
            noted.append(who)
            if not is_as_listed:
                renewed[who] = ref
        if gone or noted:
            refs = list(renewed), list(renewed.values())
            await self._connection.execute(SQL["take_off_who_left"], listing.pool, gone, *refs, noted)

    async def keep_decided(self, listing: Listing) -> None:
        """Who changes or deletes the pool from here on waits for the commit, and finds people listed in it."""
        if not await self._keep(listing):
            raise ListingChangedError

    async def keep_listing(self, listing: Listing) -> None:
        """What the pool asks by now is no matter."""
        await self._keep(listing)

    async def _keep(self, listing: Listing) -> bool:
        """With how many are in it. What may have been noted is said once it is committed, and not when its turn comes by the clock."""
        if self._may_have_noted:
            self._unit.work.add(SAY_DISCLOSURES, [TURN], at=self.at)
        how_far = (listing.state, listing.told_at, listing.made_for, listing.is_unfinished)
        return bool(await self._connection.fetchval(SQL["keep_listing"], listing.pool, *how_far))

    async def take_untold(self, pool: str, limit: int) -> list[tuple[str, Told]]:
        """One statement; those who left are forgotten with it."""
        rows = await self._connection.fetch(SQL["take_untold"], pool, limit)
        return [(row["member_ref"], row["telling"]) for row in rows]

    async def tell(self, employer: str, updates: Sequence[Update]) -> None:
        """Rows of the feed, and of the outbox; of many these are written before the end, so that they take no memory until then."""
        tellings = [Telling(employer, said.in_feed(one)) for one in updates]
        async with self._turn:
            await beside(self._feed.write(tellings), partial(self._publish, employer, updates))
            self._unwritten += len(updates)
            if self._unwritten >= _AT_ONCE:
                self._unwritten = 0
                await self._unit.flush()

    def _publish(self, employer: str, updates: Sequence[Update]) -> None:
        for at, some in groupby(updates, key=lambda one: one.at):  # a tick: of all that is told at once the same
            here = list(some)
            events = [(one.id, employer, said.told(employer, one)) for one in here if one.member_ref is not None]
            self._unit.publish_written(PoolUpdatedV1, events, at=at)
            for one in here:
                if one.member_ref is None:
                    self._unit.publish(PoolClosedV1(employer=employer, pool=one.pool, at=at), id=one.id)

    async def clear(self, pool: str, limit: int) -> int:
        """By index."""
        return int(await self._connection.fetchval(SQL["clear_listed"], pool, limit, self.at))

    async def say_disclosures(self, limit: int) -> int:
        """Their rows go with the transaction in which the events leave; the next are taken while some are written."""
        taken, is_last = 0, False

        async def take() -> list[asyncpg.Record] | None:
            nonlocal taken, is_last
            if is_last:
                return None
            some = min(_SAID_AT_ONCE, limit - taken)
            async with self._turn:
                rows = await self._connection.fetch(SQL["take_disclosures"], some)
            taken += len(rows)
            is_last = len(rows) < some or taken == limit
            return rows or None

        async def say(rows: Sequence[asyncpg.Record]) -> None:
            for kind, events in said.disclosures(rows):
                self._unit.publish_written(kind, events)
            async with self._turn:
                await self._unit.flush()

        await one_ahead(take, say)
        return taken

    async def drop_listing(self, pool: str) -> None:
        """One row."""
        await self._connection.execute(SQL["drop_listing"], pool)


def _is_as_read(listing: Listing, row: asyncpg.Record | None) -> bool:
    return row is not None and tuple(row)[:3] == (listing.told_at, listing.made_for, listing.is_unfinished)


def _json(shown: Shown) -> str:
    return shown.model_dump_json(exclude_none=True)


class _Faces:
    """What is shown of many people, each value once."""

    def __init__(self) -> None:
        self._places: dict[Shown, str] = {}
        self._known: dict[int, str] = {}
        """By object: comparing values costs more, and those who show the same mostly have the one that they share."""

    def place(self, face: Shown) -> str:
        """Which of the values it is, counted from one; a new one is put behind the others. It has to live as long as this does."""
        found = self._known.get(id(face))
        if found is None:
            found = self._known[id(face)] = self._places.setdefault(face, str(len(self._places) + 1))
        return found

    def values(self) -> list[str]:
        """As JSON."""
        return [_json(one) for one in self._places]


def _pages(rows: Sequence[T]) -> Iterable[Sequence[T]]:
    return (rows[start : start + _AT_ONCE] for start in range(0, len(rows), _AT_ONCE))


def _columns(rows: Sequence[Sequence[T]], width: int) -> list[list[T]]:
    return [list(column) for column in zip(*rows, strict=True)] if rows else [[] for _ in range(width)]
