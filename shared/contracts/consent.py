"""The events that consent owns."""

import json
from datetime import datetime, time, timedelta
from hashlib import sha256
from typing import TYPE_CHECKING, Annotated, Any, ClassVar, Literal, Self

from pydantic import PrivateAttr

from shared.contracts.base import Event, Instant, State, Value
from shared.contracts.bounds import CandidateId, Code, Few, Id, Many, Number, Part, Sealed
from shared.contracts.topics import CONSENT_STATE, ERASURE_CONFIRMATIONS, EXPORT_PARTS, NOTICES, WISHES, Topic
from shared.security import encoding
from shared.security.seals import Seals
from shared.security.statements import Statement, StatementReader

Purpose = Literal["match", "contact"]
CLOCKS_DIFFER = timedelta(seconds=5)
"""Between two services, at most."""


class QuietHours(Value):
    """When the person does not want mail, in their own zone; may pass midnight."""

    start: time
    end: time


class Limits(Value):
    """Within what a consent holds: what no more readers of it need than those it is sealed to."""

    sectors: Annotated[tuple[Code, ...], Many] = ()
    """SOC codes of any level that pools may ask for; none given: all."""
    blocked_employers: Annotated[tuple[Code, ...], Many] = ()
    first_contacts_per_week: Number | None = None
    min_gap_hours: Number | None = None
    quiet_hours: QuietHours | None = None
    time_zone: Id | None = None
    """IANA name; none: unknown."""


class ConsentChanged(State):
    """The whole present state of one person's consent, in either version of it; the highest version of it is the truth."""

    if TYPE_CHECKING:  # each version has them, with its own bounds
        candidate: str
        at: datetime
        purposes: tuple[Purpose, ...]
        paused_until: datetime | None
        ends_at: datetime | None

    @property
    def limits(self) -> Limits:
        """Within what it holds; RuntimeError in a process that it is not sealed to."""
        raise NotImplementedError

    @property
    def lifts_no_until(self) -> datetime:
        """A no of up to then it may lift: that is when the link was made by which what is on was said."""
        return self.at

    @property
    def no_at(self) -> datetime | None:
        """When a purpose last went off, as far as that is told."""
        return None


class ConsentChangedV1(ConsentChanged):
    """The whole present state of one person's consent; the highest version is the truth.

    `ConsentChangedV2` is written instead. A yes in this form is believed only where unsigned records are taken too.
    """

    TYPE: ClassVar[str] = "fairpool.consent.changed.v1"
    TOPIC: ClassVar[Topic] = CONSENT_STATE
    KEY: ClassVar[str] = "candidate"

    candidate: CandidateId
    at: Instant
    purposes: Annotated[tuple[Purpose, ...], Few]
    sectors: Annotated[tuple[Code, ...], Many] = ()
    """SOC codes of any level that pools may ask for; none given: all."""
    blocked_employers: Annotated[tuple[Code, ...], Many] = ()
    first_contacts_per_week: Number | None = None
    min_gap_hours: Number | None = None
    quiet_hours: QuietHours | None = None
    time_zone: Id | None = None
    """IANA name; none: unknown."""
    paused_until: Instant | None = None
    ends_at: Instant | None = None

    @property
    def limits(self) -> Limits:
        """In clear, in this version."""
        return Limits(**{name: getattr(self, name) for name in Limits.model_fields})

    def unproven(self, statements: StatementReader, *, required: bool) -> str | None:
        """A no is believed."""
        return _NO_STATEMENT if self.purposes and required else None

    def is_outdated(self, seals: Seals) -> bool:
        """Always."""
        return True


class LinkStatement(Value):
    """What signup states of the link by which a person switched something on: that it made this one for them."""

    link: Id
    """Its name; the link itself is on no topic."""
    issued_at: Instant
    expires_at: Instant
    key: Code
    """The id of the key, base64url."""
    signature: Id
    """Ed25519, base64url."""

    @classmethod
    def of(cls, statement: Statement) -> Self:
        """As it is written."""
        return cls(
            link=statement.link,
            issued_at=statement.issued_at,
            expires_at=statement.expires_at,
            key=encoding.encode(statement.key),
            signature=encoding.encode(statement.signature),
        )

    @property
    def value(self) -> Statement:
        """As it is checked; ValueError for what can't be one."""
        key, signature = encoding.decode(self.key), encoding.decode(self.signature)
        return Statement(self.link, self.issued_at, self.expires_at, key, signature)


