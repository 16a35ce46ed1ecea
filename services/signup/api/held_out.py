"""All that is held of a person, for programs and for what they take along."""

from datetime import datetime
from typing import Any

from services.signup.api import profile_told
from services.signup.api.held_parts import PARTS
from services.signup.api.profile_views import Names
from services.signup.decisions import provenance
from services.signup.model.held import Held
from shared.contracts.base import rfc3339
from shared.contracts.signup import CoarseProfile


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
            "from": None if first is None else profile_told.teller_out(first.teller, names),
            "registered_at": rfc3339(held.registered_at),
            "confirmed_at": _time(held.confirmed_at),
            "kept_until": _time(held.kept_until) if held.confirmed_at is None else None,
            "mailbox_gone_at": _time(held.mailbox_gone_at),
            "email_since": _time(held.email_since),
            "language": held.language,
        },
        "profile": {
            "kept": _profile(held.profile),
            "shown_to_employers": _profile(held.published),
            "origins": [profile_told.origin_out(one, names) for one in held.origins],
        },
        "claims": [
            {"by": profile_told.teller_out(one.teller, names), "brought_identity": one.registered}
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
        "email_change": None
        if (change := held.email_change) is None
        else {
            "state": change.state,
            "until": rfc3339(change.until),
            "new_email": change.new,
            "old_email": change.old,
            "new_said_yes": change.new_said,
            "old_said_yes": change.old_said,
        },
        "recovery_code": None
        if (code := held.recovery_code) is None
        else {"made_at": rfc3339(code.made_at), "spent_at": _time(code.spent_at)},
        "sessions": [
            {
                "since": rfc3339(one.since),
                "until": rfc3339(one.until),
                "browser": one.browser,
                "ended_at": _time(one.ended_at),
                "kept_until": rfc3339(one.kept_until),
            }
            for one in held.sessions
        ],
        "exports": [
            {
                "state": one.state,
                "asked_at": rfc3339(one.asked_at),
                "ready_at": _time(one.ready_at),
                "ends_at": rfc3339(one.ends_at),
                "bytes": one.size,
            }
            for one in held.exports
        ],
        "parts": {part.name: {"basis": part.basis, "kept": part.kept} for part in PARTS.values()},
    }


def taken_along(names: Names, held: Held, at: datetime) -> dict[str, Any]:
    """`whole`, for what a person takes along."""
    return whole(held, names, at=at)


def _profile(profile: CoarseProfile | None) -> dict[str, Any] | None:
    return None if profile is None else profile.model_dump(mode="json")


def _time(value: datetime | None) -> str | None:
    return None if value is None else rfc3339(value)
