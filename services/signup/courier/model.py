"""What the courier's decisions read: mails, people, consents, and how an attempt at the relay ended."""

from collections.abc import Mapping
from dataclasses import dataclass, field
from datetime import datetime, timedelta
from typing import Literal

from shared.contracts.consent import AboutGrant, Purpose
from shared.contracts.signup import JOIN, AboutEmail, ChangeNoticed
from shared.i18n import Locale
from shared.security.words import KeyPair

Kind = Literal["outreach", "notice"]
NoticePurpose = Literal["confirm", "sign_in", "changed", "stop_asked"]
Outcome = Literal["delivered", "bounced", "doubtful", "returned", "withheld"]
State = Literal["ready", "void", "claimed", "sending", "delivered", "bounced", "doubtful", "returned", "withheld"]

LEFT: frozenset[State] = frozenset({"sending", "delivered", "bounced", "doubtful"})
"""The relay may have seen a mail in these states: no later decision makes it one to send again."""

CHECK_GOOD_FOR = timedelta(milliseconds=500)
"""How old a check of the consent projection may be when the relay has answered DATA; an older one is made again."""
BODY_WITHIN = timedelta(milliseconds=900)
"""How old it may be when the words are handed over: a withdrawal answered with 200 holds one second later."""

Lane = Literal[0, 1, 2]
"""What is taken first: 0, somebody waits for it in front of a screen; 1, other notices; 2, outreach."""


About = AboutGrant | Literal["export_ready"]


@dataclass(frozen=True, slots=True)
class GrantNotice:
    """What consent asks a person about what they allow; or that what they take along is ready."""

    about: About
    ends_at: datetime | None
    """When what they allow ends, or when the file is gone."""
    language: str | None
    """In which they read (ISO 639-1), where that is known."""


@dataclass(frozen=True, slots=True)
class Mail:
    """One mail to one person: an employer's outreach, or a notice of the network itself."""

    kind: Kind
    id: str
    candidate: str
    version: int
    """Of the gateway's decision; a notice has only version 1."""
    good_until: datetime | None
    """It may leave until then, not later; none as long as nothing was admitted."""
    admitted: bool = True
    employer: str | None = None
    purpose: NoticePurpose | None = None
    introduced_by: str | None = None
    """A tenant's id, or the join page's; for the first notice."""
    introduced_at: datetime | None = None
    changes: tuple[ChangeNoticed, ...] = ()
    """What was stopped or changed in the person's name, for the notices that tell of it."""
    grant: GrantNotice | None = None
    """For a notice without a `purpose`: what it asks."""
    email: AboutEmail | None = None
    """For a notice of a change of the person's email: which."""
    sealed: str | None = None
    state: State = "ready"
    attempts: int = 0
    trace: str | None = field(default=None, compare=False)
    """The trace it belongs to (W3C `traceparent`), if any."""

    @property
    def name(self) -> tuple[Kind, str]:
        """What no two mails share."""
        return self.kind, self.id

    @property
    def is_asked_for(self) -> bool:
        """Whether the person asked for it, by the join or the sign-in page."""
        return self.purpose == "sign_in" or (self.purpose == "confirm" and self.introduced_by == JOIN)

    @property
    def goes_elsewhere(self) -> bool:
        """Whether it goes to another mailbox than the person's present one: to the new one, or to one that they gave up."""
        return self.email in ("new", "changed")

    @property
    def introducer(self) -> str | None:
        """Who told of the person, for an invitation that nobody asked for by a page."""
        return self.introduced_by if self.purpose == "confirm" and not self.is_asked_for else None

    @property
    def sender(self) -> str:
        """Whose email it is; within a lane they take turns. Empty for what is the network's own."""
        return self.employer or self.introducer or ""

    @property
    def lane(self) -> Lane:
        """The queue that it waits in."""
        if self.kind == "outreach":
            return 2
        is_waited_for = self.is_asked_for or self.purpose == "stop_asked" or self.email is not None
        return 0 if is_waited_for else 1


@dataclass(frozen=True, slots=True)
class Consent:
    """What the courier keeps of a person's consent."""

    candidate: str
    version: int
    purposes: tuple[Purpose, ...]
    blocked_employers: tuple[str, ...] = ()
    paused_until: datetime | None = None
    ends_at: datetime | None = None
    time_zone: str | None = None
    lifts_no_until: datetime | None = None
    """How late a no may be that this yes lifts."""
    no_at: datetime | None = None
    """When a purpose last went off."""


@dataclass(frozen=True, slots=True)
class Person:
    """Who a mail goes to. It shows nothing of itself, so that no log can."""

    address: str
    words_key: KeyPair
    locale: Locale = "en"
    """In which they read."""

    def __repr__(self) -> str:
        return "Person(hidden)"


@dataclass(frozen=True, slots=True)
class Addresses:
    """Of a change of a person's email. It shows nothing of itself, so that no log can."""

    change: str
    """Its id."""
    new: str
    old: str

    def __repr__(self) -> str:
        return f"Addresses({self.change})"


@dataclass(frozen=True, slots=True)
class Unreadable:
    """The vault has the person, and their row does not open with our key."""


