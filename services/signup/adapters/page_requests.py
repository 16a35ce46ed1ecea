"""How often the pages may email an address, and the sign-in email itself."""

import hashlib
from collections.abc import Callable, Sequence
from contextlib import AbstractAsyncContextManager
from datetime import timedelta
from pathlib import Path

from services.signup.decisions import asking, notices
from services.signup.decisions.asking import Asked, Joining, Mail
from services.signup.decisions.reports import STUB_KEPT
from services.signup.vault.index import Indexed
from shared.messaging.unit import Unit
from shared.postgres.queries import load

SQL = load(Path(__file__).parent / "queries.sql")

JOINS_FROM_ONE_ORIGIN = 20
RECOVERIES_FROM_ONE_ORIGIN = 20
SIGN_INS_FROM_ONE_ORIGIN = 30
CODES_TOLD_A_DAY = 5


class PostgresPageRequests:
    """`ports.PageRequests`; known and unknown addresses take the same steps."""

    def __init__(self, work: Callable[[], AbstractAsyncContextManager[Unit]]) -> None:
        self._work = work

    async def join(self, mailbox: Indexed, origin: bytes) -> Joining:
        """Notes one more joining with this address, and says what it brings, known or not."""
        async with self._work() as unit:
            before, by = await _before(unit, mailbox.value, origin)
            joining = asking.join(before, at=unit.at)
            if joining.is_taken:
                sent = Mail(unit.at + STUB_KEPT, is_new_link=True) if joining.is_mailed else None
                await _note(unit, mailbox.value, "join", by=by, sent=sent)
            return joining

    async def may_join_from(self, origin: bytes) -> bool:
        """Counts one more joining from this network; False when there were enough this hour."""
        async with self._work() as unit:
            return await _counted(unit, origin, "join_from", most=JOINS_FROM_ONE_ORIGIN)

    async def may_sign_in_from(self, origin: bytes) -> bool:
        """Counts one more request for a link from this network; False when there were enough this hour."""
        async with self._work() as unit:
            return await _counted(unit, origin, "sign_in_from", most=SIGN_INS_FROM_ONE_ORIGIN)

    async def may_recover_from(self, origin: bytes) -> bool:
        """Counts one more try with a recovery code from this network; False when there were enough this hour."""
        async with self._work() as unit:
            return await _counted(unit, origin, "recover_from", most=RECOVERIES_FROM_ONE_ORIGIN)

    async def sign_in(self, mailbox: Indexed, origin: bytes) -> None:
        """A sign-in email as `decisions.asking` has it, if a confirmed person has this address."""
        async with self._work() as unit:
            before, by = await _before(unit, mailbox.value, origin)
            found = await unit.connection.fetchrow(SQL["confirmed_by_address"], [mailbox.value, *mailbox.older])
            candidate, no_at, used_at = found or (None, None, None)
            mail = asking.sign_in(before, at=unit.at, no_at=no_at, used_at=used_at)
            if mail is None:
                return
            await _note(unit, mailbox.value, "sign_in", by=by, sent=mail if candidate else None)
            if candidate is not None:
                notice = notices.sign_in(candidate, at=mail.link_until - notices.SIGN_IN_KEPT)
                unit.publish(notice, id=notice.notice)


async def hold_addresses(unit: Unit, *blind_indexes: bytes) -> None:
    """For whoever asks about several: in one order, or two who name each other's would wait for each other."""
    for blind_index in sorted(set(blind_indexes)):
        await unit.connection.execute(SQL["lock_address"], blind_index)


async def may_write_to(unit: Unit, blind_index: bytes, origin: bytes, *, is_named: bool = False) -> bool:
    """Counts one more email to this mailbox among those that pages have sent; False when there were enough of the day.

    `is_named`: it is not the mailbox of whoever asks, as far as anybody knows.
    """
    before, by = await _before(unit, blind_index, origin)
    if not (asking.may_name if is_named else asking.may_mail)(before, at=unit.at):
        return False
    await _note(unit, blind_index, "email", by=by, sent=Mail(unit.at + notices.SIGN_IN_KEPT, is_new_link=True))
    return True


async def may_tell_of_code(unit: Unit, blind_index: bytes) -> bool:
    """Counts one more email about a new recovery code; False when there were enough of the day.

    Apart from all others: whoever makes codes uses up none by which the person signs in.
    """
    return await _counted(unit, blind_index, "code", most=CODES_TOLD_A_DAY, within=asking.DAY)


async def _before(unit: Unit, blind_index: bytes, origin: bytes) -> tuple[Sequence[Asked], bytes]:
    """What was emailed to this address since yesterday, or asked for by this one; and how this one is known again."""
    await unit.connection.execute(SQL["lock_address"], blind_index)  # two at once are looked at one after the other
    by = hashlib.sha256(blind_index + origin).digest()
    rows = await unit.connection.fetch(SQL["page_requests"], blind_index, by, unit.at - asking.DAY)
    return [Asked(row["asked_by"] == by, row["asked_at"], row["link_until"], row["page"]) for row in rows], by


async def _note(
    unit: Unit, blind_index: bytes, page: str, *, by: bytes | None = None, sent: Mail | None = None
) -> None:
    until, is_new = (sent.link_until, sent.is_new_link) if sent else (None, True)
    await unit.connection.execute(SQL["note_page_request"], blind_index, page, unit.at, by, until, is_new)


async def _counted(unit: Unit, origin: bytes, page: str, *, most: int, within: timedelta = timedelta(hours=1)) -> bool:
    await unit.connection.execute(SQL["lock_address"], origin)
    count = await unit.connection.fetchval(SQL["count_page_requests"], origin, page, unit.at - within)
    if count >= most:
        return False
    await _note(unit, origin, page)
    return True
