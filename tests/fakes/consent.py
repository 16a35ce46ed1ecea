"""Consent's store and directory in memory: they lock, roll back and keep the chain as the real ones do."""

import asyncio
from collections.abc import AsyncIterator, Collection, Mapping, Sequence
from contextlib import asynccontextmanager
from copy import deepcopy
from dataclasses import dataclass, field, replace
from datetime import datetime, timedelta
from typing import Any, Literal, TypeVar

from services.consent.adapters import agreement
from services.consent.adapters.writer import writer
from services.consent.decisions import keys_of_names
from services.consent.decisions.agreements import question
from services.consent.handlers import on_blocks
from services.consent.model import (
    HIRED_ASKED_EVERY,
    PURPOSES,
    TOLD_EVERY,
    Attempt,
    Blocking,
    Choices,
    EndedSession,
    Entry,
    Introduction,
    NamedEmployer,
    Present,
    VoidLinks,
    What,
)
from services.consent.ports import Employer
from shared.clock import Clock
from shared.contracts.consent import AboutGrant, GrantNoticedV1, Purpose
from shared.contracts.signup import ChangeNoticed, NoticeRequestedV2
from shared.facts import Fact, fact
from shared.ids import new_id
from shared.runner.model import Job
from shared.security import encoding

S = TypeVar("S")


SIGN_IN = "http://signup.example/sign-in"
AGREED = agreement.found()
writes = writer(AGREED, where=SIGN_IN, home="http://consent.example")


@dataclass
class LinksTables:
    """What links were used for, who is to be told, the notices that left, and the employers by what they are found by."""

    attempts: dict[bytes, Attempt] = field(default_factory=dict)
    due: dict[str, datetime] = field(default_factory=dict)
    told: dict[str, datetime] = field(default_factory=dict)
    asked: dict[str, datetime] = field(default_factory=dict)
    changes: dict[tuple[str, What, str], ChangeNoticed] = field(default_factory=dict)
    introductions: dict[str, Introduction] = field(default_factory=dict)
    notices: list[NoticeRequestedV2] = field(default_factory=list)
    employers: dict[str, NamedEmployer] = field(default_factory=dict)
    blocking: dict[str, datetime] = field(default_factory=dict)
    ended_sessions: dict[str, EndedSession] = field(default_factory=dict)
    void_links: dict[str, VoidLinks] = field(default_factory=dict)
    blocks: dict[str, datetime] = field(default_factory=dict)
    """The queue of this name: when each employer's turn is."""
    known_texts: dict[str, str] = field(default_factory=dict)
    """The newest agreement that each signed or was asked to sign."""
    reminders: dict[str, datetime | None] = field(default_factory=dict)
    hired: dict[str, datetime] = field(default_factory=dict)
    questions: list[GrantNoticedV1] = field(default_factory=list)


@dataclass
class ConsentsDatabase:
    """What stays after a transaction."""

    clock: Clock
    rows: dict[str, Present] = field(default_factory=dict)
    entries: list[Entry] = field(default_factory=list)
    links: "LinksTables" = field(default_factory=lambda: LinksTables())
    confirmed: list[str] = field(default_factory=list)
    """Whose erasure was confirmed to signup."""
    fails_with: Exception | None = None
    """Set it, and the database is away."""
    _locks: dict[str, asyncio.Lock] = field(default_factory=dict)

    @asynccontextmanager
    async def transaction(self) -> AsyncIterator["FakeConsents"]:
        """All or nothing; locks are given back at the end."""
        if self.fails_with is not None:
            raise self.fails_with
        consents = FakeConsents(self, self.clock.now(), deepcopy(self.links))
        try:
            yield consents
            self.rows |= consents.rows
            self.entries += consents.entries
            self.links = consents.links
            self.confirmed += consents.confirmed
        finally:
            for lock in consents.held.values():
                lock.release()

    def lock_of(self, candidate: str) -> asyncio.Lock:
        """The row's lock."""
        return self._locks.setdefault(candidate, asyncio.Lock())


