"""What is held of a person, as their page and their programs show it: each part with why it is held and for how long."""

from collections.abc import Mapping, Sequence
from dataclasses import dataclass, replace
from datetime import datetime
from typing import Any

from services.signup.api import profile_told
from services.signup.api.profile_views import LABELS, Names, source, words_of
from services.signup.decisions import provenance
from services.signup.decisions.keeping import FIELDS, value_of
from services.signup.model.held import Held, HeldClaim
from services.signup.model.provenance import Teller, ValueOrigin
from shared import wording
from shared.contracts.base import rfc3339
from shared.contracts.signup import JOIN, CoarseProfile
from shared.facts import shown


@dataclass(frozen=True, slots=True)
class Part:
    """One kind of thing that is held."""

    name: str
    title: str
    basis: str
    """Why it is held at all."""
    kept: str
    """For how long."""
    empty: str = ""
    rows: Sequence[tuple[str, str]] = ()


_ERASED = "until you erase yourself"
_NOTICES = {
    "confirm": "Your invitation",
    "sign_in": "A link to sign in",
    "changed": "What was changed in your name",
    "stop_asked": "A stop that asked for one more tap",
}
_STATES = {
    "ready": "Waits to be sent",
    "claimed": "Being sent",
    "sending": "Being sent",
    "delivered": "Sent",
    "bounced": "Could not be delivered",
    "doubtful": "May have been sent, and is never sent again",
    "returned": "Not sent in time",
    "withheld": "Not sent: you had not allowed it",
}
PARTS: Mapping[str, Part] = {
    part.name: part
    for part in (
        Part(
            "identity",
            "Who you are",
            "To write to you. Sealed under a key of your own; no employer gets it from us.",
            f"{_ERASED}; 14 days if you never answer",
        ),
        Part(
            "profile",
            "What you show",
            "Your own choice: you kept it or said it, and employers see it only while you let them find you.",
            f"until you change it, or {_ERASED}",
            "You have saved no profile. No employer sees anything of you.",
        ),
        Part(
            "claims",
            "Who told us of you",
            "So that you can see who did. It permits nobody anything.",
            f"until they delete their record, you say that it is not you, or {_ERASED}",
            "Nobody’s record speaks of you now.",
        ),
        Part(
            "proposals",
            "What they told of your work",
            "To ask you. Nobody but you sees it, and nothing of it is in force unless you use it.",
            "as long as the record that told it; of all of them the newest 20",
            "Nothing.",
        ),
        Part(
            "denied",
            "What you said is not you",
            "So that the same record does not come back.",
            _ERASED,
            "Nothing.",
        ),
        Part(
            "intake",
            "What was told and is still sealed",
            "To put reports in their order when one arrives late.",
            "one day",
            "Nothing.",
        ),
        Part(
            "emails",
            "Emails to you",
            "So that nothing is sent twice. Never the words: those of employers are sealed to you.",
            "110 days",
            "None.",
        ),
        Part(
            "looked_at",
            "What the operator did",
            "So that you and others can check who looked.",
            f"what concerns you {_ERASED}; that something was done stays, without you",
            "Nobody looked you up.",
        ),
        Part(
            "marks",
            "What can’t be read",
            "So that nobody can have you invited again and again, or have you emailed too often.",
            "a scrambled mark of your email for good, also after you erased yourself; who asked for an email to it, as scrambled marks, for one day",
        ),
    )
}


def whole(held: Held, names: Names, *, at: datetime) -> dict[str, Any]:
    """For programs: `parts` says of each member why it is held, and for how long."""
    identity = held.identity
    first = held.introduced_by
    return {
        "as_of": rfc3339(at),
        "identity": {
            "email": identity.mail,
            "given_name": identity.given_name,
            "family_name": identity.family_name,
            "phones": list(identity.phones),
            "from": None if first is None else profile_told.teller_out(_teller(first), names),
            "registered_at": rfc3339(held.registered_at),
            "confirmed_at": _time(held.confirmed_at),
            "kept_until": _time(held.kept_until) if held.confirmed_at is None else None,
            "mailbox_gone_at": _time(held.mailbox_gone_at),
        },
        "profile": {
            "kept": _profile(held.profile),
            "shown_to_employers": _profile(held.published),
            "origins": [profile_told.origin_out(one, names) for one in held.origins],
        },
        "claims": [
            {"by": profile_told.teller_out(_teller(one), names), "brought_identity": one.registered}
            for one in held.claims
        ],
        "proposals": [
            {
                "by": profile_told.teller_out(provenance.teller(one), names),
                "profile": _profile(one.proposal.profile),
                "titles": list(one.proposal.titles),
                "answered_at": _time(one.answered_at),
            }
            for one in held.proposals
        ],
        "denied": [
            {"vendor": one.vendor, "employer": one.employer, "record": one.record, "said_at": rfc3339(one.said_at)}
            for one in held.denied
        ],
        "intake": [
            {
                "vendor": one.vendor,
                "employer": one.employer,
                "record": one.record,
                "change": one.change,
                "kept_at": rfc3339(one.kept_at),
            }
            for one in held.intake
        ],
        "emails": [
            {
                "kind": one.kind,
                "purpose": one.purpose,
                "employer": one.employer,
                "state": one.state,
                "at": rfc3339(one.changed_at),
            }
            for one in held.mails
        ],
        "looked_at": [{"at": rfc3339(one.at), "act": one.act, "reason": one.reason} for one in held.looked_at],
        "parts": {part.name: {"basis": part.basis, "kept": part.kept} for part in PARTS.values()},
    }


