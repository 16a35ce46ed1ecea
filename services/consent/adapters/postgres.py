"""Everyone's answers in PostgreSQL."""

import json
from collections.abc import Collection, Mapping, Sequence
from dataclasses import replace
from datetime import datetime
from typing import Any

import asyncpg

from services.consent.adapters.kept import PEOPLE
from services.consent.adapters.links import SQL, PostgresLinks
from services.consent.adapters.messages import ERASURES
from services.consent.decisions import keys_of_names
from services.consent.model import Blocking, Choices, Entry, Introduction, NamedEmployer, Present, Quiet
from services.consent.ports import BLOCKS
from shared.contracts.consent import ConsentChangedV2, ErasureConfirmedV1, Limits, LinkStatement, QuietHours
from shared.contracts.signup import ErasureSweptV1
from shared.facts import UNKNOWN, Fact, Known
from shared.ids import new_id
from shared.messaging.reconciled import Behind
from shared.messaging.unit import Unit
from shared.security import encoding
from shared.security.seals import Seals


class PostgresConsents(PostgresLinks):
    """The port `Consents` on a unit of work; `seals` seal what only some readers of a consent need."""

    def __init__(self, unit: Unit, seals: Seals) -> None:
        super().__init__(unit)
        self._seals = seals

    async def register(self, candidates: Sequence[str]) -> None:
        """One statement, its rows in order: two processes that register the same people don't deadlock."""
        new = list(dict.fromkeys(candidates))
        await self._unit.connection.execute(SQL["register"], new, [_new_principal() for _ in new])

    async def close_unanswered(self, candidates: Sequence[str]) -> Collection[str]:
        """Under each row's lock: an answer that is being given is waited for, and then nothing is closed."""
        lapsed = list(dict.fromkeys(candidates))
        await self._unit.connection.execute(SQL["begin_erasure"], ERASURES)
        rows = await self._unit.connection.fetch(
            SQL["close_unanswered"], self.at, lapsed, [_new_principal() for _ in lapsed]
        )
        closed = [row["candidate"] for row in rows]
        await PEOPLE.erase(self._unit.connection, closed)
        for candidate in closed:
            self._unit.publish(ErasureConfirmedV1(candidate=candidate, store="consent", at=self.at))
        return closed

    async def close(self, candidates: Sequence[str]) -> None:
        """Also of somebody never heard of: a registration that comes later opens nothing.

        Whoever had answered gets a last state, with nothing on, for whoever hears of that before the erasure.
        """
        erased = list(dict.fromkeys(candidates))
        await self._unit.connection.execute(SQL["begin_erasure"], ERASURES)
        await self._unit.connection.execute(SQL["close"], self.at, erased, [_new_principal() for _ in erased])
        last = await self._unit.connection.fetch(SQL["last_words"], erased)
        await PEOPLE.erase(self._unit.connection, erased)
        self._unit.publish(
            *(
                _event(
                    Present(
                        row["candidate"],
                        principal="",
                        version=row["version"],
                        stopped_at=self.at if row["stops"] else row["stopped_at"],
                    ),
                    self.at,
                    self._seals,
                )
                for row in last
            )
        )
        self._unit.publish(
            *(ErasureSweptV1(candidate=one, service="consent", at=self.at, stores=PEOPLE.swept) for one in erased)
        )

    async def close_again(self, limit: int) -> int:
        """Closes some whom `erasures` has, as it was read back, and a backup brought back; how many."""
        erased = [row["candidate"] for row in await self._unit.connection.fetch(SQL["erased_and_open"], limit)]
        await self.close(erased)
        return len(erased)

    async def read(self, candidate: str, session: str = "") -> Present:
        """Takes no lock and makes no row."""
        row = await self._unit.connection.fetchrow(SQL["read"], candidate, session)
        assert row is not None  # noqa: S101 - it is a join on one line
        ended, since = bool(row["session_ended"]), row["links_from"]
        if row["candidate"] is None:
            return Present(candidate, principal="", session_ended=ended, links_from=since)
        return replace(_present(row), session_ended=ended, links_from=since)

    async def lock(self, candidate: str, session: str = "") -> Present:
        """The row that it waited for is read after the wait: the last change is always seen."""
        row = await self._unit.connection.fetchrow(SQL["lock"], candidate, session)
        if row is None:
            await self.register([candidate])
            row = await self._unit.connection.fetchrow(SQL["lock"], candidate, session)
        if row is None:
            raise asyncpg.SerializationError("the row went away while it was being locked")
        return replace(_present(row), session_ended=row["session_ended"], links_from=row["links_from"])

    async def append(self, entry: Entry) -> Present:
        """One statement; RuntimeError when the row was not at the version before."""
        self._unit.publish(
            _event(
                Present(
                    entry.candidate,
                    principal="",
                    version=entry.version,
                    choices=entry.choices,
                    statement=entry.statement,
                    said_at=entry.said_at,
                    stopped_at=entry.stopped_at,
                ),
                entry.at,
                self._seals,
            ),
        )
        await self._unit.flush()
        choices, quiet = entry.choices, entry.choices.quiet_hours
        row = await self._unit.connection.fetchrow(
            SQL["append"],
            entry.candidate,
            entry.version,
            entry.leaf,
            entry.at,
            entry.nonce,
            entry.receipt,
            json.dumps(entry.document, ensure_ascii=False),
            self._unit.outbox_ids[-1],
            choices.purposes,
            choices.sectors,
            choices.blocked_employers,
            choices.first_contacts_per_week,
            choices.min_gap_hours,
            quiet.start if quiet else None,
            quiet.end if quiet else None,
            choices.time_zone,
            choices.paused_until,
            choices.ends_at,
            entry.is_grant,
            choices.blocked_names,
            sorted(keys_of_names(choices.blocked_names)),
            entry.statement.model_dump_json() if entry.statement else None,
            entry.said_at,
            entry.stopped_at,
            entry.agreement,
            entry.language,
            entry.own_end,
            entry.remind_at,
        )
        if row is None:
            raise RuntimeError("a change was appended to another version than the one it was decided on")
        return _present(row)

    async def whom_to_ask_again(self, version: str, most: int) -> Sequence[Present]:
        """Those that another process asks just now are left to it."""
        return [_present(row) for row in await self._unit.connection.fetch(SQL["whom_to_ask_again"], version, most)]

    async def note_asked(self, candidates: Sequence[str], version: str) -> None:
        """The rows are held since `whom_to_ask_again`."""
        await self._unit.connection.execute(SQL["note_asked"], candidates, version)

    async def whom_to_remind(self, most: int) -> Sequence[Present]:
        """Those that another process reminds just now are left to it."""
        return [_present(row) for row in await self._unit.connection.fetch(SQL["whom_to_remind"], self.at, most)]

    async def note_reminded(self, next_at: Mapping[str, datetime | None]) -> None:
        """The rows are held since `whom_to_remind`."""
        await self._unit.connection.execute(SQL["note_reminded"], list(next_at), list(next_at.values()))

    async def receipt(self, receipt: str, candidate: str) -> Mapping[str, Any] | None:
        """The document as it was stored, and the opening while it exists."""
        row = await self._unit.connection.fetchrow(SQL["receipt"], receipt, candidate)
        return None if row is None else _receipt(row)

    async def receipts(self, candidate: str, most: int, *, before: int | None = None) -> Sequence[Mapping[str, Any]]:
        """From the ledger's index, page by page."""
        rows = await self._unit.connection.fetch(SQL["receipts"], candidate, before, most)
        return [_receipt(row) for row in rows]

    async def introduce(self, introductions: Sequence[Introduction]) -> None:
        """One statement, its rows in order; of a person who is there twice the first."""
        first = {one.candidate: one for one in sorted(introductions, key=lambda one: one.at, reverse=True)}
        await self._unit.connection.execute(
            SQL["introduce"], list(first), [one.teller for one in first.values()], [one.at for one in first.values()]
        )

    async def introduction(self, candidate: str) -> Fact[Introduction]:
        """By its key."""
        row = await self._unit.connection.fetchrow(SQL["introduction"], candidate)
        return UNKNOWN if row is None else Known(Introduction(row["candidate"], row["teller"], row["at"]))

    async def keep_employers(self, employers: Sequence[NamedEmployer], until: datetime) -> None:
        """One statement, its rows in order; of an employer that is there twice its highest version.

        What is older than what is kept was scheduled with what is kept.
        """
        highest = {item.employer: item for item in sorted(employers, key=lambda item: item.version)}
        rows = await self._unit.connection.fetch(
            SQL["keep_employers"],
            list(highest),
            [item.version for item in highest.values()],
            ["\n".join(sorted(item.keys)) for item in highest.values()],
            until,
        )
        self._unit.work.add(BLOCKS, [row["employer"] for row in rows if row["blocks_until"] is not None], at=self.at)

    async def employers_named(self, keys: Collection[str]) -> Sequence[str]:
        """From the index of keys."""
        return [row["employer"] for row in await self._unit.connection.fetch(SQL["employers_named"], list(keys))]

    async def blocking(self, employer: str) -> Blocking | None:
        """Locked: what it is found by does not change meanwhile."""
        row = await self._unit.connection.fetchrow(SQL["blocking"], employer)
        return Blocking(row["employer"], tuple(row["keys"]), row["blocks_until"]) if row else None

    async def who_named(self, blocking: Blocking, most: int) -> Sequence[Present]:
        """In the order of their ids, so that two that block don't wait for each other in a ring."""
        rows = await self._unit.connection.fetch(SQL["who_named"], blocking.employer, blocking.keys, most)
        return [_present(row) for row in rows]

    async def end_blocking(self, employer: str) -> None:
        """The row is held since `blocking`."""
        await self._unit.connection.execute(SQL["end_blocking"], employer)


