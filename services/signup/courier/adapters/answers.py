"""What a relay's no is about: this mail, its recipient's mailbox, or us. Its words go nowhere: they quote addresses.

Codes are those of RFC 5321 (4.2) and RFC 7504, enhanced status codes those of RFC 3463 and IANA's registry for it.
"""

import re
from dataclasses import dataclass
from typing import Self

from aiosmtplib import SMTPResponse, SMTPStatus

from services.signup.courier.model import NotTaken, Refused, RefusesUs, Step

_STATUS = re.compile(r"(?<![\w./])(?<![a-z]-)([245]\.\d{1,3}\.\d{1,3})(?![\w@/-]|\.\w)", re.IGNORECASE)
"""Wherever it stands, and no part of a network address, a host's name, a link or a person's address."""
_READ = 2000
"""Characters of an answer; whoever sends a longer one has said it by then."""
_ADDRESS = re.compile(r"<[^<>]*>|\S+@\S+")
_OF_US = re.compile(
    r"\brelay(?![ _-]recipient)|\bsenders?\b|\bsending\b|authenticat|\bnot verified|\bverif\w+ failed"
    r"|\byour (account|domain|server|ip)\b|\b(return|reverse)[ -]?path\b|\bmail from\b|\bhelo\b|\behlo\b"
    r"|\bcredentials?\b|\b(daily|hourly)\b[^.;]{0,30}\b(limit|quota)\b|\bsender identity\b",
    re.IGNORECASE,
)
"""What a no without a precise status says when it means whoever asks."""
_OF_OUR_NAME = re.compile(
    r"\bblock(ed|list)|\bblack-?list|\breputation|\bspam|\bpolicy\b|\b(spf|dkim|dmarc|ptr)\b|\breverse dns",
    re.IGNORECASE,
)
"""What it says to a recipient's mail from strangers with a bad name; after the words it may be these words that it minds."""
_NOBODY_THERE = re.compile(
    r"\bno such (user|recipient|mailbox|account|address)\b|\b(user|recipient|mailbox)( is)? (unknown|not found)\b"
    r"|\bunknown (user|recipient|mailbox)\b"
    r"|\b(user|recipient|mailbox|account|address)\b[^.;]{0,50}\b(does not|doesn't) exist\b"
    r"|\bthis user (does not|doesn't) have an? "
    r"|\b(mailbox|user|recipient|e-?mail account)( is| has been)? (disabled|closed)\b",
    re.IGNORECASE,
)
_ACCOUNT_OVER = re.compile(r"\baccount( is| has been)? (disabled|closed)\b", re.IGNORECASE)
"""To the words it could be said of our own."""
_TOO_MUCH_NOW = re.compile(r"\brate\b|\btoo (much|many)\b", re.IGNORECASE)
"""Said with 5.2.1 of a mailbox that is there, and gets more than its provider lets through."""
_OF_GROUPS = re.compile(r"\bpipelin|\bsynchroni[sz]ation\b|\b(out of|bad|wrong) (sequence|order)\b", re.IGNORECASE)
_FULL = re.compile(r"\bfull\b|\bquota\b", re.IGNORECASE)

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
        *(
            f"5.7.{detail}" for detail in range(20, 40)
        ),  # DKIM, SPF, DMARC, ARC, a sender without MX (RFC 7372, RFC 7505)
        *(
            f"5.7.{detail}" for detail in range(500, 800)
        ),  # Exchange Online's, of senders, tenants and addresses it bars
        "5.1.90",  # Exchange Online: our recipients of a day are used up
        "5.2.252",  # and that its sending limit is reached
        "5.4.5",  # Gmail: our sending of a day is used up
    }
)
_US_BY_CODE = frozenset({530, 534, 535, 538})  # authentication (RFC 4954)
_DOMAIN_TAKES_NO_MAIL = 556  # RFC 7504
_MESSAGE_TOO_LARGE = 552
_OF_THE_RECIPIENT = frozenset({550, 551, 552, 553})
_OF_NOBODY_THERE = frozenset({550, 553, 554})
_BEFORE_THE_RECIPIENT: frozenset[Step] = frozenset({"connect", "TLS", "EHLO", "AUTH", "MAIL"})


