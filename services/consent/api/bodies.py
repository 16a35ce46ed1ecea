"""What a program or a page posts to `/confirm` and `/me`, and the choices it stands for."""

from collections.abc import Mapping, Set
from dataclasses import dataclass, replace
from datetime import UTC, date, datetime, time
from typing import Annotated, Any, Literal
from zoneinfo import ZoneInfo

from fastapi import Request
from pydantic import AfterValidator, BeforeValidator, Field, StrictInt, StringConstraints

from services.consent.decisions.changes import zones
from services.consent.model import LONGEST_NAME, MOST_NAMES, Choices, Present, Quiet
from shared.contracts.consent import Purpose
from shared.i18n import marked
from shared.web import forms
from shared.web.types import RequestModel

_MOST = 300  # entries of a list

Code = Annotated[str, StringConstraints(strict=True, max_length=64)]
Name = Annotated[str, StringConstraints(strict=True, max_length=LONGEST_NAME)]
TimeOfDay = Annotated[str, StringConstraints(strict=True, pattern=r"^([01][0-9]|2[0-3]):[0-5][0-9]$")]


def _only_text(value: object) -> object:
    if value is not None and not isinstance(value, str):
        raise ValueError("must be a time such as 2026-11-22T10:00:00Z")
    return value


def _in_utc(value: datetime) -> datetime:
    if value.tzinfo is None:
        raise ValueError("needs its offset from UTC, as in 2026-11-22T10:00:00Z")
    try:
        return value.astimezone(UTC)
    except OverflowError:
        raise ValueError("must be a time such as 2026-11-22T10:00:00Z") from None


Moment = Annotated[datetime, BeforeValidator(_only_text), AfterValidator(_in_utc)]


class QuietHoursBody(RequestModel):
    """From when until when no message is wanted, in the person's zone; may pass midnight."""

    start: TimeOfDay
    end: TimeOfDay


class ConsentBody(RequestModel):
    """What a person allows. A field that is left out keeps its present value; on the first answer it is not limited."""

    purposes: Annotated[tuple[Purpose, ...], Field(max_length=10)]
    sectors: Annotated[tuple[Code, ...], Field(max_length=_MOST)] = ()
    blocked_employers: Annotated[tuple[Code, ...], Field(max_length=_MOST)] = ()
    blocked_names: Annotated[tuple[Name, ...], Field(max_length=MOST_NAMES)] = ()
    """Names or domains of employers, also of those that have not joined: they are blocked when they do."""
    first_contacts_per_week: StrictInt | None = None
    min_gap_hours: StrictInt | None = None
    quiet_hours: QuietHoursBody | None = None
    time_zone: Code | None = None
    paused_until: Moment | None = None
    ends_at: Moment | None = None
    """None: a year from now."""
    agreement: Code | None = None
    """The version that the person was shown; a yes to another one than is in force is refused. None: not told."""
    language: Code | None = None
    """In which they read it, such as `es`."""


class ConsentForm(RequestModel):
    """The same as a page posts it: days instead of moments, and numbers as text."""

    token: str | None = None
    version: int | None = None
    """What the page showed when it was opened."""
    served: Annotated[str, Field(max_length=1000)] | None = None
    """Which text of the agreement it showed, sealed."""
    action: Literal["save", "stop"] = "save"
    purposes: Annotated[tuple[Purpose, ...], Field(max_length=10)]
    sectors: Annotated[tuple[Code, ...], Field(max_length=_MOST)] = ()
    blocked_employers: Annotated[tuple[Code, ...], Field(max_length=_MOST)] = ()
    blocked_names: str | None = None
    """One a line."""
    first_contacts_per_week: int | None = None
    min_gap_hours: int | None = None
    quiet_hours: QuietHoursBody | None = None
    time_zone: Code | None = None
    paused_until: date | None = None
    ends_at: date | None = None


_WORDS = {
    "purposes": marked("Check the boxes for what you allow, or use “Stop everything”"),
    "first_contacts_per_week": marked("Choose how many first messages you want a week"),
    "min_gap_hours": marked("Choose the time between two messages"),
    "quiet_hours.start": marked("Enter when your quiet hours start, such as 12:00, or clear both times"),
    "quiet_hours.end": marked("Enter when your quiet hours end, such as 14:00, or clear both times"),
    "paused_until": marked("Enter the day on which the pause ends"),
    "ends_at": marked("Enter the day on which this ends"),
}