def _receipt(row: asyncpg.Record) -> Mapping[str, Any]:
    document: dict[str, Any] = json.loads(row["document"])
    opening = encoding.encode(row["nonce"]) if row["nonce"] else None
    return {**document, "ledger": {**document["ledger"], "opening": opening}}


def _new_principal() -> str:
    return new_id("person")


def _present(row: asyncpg.Record) -> Present:
    quiet = Quiet(row["quiet_start"], row["quiet_end"]) if row["quiet_start"] is not None else None
    return Present(
        candidate=row["candidate"],
        principal=row["principal"] or "",
        version=row["version"],
        choices=Choices(
            purposes=tuple(row["purposes"]),
            sectors=tuple(row["sectors"]),
            blocked_employers=tuple(row["blocked_employers"]),
            blocked_names=tuple(row["blocked_names"]),
            first_contacts_per_week=row["first_contacts_per_week"],
            min_gap_hours=row["min_gap_hours"],
            quiet_hours=quiet,
            time_zone=row["time_zone"],
            paused_until=row["paused_until"],
            ends_at=row["ends_at"],
        ),
        leaf=row["leaf"],
        receipt=row["receipt"],
        outbox_id=row["outbox_id"],
        granted_at=row["granted_at"],
        statement=LinkStatement.model_validate_json(row["statement"]) if row["statement"] else None,
        said_at=row["said_at"],
        stopped_at=row["stopped_at"],
        agreement=row["agreement"],
        language=row["language"],
        own_end=row["own_end"],
        is_closed=row["closed_at"] is not None,
    )