@dataclass(frozen=True, slots=True)
class _No:
    """An answer, taken apart."""

    code: int
    status: str
    """Of the statuses in the text the one that says most about the recipient; empty when there is none."""
    comes_first: bool
    """The status is the answer's own, and not one that it quotes."""
    words: str
    """On one line, without addresses."""

    @classmethod
    def of(cls, answer: SMTPResponse) -> Self:
        said = answer.message[:_READ]
        found = list(_STATUS.finditer(said))
        best = max(found, key=lambda item: _says_of_the_recipient(item[1]), default=None)  # the first of equals
        status = best[1] if best is not None else ""
        comes_first = best is not None and not said[: best.start()].strip()
        return cls(answer.code, status, comes_first, " ".join(_ADDRESS.sub(" ", said).split()))

    @property
    def detail(self) -> str:
        """All of it that may be shown."""
        return f"{self.code} {self.status}".rstrip()

    @property
    def is_vague(self) -> bool:
        """No status, or one that stands for anything else of its kind (RFC 3463, 3.1), so that the words have to tell."""
        return not self.status or self.status.endswith(".0") or self.status.startswith("5.0.")


def read_no(step: Step, answer: SMTPResponse) -> Refused | RefusesUs | NotTaken:
    """What an answer that is no yes means at this step of the conversation.

    Only before the relay has heard of a recipient is a refusal certainly about us: later it may hand on what the
    recipient's own server says, whatever that is.
    """
    no = _No.of(answer)
    early = step in _BEFORE_THE_RECIPIENT
    if not 500 <= no.code < 600 or (not early and no.status.startswith("4.")):
        return NotTaken(no.detail, away=early or no.code == 421)
    if early:
        too_large = step == "MAIL" and (no.code == _MESSAGE_TOO_LARGE or no.status == "5.3.4")
        return Refused(no.detail) if too_large else RefusesUs(step, no.detail)
    if _says_that_nobody_is_there(no, step):
        return Refused(no.detail, mailbox_gone=True)
    about_us = _may_mean_us_after_the_words(no) if step == "words" else _may_mean_us(no)
    return RefusesUs(step, no.detail, certain=False) if about_us else Refused(no.detail)


def _says_of_the_recipient(status: str) -> int:
    if status in _NO_MAILBOX:
        return 3
    if status.startswith("5."):
        return 1 if status.startswith("5.0.") else 2
    return 0


def _says_that_nobody_is_there(no: _No, step: Step) -> bool:
    """By a status; or by words, where the status leaves it to them and they don't speak of the sender or a full mailbox."""
    if no.status == "5.2.1" and _TOO_MUCH_NOW.search(no.words) is not None:
        return False
    if no.status in _NO_MAILBOX:
        return no.comes_first or _OF_US.search(no.words) is None
    if not no.status and no.code == _DOMAIN_TAKES_NO_MAIL:
        return True
    if not no.is_vague or no.status.startswith("5.7.") or no.code not in _OF_NOBODY_THERE:
        return False
    if any(other.search(no.words) for other in (_OF_US, _OF_OUR_NAME, _FULL)):
        return False
    return _NOBODY_THERE.search(no.words) is not None or (
        step != "words" and _ACCOUNT_OVER.search(no.words) is not None
    )


def _may_mean_us_after_the_words(no: _No) -> bool:
    """A refusal of the words is one of this mail, unless it names us, how we prove whose mail it is, or the relay's own state."""
    if no.status in _US or no.code in _US_BY_CODE or no.status in {"5.3.0", "5.3.1", "5.3.2", "5.3.5"}:
        return True
    speaks_of_this = no.status.startswith(("5.2.", "5.6.")) or no.status == "5.3.4"  # a mailbox, its contents, its size
    return not speaks_of_this and _OF_US.search(no.words) is not None


def _may_mean_us(no: _No) -> bool:
    """Whether a no to the recipient leaves open whom it means.

    `5.7.1` is said to strangers who want to relay and of recipients who take mail from few. A bare 550 to 553 is about the
    mailbox by RFC 5321, unless it speaks of relaying, the sender or their name; 554 and errors of syntax or order say
    nothing of anybody.
    """
    if no.status in _US or no.code in _US_BY_CODE:
        return True
    speaks_of_us = _OF_US.search(no.words) is not None or _OF_OUR_NAME.search(no.words) is not None
    _, subject, _ = no.status.split(".") if no.status else ("", "", "")
    match subject:
        case "":
            return no.code not in _OF_THE_RECIPIENT or speaks_of_us
        case "0" | "5":
            return True
        case "3":
            return no.status != "5.3.4"
        case "7":
            return no.status != "5.7.2"  # a list that we may not write to
        case _:
            return (no.is_vague or no.status in _NO_MAILBOX or subject == "4") and speaks_of_us


def is_about_groups(answer: SMTPResponse) -> bool:
    """A no to several commands in one write, and not to what they say: the order of commands is wrong (503), or its words name it."""
    return answer.code == SMTPStatus.bad_command_sequence or (
        answer.code >= 500 and _OF_GROUPS.search(answer.message[:_READ]) is not None
    )
