"""What becomes of a mail that was claimed: sent, over without being sent, or held."""

from collections.abc import Mapping
from datetime import datetime, timedelta
from typing import assert_never

import structlog

from services.signup.courier.decisions import (
    INTRODUCER_SUSPENDED,
    NO_GRANT,
    NOT_IN_THE_VAULT,
    again_at,
    dropped,
    lost,
    stopped,
)
from services.signup.courier.model import (
    Consent,
    Hold,
    Letter,
    Mail,
    People,
    Person,
    Send,
    Settle,
    Standing,
    Unreadable,
    Unwritable,
    Verdict,
)
from services.signup.courier.ports import IntroducerStanding, Letters, SenderIsOut, Spread, TenantName

_HELD_FOR = timedelta(seconds=5)
_LOOKED_AT_AGAIN = timedelta(minutes=1)
"""A suspension lasts for days as a rule, and may have many invitations wait."""
_log = structlog.get_logger(__name__)


class Judge:
    """Judges each mail by what was read for all of them, and writes the letters of those that may leave."""

    def __init__(
        self,
        letters: Letters,
        tenant_name: TenantName,
        sender_is_out: SenderIsOut,
        introducer_standing: IntroducerStanding,
        spread: Spread,
    ) -> None:
        self._letters = letters
        self._tenant_name = tenant_name
        self._sender_is_out = sender_is_out
        self._introducer_standing = introducer_standing
        self._spread = spread

    def __call__(
        self, mail: Mail, consents: Mapping[str, Consent], people: People, gone: frozenset[str], *, at: datetime
    ) -> Verdict:
        """The verdict on one mail; `gone`: whose mailboxes count as gone."""
        consent = consents.get(mail.candidate)
        if mail.candidate in gone and (no := lost(mail)) is not None:
            return no
        is_out = mail.employer is not None and self._sender_is_out(mail.employer)
        if (no := stopped(mail, consent, at=at, sender_is_out=is_out)) is not None:
            return no
        introducer = self.introducer_of(mail)
        if (no := dropped(mail, introducer)) is not None:
            return no
        if introducer == "suspended":
            _log.info("invitation_waits", mail=mail.id, reason=INTRODUCER_SUSPENDED)
            return Hold(INTRODUCER_SUSPENDED, at + _LOOKED_AT_AGAIN)
        person = people.get(mail.candidate)
        match person:
            case None:
                return Settle("withheld", NO_GRANT if mail.kind == "outreach" else NOT_IN_THE_VAULT)
            case Unreadable():
                return self._hold(mail, "the vault's row does not open", at=at)
        tenant = mail.employer if mail.kind == "outreach" else mail.introduced_by
        name = self._tenant_name(tenant) if tenant is not None else None
        if mail.kind == "outreach" and name is None:
            return self._hold(mail, "nobody told of this employer", at=at)
        match self._letter(mail, person, name, at=at, zone=consent.time_zone if consent is not None else None):
            case Letter() as letter:
                return Send(letter)
            case Unwritable(reason):
                return Settle("bounced", reason)
            case unexpected:
                assert_never(unexpected)

    def introducer_of(self, mail: Mail) -> Standing:
        """How whoever told of the person stands now; good where nobody is asked about."""
        return "good" if mail.introducer is None else self._introducer_standing(mail.introducer)

    def _letter(
        self, mail: Mail, person: Person, name: str | None, *, at: datetime, zone: str | None
    ) -> Letter | Unwritable:
        try:
            if mail.kind == "notice" or name is None:
                return self._letters.notice(mail, person, name, at=at, zone=zone)
            return self._letters.outreach(mail, person, name, at=at)
        except Exception as error:  # noqa: BLE001 - one mail that can't be written must not stop all others
            _log.error("not_written", kind=mail.kind, mail=mail.id, exc_info=error)
            return Unwritable("the mail could not be written")

    def _hold(self, mail: Mail, reason: str, *, at: datetime) -> Hold:
        _log.error("held", kind=mail.kind, mail=mail.id, reason=reason)
        return Hold(reason, max(at + _HELD_FOR, again_at(mail.attempts + 1, at=at, spread=self._spread())))
