"""What is held of a person, as their page shows it."""

from dataclasses import replace

from services.signup.api import profile_told
from services.signup.api.held_parts import PARTS, Part
from services.signup.api.profile_views import LABELS, Names, source, words_of
from services.signup.decisions import provenance
from services.signup.decisions.browsers import in_words
from services.signup.decisions.keeping import FIELDS, value_of
from services.signup.model.held import Held, HeldClaim
from services.signup.model.provenance import ValueOrigin
from shared import wording
from shared.contracts.signup import JOIN
from shared.facts import shown
from shared.i18n import gettext, marked

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
    told = gettext("A record that is gone by now") if first is None else _by(first, names, held.time_zone)
    from_whom = gettext("All of it from") if held.email_since is None else gettext("All but the email from")
    rows += [(from_whom, told), (gettext("Held since"), wording.moment(held.registered_at, held.time_zone))]
    if held.confirmed_at is None:
        deleted = gettext("Deleted on %(day)s if you never do", day=wording.day(held.kept_until, held.time_zone))
        return [*rows, (gettext("You have not answered yet"), deleted)]
    rows.append((gettext("You confirmed it"), wording.moment(held.confirmed_at, held.time_zone)))
    if held.email_since is not None:
        rows.append((gettext("This email since"), wording.moment(held.email_since, held.time_zone)))
    if held.language is not None:
        languages = {"en": gettext("English"), "es": gettext("Spanish")}
        rows.append((gettext("Our emails are in"), languages.get(held.language, held.language)))
    if held.mailbox_gone_at is not None:
        rows.append((gettext("No email has reached you since"), wording.moment(held.mailbox_gone_at, held.time_zone)))
    return rows


def _shown(held: Held, names: Names) -> list[tuple[str, str]]:
    if held.profile is None:
        return []
    known = {(one.field, one.value): one for one in held.origins}
    found = [
        (
            gettext(LABELS[name]),
            words_of(name, value),
            _from(known.get((name, provenance.text_of(value))), names, held.time_zone),
        )
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
            _by(one, names, held.time_zone),
            gettext("%(how)s; its record %(record)s", how=profile_told.how(one.teller), record=one.record),
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
            gettext("You answered it on %(day)s.", day=wording.day(one.answered_at, held.time_zone))
            if one.answered_at
            else gettext("It waits for you.")
        )
        rows.append((_first_up(source(one, names, held.time_zone)), f"{'; '.join(told) or nothing}. {answered}"))
    return rows


def _denied(held: Held, names: Names) -> list[tuple[str, str]]:
    return [
        (
            _first_up(_who(one.vendor, one.employer, names)),
            gettext(
                "its record %(record)s; said on %(day)s",
                record=one.record,
                day=wording.day(one.said_at, held.time_zone),
            ),
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
                moment=wording.moment(one.kept_at, held.time_zone),
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
            f"{gettext(_STATES.get(one.state, one.state))}, {wording.moment(one.changed_at, held.time_zone)}",
        )
        for one in held.mails
    ]


def _looked_at(held: Held, _: Names) -> list[tuple[str, str]]:
    unsaid = gettext("no reason noted")
    return [
        (wording.moment(one.at, held.time_zone), f"{one.act.replace('_', ' ')}: {one.reason or unsaid}")
        for one in held.looked_at
    ]


_CHANGES_OF_EMAIL = {
    "asked": marked("Both mailboxes have to say yes by %(until)s"),
    "agreed": marked("Both mailboxes said yes; it is changed once an invitation to the new one is closed"),
    "recovering": marked("The new mailbox has to say yes by %(until)s"),
    "waiting": marked("Changed on %(until)s, unless the old mailbox stops it"),
    "changed": marked("It is changed; the old mailbox can put it back until %(until)s"),
}


def _email_change(held: Held, _: Names) -> list[tuple[str, str]]:
    if (change := held.email_change) is None:
        return []
    unread = gettext("It does not open")
    is_agreed = change.state == "asked" and change.new_said and change.old_said
    return [
        (gettext("The new email"), change.new or unread),
        (gettext("The old email"), change.old or unread),
        (
            gettext("How it stands"),
            gettext(
                _CHANGES_OF_EMAIL["agreed" if is_agreed else change.state],
                until=wording.moment(change.until, held.time_zone),
            ),
        ),
    ]


def _recovery_code(held: Held, _: Names) -> list[tuple[str, str]]:
    if (code := held.recovery_code) is None:
        return []
    made = (gettext("Made"), wording.moment(code.made_at, held.time_zone))
    return (
        [made]
        if code.spent_at is None
        else [made, (gettext("Has not worked since"), wording.moment(code.spent_at, held.time_zone))]
    )


def _sessions(held: Held, _: Names) -> list[tuple[str, str]]:
    return [
        (
            in_words(one.browser),
            gettext("since %(since)s", since=wording.moment(one.since, held.time_zone))
            + (
                gettext("; until %(until)s", until=wording.moment(one.until, held.time_zone))
                if one.ended_at is None
                else gettext("; ended %(moment)s", moment=wording.moment(one.ended_at, held.time_zone))
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
            gettext("Asked for %(moment)s", moment=wording.moment(one.asked_at, held.time_zone)),
            gettext(_EXPORTS[one.state], until=wording.moment(one.ends_at, held.time_zone)),
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


def _from(origin: ValueOrigin | None, names: Names, zone: str | None) -> str:
    if origin is None:
        return gettext("Kept by you, before we noted from whom it came")
    day = wording.day(origin.at, zone)
    if origin.how == "said":
        return gettext("Said by you, %(day)s", day=day)
    if not origin.by:
        return gettext("Kept by you, %(day)s; the record that told it is not of you, or is gone", day=day)
    tellers = ". ".join(
        f"{_who(by.vendor, by.employer, names)}, {wording.day(by.told_at, zone)}: {profile_told.how(by)}"
        for by in origin.by
    )
    return gettext("Kept by you, %(day)s. Told by %(tellers)s", day=day, tellers=tellers)


def _by(claim: HeldClaim, names: Names, zone: str | None) -> str:
    return f"{_first_up(_who(claim.vendor, claim.employer, names))}, {wording.day(claim.claimed_at, zone)}"


def _who(vendor: str, employer: str | None, names: Names) -> str:
    if vendor == JOIN:
        return gettext("the join page")
    if employer is not None:
        return gettext("the hiring system of %(employer)s", employer=shown(names(employer), gettext("an employer")))
    return shown(names(vendor), gettext("a hiring system"))


def _first_up(text: str) -> str:
    return text[:1].upper() + text[1:]
