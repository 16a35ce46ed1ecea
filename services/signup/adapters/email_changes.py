"""A change of a person's email, in PostgreSQL: each step one transaction, under the lock of the person's row."""

import hashlib
import json
from collections.abc import Callable
from contextlib import AbstractAsyncContextManager
from dataclasses import dataclass
from datetime import datetime
from pathlib import Path
from typing import assert_never

import asyncpg
import structlog

from services.signup.adapters.mailboxes import Mailboxes, give_up_mailbox
from services.signup.adapters.page_requests import hold_addresses, may_tell_of_code, may_write_to
from services.signup.adapters.recovery_codes import RecoveryCodes
from services.signup.adapters.sessions import PostgresSessions
from services.signup.decisions import email_changes as decisions
from services.signup.decisions import notices
from services.signup.decisions.inviting import may_invite
from services.signup.decisions.reports import STUB_KEPT
from services.signup.mailboxes import look_up_mailboxes
from services.signup.model.email_changes import (
    ANSWERED_WITHIN,
    Act,
    Asked,
    Begun,
    CannotPutBack,
    Changed,
    Changes,
    Ends,
    Noted,
    Nothing,
    Outcome,
    PutsBack,
    Recovering,
    Seen,
    Standing,
    Stops,
    Waiting,
)
from services.signup.ports.store import Store
from services.signup.vault.epoch_rows import EpochRows
from services.signup.vault.epochs import Epochs
from services.signup.vault.hashing import SlowHash
from services.signup.vault.reading import read_identities
from services.signup.vault.sealing import (
    SealedIdentity,
    open_identity,
    open_with_identity,
    seal_with_identity,
)
from services.signup.vault.secrets import VaultSecrets
from shared.contracts.signup import AboutEmail, LinksVoidedV1
from shared.ids import new_id
from shared.messaging.unit import Unit
from shared.postgres.queries import load
from shared.security.boxes import CannotOpenError
from shared.security.links import is_void as is_void_link

SQL = load(Path(__file__).with_suffix(".sql"))
_BESIDE = "email_change"
_log = structlog.get_logger(__name__)
_STATES: dict[type[Standing], str] = {
    Asked: "asked",
    Recovering: "recovering",
    Waiting: "waiting",
    Changed: "changed",
}


@dataclass(frozen=True, slots=True)
class Row:
    """A change as it is kept."""

    id: str
    standing: Standing
    new: str
    old: str
    old_since: datetime

    def __repr__(self) -> str:
        return f"Row({self.id})"


