"""What the acts of the demo share: the stack, its clock, its people, and what was sent."""

import hashlib
import os
from collections.abc import Iterator
from dataclasses import dataclass, field
from datetime import UTC, datetime, timedelta
from pathlib import Path

from deploy.checks.history import ArrivedMail, ClockOffsets, Withdrawal
from deploy.checks.privacy import Canary
from deploy.demo.client import Client
from deploy.demo.people import Person
from deploy.demo.trades import Seeking
from deploy.demo.watching import MailWatch, TopicWatch, reference_in
from deploy.local import clockfile, secrets
from deploy.local.devfile import DevEmployer
from deploy.local.home import Home
from shared.security import encoding
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
    repeats_that_differ: list[str] = field(default_factory=list)
    """Ids that a repeated request got instead of the first one."""

    def __post_init__(self) -> None:
        self.offsets = ClockOffsets(((datetime.min.replace(tzinfo=UTC), clockfile.offset(self.clock_file)),))

    @property
    def seals(self) -> Seals:
        """Opens what is sealed on this stack's topics; with the keys of the environment first, as on containers."""
        kept = (
            os.environ.get(secrets.SEAL_KEYS) or secrets.read(Home.at(self.clock_file.parent)).keys[secrets.SEAL_KEYS]
        )
        return Seals([encoding.decode(key) for key in kept.split(",")])

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
