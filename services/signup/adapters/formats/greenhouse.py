"""Greenhouse's webhooks (grnhse/greenhouse-api-docs, source/includes/webhooks)."""

import contextlib
import hashlib
import hmac
import json
import re
from collections.abc import Mapping, Sequence
from datetime import date, datetime, timedelta
from typing import Annotated, Any

from pydantic import BaseModel, BeforeValidator, ConfigDict, Field, ValidationError

from services.signup.decisions.places import is_outside_the_states, state_and_zip
from services.signup.decisions.skills import skills_among
from services.signup.model.hooks import Ignored, Malformed, Reading
from services.signup.model.people import Change, Person, RawProfile, Told
from services.signup.vault.addresses import parse_mail
from services.signup.vault.phones import parse_phone
from shared.web.bodies import utf8
from shared.web.types import storable

_CHANGES: Mapping[str, Change] = {
    "new_candidate_application": "signed_up",
    "new_prospect_application": "signed_up",
    "update_candidate": "changed",
    "hire_candidate": "hired",
    "delete_candidate": "deleted",
    "candidate_anonymized": "deleted",
    "merge_candidate": "merged",
}
_OTHERS = frozenset(
    {
        "ping", "application_updated", "candidate_stage_change", "delete_application",
        "interview_deleted", "job_approved", "job_created", "job_deleted", "job_interview_stage_deleted",
        "job_post_created", "job_post_deleted", "job_post_updated", "job_updated",
        "new_interview", "offer_approved", "offer_created", "offer_deleted", "offer_updated",
        "reject_candidate", "scorecard_deleted", "unhire_candidate", "unreject_candidate", "update_application",
        "update_interview",
    }
)  # fmt: skip
_SIGNATURE = re.compile(r"sha256 ([0-9a-fA-F]{64})")
_RECORD = re.compile(r"[A-Za-z0-9._-]{1,64}")
_LONGEST_WORK = timedelta(days=60 * 366)
_MOST = 100
_MOST_SENT = 1000
"""Entries of a list, those that are empty among them."""
_LONGEST = 1000
"""Of a text that anything looks at: longer is no name, title or address."""


def _kept(value: object) -> str | None:
    """The text, or nothing where it can't be kept or is none: one odd field turns nobody away."""
    if isinstance(value, int) and not isinstance(value, bool):
        value = str(value)
    try:
        return storable(value) if isinstance(value, str) and len(value) <= _LONGEST else None
    except ValueError:
        return None


def _entries(value: object) -> object:
    """A list without its empty entries; none where the list itself is empty in another way."""
    if isinstance(value, list):
        if len(value) > _MOST_SENT:
            raise ValueError(f"must have at most {_MOST_SENT} entries")  # an error for each would cost a minute
        return [one for one in value if one not in _EMPTY]
    return [] if value in _EMPTY else value


_EMPTY: tuple[object, ...] = (None, "", {})
_Text = Annotated[str | None, BeforeValidator(_kept)]


class _Part(BaseModel):
    """What we read of Greenhouse's objects; whatever else they hold is passed over."""

    model_config = ConfigDict(extra="ignore", frozen=True, hide_input_in_errors=True)


class _Valued(_Part):
    value: _Text = None
    type: _Text = None


class _Employment(_Part):
    title: _Text = None
    start_date: _Text = None
    end_date: _Text = None


class _Candidate(_Part):
    id: int | str
    new_candidate_id: int | str | None = None
    """Of a merge: the record that goes on."""
    first_name: _Text = None
    last_name: _Text = None
    title: _Text = None
    can_email: Annotated[bool | None, BeforeValidator(lambda value: None if value == "" else value)] = None
    phone_numbers: Annotated[list[_Valued], BeforeValidator(_entries)] = Field(default_factory=list, max_length=_MOST)
    email_addresses: Annotated[list[_Valued], BeforeValidator(_entries)] = Field(default_factory=list, max_length=_MOST)
    addresses: Annotated[list[_Valued], BeforeValidator(_entries)] = Field(default_factory=list, max_length=_MOST)
    employments: Annotated[list[_Employment], BeforeValidator(_entries)] = Field(default_factory=list, max_length=_MOST)
    tags: Annotated[list[_Text], BeforeValidator(_entries)] = Field(default_factory=list, max_length=1000)


