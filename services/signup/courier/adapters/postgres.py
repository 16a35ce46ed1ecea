"""The courier's tables in signup's PostgreSQL; each statement is in `queries.sql`."""

import json
from collections.abc import Callable, Collection, Iterable, Mapping, Sequence
from contextlib import suppress
from dataclasses import replace
from datetime import datetime, timedelta
from typing import get_args

import asyncpg

from services.signup.courier.adapters.kept import PEOPLE, SQL
from services.signup.courier.decisions import report
from services.signup.courier.model import (
    Addresses,
    Again,
    Consent,
    GrantNotice,
    Kind,
    Mail,
    Over,
    People,
    Person,
    Unreadable,
)
from services.signup.vault.epoch_rows import EpochRows
from services.signup.vault.epochs import Epochs
from services.signup.vault.reading import read_identities
from services.signup.vault.sealing import SealedIdentity, open_identity, open_key_pair, open_with_identity
from shared import tracing
from shared.contracts.base import rfc3339
from shared.contracts.consent import AboutGrant
from shared.contracts.signup import AboutEmail, ChangeNoticed, ErasureSweptV1, MailboxChangedV1
from shared.facts import Fact, fact
from shared.flows import any_flow, flow_of
from shared.i18n import locale_of
from shared.messaging.errors import TransientError
from shared.messaging.unit import Unit
from shared.postgres.pool import Pool
from shared.security.boxes import CannotOpenError

_SHOWINGS = "showings"
"""Signup's work: whether the person is shown."""
DIED = "the courier stopped while it was handing the mail over"


async def read_positions(pool: Pool) -> Mapping[int, int]:
    """How far each partition of `consent-state` has been read."""
    return {row["partition"]: row["next_offset"] for row in await pool.fetch(SQL["positions"])}