def taken_along(names: Names, held: Held, at: datetime) -> dict[str, Any]:
    """`whole`, for what a person takes along."""
    return whole(held, names, at=at)


def sections(held: Held, names: Names) -> list[Part]:
    """For the page."""
    return [replace(part, rows=_ROWS[part.name](held, names) if part.name in _ROWS else ()) for part in PARTS.values()]


def _identity(held: Held, names: Names) -> list[tuple[str, str]]:
    identity, first = held.identity, held.introduced_by
    name = " ".join(part for part in (identity.given_name, identity.family_name) if part)
    rows = [("Name", name or "None"), ("Email", identity.mail), ("Phone", ", ".join(identity.phones) or "None")]
    told = "A record that is gone by now" if first is None else _by(first, names)
    rows += [("All of it from", told), ("Held since", wording.moment(held.registered_at))]
    if held.confirmed_at is None:
        return [*rows, ("You have not answered yet", f"Deleted on {wording.day(held.kept_until)} if you never do")]
    rows.append(("You confirmed it", wording.moment(held.confirmed_at)))
    if held.mailbox_gone_at is not None:
        rows.append(("No email reaches you since", wording.moment(held.mailbox_gone_at)))
    return rows


def _shown(held: Held, names: Names) -> list[tuple[str, str]]:
    if held.profile is None:
        return []
    known = {(one.field, one.value): one for one in held.origins}
    rows = [
        (LABELS[name], f"{words_of(name, value)}. {_from(known.get((name, provenance.text_of(value))), names)}")
        for name in FIELDS
        for value in value_of(held.profile, name)
    ]
    now = "Employers whose jobs fit see it now" if held.published is not None else "No employer sees it now"
    return [*rows, ("Who sees it", now)]


def _claims(held: Held, names: Names) -> list[tuple[str, str]]:
    return [(_by(one, names), f"{profile_told.how(_teller(one))}; its record {one.record}") for one in held.claims]


def _proposals(held: Held, names: Names) -> list[tuple[str, str]]:
    rows = []
    for one in held.proposals:
        told = [
            f"{LABELS[name]}: {words_of(name, value)}"
            for name in FIELDS
            for value in value_of(one.proposal.profile, name)
        ]
        told += [f"“{title}”" for title in one.proposal.titles]
        answered = f" You answered it on {wording.day(one.answered_at)}." if one.answered_at else " It waits for you."
        rows.append((_first_up(source(one, names)), f"{'; '.join(told) or 'Nothing of your work'}.{answered}"))
    return rows


def _denied(held: Held, names: Names) -> list[tuple[str, str]]:
    return [
        (
            _first_up(_who(one.vendor, one.employer, names)),
            f"its record {one.record}; said on {wording.day(one.said_at)}",
        )
        for one in held.denied
    ]


def _intake(held: Held, names: Names) -> list[tuple[str, str]]:
    return [
        (
            _first_up(_who(one.vendor, one.employer, names)),
            f"that its record {one.record} was {one.change}, on {wording.moment(one.kept_at)}",
        )
        for one in held.intake
    ]


def _emails(held: Held, names: Names) -> list[tuple[str, str]]:
    return [
        (
            f"A message from {shown(names(one.employer), 'an employer')}"
            if one.kind == "outreach" and one.employer
            else _NOTICES.get(one.purpose or "", "Our own email"),
            f"{_STATES.get(one.state, one.state)}, {wording.moment(one.changed_at)}",
        )
        for one in held.mails
    ]


def _looked_at(held: Held, _: Names) -> list[tuple[str, str]]:
    return [
        (wording.moment(one.at), f"{one.act.replace('_', ' ')}: {one.reason or 'no reason noted'}")
        for one in held.looked_at
    ]


_ROWS = {
    "identity": _identity,
    "profile": _shown,
    "claims": _claims,
    "proposals": _proposals,
    "denied": _denied,
    "intake": _intake,
    "emails": _emails,
    "looked_at": _looked_at,
}


def _from(origin: ValueOrigin | None, names: Names) -> str:
    if origin is None:
        return "Kept by you, before we noted from whom it came"
    day = wording.day(origin.at)
    if origin.how == "said":
        return f"Said by you, {day}"
    if not origin.by:
        return f"Kept by you, {day}; the record that told it is not of you, or is gone"
    tellers = ". ".join(
        f"{_who(by.vendor, by.employer, names)}, {wording.day(by.told_at)}: {profile_told.how(by)}" for by in origin.by
    )
    return f"Kept by you, {day}. Told by {tellers}"


def _teller(claim: HeldClaim) -> Teller:
    origin = claim.origin
    return Teller(
        vendor=claim.vendor,
        record=claim.record,
        employer=claim.employer,
        event_id=origin.event_id,
        proof=origin.proof,
        received_at=origin.received_at,
        told_at=claim.claimed_at,
    )


def _by(claim: HeldClaim, names: Names) -> str:
    return f"{_first_up(_who(claim.vendor, claim.employer, names))}, {wording.day(claim.claimed_at)}"


def _who(vendor: str, employer: str | None, names: Names) -> str:
    if vendor == JOIN:
        return "the join page"
    if employer is not None:
        return f"the hiring system of {shown(names(employer), 'an employer')}"
    return shown(names(vendor), "a hiring system")


def _first_up(text: str) -> str:
    return text[:1].upper() + text[1:]


def _profile(profile: CoarseProfile | None) -> dict[str, Any] | None:
    return None if profile is None else profile.model_dump(mode="json")


def _time(value: datetime | None) -> str | None:
    return None if value is None else rfc3339(value)
