"""What becomes of a mail that was claimed: sent, over without being sent, or held."""

import asyncio
from collections.abc import Callable, Generator, Mapping, Sequence
from dataclasses import replace
from datetime import datetime, timedelta
from types import MappingProxyType
from typing import TypeVar, assert_never

import structlog

from services.signup.courier.decisions import (
    CHANGE_OVER,
    INTRODUCER_SUSPENDED,
    NO_GRANT,
    NOT_IN_THE_VAULT,
    again_at,
    dropped,
    in_time,
    lost,
    stopped,
)
from services.signup.courier.model import (
    Addresses,
    Consent,
    Hold,
    Letter,
    Mail,
    People,
    Person,
    Send,
    Settle,
    Standing,
    Unheard,
    Unreadable,
    Unwritable,
    Verdict,
)
from services.signup.courier.ports import (
    IntroducerStanding,
    Letters,
    Outgoing,
    SenderStanding,
    Spread,
    TenantName,
    Writing,
)
from shared.clock import elapsed
from shared.facts import UNKNOWN, Fact, Known, shown

_HELD_FOR = timedelta(seconds=5)
_LOOKED_AT_AGAIN = timedelta(minutes=1)
"""A suspension lasts for days as a rule, and may have many invitations wait."""
_AT_A_TIME = 0.001
"""Seconds of writing until others have their turn: no longer, and one step, does anybody's check of consent stand still."""
_Found = TypeVar("_Found")
_log = structlog.get_logger(__name__)