class PostgresCourier:
    """Both stores of `ports.py`, in one unit of work; `kept` is called once mails that are to be sent are committed."""

    def __init__(self, unit: Unit, epochs: EpochRows, kept: Callable[[], None] = lambda: None) -> None:
        self._unit = unit
        self._kept = kept
        self._connection = unit.connection
        self._epochs = epochs

    @property
    def at(self) -> datetime:
        """The unit's time."""
        return self._unit.at

    async def known(self, outreaches: Iterable[str]) -> Mapping[str, Mail]:
        """The outreach mails of these ids, locked until the end."""
        rows = await self._connection.fetch(SQL["known"], list(outreaches))
        return {row["id"]: _mail(row) for row in rows}

    async def keep(self, new: Sequence[Mail], changed: Sequence[Mail], *, at: datetime) -> None:
        """Adds the new ones (a notice that is known already stays as it is) and writes the changed ones."""
        if new:
            added = await self._connection.fetch(
                SQL["add"],
                *_columns(self._traced(new)),
                [mail.lane for mail in new],
                [flow_of(mail.sender) for mail in new],
                at,
            )
            expected = sum(mail.kind == "outreach" for mail in new)
            if sum(row["kind"] == "outreach" for row in added) != expected:
                raise TransientError("another courier took in the same outreach")
        if changed:
            await self._connection.execute(SQL["change"], *_columns(self._traced(changed)), at)
        self._unit.when_committed(self._kept)

    async def keep_consents(self, consents: Sequence[Consent], positions: Mapping[int, int]) -> Collection[str]:
        """Keeps the highest version of each, and how far the topic's partitions have been read."""
        highest = {item.candidate: item for item in sorted(consents, key=lambda item: item.version)}.values()
        rows = await self._connection.fetch(
            SQL["keep_consents"],
            [item.candidate for item in highest],
            [item.version for item in highest],
            [json.dumps(item.purposes) for item in highest],
            [json.dumps(item.blocked_employers) for item in highest],
            [item.paused_until for item in highest],
            [item.ends_at for item in highest],
            [item.time_zone for item in highest],
            [item.lifts_no_until for item in highest],
            [item.no_at for item in highest],
        )
        await self._connection.execute(SQL["keep_positions"], list(positions), list(positions.values()))
        return [row["candidate"] for row in rows]

    async def erase(self, candidates: Sequence[str]) -> None:
        """Waits for whoever keeps a consent just now; who comes after that sees who is erased."""
        await self._connection.execute(SQL["hold_consents"])
        await PEOPLE.erase(self._connection, candidates)
        self._unit.publish(
            *(
                ErasureSweptV1(candidate=one, service="courier", at=self._unit.at, stores=PEOPLE.swept)
                for one in candidates
            )
        )

    async def erased_unheard(self, limit: int) -> Sequence[str]:
        """`read_back` is a table of this session while the topic is held against the rows."""
        return [row["candidate"] for row in await self._connection.fetch(SQL["erased_unheard"], limit)]

    async def next_due(self) -> datetime | None:
        """By the indexes of what is ready; also where another courier has it in hand at this moment."""
        found: datetime | None = await self._connection.fetchval(SQL["next_due"])
        return found

    async def claim(self, *, at: datetime, limit: int, consent_is_current: bool) -> Sequence[Mail]:
        """Ready mails whose time has come, locked, none of which another courier holds.

        First those whose own time is over, then what somebody waits for, then outreach and other notices by halves, in each of
        which senders take turns.
        Without a current projection of the consents: only those that need no grant or whose slot is over.
        """
        return [
            _mail(row) for row in await self._connection.fetch(SQL["claim"], at, limit, consent_is_current, any_flow())
        ]

    async def claim_over(self, *, at: datetime, limit: int) -> Sequence[Mail]:
        """As `claim`, only those whose own time is over."""
        return [_mail(row) for row in await self._connection.fetch(SQL["claim_over"], at, limit)]

    async def gone(self, candidates: Iterable[str]) -> frozenset[str]:
        """Whose mailboxes count as gone."""
        rows = await self._connection.fetch(SQL["gone"], list(candidates))
        return frozenset(row["candidate"] for row in rows)

    async def consents(self, candidates: Iterable[str]) -> Mapping[str, Fact[Consent]]:
        """What is kept of these people's consents."""
        asked = list(candidates)
        told = {row["candidate"]: _consent(row) for row in await self._connection.fetch(SQL["consents"], asked)}
        return {candidate: fact(told.get(candidate)) for candidate in asked}

    async def people(self, candidates: Iterable[str]) -> People:
        """Who these people are, from the vault."""
        sealed = await read_identities(self._connection, candidates, self._epochs)
        return {candidate: _person(row, self._epochs.epochs) for candidate, row in sealed.items()}

    async def addresses(self, candidates: Iterable[str]) -> Mapping[str, Addresses]:
        """Two statements; a box that does not open is of a change that is over."""
        rows = await self._connection.fetch(SQL["email_changes"], list(candidates))
        sealed = await read_identities(self._connection, [row["candidate"] for row in rows], self._epochs)
        found = {}
        for row in rows:
            with suppress(CannotOpenError, KeyError):
                who = sealed[row["candidate"]]
                both = json.loads(open_with_identity(who, "email_change", row["sealed"], self._epochs.epochs))
                found[row["candidate"]] = Addresses(row["id"], both["new"], both["old"])
        return found

    async def take(self, courier: str, mails: Sequence[Mail], *, lease: timedelta) -> None:
        """From here on these mails are this courier's, as long as it shows that it lives."""
        await self._connection.execute(SQL["take"], courier, *_names(mails), lease)

    async def mark_sending(self, courier: str, mails: Sequence[Mail]) -> frozenset[tuple[Kind, str]]:
        """The relay may see these from the end of the transaction on; returns those that are still this courier's."""
        rows = await self._connection.fetch(SQL["mark_sending"], courier, *_versions(mails))
        return frozenset((row["kind"], row["id"]) for row in rows)

    async def settle(self, over: Sequence[Over], *, at: datetime) -> None:
        """Ends mails that are ready, and were looked at here, without an attempt, and reports it."""
        await self._connection.execute(SQL["settle"], *_ends(over))
        self._report(over, at)

    async def hold(self, held: Mapping[tuple[Kind, str], datetime]) -> None:
        """Mails that are ready, by kind and id, are looked at again from that time on."""
        await self._connection.execute(
            SQL["hold"], [kind for kind, _ in held], [name for _, name in held], list(held.values())
        )

    async def record(self, courier: str, after: Sequence[Again | Over], *, at: datetime) -> frozenset[tuple[Kind, str]]:
        """Writes down attempts and reports their outcomes; returns those mails that were still this courier's.

        What they say of mailboxes is noted with the person, and told where it is news.
        """
        rows = await self._connection.fetch(SQL["lock_mine"], courier, *_versions([item.mail for item in after]))
        mine = frozenset((row["kind"], row["id"]) for row in rows)
        over = [item for item in after if isinstance(item, Over) and item.mail.name in mine]
        again = [item for item in after if isinstance(item, Again) and item.mail.name in mine]
        if over:
            await self._connection.execute(SQL["record_over"], *_ends(over))
        if again:
            await self._connection.execute(
                SQL["record_again"],
                *_names([item.mail for item in again]),
                [item.not_before for item in again],
                [item.attempts for item in again],
            )
        await self._note_mailboxes(over, at)
        self._report(over, at)
        return mine

    async def show_life(self, courier: str, *, lease: timedelta) -> None:
        """This courier lives for at least so long."""
        await self._connection.execute(SQL["show_life"], courier, lease)

    async def leave(self, courier: str) -> None:
        """This courier sends nothing more."""
        await self._connection.execute(SQL["leave"], courier)

    async def bury(self, *, at: datetime) -> Sequence[Over]:
        """What dead couriers were sending is doubtful and reported as that; what they had only taken is ready again."""
        await self._connection.execute(SQL["free_the_dead"])
        rows = await self._connection.fetch(SQL["doubt_the_dead"], DIED)
        over = [Over(_mail(row), "doubtful", DIED) for row in rows]
        self._report(over, at)
        return over

    async def forget(self, limit: int, *, older_than: timedelta) -> int:
        """Some at a time, so that no lock is held for long; of couriers there are few."""
        gone = await self._connection.fetch(SQL["forget_mails"], older_than, limit)
        await self._connection.execute(SQL["forget_instances"], older_than)
        return len(gone)

    def _traced(self, mails: Sequence[Mail]) -> Sequence[Mail]:
        return [replace(mail, trace=self._unit.trace_of(mail.candidate.encode())) for mail in mails]

    async def _note_mailboxes(self, over: Sequence[Over], at: datetime) -> None:
        words = {item.mail.candidate: item.mailbox_back for item in over if item.mailbox_back or item.mailbox_gone}
        if not words:
            return
        for row in await self._connection.fetch(SQL["note_mailboxes"], at, list(words), list(words.values())):
            news = MailboxChangedV1(**dict(row), at=at)
            self._unit.publish(news)
            self._unit.work.add(_SHOWINGS, [news.candidate], at=at)

    def _report(self, over: Sequence[Over], at: datetime) -> None:
        for item in over:
            if (told := report(item, at=at)) is not None:
                self._unit.publish(told[0], id=told[1], cause=tracing.read(item.mail.trace))


