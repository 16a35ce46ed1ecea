"""The vault and its surroundings in PostgreSQL: whole batches, one round trip a step."""

from collections.abc import Iterable, Mapping, Sequence
from dataclasses import astuple, fields
from datetime import date, datetime
from operator import attrgetter
from pathlib import Path
from types import MappingProxyType
from typing import Any

from services.signup.adapters import kept_reports, lapses, proposals
from services.signup.adapters.certificates import forget_certificates
from services.signup.adapters.intake_keys import IntakeKeys
from services.signup.adapters.refusals import forget_refusals
from services.signup.model.invitations import Asked, Lapse, PastInvitations, ToInvite
from services.signup.model.people import Record
from services.signup.model.provenance import ValueOrigin
from services.signup.model.records import Claim, Known, Picture, Proposal, Proposed, Showing, Stub
from services.signup.model.reports import KeptReport
from services.signup.ports.intake import KEPT
from services.signup.ports.store import INVITATIONS, LANES, SHOWINGS
from services.signup.vault.hashing import Prefix, SlowHash, Suspected
from services.signup.vault.reading import read_identities
from services.signup.vault.sealing import SealedIdentity
from shared.contracts.base import Event
from shared.contracts.signup import JOIN, CoarseProfile
from shared.messaging.unit import Unit
from shared.postgres.queries import load

SQL = load(Path(__file__).parent / "queries.sql")
_COLUMNS = tuple(field.name for field in fields(SealedIdentity) if field.name not in ("before", "locale"))
_AS_A_ROW = attrgetter(*_COLUMNS)  # `astuple` copies each value, deeply