class PostgresEmailChanges:
    """`ports.EmailChanges`."""

    def __init__(
        self,
        work: Callable[[], AbstractAsyncContextManager[Unit]],
        store: Callable[[Unit], Store],
        secrets: VaultSecrets,
        epochs: EpochRows,
    ) -> None:
        self._work = work
        self._store = store
        self._secrets = secrets
        self._epochs = epochs
        self._mailboxes = Mailboxes(secrets)
        self._codes = RecoveryCodes(secrets.epochs)

    async def seen(self, candidate: str) -> Seen | None:
        """Four statements, nothing locked."""
        async with self._work() as unit:
            who = await self._identity(unit, candidate)
            if who is None:
                return None
            row = await self._row(unit, who)
            has_code = await self._codes.has_one(unit, candidate)
        return Seen(open_identity(who, self._secrets.epochs).mail, row.new if row else None, _of(row), has_code)

    async def standing(self, candidate: str, change: str) -> Standing | None:
        """Of this change; None where it is over, or another one took its place."""
        async with self._work() as unit:
            who = await self._identity(unit, candidate)
            row = None if who is None else await self._row(unit, who)
        return row.standing if row is not None and row.id == change else None

    async def ask(self, candidate: str, new: str, origin: bytes) -> Begun:
        """What the page says is the same whoever has the new mailbox."""
        async with self._work() as unit:
            person = await unit.connection.fetchrow(SQL["lock_person"], candidate)
            who = await self._identity(unit, candidate)
            if person is None or who is None or not person["confirmed"]:
                return "gone"
            row = await self._row(unit, who)
            if not decisions.may_begin(_of(row)):
                return "busy"
            if decisions.is_same(open_identity(who, self._secrets.epochs).mail, new):
                return "same"
            await hold_addresses(unit, person["blind_index"], self._secrets.index.of(new).value)
            own = hashlib.sha256(b"email of" + candidate.encode()).digest()
            if not await may_write_to(unit, person["blind_index"], own):
                return "too_many"
            await self._begin(unit, who, person["email_since"], new, Asked(unit.at + ANSWERED_WITHIN))
            self._tell(unit, candidate, "old", unit.at + ANSWERED_WITHIN)
            await self._write_to_new(unit, candidate, new, origin)
        return "begun"

    async def recover(self, old: str, code: str, new: str, origin: bytes) -> None:
        """Whether the email or the code was wrong is told to nobody: nothing follows."""
        indexes = self._mailboxes.indexes(old)
        async with self._work() as unit:
            candidate = await unit.connection.fetchval(SQL["confirmed_of_mailbox"], indexes)
            person = candidate and await unit.connection.fetchrow(SQL["lock_person"], candidate)
            who = await self._identity(unit, candidate) if person else None
            if not person or who is None or not await self._codes.is_theirs(unit, who, code):
                return
            row = await self._row(unit, who)
            if not decisions.may_recover(_of(row)):
                return
            await self._begin(unit, who, person["email_since"], new, Recovering(unit.at + ANSWERED_WITHIN))
            await self._write_to_new(unit, candidate, new, origin)

    async def answer(self, candidate: str, change: str | None, act: Act, issued_at: datetime | None) -> Outcome:
        """`change` None: by whoever is signed in."""
        async with self._work() as unit:
            await self._hold(unit, candidate)
            who = await self._identity(unit, candidate)
            row = None if who is None else await self._row(unit, who)
            if who is None or row is None:
                return Nothing("over")
            is_same = change is None or row.id == change
            if not decisions.concerns(is_same=is_same, act=act, issued_at=issued_at, old_since=row.old_since):
                return Nothing("over")
            return await self._apply(unit, who, row, decisions.answered(row.standing, act, at=unit.at), None)

    async def settle(self, limit: int) -> bool:
        """What is slow is computed before the transaction that needs it; a due change that does not open is ended, and the rest goes on."""
        async with self._work() as unit:
            due = [row["candidate"] for row in await unit.connection.fetch(SQL["due_changes"], unit.at, limit)]
        for candidate in due:
            hashed = await self.hashed_old(candidate)
            async with self._work() as unit:
                try:
                    await self._hold(unit, candidate)
                    who = await self._identity(unit, candidate)
                    row = None if who is None else await self._row(unit, who)
                except CannotOpenError:
                    _log.error("email_change_does_not_open", candidate=candidate)
                    ended = await unit.connection.fetchval(SQL["end_due_change"], candidate, unit.at)
                    if ended == _STATES[Waiting]:
                        self._tell(unit, candidate, "not_moved", unit.at + notices.CHANGED_KEPT)
                    continue
                if who is not None and row is not None:
                    await self._apply(unit, who, row, decisions.due(row.standing, at=unit.at), hashed)
        return len(due) == limit

    async def make_code(self, candidate: str, *, first_alone: bool, issued_at: datetime | None = None) -> str | None:
        """Kept as an HMAC under the person's own data key (`RecoveryCodes`)."""
        async with self._work() as unit:
            person = await unit.connection.fetchrow(SQL["lock_person"], candidate)
            who = await self._identity(unit, candidate)
            if person is None or who is None or not person["confirmed"]:
                return None
            is_void = first_alone and is_void_link(issued_at, person["links_from"])
            if is_void or (first_alone and await self._codes.had_one(unit, candidate)):
                return None
            code = await self._codes.make(unit, who)
            # The first one follows a yes, on the page that it leads to; any other may be made by whoever sits at an open session.
            if not first_alone and await may_tell_of_code(unit, person["blind_index"]):
                self._tell(unit, candidate, "code_made", unit.at + notices.CHANGED_KEPT)
        return code

    async def hashed_old(self, candidate: str) -> SlowHash | None:
        """Of the old mailbox of a change that is to be, or is, one; None where there is none that can be read."""
        async with self._work() as unit:
            who = await self._identity(unit, candidate)
            try:
                row = None if who is None else await self._row(unit, who)
            except CannotOpenError:
                row = None
        if row is None or isinstance(row.standing, Asked | Recovering):
            return None
        return await self._secrets.hashes.new(row.old)

    async def _apply(
        self, unit: Unit, who: SealedIdentity, row: Row, outcome: Outcome, hashed: SlowHash | None
    ) -> Outcome:
        candidate = who.candidate
        match outcome:
            case Nothing():
                pass
            case Noted(standing):
                await self._note(unit, candidate, standing)
                if isinstance(standing, Waiting):
                    self._tell(unit, candidate, "recovering", standing.until)
            case Changes(standing):
                moved = await self._mailboxes.move(unit, who, row.new)
                if moved == "later":
                    later = decisions.later(row.standing, at=unit.at)
                    await self._note(unit, candidate, later)
                    return Noted(later)
                if moved == "taken":
                    await unit.connection.execute(SQL["end_change"], candidate)
                    await self._tell_taken(unit, candidate, row)
                    return Nothing("taken")
                if standing is not None:
                    await self._note(unit, candidate, standing)
                    await self._end_sessions(unit, candidate)
                    await self._mailboxes.keep_former(unit, candidate, old=row.old, new=row.new)
                    self._tell(unit, candidate, "changed", standing.until)
                else:
                    await self._over(unit, candidate, row, hashed)
                    await self._codes.spend(unit, candidate)
                    await self._end_sessions(unit, candidate)
                    self._tell(unit, candidate, "done", unit.at + notices.CHANGED_KEPT)
            case Stops():
                await unit.connection.execute(SQL["end_change"], candidate)
                await self._codes.spend(unit, candidate)
                await self._end_sessions(unit, candidate)
            case PutsBack() | CannotPutBack():
                is_back = await self._mailboxes.move(unit, who, row.old, at_once=True) == "moved"
                if is_back:
                    await unit.connection.execute(SQL["end_change"], candidate)
                await self._codes.spend(unit, candidate)
                await self._end_sessions(unit, candidate)
                return outcome if is_back else CannotPutBack()
            case Ends(gives_up):
                await self._over(unit, candidate, row, hashed if gives_up else None)
            case _:
                assert_never(outcome)
        return outcome

    async def _hold(self, unit: Unit, candidate: str) -> None:
        """Locks the person, and with them whoever was invited to a mailbox of their change. CannotOpenError with the person locked."""
        who = await self._identity(unit, candidate)
        try:
            row = None if who is None else await self._row(unit, who)
        except CannotOpenError:
            await unit.connection.fetchrow(SQL["lock_person"], candidate)
            raise
        await self._mailboxes.hold(unit, candidate, [] if row is None else [row.new, row.old])

    async def _tell_taken(self, unit: Unit, candidate: str, row: Row) -> None:
        """Whoever has the new mailbox by now, most often the same person by another record, and of a recovery the old mailbox too.

        Not where the page itself says so, to whoever has just said the second yes.
        """
        owners = await self._mailboxes.owners(unit, row.new) - {candidate}
        if isinstance(row.standing, Waiting):
            for one in {candidate, *owners}:
                self._tell(unit, one, "not_moved", unit.at + notices.CHANGED_KEPT)
        elif isinstance(row.standing, Asked) and row.standing.is_agreed:
            for one in owners:
                self._tell(unit, one, "taken", unit.at + ANSWERED_WITHIN)

    async def _over(self, unit: Unit, candidate: str, row: Row, hashed: SlowHash | None) -> None:
        await unit.connection.execute(SQL["end_change"], candidate)
        if hashed is not None and not self._mailboxes.is_one(row.old, row.new):
            await give_up_mailbox(unit, hashed)

    async def _end_sessions(self, unit: Unit, candidate: str) -> None:
        """And no link that is in a mailbox by now begins another one, or opens anything of the person's."""
        await PostgresSessions(unit).end_others(candidate, "")
        await unit.connection.execute(SQL["void_links"], candidate, unit.at)
        unit.publish(LinksVoidedV1(candidate=candidate, before=unit.at, until=unit.at + STUB_KEPT))

    async def _begin(
        self, unit: Unit, who: SealedIdentity, since: datetime, new: str, standing: Asked | Recovering
    ) -> None:
        old = open_identity(who, self._secrets.epochs).mail
        sealed = seal_with_identity(who, _BESIDE, json.dumps({"new": new, "old": old}), self._secrets.epochs)
        await unit.connection.execute(
            SQL["begin_change"], who.candidate, new_id("e"), _STATES[type(standing)], standing.until, sealed, since
        )

    async def _write_to_new(self, unit: Unit, candidate: str, new: str, origin: bytes) -> None:
        """To whoever has it, as often as a page may have a mailbox written to; another person's is told that it was named.

        Not to one that said "never again", but once after it, as for whoever joins: that is used up by this email alone.
        """
        if not await may_write_to(unit, self._secrets.index.of(new).value, origin, is_named=True):
            return
        store = self._store(unit)
        (known,) = await look_up_mailboxes(store, [new], self._secrets.hashes, marked_alone=True)
        if others := await self._mailboxes.owners(unit, new) - {candidate}:
            self._tell(unit, others.pop(), "taken", unit.at + ANSWERED_WITHIN)
        elif may_invite(known.past, by_join=True, at=unit.at):
            if known.past.said_no_at is not None:
                await store.note_invitations([await known.to_note(self._secrets.hashes)])
            self._tell(unit, candidate, "new", unit.at + ANSWERED_WITHIN)

    async def _identity(self, unit: Unit, candidate: str) -> SealedIdentity | None:
        return (await read_identities(unit.connection, [candidate], self._epochs)).get(candidate)

    async def _row(self, unit: Unit, who: SealedIdentity) -> Row | None:
        row = await unit.connection.fetchrow(SQL["read_change"], who.candidate)
        if row is None:
            return None
        new, old = open_both(who, row["sealed"], self._secrets.epochs)
        return Row(row["id"], _standing(row), new, old, row["old_since"])

    async def _note(self, unit: Unit, candidate: str, standing: Standing) -> None:
        new, old = (standing.new_said, standing.old_said) if isinstance(standing, Asked) else (True, True)
        await unit.connection.execute(SQL["note_change"], candidate, _STATES[type(standing)], new, old, standing.until)

    def _tell(self, unit: Unit, candidate: str, about: AboutEmail, until: datetime) -> None:
        notice = notices.email(candidate, about, until=until)
        unit.publish(notice, id=notice.notice)


def open_both(who: SealedIdentity, sealed: bytes, epochs: Epochs) -> tuple[str, str]:
    """The new email and the old one of a change; CannotOpenError where its box does not open."""
    both = json.loads(open_with_identity(who, _BESIDE, sealed, epochs))
    return both["new"], both["old"]


def _of(row: Row | None) -> Standing | None:
    return None if row is None else row.standing


def _standing(row: asyncpg.Record) -> Standing:
    match row["state"]:
        case "asked":
            return Asked(row["until"], row["new_said"], row["old_said"])
        case "recovering":
            return Recovering(row["until"])
        case "waiting":
            return Waiting(row["until"])
        case _:
            return Changed(row["until"])