@dataclass
class FakeConsents:
    """The port `Consents`."""

    database: ConsentsDatabase
    at: datetime
    links: LinksTables
    rows: dict[str, Present] = field(default_factory=dict)
    entries: list[Entry] = field(default_factory=list)
    held: dict[str, asyncio.Lock] = field(default_factory=dict)
    confirmed: list[str] = field(default_factory=list)

    async def register(self, candidates: Sequence[str]) -> None:
        for candidate in candidates:
            if candidate not in self.rows and candidate not in self.database.rows:
                self.rows[candidate] = Present(candidate, new_id("person"))

    async def close_unanswered(self, candidates: Sequence[str]) -> Collection[str]:
        closed = []
        for candidate in dict.fromkeys(candidates):
            present = await self.lock(candidate)
            if present.version == 0 or present.is_closed:
                self._forget(present)
                self.confirmed.append(candidate)
                closed.append(candidate)
        return closed

    async def close(self, candidates: Sequence[str]) -> None:
        for candidate in candidates:
            self._forget(await self.lock(candidate))

    def _forget(self, present: Present) -> None:
        candidate, links = present.candidate, self.links
        self.rows[candidate] = replace(
            present,
            principal="",
            version=present.version + bool(present.leaf),
            leaf=b"" if present.version else None,
            is_closed=True,
            choices=Choices(),
            receipt=None,
            outbox_id=None,
            granted_at=None,
            statement=None,
            said_at=None,
            stopped_at=None,
            agreement=None,
            language=None,
            own_end=None,
        )
        links.known_texts.pop(candidate, None)
        links.reminders.pop(candidate, None)
        self.entries = [entry for entry in self.entries if entry.candidate != candidate]
        links.attempts = {link: use for link, use in links.attempts.items() if use.candidate != candidate}
        links.changes = {key: change for key, change in links.changes.items() if key[0] != candidate}
        links.introductions.pop(candidate, None)
        links.void_links.pop(candidate, None)
        links.ended_sessions = {name: one for name, one in links.ended_sessions.items() if one.candidate != candidate}
        for table in (links.due, links.told, links.asked, links.hired):
            table.pop(candidate, None)

    async def read(self, candidate: str, session: str = "") -> Present:
        found = self.rows.get(candidate) or self.database.rows.get(candidate) or Present(candidate, principal="")
        voided = self.links.void_links.get(candidate)
        ended = session in self.links.ended_sessions
        return replace(found, session_ended=ended, links_from=voided.before if voided else None)

    async def void_links(self, voided: Sequence[VoidLinks]) -> None:
        for one in voided:
            if one.until > self.at and not (await self.read(one.candidate)).is_closed:
                kept = self.links.void_links.get(one.candidate, one)
                before, until = max(kept.before, one.before), max(kept.until, one.until)
                self.links.void_links[one.candidate] = VoidLinks(one.candidate, before, until)

    async def forget_void_links(self, most: int) -> int:
        over = [one.candidate for one in self.links.void_links.values() if one.until <= self.at][:most]
        for name in over:
            del self.links.void_links[name]
        return len(over)

    async def end_sessions(self, ended: Sequence[EndedSession]) -> None:
        for one in ended:
            if one.expires_at > self.at and not (await self.read(one.candidate)).is_closed:
                self.links.ended_sessions[one.session] = one

    async def forget_ended_sessions(self, most: int) -> int:
        over = [one.session for one in self.links.ended_sessions.values() if one.expires_at <= self.at][:most]
        for name in over:
            del self.links.ended_sessions[name]
        return len(over)

    async def lock(self, candidate: str, session: str = "") -> Present:
        if candidate not in self.held:
            lock = self.database.lock_of(candidate)
            await lock.acquire()
            self.held[candidate] = lock
        await self.register([candidate])
        return await self.read(candidate, session)

    async def append(self, entry: Entry) -> Present:
        assert entry.candidate in self.held, "the row must be locked"
        before = await self.read(entry.candidate)
        if entry.version != before.version + 1:
            raise RuntimeError("a change was appended to another version than the one it was decided on")
        self.entries.append(entry)
        self.rows[entry.candidate] = replace(
            before,
            version=entry.version,
            choices=entry.choices,
            leaf=entry.leaf,
            receipt=entry.receipt,
            outbox_id=len(self.database.entries) + len(self.entries),
            granted_at=entry.at if entry.is_grant else before.granted_at,
            statement=entry.statement,
            said_at=entry.said_at,
            stopped_at=entry.stopped_at,
            agreement=entry.agreement,
            language=entry.language,
            own_end=entry.own_end,
        )
        known = self.links.known_texts.get(entry.candidate, "")
        self.links.known_texts[entry.candidate] = max(known, entry.agreement or "")
        self.links.reminders[entry.candidate] = entry.remind_at
        return self.rows[entry.candidate]

    async def whom_to_ask_again(self, version: str, most: int) -> Sequence[Present]:
        known = sorted((text, candidate) for candidate, text in self.links.known_texts.items() if text < version)
        found = [await self.lock(candidate) for _, candidate in known]
        return [present for present in found if present.choices.purposes][:most]

    async def note_asked(self, candidates: Sequence[str], version: str) -> None:
        self.links.known_texts |= dict.fromkeys(candidates, version)

    async def whom_to_remind(self, most: int) -> Sequence[Present]:
        due = sorted((at, candidate) for candidate, at in self.links.reminders.items() if at and at <= self.at)
        return [await self.lock(candidate) for _, candidate in due[:most]]

    async def note_reminded(self, next_at: Mapping[str, datetime | None]) -> None:
        self.links.reminders |= next_at

    def ask_about_grant(self, present: Present, about: AboutGrant, told_by: str | None = None) -> None:
        self.links.questions.append(question(present, about, at=self.at, told_by=told_by))

    async def ask_whether_hired(self, present: Present, told_by: str | None) -> bool:
        asked = self.links.hired.get(present.candidate)
        if asked is not None and asked > self.at - HIRED_ASKED_EVERY:
            return False
        self.links.hired[present.candidate] = self.at
        self.ask_about_grant(present, "hired", told_by)
        return True

    async def receipt(self, receipt: str, candidate: str) -> Mapping[str, Any] | None:
        for entry in [*self.database.entries, *self.entries]:
            if entry.receipt == receipt and entry.candidate == candidate:
                ledger = {**entry.document["ledger"], "opening": encoding.encode(entry.nonce)}
                return {**entry.document, "ledger": ledger}
        return None

    async def receipts(self, candidate: str, most: int, *, before: int | None = None) -> Sequence[Mapping[str, Any]]:
        mine = [one for one in [*self.database.entries, *self.entries] if one.candidate == candidate]
        mine.sort(key=lambda one: one.version, reverse=True)
        wanted = [one for one in mine if before is None or one.version < before][:most]
        found = [await self.receipt(one.receipt, candidate) for one in wanted]
        return [one for one in found if one is not None]

    async def keep_employers(self, employers: Sequence[NamedEmployer], until: datetime) -> None:
        for employer in employers:
            known = self.links.employers.get(employer.employer)
            if known is None or known.version < employer.version:
                self.links.employers[employer.employer] = employer
                if known is None or known.keys != employer.keys:
                    self.links.blocking[employer.employer] = until
                if employer.employer in self.links.blocking:
                    self.links.blocks[employer.employer] = self.at

    async def employers_named(self, keys: Collection[str]) -> Sequence[str]:
        return sorted(one.employer for one in self.links.employers.values() if one.keys & set(keys))

    async def blocking(self, employer: str) -> Blocking | None:
        until = self.links.blocking.get(employer)
        return None if until is None else Blocking(employer, tuple(self.links.employers[employer].keys), until)

    async def on_blocks(self, most: int = 10) -> int:
        """A turn of what is due in the queue `blocks`, as the runner would take it; how many employers."""
        due = [Job(employer, at, 1) for employer, at in sorted(self.links.blocks.items()) if at <= self.at]
        again = await on_blocks(self, due, writes, most)
        for job in due:
            del self.links.blocks[job.key]
        self.links.blocks |= again
        return len(due)

    async def who_named(self, blocking: Blocking, most: int) -> Sequence[Present]:
        rows = (self.database.rows | self.rows).values()
        found = [
            row.candidate
            for row in sorted(rows, key=lambda row: row.candidate)
            if keys_of_names(row.choices.blocked_names) & set(blocking.keys)
            and blocking.employer not in row.choices.blocked_employers
        ]
        return [await self.lock(candidate) for candidate in found[:most]]

    async def end_blocking(self, employer: str) -> None:
        del self.links.blocking[employer]

    async def note_attempt(self, attempt: Attempt) -> None:
        before = self.links.attempts.get(attempt.link, attempt)
        self.links.attempts[attempt.link] = replace(
            attempt,
            stopped_all=attempt.stopped_all or before.stopped_all,
            stopped_employer=attempt.stopped_employer or before.stopped_employer,
        )

    async def attempt(self, link: bytes) -> Attempt | None:
        return self.links.attempts.get(link)

    async def attempts(self, candidate: str, most: int) -> Sequence[Attempt]:
        of_person = [attempt for attempt in self.links.attempts.values() if attempt.candidate == candidate]
        return sorted(of_person, key=lambda attempt: attempt.at, reverse=True)[:most]

    async def forget_attempts(self, most: int) -> int:
        ended = [attempt.link for attempt in self.links.attempts.values() if attempt.expires_at <= self.at][:most]
        for one in ended:
            del self.links.attempts[one]
        return len(ended)

    async def introduce(self, introductions: Sequence[Introduction]) -> None:
        for one in introductions:
            known = self.links.introductions.get(one.candidate)
            if not (await self.read(one.candidate)).is_closed and (known is None or one.at < known.at):
                self.links.introductions[one.candidate] = one

    async def introduction(self, candidate: str) -> Fact[Introduction]:
        return fact(self.links.introductions.get(candidate))

    async def note_change(
        self,
        candidate: str,
        what: What,
        employer: str | None = None,
        *,
        switched_on: Sequence[Purpose] = (),
        by_name: bool = False,
    ) -> None:
        told = self.links.told.get(candidate)
        self.links.due.setdefault(candidate, max(self.at, told + TOLD_EVERY) if told else self.at)
        key = candidate, what, employer or ""
        before = self.links.changes[key].switched_on if key in self.links.changes else ()
        on = tuple(purpose for purpose in PURPOSES if purpose in {*before, *switched_on})
        self.links.changes[key] = ChangeNoticed(
            at=self.at, what=what, employer=employer, switched_on=on, by_name=by_name
        )

    async def ask_to_stop(self, candidate: str, stopped: str | None) -> bool:
        asked = self.links.asked.get(candidate)
        if asked is not None and asked > self.at - TOLD_EVERY:
            return False
        self.links.asked[candidate] = self.at
        changes = (ChangeNoticed(at=self.at, what="employer_stopped", employer=stopped),) if stopped else ()
        self._notice(candidate, "stop_asked", changes)
        return True

    async def tell_changes(self, most: int) -> int:
        taken = [candidate for candidate, due in self.links.due.items() if due <= self.at][:most]
        for candidate in taken:
            del self.links.due[candidate]
            self.links.told[candidate] = self.at
            of_person = [key for key in self.links.changes if key[0] == candidate]
            changes = [self.links.changes.pop(key) for key in of_person]
            self._notice(candidate, "changed", tuple(sorted(changes, key=lambda change: change.at)))
        return len(taken)

    def _notice(
        self, candidate: str, purpose: Literal["changed", "stop_asked"], changes: tuple[ChangeNoticed, ...]
    ) -> None:
        until = self.at + timedelta(days=3)
        self.links.notices.append(
            NoticeRequestedV2(
                notice=new_id("n"), candidate=candidate, purpose=purpose, expires_at=until, changes=changes
            )
        )


@dataclass(frozen=True)
class FakeDirectory:
    """The port `Directory`."""

    known: Mapping[str, str]

    def employers(self) -> Sequence[Employer]:
        return [Employer(one, name, name) for one, name in sorted(self.known.items(), key=lambda item: item[1])]

    def name(self, employer: str) -> Fact[str]:
        return fact(self.known.get(employer))