class ConsentChangedV2(ConsentChanged):
    """The whole present state of one person's consent; the highest version is the truth.

    What is on was said by a link of the person's, and signup's statement of that link is here: not even consent can say yes
    for somebody. What only some readers need is sealed to them, and what is sealed opens beside all that is in clear as it
    was said, and beside nothing else: who has consent's signing key alone can change no field of a yes.
    """

    TYPE: ClassVar[str] = "fairpool.consent.changed.v2"
    TOPIC: ClassVar[Topic] = CONSENT_STATE
    KEY: ClassVar[str] = "candidate"

    candidate: CandidateId
    at: Instant
    purposes: Annotated[tuple[Purpose, ...], Few]
    paused_until: Instant | None = None
    ends_at: Instant | None = None
    statement: LinkStatement | None = None
    """Of the link by which what is on was last widened; none where nothing is on."""
    said_at: Instant | None = None
    """When that was."""
    stopped_at: Instant | None = None
    """When a purpose last went off; nothing goes on again by a link that was made before."""
    sealed: Sealed | None = None
    """`Limits` as JSON, sealed; none only where nothing is on."""

    _limits: Limits | None = PrivateAttr(default=None)

    @classmethod
    def within(cls, limits: Limits, seals: Seals, **fields: Any) -> Self:  # noqa: ANN401 - those of the class
        """The event with these limits sealed: last, since they are bound to everything else in it."""
        bare = cls(**fields)
        event = bare.model_copy(update={"sealed": seals.seal(limits.model_dump_json(), context=bare._context)})
        event._limits = limits
        return event

    @property
    def limits(self) -> Limits:
        """Once it is opened."""
        if self._limits is None:
            raise RuntimeError("a consent's limits are sealed, and this process has no key for them")
        return self._limits

    @property
    def lifts_no_until(self) -> datetime:
        """As signup states it, and as clocks differ."""
        return self.at if self.statement is None else self.statement.issued_at + CLOCKS_DIFFER

    @property
    def no_at(self) -> datetime | None:
        """As consent has it."""
        return self.stopped_at

    def unproven(self, statements: StatementReader, *, required: bool) -> str | None:
        """A no is believed, unless it is of later than when it was said; a yes with signup's statement of a link of this
        person that still worked when it was said."""
        if self.stopped_at is not None and self.stopped_at > self.at + CLOCKS_DIFFER:
            return "a no of later than when it was said"
        if not self.purposes:
            return None
        if self.statement is None or self.said_at is None:
            return _NO_STATEMENT if required or self.statement is not None else None
        try:
            holds = statements.holds(self.candidate, self.statement.value)
        except ValueError:
            holds = False
        if not holds:
            return "a yes with a statement that signup did not make of a link of this person"
        worked = self.said_at <= self.statement.expires_at + CLOCKS_DIFFER
        return None if worked else "a yes by a link that had expired"

    def opened(self, seals: Seals) -> Self:
        """With its limits, where there are keys."""
        if not seals:
            return self
        if self.sealed is None and self.purposes:
            raise ValueError("a yes without its limits")
        if self.sealed is None:
            self._limits = Limits()
        else:
            self._limits = Limits.model_validate_json(seals.open(self.sealed, context=self._context))
        return self

    def is_outdated(self, seals: Seals) -> bool:
        """Whether another key seals now."""
        return self.sealed is not None and not seals.is_current(self.sealed)

    @property
    def _context(self) -> str:
        """All that is in clear: nothing of it can be changed by who does not seal. A field without a value is not there, so
        one that is added later changes nothing for whoever does not use it.
        """
        clear = self.model_dump(mode="json", exclude={"sealed"}, exclude_none=True)
        return f"{self.TYPE}:{sha256(_CANONICAL.encode(clear).encode()).hexdigest()}"


_CANONICAL = json.JSONEncoder(sort_keys=True, separators=(",", ":"))
_NO_STATEMENT = "a yes without signup's statement of the link it was said by"
CONSENT_CHANGED: tuple[type[ConsentChangedV1], type[ConsentChangedV2]] = (ConsentChangedV1, ConsentChangedV2)
"""Whoever reads one version reads both."""


AboutGrant = Literal["agreement_renewed", "ending", "hired"]


class GrantNoticedV1(Event):
    """The network asks a person about what they allow; the courier writes the email and makes the link.

    `agreement_renewed`: the agreement has new words; `ending`: what they allow is soon to end, or has ended unannounced (`ends_at` tells which); `hired`: a vendor tells that
    they were hired. Without an answer nothing changes but what was said to end.
    """

    TYPE: ClassVar[str] = "fairpool.grant.noticed.v1"
    TOPIC: ClassVar[Topic] = NOTICES
    KEY: ClassVar[str] = "candidate"

    notice: Id
    """Random; of it the mail has a keyed hash alone, as its Message-ID."""
    candidate: CandidateId
    about: AboutGrant
    expires_at: Instant
    """When the link in the email ends."""
    ends_at: Instant | None = None
    """When what they allow ends."""
    language: Code | None = None
    """ISO 639-1: in which they read, where that is known."""
    told_by: Id | None = None
    """For `hired`: the employer, or the vendor where none is named."""


class MessageWishedV1(Event):
    """A person wants this of the messages that wait for them next: it is planned first, and passes no limit. The latest counts."""

    TYPE: ClassVar[str] = "fairpool.message.wished.v1"
    TOPIC: ClassVar[Topic] = WISHES
    KEY: ClassVar[str] = "candidate"

    candidate: CandidateId
    outreach: Id
    at: Instant


class ExportAnsweredV1(Event):
    """One part of what consent keeps of a person who asked to take it along (`ExportRequestedV1`).

    An answer is whole when all its parts are there, in whatever order they come; parts of two answers are never mixed.
    """

    TYPE: ClassVar[str] = "fairpool.export.answered.v1"
    TOPIC: ClassVar[Topic] = EXPORT_PARTS
    KEY: ClassVar[str] = "candidate"

    candidate: CandidateId
    export: Id
    answer: Id
    """Random, and the same in each part of one answer."""
    part: Part
    """From 1 to `parts`."""
    parts: Part
    sealed: Sealed
    """A compact JWE to the export's public key, bound to all of the above (`shared.security.parts`)."""

    @property
    def context(self) -> str:
        """What the sealed part is bound to."""
        return f"{self.candidate}:{self.export}:{self.answer}:{self.part}:{self.parts}"


class ErasureConfirmedV1(Event):
    """What a service keeps of a person is closed for good, because they lapsed without an answer: their links are dead."""

    TYPE: ClassVar[str] = "fairpool.erasure.confirmed.v1"
    TOPIC: ClassVar[Topic] = ERASURE_CONFIRMATIONS
    KEY: ClassVar[str] = "candidate"
    SAID_BY: ClassVar[str | None] = "store"

    candidate: CandidateId
    store: Literal["consent"]
    at: Instant