class Greenhouse:
    """`ports.Format` for Greenhouse: `Signature: sha256 <hex>`, HMAC-SHA256 of the raw body."""

    signed_as = "`Signature: sha256 <hex>` with the HMAC-SHA256 in hex"

    def has_signature(self, headers: Mapping[str, str]) -> bool:
        """Whether the headers hold anything that could be a signature; without one, the body is not worth reading."""
        return _SIGNATURE.fullmatch(headers.get("signature", "").strip()) is not None

    def verify(self, headers: Mapping[str, str], raw: bytes, secret: str) -> bool:
        """Whether the body was signed with the secret, in constant time."""
        given = _SIGNATURE.fullmatch(headers.get("signature", "").strip())
        expected = hmac.new(secret.encode(), raw, "sha256").digest()
        return hmac.compare_digest(bytes.fromhex(given[1]) if given else bytes(32), expected) and given is not None

    def event_id(self, headers: Mapping[str, str], raw: bytes) -> str:
        """Greenhouse's id of the event; where there is none, the body's digest."""
        return headers.get("greenhouse-event-id") or hashlib.sha256(raw).hexdigest()

    def read(self, raw: bytes, *, at: datetime) -> list[Reading] | Ignored | Malformed:
        """The change of one candidate. A person who can't or may not be mailed is passed over: they could never confirm."""
        try:
            body = json.loads(utf8(raw))
        except (ValueError, RecursionError):
            return Malformed("Expected a JSON object in UTF-8 with `action` and `payload`; the body is no JSON.")
        if not isinstance(body, dict) or not isinstance(body.get("action"), str):
            return Malformed("Expected a JSON object with the name of an `action`; there is none.")
        action = body["action"]
        change = _CHANGES.get(action)
        if change is None:
            return Ignored(action if action in _OTHERS else "undocumented")
        found = _person_of(body.get("payload"))
        if change in ("deleted", "merged"):
            found = _ids(body.get("payload"), found)
        if found is None:
            return Malformed(
                "Expected the person at `payload.application.candidate`, `payload.candidate`, `payload.prospect` or `payload.person`; found none."
            )
        try:
            candidate = _Candidate.model_validate({name: value for name, value in found.items() if value is not None})
        except ValidationError as error:
            places = sorted({".".join(map(str, item["loc"])) for item in error.errors(include_input=False)})
            return Malformed(
                f"These fields of the candidate are missing or of the wrong type: {', '.join(places[:10])}."
            )
        return _reading(change, candidate, body, at.date())


def _person_of(payload: Any) -> dict[str, Any] | None:  # noqa: ANN401 - anything that JSON can hold
    if not isinstance(payload, dict):
        return None
    application = payload.get("application")
    places = [application.get("candidate") if isinstance(application, dict) else None]
    places += [payload.get(name) for name in ("candidate", "prospect", "person")]
    return next((place for place in places if isinstance(place, dict)), None)


def _ids(payload: Any, person: Mapping[str, Any] | None) -> dict[str, Any] | None:  # noqa: ANN401 - anything that JSON can hold
    """Of who is no more, the ids alone: some events name them beside the person, or name nobody else."""
    if not isinstance(payload, dict):
        return None
    beside = {"id": payload.get("candidate_id"), "new_candidate_id": payload.get("new_candidate_id")}
    found = {name: (person or {}).get(name) or value for name, value in beside.items()}
    return found if found["id"] is not None else None


def _reading(
    change: Change, candidate: _Candidate, body: Mapping[str, Any], today: date
) -> list[Reading] | Ignored | Malformed:
    record = str(candidate.id)
    if not _RECORD.fullmatch(record):
        return Malformed("Expected a candidate's `id` of at most 64 letters, digits, dots, dashes or underscores.")
    if change in ("hired", "deleted"):
        return [Reading(change, record)]
    if change == "merged":
        into = str(candidate.new_candidate_id or "")
        if not _RECORD.fullmatch(into):
            return Malformed(
                "Expected the id of the candidate that goes on at `payload.person.new_candidate_id`; found none of at most 64"
                " letters, digits, dots, dashes or underscores."
            )
        return [Reading(change, record, into=into)]
    profile = _profile(candidate, body, today)
    person = _person(candidate, profile)
    if change == "changed":
        if isinstance(person, Ignored):
            return [Reading(change, record, Told(profile=profile), person_left_out=person.action)]
        return [Reading(change, record, Told(person=person, profile=profile))]
    return person if isinstance(person, Ignored) else [Reading(change, record, Told(person=person, profile=profile))]