async def _candidates(unit: Unit, after: str, limit: int) -> list[str]:
    return [row["candidate"] for row in await unit.connection.fetch(SQL["consents_after"], after, limit)]


async def _ahead(unit: Unit) -> int:
    return int(await unit.connection.fetchval(SQL["ahead"]))


def consents_behind(seals: Seals, *, without_statement: bool) -> Behind:
    """Those whose rows are ahead of `consent-state`, as it was read back.

    A yes of before there were statements is said again only `without_statement`: while readers take it.
    """

    async def behind(unit: Unit) -> list[ConsentChangedV2]:
        rows = await unit.connection.fetch(SQL["behind"], without_statement)
        return [_event(_present(row), row["changed_at"], seals) for row in rows]

    return Behind(_candidates, behind, _ahead)


def _event(present: Present, at: datetime, seals: Seals) -> ConsentChangedV2:
    choices, quiet = present.choices, present.choices.quiet_hours
    return ConsentChangedV2.within(
        Limits(
            sectors=choices.sectors,
            blocked_employers=choices.blocked_employers,
            first_contacts_per_week=choices.first_contacts_per_week,
            min_gap_hours=choices.min_gap_hours,
            quiet_hours=QuietHours(start=quiet.start, end=quiet.end) if quiet else None,
            time_zone=choices.time_zone,
        ),
        seals,
        candidate=present.candidate,
        version=present.version,
        at=at,
        purposes=choices.purposes,
        paused_until=choices.paused_until,
        ends_at=choices.ends_at,
        statement=present.statement,
        said_at=present.said_at,
        stopped_at=present.stopped_at,
    )
