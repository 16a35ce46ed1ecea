"""What a relay's no is about: this mail, its recipient's mailbox, or us. Its words go nowhere: they quote addresses.

Codes are those of RFC 5321 (4.2) and RFC 7504, enhanced status codes those of RFC 3463 and IANA's registry for it.
"""

import re

from aiosmtplib import SMTPResponse

from services.signup.courier.model import NotTaken, Refused, RefusesUs, Step

_ENHANCED = re.compile(r"\s*([245]\.\d{1,3}\.\d{1,3})\b")
_OF_US = re.compile(r"\brelay|\bsender|authenticat", re.IGNORECASE)
"""What a no without a precise status says when it means whoever asks."""

_NO_MAILBOX = frozenset(
    {
        "5.1.1",  # no such mailbox
        "5.1.2",  # no such domain
        "5.1.3",  # no address that mail can be sent to
        "5.1.6",  # moved, and nobody knows where
        "5.1.10",  # the domain takes no mail (RFC 7505)
        "5.2.1",  # disabled
    }
)
_US = frozenset(
    {
        "5.1.7",  # our sender's address
        "5.1.8",  # our sender's domain
        "5.7.8",  # our password
        "5.7.9",  # our way to log in
        "5.7.11",  # TLS is asked for
        "5.7.13",  # our account was disabled
        "5.7.14",  # our account is not trusted
        "5.7.27",  # our sender's domain takes no mail (RFC 7505)
    }
)
_US_BY_CODE = frozenset({530, 534, 535, 538})  # authentication (RFC 4954)
_DOMAIN_TAKES_NO_MAIL = 556  # RFC 7504
_MESSAGE_TOO_LARGE = 552
_OF_THE_RECIPIENT = frozenset({550, 551, 552, 553})
_AUTHENTICATION_OF_MAIL = frozenset(f"5.7.{detail}" for detail in range(20, 30))  # DKIM, SPF, DMARC (RFC 7372)
_BEFORE_THE_RECIPIENT: frozenset[Step] = frozenset({"connect", "TLS", "EHLO", "AUTH", "MAIL"})


def read_no(step: Step, answer: SMTPResponse) -> Refused | RefusesUs | NotTaken:
    """What an answer that is no yes means at this step of the conversation."""
    found = _ENHANCED.match(answer.message)
    status = found.group(1) if found else ""
    detail = f"{answer.code} {status}".rstrip()
    early = step in _BEFORE_THE_RECIPIENT
    if not 500 <= answer.code < 600:
        return NotTaken(detail, away=early or answer.code == 421)
    if early:
        too_large = step == "MAIL" and (answer.code == _MESSAGE_TOO_LARGE or status == "5.3.4")
        return Refused(detail) if too_large else RefusesUs(step, detail)
    if status in _NO_MAILBOX or (not status and answer.code == _DOMAIN_TAKES_NO_MAIL):
        return Refused(detail, mailbox_gone=True)
    if status in _US or answer.code in _US_BY_CODE:
        return RefusesUs(step, detail)
    about_us = _may_mean_us_after_the_words(status) if step == "words" else _may_mean_us(answer, status)
    return RefusesUs(step, detail, certain=False) if about_us else Refused(detail)


def _may_mean_us_after_the_words(status: str) -> bool:
    """A refusal of the words is one of this mail, unless it names how we prove whose mail it is, or the relay's own state."""
    return status in _AUTHENTICATION_OF_MAIL or status in {"5.3.0", "5.3.1", "5.3.2", "5.3.5"}


def _may_mean_us(answer: SMTPResponse, status: str) -> bool:
    """Whether a no to the recipient leaves open whom it means.

    `5.7.1` is said to strangers who want to relay and of recipients who take mail from few. A bare 550 to 553 is about the
    mailbox by RFC 5321, unless it speaks of relaying or the sender; 554 and errors of syntax or order say nothing of anybody.
    """
    _, subject, _ = status.split(".") if status else ("", "", "")
    match subject:
        case "":
            return answer.code not in _OF_THE_RECIPIENT or _OF_US.search(answer.message) is not None
        case "0" | "5":
            return True
        case "3":
            return status != "5.3.4"
        case "7":
            return status != "5.7.2"  # a list that we may not write to
        case _:
            return status == "5.1.0" and _OF_US.search(answer.message) is not None