class Judge:
    """Judges each mail by what was read for all of them, and writes the letters of those that may leave."""

    def __init__(
        self,
        letters: Letters,
        tenant_name: TenantName,
        sender_standing: SenderStanding,
        introducer_standing: IntroducerStanding,
        spread: Spread,
    ) -> None:
        self._letters = letters
        self._tenant_name = tenant_name
        self._sender_standing = sender_standing
        self._introducer_standing = introducer_standing
        self._spread = spread

    async def verdicts(
        self,
        store: Outgoing,
        mails: Sequence[Mail],
        *,
        is_checked: bool,
        at: datetime,
    ) -> Mapping[Mail, Verdict]:
        """On each but those of which nothing can be said before the projection of the consents was made current, or could not be
        (`is_checked`): their rows are locked here, and who writes consents may wait for them.
        """
        candidates = [mail.candidate for mail in mails]
        consents = await store.consents(candidates)
        people = await store.people(candidates)
        gone = await store.gone(candidates)
        moving = [mail.candidate for mail in mails if mail.email is not None]
        addresses = await store.addresses(moving) if moving else {}
        found = await in_step([self.judging(mail, consents, people, gone, addresses, at=at) for mail in mails])
        verdicts: dict[Mail, Verdict] = dict(zip(mails, found, strict=True))
        return {
            mail: verdict
            for mail, verdict in verdicts.items()
            if is_checked or not _rests_on_consent(mail, verdict, at=at)
        }

    def judging(
        self,
        mail: Mail,
        consents: Mapping[str, Fact[Consent]],
        people: People,
        gone: frozenset[str],
        addresses: Mapping[str, Addresses] = MappingProxyType({}),
        *,
        at: datetime,
    ) -> Generator[None, None, Verdict]:
        """The verdict on one mail, a step at a time; `gone`: whose mailboxes count as gone; `addresses`: of changes of people's emails.

        What is known to stand against it ends it, before anything that has not arrived holds it.
        """
        consent, introducer = consents[mail.candidate], self.introducer_of(mail)
        if mail.candidate in gone and (no := lost(mail)) is not None:
            return no
        against = stopped(mail, consent, at=at, sender=self.sender_of(mail)) or dropped(mail, introducer)
        if isinstance(against, Settle):
            return against
        if introducer == Known("suspended"):
            _log.info("invitation_waits", mail=mail.id, reason=INTRODUCER_SUSPENDED)
            return Hold(INTRODUCER_SUSPENDED, at + _LOOKED_AT_AGAIN)
        person = people.get(mail.candidate)
        match person:
            case None:
                return Settle("withheld", NO_GRANT if mail.kind == "outreach" else NOT_IN_THE_VAULT)
            case Unreadable():
                return self._hold(mail, "the vault's row does not open", at=at)
        if isinstance(against, Unheard):
            return self._hold(mail, against.of, at=at)
        if mail.email is not None:
            return self._of_a_change(mail, person, addresses.get(mail.candidate), at=at)
        tenant = mail.employer if mail.kind == "outreach" else mail.introduced_by
        name = shown(self._tenant_name(tenant), None) if tenant is not None else None
        zone = consent.value.time_zone if isinstance(consent, Known) else None
        match (yield from self._letter(mail, person, name, at=at, zone=zone)):
            case Letter() as letter:
                return Send(letter)
            case Unwritable(reason):
                return Settle("bounced", reason)
            case unexpected:
                assert_never(unexpected)

    def _of_a_change(self, mail: Mail, person: Person, change: Addresses | None, *, at: datetime) -> Verdict:
        """To the mailbox that it is for, as the change stands now; of one that is over nobody is asked any more."""
        if change is None and mail.email not in ("taken", "done", "not_moved", "code_made"):
            return Settle("withheld", CHANGE_OVER)
        if change is not None and mail.goes_elsewhere:
            person = replace(person, address=change.new if mail.email == "new" else change.old)
        letter = self._letters.email(mail, person, None if change is None else change.change, at=at)
        return Send(letter) if isinstance(letter, Letter) else Settle("bounced", letter.reason)

    def sender_of(self, mail: Mail) -> Fact[Standing]:
        """How the employer of an outreach stands now."""
        return UNKNOWN if mail.employer is None else self._sender_standing(mail.employer)

    def introducer_of(self, mail: Mail) -> Fact[Standing]:
        """How whoever told of the person stands now; good where nobody is asked about."""
        return Known("good") if mail.introducer is None else self._introducer_standing(mail.introducer)

    def _letter(self, mail: Mail, person: Person, name: str | None, *, at: datetime, zone: str | None) -> Writing:
        try:
            if mail.kind == "notice" or name is None:
                return self._letters.notice(mail, person, name, at=at, zone=zone)
            return (yield from self._letters.outreach(mail, person, name, at=at))
        except Exception as error:  # noqa: BLE001 - one mail that can't be written must not stop all others
            _log.error("not_written", kind=mail.kind, mail=mail.id, exc_info=error)
            return Unwritable("the mail could not be written")

    def _hold(self, mail: Mail, reason: str, *, at: datetime) -> Hold:
        _log.error("held", kind=mail.kind, mail=mail.id, reason=reason)
        return Hold(reason, max(at + _HELD_FOR, again_at(mail.attempts + 1, at=at, spread=self._spread())))


async def in_step(
    works: Sequence[Generator[None, None, _Found]], *, now: Callable[[], float] = elapsed
) -> Sequence[_Found]:
    """What each of them returns; the first step of all, then the next of all, and others' work in between.

    Opening words, signing and writing use so much of the processor's caches that a letter from beginning to end finds nothing
    in them of the one before: one step of all of them, then the next, takes a fifth less.
    """
    found: dict[int, _Found] = {}
    began = now()
    while len(found) < len(works):
        for number, work in enumerate(works):
            if number not in found:
                try:
                    next(work)
                except StopIteration as end:
                    found[number] = end.value
                if now() - began >= _AT_A_TIME:
                    await asyncio.sleep(0)
                    began = now()
    return [found[number] for number in range(len(works))]


def _rests_on_consent(mail: Mail, verdict: Verdict, *, at: datetime) -> bool:
    """Whether what is known of the person's consent has the last word here: on outreach that would not leave though it is in time,
    and on what tells of an end, which is not looked at once more.
    """
    if mail.kind == "notice":
        return mail.grant is not None
    return not isinstance(verdict, Send) and in_time(mail, at=at)
