"""What happened on a stack, as frozen values: what the topics say, what the mail catcher got, what the senders were told."""

from collections import defaultdict
from collections.abc import Mapping, Sequence
from dataclasses import dataclass, field
from datetime import date, datetime, timedelta
from functools import cached_property

from deploy.checks.told import Answer, Told
from shared.contracts.consent import ConsentChanged
from shared.contracts.outreach_gateway import OutreachDecidedV1, OutreachRequestedV1
from shared.contracts.pool_matching import DisclosedV1
from shared.contracts.signup import OutreachOutcomeReportedV1

USED = frozenset({"delivered", "bounced", "doubtful"})
"""Outcomes of what was handed to a relay, whatever the mailbox did with it."""


@dataclass(frozen=True, slots=True)
class ArrivedMail:
    """An employer's mail in the catcher; `at` is the stack's time."""

    id: str
    address: str
    outreach: str
    at: datetime


@dataclass(frozen=True, slots=True)
class Withdrawal:
    """An unsubscribe POST or a withdrawal that was answered with 200; `at` is the stack's time of the answer."""

    address: str
    at: datetime


@dataclass(frozen=True, slots=True)
class Versioned:
    """One record of a topic whose versions must rise: where it was seen, its event id and what it says."""

    topic: str
    subject: str
    version: int
    event_id: str
    content: bytes


@dataclass(frozen=True, slots=True)
class ShownMember:
    """Somebody in a list, as an employer read it; `at` is the stack's time of the answer."""

    employer: str
    pool: str
    candidate: str
    """Behind the member ref."""
    fields: frozenset[str]
    at: datetime


@dataclass(frozen=True)
class History:
    """All that the checker looks at; sequences from topics are in the order of their records."""

    now: datetime
    """The stack's time when the history was taken."""
    submitted: frozenset[str] = frozenset()
    """The ids that employers got with a 202."""
    requests: Sequence[OutreachRequestedV1] = ()
    decisions: Sequence[OutreachDecidedV1] = ()
    outcomes: Sequence[OutreachOutcomeReportedV1] = ()
    consents: Sequence[ConsentChanged] = ()
    mails: Sequence[ArrivedMail] = ()
    withdrawals: Sequence[Withdrawal] = ()
    answers: Sequence[Answer] = ()
    """What employers were answered of their outreach."""
    told: Sequence[Told] = ()
    """The employers' feeds, each in its order."""
    told_every: timedelta = timedelta(days=1)
    """How long it is from one of an employer's ticks to its next."""
    known_by: Mapping[str, date] = field(default_factory=dict)
    """Outreach id to the day by which its employer was promised to know."""
    lists: Sequence[tuple[str, int]] = ()
    """Each list of members that an employer saw, by pool, with how many were in it."""
    shown: Sequence[ShownMember] = ()
    """Who was in them, each row with the same fields once, when it was read first."""
    disclosures: Sequence[DisclosedV1] = ()
    versioned: Sequence[Versioned] = ()
    unreadable: Sequence[str] = ()
    """Positions of records that are no event of ours, with the reason."""

    @cached_property
    def candidate_of(self) -> Mapping[str, str]:
        """Outreach id to candidate."""
        return {request.outreach: request.candidate for request in self.requests}

    @cached_property
    def employer_of(self) -> Mapping[str, str]:
        """Outreach id to employer."""
        return {request.outreach: request.employer for request in self.requests}

    @cached_property
    def decisions_of(self) -> Mapping[str, Sequence[OutreachDecidedV1]]:
        """Outreach id to its decisions, by version, repeated records once."""
        found: dict[str, dict[int, OutreachDecidedV1]] = defaultdict(dict)
        for decision in self.decisions:
            found[decision.outreach].setdefault(decision.version, decision)
        return {outreach: [by[version] for version in sorted(by)] for outreach, by in found.items()}

    @cached_property
    def outcomes_of(self) -> Mapping[str, Sequence[OutreachOutcomeReportedV1]]:
        """Outreach id to what became of its admissions, by the version of the decision."""
        found: dict[str, dict[tuple[int, str], OutreachOutcomeReportedV1]] = defaultdict(dict)
        for outcome in self.outcomes:
            found[outcome.outreach].setdefault((outcome.decision_version, outcome.outcome), outcome)
        return {outreach: [by[key] for key in sorted(by)] for outreach, by in found.items()}

    @cached_property
    def mails_of(self) -> Mapping[str, Sequence[ArrivedMail]]:
        """Outreach id to the mails that carry it."""
        found: dict[str, list[ArrivedMail]] = defaultdict(list)
        for mail in self.mails:
            found[mail.outreach].append(mail)
        return found

    @cached_property
    def arrivals(self) -> Mapping[str, Sequence[ArrivedMail]]:
        """Mail address to what arrived there, in order of arrival."""
        found: dict[str, list[ArrivedMail]] = defaultdict(list)
        for mail in sorted(self.mails, key=lambda mail: mail.at):
            found[mail.address].append(mail)
        return found

    @cached_property
    def consents_of(self) -> Mapping[str, Sequence[ConsentChanged]]:
        """Candidate to the states of their consent, by version."""
        found: dict[str, dict[int, ConsentChanged]] = defaultdict(dict)
        for state in self.consents:
            found[state.candidate].setdefault(state.version, state)
        return {candidate: [by[version] for version in sorted(by)] for candidate, by in found.items()}

    def consent_at(self, candidate: str, moment: datetime) -> ConsentChanged | None:
        """The state that was in force at a moment."""
        states = [state for state in self.consents_of.get(candidate, ()) if state.at <= moment]
        return states[-1] if states else None


@dataclass(frozen=True, slots=True)
class ClockOffsets:
    """How far the stack's clock was ahead of real time, and since when (real time)."""

    changes: tuple[tuple[datetime, timedelta], ...] = field(default=())

    def stack_time(self, real: datetime) -> datetime:
        """The stack's time at a moment of real time."""
        offset = timedelta()
        for since, ahead in self.changes:
            if since <= real:
                offset = ahead
        return real + offset

    def changed(self, real: datetime, offset: timedelta) -> "ClockOffsets":
        """The same with one more change."""
        return ClockOffsets((*self.changes, (real, offset)))
