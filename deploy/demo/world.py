"""What the acts of the demo share: the stack, its clock, its people, and what was sent."""

import hashlib
import os
from collections.abc import Iterator
from dataclasses import dataclass, field
from datetime import UTC, date, datetime, timedelta
from pathlib import Path

from deploy.checks.history import ArrivedMail, ClockOffsets, ShownMember, Withdrawal
from deploy.checks.privacy import Canary
from deploy.checks.told import Answer, Told
from deploy.demo.client import Client
from deploy.demo.effects import Click, Erased
from deploy.demo.people import Person
from deploy.demo.trades import Seeking
from deploy.demo.watching import MailWatch, TopicWatch, reference_in
from deploy.local import clockfile, secrets
from deploy.local.devfile import DevEmployer
from deploy.local.home import Home
from shared.security import encoding
from shared.security.member_refs import MemberRefs
from shared.security.seals import Seals

_TUESDAY = 1


@dataclass(frozen=True, slots=True)
class Sent:
    """An outreach that was taken; `posted` is real time."""

    id: str
    employer: str
    idempotency_key: str
    reference: str
    words: tuple[str, ...] = field(repr=False)
    posted: datetime
    known_by: date
    """The day on which its employer hears at the latest what became of it."""
    answered: datetime
    """When it was; real time."""


@dataclass(frozen=True, slots=True)
class Pace:
    """Requests that came one after the other, at half of what the stack had just carried."""

    carried: float
    """Requests in a second, from the burst's first to most of its emails."""
    a_second: float
    ahead: timedelta
    """How far the stack's clock was ahead of the real one meanwhile."""
    outreach: frozenset[str]


@dataclass(slots=True)
class World:
    """Everything that the story knows, as a person with all the logins would."""

    client: Client
    clock_file: Path
    run: str
    people: list[Person]
    mails: MailWatch
    topics: TopicWatch
    offsets: ClockOffsets = field(default_factory=ClockOffsets)
    sent: dict[str, Sent] = field(default_factory=dict)
    pools: list[tuple[Seeking, str]] = field(default_factory=list)
    members: dict[str, list[str]] = field(default_factory=dict)
    """Pool id to member refs."""
    matched: int = 0
    """People who were in at least one pool when employers began to write."""
    withdrawals: list[Withdrawal] = field(default_factory=list)
    links: dict[int, str] = field(default_factory=dict, repr=False)
    """The link of each person's invitation, by their number."""
    clicks: list[Click] = field(default_factory=list)
    """Who unsubscribed, and what there was of them."""
    erased: list[Erased] = field(default_factory=list)
    lists: list[tuple[str, int]] = field(default_factory=list)
    """Each list that an employer saw, by pool, with how many were in it."""
    shown: dict[tuple[str, str, str, frozenset[str]], datetime] = field(default_factory=dict)
    """Employer, pool, member ref and fields of each row of these lists, and when it was read first."""
    answers: list[Answer] = field(default_factory=list)
    """What employers were answered of their outreach."""
    told: dict[str, list[Told]] = field(default_factory=dict)
    """The feed of each employer, as it was read last."""
    feeds: dict[str, list[Answer]] = field(default_factory=dict)
    """The same, as it was answered."""
    pace: Pace | None = None
    """How what was sent at half load was sent, once it was."""
    refused: list[str] = field(default_factory=list)
    """Employers whose second message under one pseudonym was refused at once."""
    tick: timedelta = timedelta(days=1)
    """How long it is from one of an employer's ticks to its next."""
    repeats_that_differ: list[str] = field(default_factory=list)
    """Ids that a repeated request got instead of the first one."""

    def __post_init__(self) -> None:
        self.offsets = ClockOffsets(((datetime.min.replace(tzinfo=UTC), clockfile.offset(self.clock_file)),))

    @property
    def seals(self) -> Seals:
        """Opens what is sealed on this stack's topics."""
        return Seals(self._keys(secrets.SEAL_KEYS))

    def who_was_shown(self) -> Iterator[ShownMember]:
        """The people behind the refs of what employers read."""
        refs = MemberRefs(*self._keys(secrets.MEMBER_REF_KEY))
        for (employer, pool, ref, fields), at in self.shown.items():
            referred = refs.read(ref, employer)
            yield ShownMember(employer, pool, referred.candidate if referred else f"nobody behind {ref}", fields, at)

    def candidate_of(self, employer: str, ref: str) -> str | None:
        """Who is behind a member ref of this employer's."""
        referred = MemberRefs(*self._keys(secrets.MEMBER_REF_KEY)).read(ref, employer)
        return referred.candidate if referred else None

    def _keys(self, name: str) -> list[bytes]:
        """With those of the environment first, as on containers."""
        kept = os.environ.get(name) or secrets.read(Home.at(self.clock_file.parent)).keys[name]
        return [encoding.decode(key) for key in kept.split(",")]

    @property
    def now(self) -> datetime:
        """The stack's time."""
        return clockfile.now(self.clock_file)

    def move_clock(self, to: datetime) -> None:
        """Set the stack's clock; only forward, since what happened has happened."""
        if to > self.now:
            clockfile.set_to(self.clock_file, to)
            self.offsets = self.offsets.changed(datetime.now(UTC), clockfile.offset(self.clock_file))

    def employer(self, name: str) -> DevEmployer:
        """A demo employer by its id."""
        return next(employer for employer in self.client.dev.employers if employer.id == name)

    def arrived(self) -> list[ArrivedMail]:
        """Our employers' mails, with the stack's time of their arrival."""
        ids = {sent.reference: outreach for outreach, sent in self.sent.items()}
        return [
            ArrivedMail(mail.id, mail.address, ids[reference], self.offsets.stack_time(mail.created))
            for mail in self.mails.mails
            if (reference := reference_in(mail.subject)) in ids and reference is not None
        ]

    def canaries(self) -> Iterator[Canary]:
        """Every personal field that went in."""
        for person in self.people:
            yield from person.canaries()
        for sent in self.sent.values():
            for words in sent.words:
                yield Canary("words", words)


def next_tuesday(after: datetime) -> datetime:
    """The next Tuesday, 18:30 UTC: working hours in all of the 50 states, summer and winter."""
    noon = after.astimezone(UTC).replace(hour=18, minute=30, second=0, microsecond=0)
    days = (_TUESDAY - noon.weekday()) % 7
    moment = noon + timedelta(days=days)
    return moment if moment > after else moment + timedelta(days=7)


def reference(*parts: object) -> str:
    """Twelve capitals and digits that nothing else carries."""
    return hashlib.sha256(repr(parts).encode()).hexdigest()[:12].upper()