class PostgresStore:
    """`ports.Store` inside a unit of work."""

    def __init__(self, unit: Unit, keys: IntakeKeys) -> None:
        self._unit = unit
        self._connection = unit.connection
        self._keys = keys
        self._epochs = keys.epochs

    @property
    def at(self) -> datetime:
        """The time of the unit of work."""
        return self._unit.at

    @property
    def outbox_ids(self) -> Sequence[int]:
        """Of what was published, once the transaction is over."""
        return self._unit.outbox_ids

    def publish(self, event: Event, *, id: str | None = None) -> None:
        """The event leaves when the transaction commits."""
        self._unit.publish(event, id=id)

    async def intake_keys(self, days: Iterable[date]) -> Mapping[date, bytes]:
        """The keys of these days; a destroyed one is missing."""
        return await self._keys.find(self._connection, days)

    async def register(self, stubs: Sequence[Stub]) -> set[str]:
        """Keeps those whose address nobody has; returns their candidates.

        While keys of the index are exchanged, processes make different rows of one mailbox: they take turns at it.
        """
        if older := {index for stub in stubs for index in stub.older_indexes}:
            turns = [min(stub.blind_index, *stub.older_indexes) for stub in stubs]
            await self._connection.execute(SQL["hold_mailboxes"], turns)
            rows = await self._connection.fetch(SQL["taken_mailboxes"], list(older))
            taken = {row["blind_index"] for row in rows}
            stubs = [stub for stub in stubs if taken.isdisjoint(stub.older_indexes)]
        if not stubs:
            return set()
        rows = await self._connection.fetch(
            SQL["register"],
            self.at,
            [stub.candidate for stub in stubs],
            [stub.blind_index for stub in stubs],
            [stub.until for stub in stubs],
            [stub.index_key for stub in stubs],
            [stub.locale for stub in stubs],
        )
        return {row["candidate"] for row in rows}

    async def hold(self, records: Sequence[Record]) -> None:
        """Whoever else handles one of these records waits until the transaction is over, also while nobody knows it."""
        if records:
            await self._connection.execute(SQL["hold_records"], *_columns(records, 2))

    async def look_up(
        self,
        records: Sequence[Record],
        blind_indexes: Sequence[bytes],
        older: Mapping[bytes, bytes] = MappingProxyType({}),
    ) -> Picture:
        """Everybody whom these records or addresses are of, locked until the transaction is over."""
        rows = await self._connection.fetch(SQL["read_claims"], *_columns(records, 2))
        claims, denied = [], set()
        for vendor, record, candidate, *more, not_of in map(tuple, rows):
            denied |= {((vendor, record), who) for who in not_of or ()}
            if candidate is not None:
                claims.append(Claim(vendor, record, candidate, *more))
        candidates = sorted({claim.candidate for claim in claims})
        rows = await self._connection.fetch(SQL["lock_people"], candidates, [*blind_indexes, *older])
        people: list[Known] = []
        former: dict[bytes, Known] = {}
        for row in map(dict, rows):
            given_up = row.pop("former")
            known = Known(**row | {"blind_index": older.get(row["blind_index"], row["blind_index"])})
            people.append(known)
            former |= {older.get(index, index): known for index in given_up}
        by_candidate = {known.candidate: known for known in people}
        return Picture(
            claims={(claim.vendor, claim.record): claim for claim in claims if claim.candidate in by_candidate},
            people=by_candidate,
            addresses=former | {known.blind_index: known for known in people},
            deletions={
                ((one.vendor, one.record), one.employer): one
                for one in await kept_reports.deletions(self._connection, records, self.at - KEPT)
            },
            not_theirs=frozenset(denied),
        )

    async def save_identities(self, identities: Sequence[SealedIdentity]) -> None:
        """Into the vault."""
        if identities:
            with self._epochs.may_be_over():
                await self._connection.execute(
                    SQL["save_identities"], *_columns([*map(_AS_A_ROW, identities)], len(_COLUMNS))
                )

    async def save_claims(self, claims: Sequence[Claim]) -> None:
        """A record claims one person; an earlier claim of the same record is replaced."""
        if claims:
            rows = [
                (one.vendor, one.record, one.candidate, one.employer, one.registered, *astuple(one.origin))
                for one in claims
            ]
            await self._connection.execute(SQL["save_claims"], self.at, *_columns(rows, 8))

    async def remove_claims(self, records: Sequence[Record]) -> None:
        """Forget them."""
        if records:
            await self._connection.execute(SQL["remove_claims"], *_columns(records, 2))

    async def save_proposals(self, told: Sequence[Proposal]) -> None:
        """One for each claim, in place of an earlier one; the newest of each vendor before any vendor's second."""
        await proposals.save_proposals(self._connection, told, at=self.at)

    async def proposals(self, candidate: str) -> Sequence[Proposed]:
        """The newest first."""
        return await proposals.read_proposals(self._connection, candidate)

    async def answer_proposals(self, candidate: str, told_until: datetime) -> None:
        """Whatever was told of this person by then counts as answered."""
        await proposals.answer_proposals(self._connection, candidate, told_until, at=self.at)

    async def answer_proposal(self, candidate: str, record: Record) -> None:
        """What this record tells of the person counts as answered."""
        await proposals.answer_proposal(self._connection, candidate, record, at=self.at)

    async def deny(self, candidate: str, record: Record) -> None:
        """The record's claim on this person ends, with what it proposes; as long as they are known it is not of them."""
        await proposals.deny(self._connection, candidate, record, at=self.at)

    async def origins(self, candidate: str) -> Sequence[ValueOrigin]:
        """Of each value of the profile as it was saved last; none of one that was saved before they were kept."""
        return await proposals.read_origins(self._connection, candidate)

    async def save_origins(self, candidate: str, origins: Sequence[ValueOrigin]) -> None:
        """In place of those before."""
        await proposals.save_origins(self._connection, candidate, origins)

    async def note_times(self, times: Mapping[Record, datetime]) -> None:
        """The vendor's own time of what was taken of a claimed record; an earlier one changes nothing."""
        if times:
            rows = [(*record, at) for record, at in times.items()]
            await self._connection.execute(SQL["note_times"], *_columns(rows, 3))

    async def hand_over(self, merged: Mapping[Record, Record]) -> None:
        """Each record's claim and proposal become the other's, unless that has its own; the record itself is forgotten."""
        if merged:
            rows = [(*lost, into) for lost, (_, into) in merged.items()]
            await self._connection.execute(SQL["hand_over_claims"], *_columns(rows, 3))
            await self._connection.execute(SQL["hand_over_proposals"], *_columns(rows, 3))
            await self.remove_claims(list(merged))

    async def keep(self, reports: Sequence[KeptReport]) -> None:
        """As they came, one of each kind for a record and employer: the later one, by the vendor's clock where it says."""
        await kept_reports.keep(self._connection, reports, self.at)

    async def take_kept(self, records: Sequence[Record]) -> Sequence[KeptReport]:
        """What was kept of these records for a day at most, taken out, in the order in which it happened or came."""
        return await kept_reports.take_kept(self._unit, records, self.at - KEPT)

    async def count_deletions(self, records: Sequence[tuple[Record, str]]) -> None:
        """What is kept of their deletions is only remembered from now on."""
        await kept_reports.count_deletions(self._connection, records, self.at)

    async def forget_told_before(self, deleted: Mapping[tuple[Record, str], datetime | None]) -> None:
        """What is kept of these records and employers, but for deletions: all, or what is no later by the vendor's clock."""
        await kept_reports.forget_told_before(self._connection, deleted)

    async def release(self, *, limit: int) -> Sequence[KeptReport]:
        """What waited for somebody who does not lapse any more, taken out."""
        return await kept_reports.release(self._unit, limit=limit)

    async def forget_kept(self, before: datetime, *, limit: int) -> int:
        """What was kept before that and nobody came for; how many."""
        return await kept_reports.forget_kept(self._connection, before, limit=limit)

    async def lapse_unclaimed(self, candidates: Sequence[str]) -> Sequence[Lapse]:
        """Those of them who are stubs without any claim, and now lapse."""
        return await lapses.lapse_unclaimed(self._connection, candidates, self.at)

    async def lapse_expired(self, *, limit: int) -> Sequence[Lapse]:
        """Stubs whose time is over, the oldest first, who now lapse; passes over what another process holds."""
        return await lapses.lapse_expired(self._connection, self.at, limit=limit)

    async def ask_again(self, before: datetime, *, limit: int) -> Sequence[Lapse]:
        """Who lapses and was asked about last before then: they count as asked about now."""
        return await lapses.ask_again(self._connection, self.at, before, limit=limit)

    async def erase_again(self, limit: int) -> int:
        """Erases some whom `erasures` has, as it was read back, and a backup brought back; how many."""
        return await lapses.erase_again(self._unit, limit)

    async def erase_lapsed(self, candidates: Sequence[str]) -> Sequence[str]:
        """Those of them who lapse and did not confirm, erased: rows and keys go, the key's topic gets a tombstone."""
        return await lapses.erase_lapsed(self._unit, candidates)

    async def ask_to_invite(self, candidates: Mapping[str, str]) -> None:
        """Scheduled, in the lane of those who ask for themselves or in that of reports."""
        for vendor in sorted(set(candidates.values())):
            chosen = [candidate for candidate, teller in candidates.items() if teller == vendor]
            self._unit.work.add(
                INVITATIONS,
                chosen,
                at=self.at,
                lane=LANES[vendor != JOIN],
                flow=vendor,
                payload={"asked_at": self.at.isoformat()},
                traces={candidate: self._unit.trace_of(candidate.encode()) for candidate in chosen},
            )

    async def prolong(self, candidates: Sequence[str], until: datetime) -> None:
        """Stubs are kept until then."""
        if candidates:
            await self._connection.execute(SQL["prolong"], list(candidates), until)

    async def showing(self, candidate: str) -> Showing | None:
        """As it is now, not locked; None for whoever is erased."""
        row = await self._connection.fetchrow(SQL["read_showing"], candidate)
        return None if row is None else _showing(dict(row))

    async def showings(self, candidates: Sequence[str]) -> Mapping[str, Showing]:
        """By candidate, locked until the transaction is over; whoever is erased is missing."""
        rows = await self._connection.fetch(SQL["lock_showings"], list(candidates))
        return {row["candidate"]: _showing(dict(row)) for row in rows}

    async def missed_showings(self, before: datetime, *, limit: int) -> Sequence[str]:
        """Without a row of work."""
        rows = await self._connection.fetch(SQL["missed_showings"], before, limit)
        return [row["candidate"] for row in rows]

    def look_at(self, candidates: Sequence[str]) -> None:
        """Scheduled."""
        self._unit.work.add(SHOWINGS, candidates, at=self.at)

    async def save_showings(self, showings: Sequence[Showing]) -> None:
        """As decided."""
        if showings:
            rows = [
                (
                    one.candidate,
                    one.consent_version,
                    one.confirmed,
                    one.match_granted,
                    one.paused_until,
                    one.ends_at,
                    one.look_again_at,
                    one.profile_version,
                    _json(one.published),
                    _json(one.profile),
                    one.no_at,
                    one.lifts_no_until,
                )
                for one in showings
            ]
            await self._connection.execute(SQL["save_showings"], self.at, *_columns(rows, 12))
        for one in showings:
            if one.look_again_at is not None:
                self._unit.work.add(SHOWINGS, [one.candidate], at=one.look_again_at)

    async def to_invite(self, asked: Sequence[Asked]) -> Sequence[ToInvite]:
        """Stubs who do not lapse."""
        columns = _columns([(one.candidate, one.by_join, one.at) for one in asked], 3)
        return [ToInvite(**dict(row)) for row in await self._connection.fetch(SQL["to_invite"], *columns)]

    async def identities(self, candidates: Sequence[str]) -> Mapping[str, SealedIdentity]:
        """The sealed rows by candidate."""
        return await read_identities(self._connection, candidates, self._epochs)

    async def past_invitations(self, slow_hashes: Sequence[bytes]) -> Mapping[bytes, PastInvitations]:
        """By slow hash; a mailbox that was never invited, nor refused to be, is missing."""
        rows = await self._connection.fetch(SQL["past_invitations"], list(slow_hashes))
        return {
            row["slow_hash"]: PastInvitations(row["count"], row["last_at"], row["said_no_at"], row["refused"])
            for row in rows
        }

    async def note_profile_change(self, candidate: str) -> None:
        """Of a profile that was kept before: the person is to be told of it."""
        await self._connection.execute(SQL["note_profile_change"], candidate, self.at)

    async def take_profiles_to_tell(self, before: datetime, *, limit: int) -> Mapping[str, datetime]:
        """Whose profile was changed, and when last; not who was told of it after `before`. They count as told now."""
        rows = await self._connection.fetch(SQL["take_profiles_to_tell"], before, self.at, limit)
        return {row["candidate"]: row["at"] for row in rows}

    async def suspected(self, prefixes: Sequence[Prefix]) -> Suspected:
        """One statement, by index."""
        asked = _columns([(one.pepper, one.bits) for one in prefixes], 2)
        rows = [(row["pepper"], row["prefix"]) for row in await self._connection.fetch(SQL["suspected"], *asked)]
        return Suspected(
            frozenset(Prefix(pepper, bits) for pepper, bits in rows if pepper is not None), (None, None) in rows
        )

    async def note_invitations(self, slow_hashes: Sequence[SlowHash]) -> None:
        """One more for each."""
        if slow_hashes:
            rows = [(one.value, one.prefix.pepper, one.prefix.bits) for one in slow_hashes]
            await self._connection.execute(SQL["note_invitations"], self.at, *_columns(rows, 3))

    async def forget_intake(self, before: datetime, *, limit: int) -> int:
        """Destroys intake keys of days before, and what is kept to recognize repeated events; the most of one kind."""
        await self._connection.execute(SQL["forget_intake_keys"], before.date())
        self._keys.forget(before.date())
        events = await self._connection.fetch(SQL["forget_intake"], before, limit)
        return max(len(events), len(await self._connection.fetch(SQL["forget_intake_last"], before, limit)))

    async def forget_certificates(self, *, limit: int) -> int:
        """Those that can't be read any more, the oldest first; how many."""
        return await forget_certificates(self._connection, self.at, limit=limit)

    async def forget_refusals(self, *, limit: int) -> int:
        """What was said with links that have expired, the oldest first; how many."""
        return await forget_refusals(self._connection, self.at, limit=limit)

    async def forget_page_requests(self, before: datetime, *, origins_before: datetime, limit: int) -> int:
        """Which addresses were asked to be mailed before that, and from which networks; the most of the two."""
        old = await self._connection.fetch(SQL["forget_page_requests"], before, limit)
        return max(len(old), len(await self._connection.fetch(SQL["forget_origins"], origins_before, limit)))


def _columns(rows: Sequence[tuple[Any, ...]], width: int) -> list[list[Any]]:
    return [[row[place] for row in rows] for place in range(width)]


def _showing(values: dict[str, Any]) -> Showing:
    for name in ("profile", "published"):
        if values[name] is not None:
            values[name] = CoarseProfile.model_validate_json(values[name])
    return Showing(**values)


def _json(profile: CoarseProfile | None) -> str | None:
    return None if profile is None else profile.model_dump_json()