@dataclass(frozen=True, slots=True)
class Posted:
    """What was posted: a wish, or a stop, or what is wrong with it by field."""

    is_json: bool
    stops: bool
    given: Mapping[str, Any]
    """As a page sent it, to fill the page again."""
    errors: Mapping[str, str]
    sent: Set[str]
    value: ConsentBody | ConsentForm | None

    @property
    def agreement(self) -> str | None:
        """The version that a program says its person was shown."""
        return self.value.agreement if isinstance(self.value, ConsentBody) else None

    @property
    def language(self) -> str | None:
        """In which a program says they read it."""
        return self.value.language if isinstance(self.value, ConsentBody) else None

    def is_stale(self, present: Present) -> bool:
        """Whether a page that was opened before the last change would switch on again what is off now."""
        if not isinstance(self.value, ConsentForm) or self.value.version in (None, present.version):
            return False
        return not set(self.value.purposes) <= set(present.choices.purposes)

    def wish(self, present: Choices) -> Choices:
        """The choices that are wished; what was left out keeps its present value."""
        if self.value is None:
            raise ValueError("what was posted holds errors, not a wish")
        wished = _wish(self.value, present)
        kept = {name: getattr(present, name) for name in Choices.__slots__ if name not in self.sent}
        return replace(wished, **kept)


def _content_type(request: Request) -> str:
    return request.headers.get("content-type", "").partition(";")[0].strip().lower()


async def read(request: Request) -> Posted:
    """The body as JSON or as a form; a form that switches everything off is a stop, whatever else is in it."""
    if _content_type(request) == forms.FORM:
        form = await forms.read(request, ConsentForm, words=_WORDS)
        given = form.given
        stops = given.get("action") == "stop" or (bool(form.errors) and given.get("purposes") == [])
        sent = {name.partition(".")[0] for name in given}
        return Posted(is_json=False, stops=stops, given=given, errors=form.errors, sent=sent, value=form.value)
    body = (await forms.read(request, ConsentBody)).value
    sent = set(body.model_fields_set) if body else set()
    return Posted(is_json=True, stops=False, given={}, errors={}, sent=sent, value=body)


def _wish(value: ConsentBody | ConsentForm, present: Choices) -> Choices:
    quiet = value.quiet_hours
    zone = zone_of(value.time_zone)
    return Choices(
        purposes=value.purposes,
        sectors=value.sectors,
        blocked_employers=value.blocked_employers,
        blocked_names=_lines(value.blocked_names),
        first_contacts_per_week=value.first_contacts_per_week,
        min_gap_hours=value.min_gap_hours,
        quiet_hours=Quiet(time.fromisoformat(quiet.start), time.fromisoformat(quiet.end)) if quiet else None,
        time_zone=value.time_zone,
        paused_until=_moment(value.paused_until, present.paused_until, present, zone),
        ends_at=_moment(value.ends_at, present.ends_at, present, zone),
    )


def _lines(names: str | tuple[str, ...] | None) -> tuple[str, ...]:
    return tuple((names or "").splitlines()) if isinstance(names, str | None) else names


def zone_of(name: str | None) -> ZoneInfo:
    """The zone in which days are meant: the person's, or UTC where it is unknown."""
    return ZoneInfo(name) if name in zones() else ZoneInfo("UTC")


def _moment(given: date | None, before: datetime | None, present: Choices, zone: ZoneInfo) -> datetime | None:
    """A day is its first moment; the day that the page showed is the moment that stood behind it, as long as it is still that
    day in the zone that is chosen now.
    """
    if given is None or isinstance(given, datetime):
        return given
    if before is not None and {before.astimezone(at).date() for at in (zone_of(present.time_zone), zone)} == {given}:
        return before
    try:
        return datetime.combine(given, time(), zone).astimezone(UTC)
    except OverflowError:
        return datetime.combine(given, time(), UTC)
