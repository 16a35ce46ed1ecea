"""Who is signed in, in PostgreSQL."""

from collections.abc import Sequence
from datetime import datetime
from pathlib import Path

from services.signup.model.sessions import Here, LinkState, SignedIn, Spent
from shared.contracts.signup import SessionEndedV1
from shared.i18n import Language
from shared.messaging.unit import Unit
from shared.postgres.queries import load
from shared.security.sessions import Session

SQL = load(Path(__file__).with_suffix(".sql"))
_MOST_SHOWN = 50


class PostgresSessions:
    """`ports.Sessions`."""

    def __init__(self, unit: Unit) -> None:
        self._unit = unit
        self._sql = unit.connection

    async def start(
        self, session: Session, spent: Spent, browser: str, *, language: Language | None = None
    ) -> LinkState:
        """One statement: the link's unique hash decides."""
        row = await self._sql.fetchrow(
            SQL["start_session"],
            session.name,
            session.candidate,
            spent.hash,
            session.started_at,
            session.expires_at,
            browser,
            max(session.expires_at, spent.until),
            language and language.locale,
            spent.made_at or session.started_at,
            language is not None and language.is_chosen,
        )
        assert row is not None  # noqa: S101 - it is a line of two answers
        return "gone" if not row["is_known"] else "good" if row["is_started"] else "spent"

    async def state_of(self, link: Spent) -> LinkState:
        """One statement."""
        row = await self._sql.fetchrow(SQL["link_state"], link.candidate, link.hash, link.made_at or self._unit.at)
        assert row is not None  # noqa: S101 - it is a line of two answers
        return "gone" if not row["is_known"] else "spent" if row["is_spent"] else "good"

    async def links_from(self, candidate: str) -> datetime | None:
        """One statement."""
        found: datetime | None = await self._sql.fetchval(SQL["links_from"], candidate)
        return found

    async def here(self, candidate: str, session: str) -> Here | None:
        """By the session's name."""
        row = await self._sql.fetchrow(SQL["signed_in"], candidate, session, self._unit.at)
        return None if row is None else Here(row["time_zone"])

    async def is_signed_in(self, candidate: str, session: str) -> bool:
        """By the session's name."""
        return bool(await self._sql.fetchval(SQL["is_signed_in"], candidate, session, self._unit.at))

    async def of(self, candidate: str) -> Sequence[SignedIn]:
        """Those that work, the newest first."""
        rows = await self._sql.fetch(SQL["sessions_of"], candidate, self._unit.at, _MOST_SHOWN)
        return [SignedIn(row["name"], row["made_at"], row["expires_at"], row["browser"]) for row in rows]

    async def end(self, candidate: str, session: str) -> bool:
        """Told in the same transaction."""
        return await self._end("end_one_session", candidate, session) == 1

    async def end_others(self, candidate: str, session: str) -> int:
        """Told in the same transaction."""
        return await self._end("end_other_sessions", candidate, session)

    async def _end(self, statement: str, candidate: str, session: str) -> int:
        at = self._unit.at
        ended = await self._sql.fetch(SQL[statement], candidate, session, at)
        self._unit.publish(
            *(
                SessionEndedV1(candidate=candidate, session=row["name"], at=at, expires_at=row["expires_at"])
                for row in ended
            )
        )
        return len(ended)

    async def forget(self, most: int) -> int:
        """Those that another process forgets just now are left to it."""
        done = await self._sql.execute(SQL["forget_sessions"], self._unit.at, most)
        return int(done.rpartition(" ")[2])