def _person(candidate: _Candidate, profile: RawProfile) -> Person | Ignored:
    """Who could be invited; Ignored for whoever could never confirm."""
    if candidate.can_email is False:
        return Ignored("person_may_not_be_mailed")
    if is_outside_the_states(profile.state, profile.postal_code):
        return Ignored("person_outside_the_states")
    mail = _mail(candidate.email_addresses)
    if mail is None:
        return Ignored("person_without_email")
    return Person(
        mail=mail,
        given_name=_line(candidate.first_name),
        family_name=_line(candidate.last_name),
        phones=_phones(candidate.phone_numbers),
    )


def _mail(given: Sequence[_Valued]) -> str | None:
    """The first usable address, a personal one before one at work: an employer reads the latter."""
    for one in sorted(given, key=lambda item: item.type != "personal"):
        try:
            return parse_mail(one.value or "")
        except ValueError:
            continue
    return None


def _phones(given: Sequence[_Valued]) -> tuple[str, ...]:
    """Those that are numbers: the field is free text, and nobody is turned away for what stands there."""
    found: dict[str, None] = {}
    for one in given:
        with contextlib.suppress(ValueError):
            found[parse_phone(one.value or "")] = None
    return tuple(found)


def _profile(candidate: _Candidate, body: Mapping[str, Any], today: date) -> RawProfile:
    state, postal_code = state_and_zip(one.value or "" for one in candidate.addresses)
    own = [candidate.title, *(job.title for job in candidate.employments)]
    titles = [title for title in map(_line, own) if title] or _jobs_applied_for(body)
    return RawProfile(
        titles=tuple(dict.fromkeys(titles))[:20],
        skills=skills_among((tag for tag in candidate.tags if tag), own=_own(candidate)),
        years=_years(candidate.employments, today),
        state=state,
        postal_code=postal_code,
    )


def _own(candidate: _Candidate) -> list[str | None]:
    local_parts = [(one.value or "").partition("@")[0] for one in candidate.email_addresses]
    return [candidate.first_name, candidate.last_name, *local_parts]


def _jobs_applied_for(body: Mapping[str, Any]) -> list[str]:
    application = body["payload"].get("application")
    jobs = application.get("jobs") if isinstance(application, dict) else None
    names = [job.get("name") for job in jobs[:_MOST] if isinstance(job, dict)] if isinstance(jobs, list) else []
    return [title for title in (_line(_kept(name)) for name in names) if title]


def _years(employments: Sequence[_Employment], today: date) -> int | None:
    """Whole years of work until today, times that overlap counted once; None when no employment says when it began.

    What is to begin later is left out, and what lasts longer than people work: it is a slip.
    """
    spans = []
    for job in employments:
        begun, ended = _day(job.start_date), min(_day(job.end_date) or today, today)
        if begun is not None and ended > begun and ended - begun < _LONGEST_WORK:
            spans.append((begun, ended))
    days, reached = 0, date.min
    for begun, ended in sorted(spans):
        days += max((ended - max(begun, reached)).days, 0)
        reached = max(reached, ended)
    return int(days / 365.25) if spans else None


def _day(text: str | None) -> date | None:
    """Greenhouse's own `MM/DD/YYYY`, or ISO 8601, as some who fill it write it."""
    for form in ("%m/%d/%Y", "%Y-%m-%d"):
        with contextlib.suppress(ValueError):
            return datetime.strptime(text or "", form).date()  # noqa: DTZ007 - a day without a time
    return None


def _line(text: str | None) -> str | None:
    if text and text.isascii() and text.isprintable():
        return " ".join(text.split())[:200] or None
    cleaned = " ".join("".join(mark for mark in text if mark >= " " or mark == "\t").split())[:200] if text else ""
    return cleaned.encode("utf-8", "ignore").decode() or None
