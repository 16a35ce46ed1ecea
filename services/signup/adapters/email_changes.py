"""A change of a person's email, in PostgreSQL: each step one transaction, under the lock of the person's row."""

import hashlib
import hmac
import json
from collections.abc import Callable
from contextlib import AbstractAsyncContextManager
from dataclasses import dataclass
from datetime import datetime
from pathlib import Path
from typing import Literal, assert_never

import asyncpg
import structlog

from services.signup.adapters.lapses import lapse
from services.signup.adapters.page_requests import hold_addresses, may_tell_of_code, may_write_to
from services.signup.adapters.sessions import PostgresSessions
from services.signup.decisions import email_changes as decisions
from services.signup.decisions import notices
from services.signup.decisions.inviting import may_invite
from services.signup.decisions.recovery_codes import code_hash, new_code, read_code
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
from services.signup.ports.store import SHOWINGS, Store
from services.signup.vault.epoch_rows import EpochRows
from services.signup.vault.epochs import Epochs
from services.signup.vault.hashing import SlowHash
from services.signup.vault.index import Indexed
from services.signup.vault.reading import read_identities
from services.signup.vault.sealing import (
    SealedIdentity,
    open_identity,
    open_with_identity,
    own_key,
    seal_with_identity,
    with_mail,
)
from services.signup.vault.secrets import VaultSecrets
from shared.contracts.signup import AboutEmail, CandidateLapsedV1, LinksVoidedV1, MailboxChangedV1
from shared.ids import new_id
from shared.messaging.unit import Unit
from shared.postgres.queries import load
from shared.security.boxes import CannotOpenError
from shared.security.links import is_void as is_void_link

SQL = load(Path(__file__).with_suffix(".sql"))
_BESIDE = "email_change"
_TRIES = 5
_log = structlog.get_logger(__name__)
_STATES: dict[type[Standing], str] = {
    Asked: "asked",
    Recovering: "recovering",
    Waiting: "waiting",
    Changed: "changed",
}