def _mail(row: asyncpg.Record) -> Mail:
    values = dict(row)
    changes = tuple(ChangeNoticed.model_validate(item) for item in json.loads(values["changes"]))
    asks = json.loads(values.pop("grant_notice") or "null")
    about = asks.get("email") if asks else None
    email = next((one for one in get_args(AboutEmail) if one == about), None)
    grant = _grant(asks) if asks and about is None else None
    return Mail(**values | {"changes": changes, "grant": grant, "email": email})


def _consent(row: asyncpg.Record) -> Consent:
    values = dict(row)
    return Consent(**values | {name: tuple(values[name]) for name in ("purposes", "blocked_employers")})


def _person(row: SealedIdentity, epochs: Epochs) -> Person | Unreadable:
    try:
        return Person(open_identity(row, epochs).mail, open_key_pair(row, epochs), locale_of(row.locale) or "en")
    except CannotOpenError:
        return Unreadable()


def _names(mails: Sequence[Mail]) -> tuple[list[str], list[str]]:
    return [mail.kind for mail in mails], [mail.id for mail in mails]


def _versions(mails: Sequence[Mail]) -> tuple[list[str], list[str], list[int]]:
    return *_names(mails), [mail.version for mail in mails]


def _ends(over: Sequence[Over]) -> tuple[list[str], list[str], list[str], list[str | None]]:
    return *_names([item.mail for item in over]), [item.outcome for item in over], [item.detail for item in over]


def _columns(mails: Sequence[Mail]) -> tuple[list[object], ...]:
    fields = [
        "kind",
        "id",
        "candidate",
        "employer",
        "purpose",
        "introduced_by",
        "version",
        "admitted",
        "sealed",
        "good_until",
        "state",
        "trace",
        "introduced_at",
    ]
    changes = [json.dumps([item.model_dump(mode="json") for item in mail.changes]) for mail in mails]
    grants = [
        json.dumps({"email": mail.email}) if mail.email else mail.grant and json.dumps(_plain(mail.grant))
        for mail in mails
    ]
    return *([getattr(mail, field) for mail in mails] for field in fields), changes, grants


def _grant(asks: Mapping[str, str | None]) -> GrantNotice:
    about = next(one for one in (*get_args(AboutGrant), "export_ready") if one == asks["about"])
    ends_at = asks["ends_at"]
    return GrantNotice(about, datetime.fromisoformat(ends_at) if ends_at else None, asks["language"])


def _plain(grant: GrantNotice) -> dict[str, str | None]:
    ends_at = rfc3339(grant.ends_at) if grant.ends_at else None
    return {"about": grant.about, "ends_at": ends_at, "language": grant.language}
