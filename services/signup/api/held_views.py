"""What is held of a person, as their page and their programs show it: each part with why it is held and for how long."""

from collections.abc import Mapping, Sequence
from dataclasses import dataclass, replace
from datetime import datetime
from typing import Any

from services.signup.api import profile_told
from services.signup.api.profile_views import LABELS, Names, source, words_of
from services.signup.decisions import provenance
from services.signup.decisions.browsers import in_words
from services.signup.decisions.keeping import FIELDS, value_of
from services.signup.model.held import Held, HeldClaim
from services.signup.model.provenance import Teller, ValueOrigin
from shared import wording
from shared.contracts.base import rfc3339
from shared.contracts.signup import JOIN, CoarseProfile
from shared.facts import shown
from shared.i18n import gettext, marked


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


_ERASED = marked("until you erase yourself")
_NOTICES = {
    "confirm": marked("Your invitation"),
    "sign_in": marked("A link to sign in"),
    "changed": marked("What was changed in your name"),
    "stop_asked": marked("A stop that asked for one more tap"),
}
_OUR_OWN = marked("Our own email")
_CHANGES = {
    "signed_up": marked("signed_up"),
    "changed": marked("changed"),
    "hired": marked("hired"),
    "deleted": marked("deleted"),
    "merged": marked("merged"),
}
_STATES = {
    "ready": marked("Waits to be sent"),
    "claimed": marked("Being sent"),
    "sending": marked("Being sent"),
    "delivered": marked("Sent"),
    "bounced": marked("Could not be delivered"),
    "doubtful": marked("May have been sent, and is never sent again"),
    "returned": marked("Not sent in time"),
    "withheld": marked("Not sent: you had not allowed it"),
}
PARTS: Mapping[str, Part] = {
    part.name: part
    for part in (
        Part(
            "identity",
            marked("Who you are"),
            marked("To write to you. Sealed under a key of your own; no employer gets it from us."),
            marked("until you erase yourself; 14 days if you never answer"),
        ),
        Part(
            "profile",
            marked("What you show"),
            marked("Your own choice: you kept it or said it, and employers see it only while you let them find you."),
            marked("until you change it, or until you erase yourself"),
            marked("You have saved no profile. No employer sees anything of you."),
        ),
        Part(
            "claims",
            marked("Who told us of you"),
            marked("So that you can see who did. It permits nobody anything."),
            marked("until they delete their record, you say that it is not you, or until you erase yourself"),
            marked("Nobody’s record speaks of you now."),
        ),
        Part(
            "proposals",
            marked("What they told of your work"),
            marked("To ask you. Nobody but you sees it, and nothing of it is in force unless you use it."),
            marked("as long as the record that told it; of all of them the newest 20"),
            marked("Nothing."),
        ),
        Part(
            "denied",
            marked("What you said is not you"),
            marked("So that the same record does not come back."),
            _ERASED,
            marked("Nothing."),
        ),
        Part(
            "intake",
            marked("What was told and is still sealed"),
            marked("To put reports in their order when one arrives late."),
            marked("one day"),
            marked("Nothing."),
        ),
        Part(
            "emails",
            marked("Emails to you"),
            marked("So that nothing is sent twice. Never the words: those of employers are sealed to you."),
            marked("110 days"),
            marked("None."),
        ),
        Part(
            "email_change",
            marked("Another email"),
            marked(
                "You, or somebody with your recovery code, asked for it. Both emails are sealed under a key of your own."
            ),
            marked("15 minutes, and 72 hours more once it is changed or waits; of an old email a scrambled mark stays"),
            marked("No change is under way."),
        ),
        Part(
            "recovery_code",
            marked("Your recovery code"),
            marked("So that you can leave a lost mailbox. Not the code: only what it is checked against."),
            _ERASED,
            marked("You have none."),
        ),
        Part(
            "sessions",
            marked("Where you are, or were, signed in"),
            marked("So that you can see it and end it, and so that no link works twice."),
            marked("until the session and its link would have ended: 4 hours, or up to 3 days"),
            marked("Nowhere."),
        ),
        Part(
            "exports",
            marked("What you take along"),
            marked("You asked for it. The file is sealed to you."),
            marked("a day after it is ready; 3 days if it never is"),
            marked("You asked for nothing."),
        ),
        Part(
            "looked_at",
            marked("What the operator did"),
            marked("So that you and others can check who looked."),
            marked("what concerns you until you erase yourself; that something was done stays, without you"),
            marked("Nobody looked you up."),
        ),
        Part(
            "marks",
            marked("What can’t be read"),
            marked("So that nobody can have you invited again and again, or have you emailed too often."),
            marked(
                "a scrambled mark of your email for good, also after you erased yourself; who asked for an email to it, as scrambled marks, for one day"
            ),
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
            "email_since": _time(held.email_since),
            "language": held.language,
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


def sections(held: Held, names: Names) -> list[Part]:
    """For the page."""
    return [
        replace(
            part,
            title=gettext(part.title),
            basis=gettext(part.basis),
            kept=gettext(part.kept),
            empty=gettext(part.empty) if part.empty else "",
            rows=_ROWS[part.name](held, names) if part.name in _ROWS else (),
        )
        for part in PARTS.values()
    ]


def _identity(held: Held, names: Names) -> list[tuple[str, str]]:
    identity, first = held.identity, held.introduced_by
    name = " ".join(part for part in (identity.given_name, identity.family_name) if part)
    none = gettext("None")
    rows = [
        (gettext("Name"), name or none),
        (gettext("Email"), identity.mail),
        (gettext("Phone"), ", ".join(identity.phones) or none),
    ]
    told = gettext("A record that is gone by now") if first is None else _by(first, names)
    rows += [(gettext("All of it from"), told), (gettext("Held since"), wording.moment(held.registered_at))]
    if held.confirmed_at is None:
        deleted = gettext("Deleted on %(day)s if you never do", day=wording.day(held.kept_until))
        return [*rows, (gettext("You have not answered yet"), deleted)]
    rows.append((gettext("You confirmed it"), wording.moment(held.confirmed_at)))
    if held.email_since is not None:
        rows.append((gettext("This email since"), wording.moment(held.email_since)))
    if held.language is not None:
        languages = {"en": gettext("English"), "es": gettext("Spanish")}
        rows.append((gettext("Our emails are in"), languages.get(held.language, held.language)))
    if held.mailbox_gone_at is not None:
        rows.append((gettext("No email reaches you since"), wording.moment(held.mailbox_gone_at)))
    return rows


def _shown(held: Held, names: Names) -> list[tuple[str, str]]:
    if held.profile is None:
        return []
    known = {(one.field, one.value): one for one in held.origins}
    found = [
        (gettext(LABELS[name]), words_of(name, value), _from(known.get((name, provenance.text_of(value))), names))
        for name in FIELDS
        for value in value_of(held.profile, name)
    ]
    whence = {told for _, _, told in found}
    if len(found) > 1 and len(whence) == 1:  # said once, and not behind each value
        rows = [*((label, words) for label, words, _ in found), (gettext("All of this"), whence.pop())]
    else:
        rows = [(label, f"{words}. {told}") for label, words, told in found]
    is_seen = held.published is not None
    now = gettext("Employers whose jobs fit see it now") if is_seen else gettext("No employer sees it now")
    return [*rows, (gettext("Who sees it"), now)]


def _claims(held: Held, names: Names) -> list[tuple[str, str]]:
    return [
        (
            _by(one, names),
            gettext("%(how)s; its record %(record)s", how=profile_told.how(_teller(one)), record=one.record),
        )
        for one in held.claims
    ]


def _proposals(held: Held, names: Names) -> list[tuple[str, str]]:
    rows, nothing = [], gettext("Nothing of your work")
    for one in held.proposals:
        told = [
            f"{gettext(LABELS[name])}: {words_of(name, value)}"
            for name in FIELDS
            for value in value_of(one.proposal.profile, name)
        ]
        told += [f"“{title}”" for title in one.proposal.titles]
        answered = (
            gettext("You answered it on %(day)s.", day=wording.day(one.answered_at))
            if one.answered_at
            else gettext("It waits for you.")
        )
        rows.append((_first_up(source(one, names)), f"{'; '.join(told) or nothing}. {answered}"))
    return rows


def _denied(held: Held, names: Names) -> list[tuple[str, str]]:
    return [
        (
            _first_up(_who(one.vendor, one.employer, names)),
            gettext("its record %(record)s; said on %(day)s", record=one.record, day=wording.day(one.said_at)),
        )
        for one in held.denied
    ]


def _intake(held: Held, names: Names) -> list[tuple[str, str]]:
    return [
        (
            _first_up(_who(one.vendor, one.employer, names)),
            gettext(
                "that its record %(record)s was %(change)s, on %(moment)s",
                record=one.record,
                change=gettext(_CHANGES.get(one.change, one.change)),
                moment=wording.moment(one.kept_at),
            ),
        )
        for one in held.intake
    ]


def _emails(held: Held, names: Names) -> list[tuple[str, str]]:
    return [
        (
            gettext("A message from %(employer)s", employer=shown(names(one.employer), gettext("an employer")))
            if one.kind == "outreach" and one.employer
            else gettext(_NOTICES.get(one.purpose or "", _OUR_OWN)),
            f"{gettext(_STATES.get(one.state, one.state))}, {wording.moment(one.changed_at)}",
        )
        for one in held.mails
    ]


def _looked_at(held: Held, _: Names) -> list[tuple[str, str]]:
    unsaid = gettext("no reason noted")
    return [(wording.moment(one.at), f"{one.act.replace('_', ' ')}: {one.reason or unsaid}") for one in held.looked_at]


_CHANGES_OF_EMAIL = {
    "asked": marked("Both mailboxes are to say yes until %(until)s"),
    "recovering": marked("The new mailbox is to say yes until %(until)s"),
    "waiting": marked("Changed on %(until)s, unless the old mailbox stops it"),
    "changed": marked("It is changed; the old mailbox can put it back until %(until)s"),
}


def _email_change(held: Held, _: Names) -> list[tuple[str, str]]:
    if (change := held.email_change) is None:
        return []
    unread = gettext("It does not open")
    return [
        (gettext("The new email"), change.new or unread),
        (gettext("The old email"), change.old or unread),
        (
            gettext("How it stands"),
            gettext(_CHANGES_OF_EMAIL[change.state], until=wording.moment(change.until)),
        ),
    ]


def _recovery_code(held: Held, _: Names) -> list[tuple[str, str]]:
    if (code := held.recovery_code) is None:
        return []
    made = (gettext("Made"), wording.moment(code.made_at))
    return [made] if code.spent_at is None else [made, (gettext("Worth nothing since"), wording.moment(code.spent_at))]


def _sessions(held: Held, _: Names) -> list[tuple[str, str]]:
    return [
        (
            in_words(one.browser),
            gettext("since %(since)s", since=wording.moment(one.since))
            + (
                gettext("; until %(until)s", until=wording.moment(one.until))
                if one.ended_at is None
                else gettext("; ended %(moment)s", moment=wording.moment(one.ended_at))
            ),
        )
        for one in held.sessions
    ]


_EXPORTS = {
    "waiting": marked("Is being made"),
    "ready": marked("Ready, until %(until)s"),
    "replaced": marked("A newer one took its place"),
}


def _exports(held: Held, _: Names) -> list[tuple[str, str]]:
    return [
        (
            gettext("Asked for %(moment)s", moment=wording.moment(one.asked_at)),
            gettext(_EXPORTS[one.state], until=wording.moment(one.ends_at)),
        )
        for one in held.exports
    ]


_ROWS = {
    "email_change": _email_change,
    "recovery_code": _recovery_code,
    "sessions": _sessions,
    "exports": _exports,
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
        return gettext("Kept by you, before we noted from whom it came")
    day = wording.day(origin.at)
    if origin.how == "said":
        return gettext("Said by you, %(day)s", day=day)
    if not origin.by:
        return gettext("Kept by you, %(day)s; the record that told it is not of you, or is gone", day=day)
    tellers = ". ".join(
        f"{_who(by.vendor, by.employer, names)}, {wording.day(by.told_at)}: {profile_told.how(by)}" for by in origin.by
    )
    return gettext("Kept by you, %(day)s. Told by %(tellers)s", day=day, tellers=tellers)


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
        return gettext("the join page")
    if employer is not None:
        return gettext("the hiring system of %(employer)s", employer=shown(names(employer), gettext("an employer")))
    return shown(names(vendor), gettext("a hiring system"))


def _first_up(text: str) -> str:
    return text[:1].upper() + text[1:]


def _profile(profile: CoarseProfile | None) -> dict[str, Any] | None:
    return None if profile is None else profile.model_dump(mode="json")


def _time(value: datetime | None) -> str | None:
    return None if value is None else rfc3339(value)