class _TakenError(Exception):
    """Somebody who answered has the mailbox, or gave it up less than 72 hours ago."""


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

    async def seen(self, candidate: str) -> Seen | None:
        """Four statements, nothing locked."""
        async with self._work() as unit:
            who = await self._identity(unit, candidate)
            if who is None:
                return None
            row = await self._row(unit, who)
            has_code = await unit.connection.fetchval(SQL["read_code"], candidate) is not None
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
        mailbox = self._secrets.index.of(old)
        async with self._work() as unit:
            indexes = [mailbox.value, *mailbox.older]
            candidate = await unit.connection.fetchval(SQL["confirmed_of_mailbox"], indexes)
            person = candidate and await unit.connection.fetchrow(SQL["lock_person"], candidate)
            who = await self._identity(unit, candidate) if person else None
            if not person or who is None or not await self._is_code(unit, who, code):
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
        """Kept as an HMAC under the person's own data key."""
        code = new_code()
        async with self._work() as unit:
            person = await unit.connection.fetchrow(SQL["lock_person"], candidate)
            who = await self._identity(unit, candidate)
            if person is None or who is None or not person["confirmed"]:
                return None
            is_void = first_alone and is_void_link(issued_at, person["links_from"])
            if is_void or (first_alone and await unit.connection.fetchval(SQL["had_code"], candidate)):
                return None
            hashed = code_hash(code, own_key(who, self._secrets.epochs))
            await unit.connection.execute(SQL["save_code"], candidate, hashed, unit.at)
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
                moved = await self._move(unit, who, row.new)
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
                    old, new = self._indexes(row.old), self._indexes(row.new)
                    await unit.connection.execute(SQL["keep_former"], candidate, sorted(set(old) - set(new)))
                    self._tell(unit, candidate, "changed", standing.until)
                else:
                    await self._over(unit, candidate, row, hashed)
                    await unit.connection.execute(SQL["spend_code"], candidate, unit.at)
                    await self._end_sessions(unit, candidate)
                    self._tell(unit, candidate, "done", unit.at + notices.CHANGED_KEPT)
            case Stops():
                await unit.connection.execute(SQL["end_change"], candidate)
                await unit.connection.execute(SQL["spend_code"], candidate, unit.at)
                await self._end_sessions(unit, candidate)
            case PutsBack() | CannotPutBack():
                is_back = await self._move(unit, who, row.old, at_once=True) == "moved"
                if is_back:
                    await unit.connection.execute(SQL["end_change"], candidate)
                await unit.connection.execute(SQL["spend_code"], candidate, unit.at)
                await self._end_sessions(unit, candidate)
                return outcome if is_back else CannotPutBack()
            case Ends(gives_up):
                await self._over(unit, candidate, row, hashed if gives_up else None)
            case _:
                assert_never(outcome)
        return outcome

    async def _hold(self, unit: Unit, candidate: str) -> None:
        """Locks the person, and with them whoever was invited to a mailbox of their change: both at once, so that no batch of reports,
        which locks people in the same order, waits for them while they wait for it. CannotOpenError with the person locked.
        """
        who = await self._identity(unit, candidate)
        try:
            row = None if who is None else await self._row(unit, who)
        except CannotOpenError:
            await unit.connection.fetchrow(SQL["lock_person"], candidate)
            raise
        indexes = [] if row is None else [*self._indexes(row.new), *self._indexes(row.old)]
        await unit.connection.fetch(SQL["lock_both"], candidate, indexes)

    async def _move(
        self, unit: Unit, who: SealedIdentity, mail: str, *, at_once: bool = False
    ) -> Literal["moved", "later", "taken"]:
        """The mailbox is theirs from now on, unless somebody else has it: the unique index, and former ones, decide.

        It has proven whose it is. Who was told of by it and never answered is as good as a stranger's word: they lapse, and consent,
        which knows whether an answer is on its way, closes them. Until it has, nothing is moved: whoever answered has the mailbox, and
        nobody who answered is left without one. A way back does not wait (`at_once`): such a stub is found by no mailbox from then on.
        """
        mailbox = self._secrets.index.of(mail)
        indexes = [mailbox.value, *mailbox.older]
        await unit.connection.execute(SQL["hold_mailbox"], min(indexes))
        for _ in range(_TRIES):
            try:
                async with unit.connection.transaction():
                    owners = {row["candidate"] for row in await unit.connection.fetch(SQL["whose_mailbox"], indexes)}
                    if owners - {who.candidate}:
                        raise _TakenError
                    stubs = SQL["give_way" if at_once else "in_the_way"]
                    gone = await unit.connection.fetch(stubs, indexes, who.candidate)
                    if gone and not at_once:
                        break
                    row = await unit.connection.fetchrow(
                        SQL["save_mailbox"], who.candidate, mailbox.value, mailbox.key_id, unit.at
                    )
            except _TakenError:
                return "taken"
            except asyncpg.UniqueViolationError:
                continue  # told of in this very moment
            break
        else:
            return "later" if not at_once else "taken"
        for one in await lapse(unit.connection, [stub["candidate"] for stub in gone], "expired", unit.at):
            unit.publish(CandidateLapsedV1(candidate=one.candidate, at=one.at, reason=one.reason))
        if gone and not at_once:
            return "later"
        box = with_mail(who, mail, self._secrets.epochs)
        await unit.connection.execute(SQL["save_identity"], who.candidate, box)
        if row is not None and row["is_back"]:
            unit.publish(MailboxChangedV1(candidate=who.candidate, version=row["version"], at=unit.at, reachable=True))
            unit.work.add(SHOWINGS, [who.candidate], at=unit.at)
        return "moved"

    async def _tell_taken(self, unit: Unit, candidate: str, row: Row) -> None:
        """Whoever has the new mailbox by now, most often the same person by another record, and of a recovery the old mailbox too.

        Not where the page itself says so, to whoever has just said the second yes.
        """
        found = await unit.connection.fetch(SQL["whose_mailbox"], self._indexes(row.new))
        owners = {one["candidate"] for one in found} - {candidate}
        if isinstance(row.standing, Waiting):
            for one in {candidate, *owners}:
                self._tell(unit, one, "not_moved", unit.at + notices.CHANGED_KEPT)
        elif isinstance(row.standing, Asked) and row.standing.is_agreed:
            for one in owners:
                self._tell(unit, one, "taken", unit.at + ANSWERED_WITHIN)

    async def _over(self, unit: Unit, candidate: str, row: Row, hashed: SlowHash | None) -> None:
        await unit.connection.execute(SQL["end_change"], candidate)
        if hashed is not None and set(self._indexes(row.old)).isdisjoint(self._indexes(row.new)):
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
        mailbox = self._secrets.index.of(new)
        if not await may_write_to(unit, mailbox.value, origin, is_named=True):
            return
        store = self._store(unit)
        (known,) = await look_up_mailboxes(store, [new], self._secrets.hashes, marked_alone=True)
        indexes = [mailbox.value, *mailbox.older]
        owners = {row["candidate"] for row in await unit.connection.fetch(SQL["whose_mailbox"], indexes)}
        if others := owners - {candidate}:
            self._tell(unit, others.pop(), "taken", unit.at + ANSWERED_WITHIN)
        elif may_invite(known.past, by_join=True, at=unit.at):
            if known.past.said_no_at is not None:
                await store.note_invitations([await known.to_note(self._secrets.hashes)])
            self._tell(unit, candidate, "new", unit.at + ANSWERED_WITHIN)

    async def _is_code(self, unit: Unit, who: SealedIdentity, code: str) -> bool:
        kept = await unit.connection.fetchval(SQL["read_code"], who.candidate)
        if kept is None or read_code(code) is None:
            return False
        return hmac.compare_digest(kept, code_hash(code, own_key(who, self._secrets.epochs)))

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

    def _indexes(self, mail: str) -> list[bytes]:
        mailbox: Indexed = self._secrets.index.of(mail)
        return [mailbox.value, *mailbox.older]

    def _tell(self, unit: Unit, candidate: str, about: AboutEmail, until: datetime) -> None:
        notice = notices.email(candidate, about, until=until)
        unit.publish(notice, id=notice.notice)


async def give_up_mailbox(unit: Unit, hashed: SlowHash) -> None:
    """No vendor's word registers it any more."""
    prefix = hashed.prefix
    await unit.connection.execute(SQL["give_up_mailbox"], hashed.value, unit.at, prefix.pepper, prefix.bits)


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
