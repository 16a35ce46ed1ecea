"""What a newer agreement does to what was allowed under the one before, and when a person is reminded that it ends."""

from dataclasses import replace
from datetime import datetime, timedelta

from services.consent.decisions.changes import Changed, Unchanged
from services.consent.model import ASKS_FOR, Choices, Present
from shared.contracts import grants
from shared.contracts.consent import AboutGrant, GrantNoticedV1
from shared.ids import new_id

HOLDS_FOR = timedelta(days=60)
"""So long what was allowed under an older text holds, from the day on which the person is asked to sign the newer one."""
REMINDED = (timedelta(days=30), timedelta(days=7))
"""So long before the end; an end that is nearer when it is chosen is told once it is there. None goes by without a word."""


def ask_again(present: Present, at: datetime) -> Changed | Unchanged:
    """What is on ends 60 days from now, if it does not end earlier anyway; nothing else of it changes."""
    choices = present.choices
    until = at + HOLDS_FOR
    if not is_on(choices, at) or grants.has_ended(choices, at=until):
        return Unchanged()
    return Changed(replace(choices, ends_at=until))


def is_on(choices: Choices, at: datetime) -> bool:
    """Whether anything is allowed now, also while it is paused."""
    return bool(choices.purposes) and not grants.has_ended(choices, at=at)


def as_chosen(present: Present) -> Present:
    """The person's choices with the end that they had chosen themselves: what the page shows, and what signing keeps."""
    if present.own_end is None:
        return present
    return replace(present, choices=replace(present.choices, ends_at=present.own_end))


def question(present: Present, about: AboutGrant, *, at: datetime, told_by: str | None) -> GrantNoticedV1:
    """What the courier is asked to email about a grant: what ends when, in the language that its person read."""
    return GrantNoticedV1(
        notice=new_id("n"),
        candidate=present.candidate,
        about=about,
        expires_at=at + ASKS_FOR,
        ends_at=present.choices.ends_at,
        language=present.language,
        told_by=told_by,
    )


def first_reminder(choices: Choices, at: datetime) -> datetime | None:
    """The moment to speak of the end first, for choices that were just made; None where nothing ends."""
    return next_reminder(choices, at) or (choices.ends_at if is_on(choices, at) else None)


def next_reminder(choices: Choices, at: datetime) -> datetime | None:
    """The next moment to remind of the end; None where nothing ends, or it is too near."""
    if not choices.purposes or choices.ends_at is None:
        return None
    moments = (choices.ends_at - before for before in REMINDED)
    return next((moment for moment in moments if moment > at), None)
