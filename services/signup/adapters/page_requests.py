"""How often the pages may mail an address, and the sign-in mail itself."""

from collections.abc import Callable
from contextlib import AbstractAsyncContextManager
from datetime import timedelta
from pathlib import Path

from services.signup.decisions import notices
from shared.messaging.unit import Unit
from shared.postgres.queries import load

SQL = load(Path(__file__).parent / "queries.sql")

JOINS_A_DAY = 3
JOINS_FROM_ONE_ORIGIN = 20
SIGN_INS_AN_HOUR = 5


class PostgresPageRequests:
    """`ports.PageRequests`; known and unknown addresses take the same steps."""

    def __init__(self, work: Callable[[], AbstractAsyncContextManager[Unit]]) -> None:
        self._work = work

    async def may_join(self, blind_index: bytes) -> bool:
        """Counts one more try to join with this address; False when there were enough today."""
        async with self._work() as unit:
            return await _counted(unit, blind_index, "join", most=JOINS_A_DAY, within=timedelta(days=1))

    async def may_join_from(self, origin: bytes) -> bool:
        """Counts one more joining from this network; False when there were enough this hour."""
        async with self._work() as unit:
            return await _counted(unit, origin, "join_from", most=JOINS_FROM_ONE_ORIGIN, within=timedelta(hours=1))

    async def sign_in(self, blind_index: bytes) -> None:
        """A sign-in mail, if a confirmed person has this address and there were not too many this hour."""
        async with self._work() as unit:
            is_few = await _counted(unit, blind_index, "sign_in", most=SIGN_INS_AN_HOUR, within=timedelta(hours=1))
            candidate = await unit.connection.fetchval(SQL["confirmed_by_address"], blind_index)
            if is_few and candidate is not None:
                notice = notices.sign_in(candidate, at=unit.at)
                unit.publish(notice, id=notice.notice)


async def _counted(unit: Unit, blind_index: bytes, page: str, *, most: int, within: timedelta) -> bool:
    await unit.connection.execute(SQL["lock_address"], blind_index)  # two at once are counted one after the other
    count = await unit.connection.fetchval(SQL["count_page_requests"], blind_index, page, unit.at - within)
    if count >= most:
        return False
    await unit.connection.execute(SQL["note_page_request"], blind_index, page, unit.at)
    return True
