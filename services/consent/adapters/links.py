"""What links were used for, and what people are told of it, in PostgreSQL."""

from collections import defaultdict
from collections.abc import Sequence
from datetime import datetime, timedelta
from pathlib import Path

import asyncpg

from services.consent.adapters import messages
from services.consent.decisions.agreements import question
from services.consent.model import (
    HIRED_ASKED_EVERY,
    PURPOSES,
    TOLD_EVERY,
    Attempt,
    EndedSession,
    Present,
    VoidLinks,
    What,
)
from shared.contracts.consent import AboutGrant, Purpose
from shared.contracts.signup import ChangeNoticed, NoticeRequestedV2
from shared.ids import new_id
from shared.messaging.unit import Unit
from shared.postgres.queries import load

SQL = load(Path(__file__).parent / "queries.sql")
_LINK_WORKS_FOR = timedelta(days=3)
"""The link of an email that nobody waits for: over a weekend."""


class PostgresLinks:
    """The part of the port `Consents` that is not the choices themselves."""

    def __init__(self, unit: Unit) -> None:
        self._unit = unit

    @property
    def at(self) -> datetime:
        """The time of the unit."""
        return self._unit.at

    async def note_attempt(self, attempt: Attempt) -> None:
        """One statement."""
        await self._unit.connection.execute(
            SQL["note_attempt"],
            attempt.link,
            attempt.candidate,
            attempt.employer,
            attempt.scope,
            attempt.outcome,
            attempt.at,
            attempt.expires_at,
            attempt.stopped_all,
            attempt.stopped_employer,
        )

    async def attempt(self, link: bytes) -> Attempt | None:
        """By the hash of its token."""
        row = await self._unit.connection.fetchrow(SQL["attempt"], link)
        return _attempt(row) if row else None

    async def attempts(self, candidate: str, most: int) -> Sequence[Attempt]:
        """From an index that ends where `most` do."""
        return [_attempt(row) for row in await self._unit.connection.fetch(SQL["attempts"], candidate, most)]

    async def forget_attempts(self, most: int) -> int:
        """Those that another process forgets just now are left to it."""
        done = await self._unit.connection.execute(SQL["forget_attempts"], self.at, most)
        return int(done.rpartition(" ")[2])

    async def end_sessions(self, ended: Sequence[EndedSession]) -> None:
        """Its rows in order, one that is there twice once; an erasure that is under way is waited for, and seen."""
        await self._unit.connection.execute(messages.SQL["hold_erasures"], messages.ERASURES)
        once = {one.session: one for one in ended}
        await self._unit.connection.execute(
            SQL["end_sessions"],
            list(once),
            [one.candidate for one in once.values()],
            [one.expires_at for one in once.values()],
            self.at,
        )

    async def forget_ended_sessions(self, most: int) -> int:
        """Those that another process forgets just now are left to it."""
        done = await self._unit.connection.execute(SQL["forget_ended_sessions"], self.at, most)
        return int(done.rpartition(" ")[2])

    async def void_links(self, voided: Sequence[VoidLinks]) -> None:
        """Its rows in order; an erasure that is under way is waited for, and seen."""
        await self._unit.connection.execute(messages.SQL["hold_erasures"], messages.ERASURES)
        await self._unit.connection.execute(
            SQL["void_links"],
            [one.candidate for one in voided],
            [one.before for one in voided],
            [one.until for one in voided],
            self.at,
        )

    async def forget_void_links(self, most: int) -> int:
        """Those that another process forgets just now are left to it."""
        done = await self._unit.connection.execute(SQL["forget_void_links"], self.at, most)
        return int(done.rpartition(" ")[2])

    async def note_change(
        self,
        candidate: str,
        what: What,
        employer: str | None = None,
        *,
        switched_on: Sequence[Purpose] = (),
        by_name: bool = False,
    ) -> None:
        """The telling's row is locked first, here and where it is told: the two don't wait for each other in a ring."""
        await self._unit.connection.execute(SQL["tell_later"], candidate, self.at, TOLD_EVERY)
        await self._unit.connection.execute(
            SQL["note_change"], candidate, what, employer or "", self.at, switched_on, by_name
        )

    async def ask_to_stop(self, candidate: str, stopped: str | None) -> bool:
        """The row decides: of several at once, one asks."""
        if not await self._unit.connection.fetchval(SQL["may_ask_to_stop"], candidate, self.at, TOLD_EVERY):
            return False
        change = ChangeNoticed(at=self.at, what="employer_stopped", employer=stopped)
        self._unit.publish(
            NoticeRequestedV2(
                notice=new_id("n"),
                candidate=candidate,
                purpose="stop_asked",
                expires_at=self.at + _LINK_WORKS_FOR,
                changes=(change,) if stopped else (),
            )
        )
        return True

    async def ask_whether_hired(self, present: Present, told_by: str | None) -> bool:
        """The row decides: of several at once, one asks."""
        if not await self._unit.connection.fetchval(
            SQL["may_ask_whether_hired"], present.candidate, self.at, HIRED_ASKED_EVERY
        ):
            return False
        self.ask_about_grant(present, "hired", told_by=told_by)
        return True

    def ask_about_grant(self, present: Present, about: AboutGrant, told_by: str | None = None) -> None:
        """On its way when the unit ends."""
        self._unit.publish(question(present, about, at=self.at, told_by=told_by))

    async def tell_changes(self, most: int) -> int:
        """Taken, emptied and published in one transaction: a process that is killed has told nothing."""
        taken = [row["candidate"] for row in await self._unit.connection.fetch(SQL["take_tellings"], self.at, most)]
        changes: dict[str, list[ChangeNoticed]] = defaultdict(list)
        for row in await self._unit.connection.fetch(SQL["take_changes"], taken) if taken else ():
            changes[row["candidate"]].append(
                ChangeNoticed(
                    at=row["at"],
                    what=row["what"],
                    employer=row["employer"] or None,
                    switched_on=tuple(purpose for purpose in PURPOSES if purpose in row["switched_on"]),
                    by_name=row["by_name"],
                )
            )
        for candidate, noticed in changes.items():
            self._unit.publish(
                NoticeRequestedV2(
                    notice=new_id("n"),
                    candidate=candidate,
                    purpose="changed",
                    expires_at=self.at + _LINK_WORKS_FOR,
                    changes=tuple(sorted(noticed, key=lambda change: change.at)),
                )
            )
        return len(taken)


def _attempt(row: asyncpg.Record) -> Attempt:
    return Attempt(
        link=row["link"],
        candidate=row["candidate"],
        employer=row["employer"],
        scope=row["scope"],
        outcome=row["outcome"],
        at=row["at"],
        expires_at=row["expires_at"],
        stopped_all=row["stopped_all"],
        stopped_employer=row["stopped_employer"],
    )