People = Mapping[str, Person | Unreadable]
"""By candidate; whoever is missing is not in the vault any more."""


@dataclass(frozen=True, slots=True)
class Letter:
    """A mail as the relay gets it."""

    sender: str
    recipient: str
    content: bytes
    """CRLF line ends, dots not yet doubled."""

    def __repr__(self) -> str:
        return "Letter(hidden)"


@dataclass(frozen=True, slots=True)
class Unwritable:
    """No letter can be made of these words, today or ever; the reason quotes nothing of them."""

    reason: str


@dataclass(frozen=True, slots=True)
class ConsentCheck:
    """The projection held everything that was on `consent-state` at this moment of `shared.clock.elapsed` (seconds)."""

    at: float

    def is_fresh(self, now: float) -> bool:
        """Whether there is still time to mark a mail and hand its words over under this check."""
        return now - self.at <= CHECK_GOOD_FOR.total_seconds()

    def lets_hand_over(self, now: float) -> bool:
        """Whether the words may still be handed over under this check."""
        return now - self.at <= BODY_WITHIN.total_seconds()


@dataclass(frozen=True, slots=True)
class Taken:
    """The relay said yes: the mail is its own now."""


Step = Literal["connect", "TLS", "EHLO", "AUTH", "MAIL", "RCPT", "DATA", "words"]
"""Where in the conversation with a relay an answer came."""


@dataclass(frozen=True, slots=True)
class Refused:
    """The relay said no for good, about this mail or its recipient; `detail` is code and enhanced status only (RFC 3463)."""

    detail: str
    mailbox_gone: bool = False
    """Its word was that there is no such mailbox."""


@dataclass(frozen=True, slots=True)
class NotTaken:
    """The relay has not got the mail: it was away, lost before the final dot, or said not now."""

    reason: str
    away: bool = False
    """It could not be talked to, or put us off before it heard of the recipient: no mail would fare better."""


@dataclass(frozen=True, slots=True)
class RefusesUs:
    """The relay said no for good, and about us: a state of the relay, and no word about the mail."""

    step: Step
    detail: str
    certain: bool = True
    """False: what it said about a recipient or the words could also be about this one mail."""


@dataclass(frozen=True, slots=True)
class NoAnswer:
    """The final dot may have been sent and no answer came: the one point where nobody can know."""

    reason: str


Standing = Literal["good", "suspended", "removed"]
"""Of a tenant; `suspended` comes back or goes, `removed` does not come back as it was."""

Why = Literal["late", "not_marked", "behind", "unheard", "resting", "stopping", "suspended"]
"""`late`: the check had grown too old; `not_marked`: the mark could not be made or the mail was not this courier's any more;
`behind`: the consent projection was; `unheard`: something that the mail needs has not arrived (`Unheard`); `resting`: the relay is left alone for now; `stopping`: this process ends; `suspended`: whoever told of the person was, since."""


@dataclass(frozen=True, slots=True)
class CalledOff:
    """Nothing was handed over, for a reason of ours."""

    why: Why


@dataclass(frozen=True, slots=True)
class Unheard:
    """What another service says, and the mail needs, has not arrived: it waits; `of` is for the operator's log."""

    of: str


@dataclass(frozen=True, slots=True)
class Stopped:
    """Nothing was handed over: at the last look the mail might not leave any more."""

    settle: "Settle"


@dataclass(frozen=True, slots=True)
class Cleared:
    """At the last look the mail may leave; `check` says how long that holds, None: as long as its time."""

    check: ConsentCheck | None


Handed = Taken | Refused | NotTaken | RefusesUs | NoAnswer | CalledOff | Stopped
"""How an attempt at the relay ended."""


@dataclass(frozen=True, slots=True)
class Circuit:
    """How the relay treats us: open, while it rests and is tried with one mail at a time, or closed."""

    failures: int = 0
    """Attempts in a row that failed by the relay's own state."""
    doubts: frozenset[str] = frozenset()
    """Of whom mails in a row were refused so that it could be about us, or lost without an answer."""
    rests_until: datetime | None = None
    """None: closed."""
    cause: RefusesUs | NotTaken | NoAnswer | None = None
    taken_at: datetime | None = None
    """When the relay last took a mail."""


@dataclass(frozen=True, slots=True)
class Send:
    """To be sent now."""

    letter: Letter


@dataclass(frozen=True, slots=True)
class Settle:
    """Over without being sent."""

    outcome: Outcome
    detail: str
    mailbox_gone: bool = False


@dataclass(frozen=True, slots=True)
class Hold:
    """Not now: something of ours is missing; `reason` is for the operator's log."""

    reason: str
    until: datetime


Verdict = Send | Settle | Hold


@dataclass(frozen=True, slots=True)
class Again:
    """After an attempt: ready again from this time on."""

    mail: Mail
    not_before: datetime
    attempts: int


@dataclass(frozen=True, slots=True)
class Over:
    """After an attempt, or instead of one: the end of this mail."""

    mail: Mail
    outcome: Outcome
    detail: str | None = None
    mailbox_gone: bool = False
    """It bounced because there is no such mailbox, as is known or was just said."""
    mailbox_back: bool = False
    """It was taken, and its person had asked for it by a page: the mailbox is there, which may be no news."""
