"""Where each value of a person's profile came from, and what goes when a record turns out not to be of them."""

import re
from collections.abc import Iterable, Sequence
from datetime import date, datetime

from services.signup.decisions.keeping import FIELDS, LISTS, Field, Offer, Value, value_of
from services.signup.model.people import Record
from services.signup.model.provenance import Teller, ValueOrigin
from services.signup.model.records import Proposed
from shared.contracts.signup import CoarseProfile

_ID = re.compile(r"[A-Za-z0-9._:/+=-]{1,200}")


def kept_id(event_id: str) -> str | None:
    """A teller's id of an event as it may be kept: an id may hold anything, an email too."""
    return event_id if _ID.fullmatch(event_id) else None


def after(
    before: Iterable[ValueOrigin], profile: CoarseProfile, offered: Sequence[Offer], *, at: datetime
) -> tuple[ValueOrigin, ...]:
    """Of each value of the profile: what was known of it before, or else who told it, or that the person said it now."""
    known = {(one.field, one.value): one for one in before}
    return tuple(
        known.get((name, text_of(value))) or _origin(name, value, offered, at=at)
        for name in FIELDS
        for value in value_of(profile, name)
    )


def without(
    record: Record, profile: CoarseProfile, origins: Sequence[ValueOrigin], offered: Sequence[Offer]
) -> tuple[CoarseProfile, tuple[ValueOrigin, ...]]:
    """The profile and its origins without what this record alone told; what others told or the person said stays.

    Where nothing is known of a value's origin, it is taken to come from those who tell it now.
    """
    known = {(one.field, one.value): one for one in origins}
    stays: list[ValueOrigin] = []
    left: dict[str, object] = {}
    for name in FIELDS:
        values = []
        for value in value_of(profile, name):
            origin = known.get((name, text_of(value)))
            tellers = origin.by if origin else tuple(_tellers(name, value, offered))
            others = tuple(one for one in tellers if (one.vendor, one.record) != record)
            if tellers and not others:
                continue
            values.append(value)
            if origin is not None:
                stays.append(origin.model_copy(update={"by": others}))
        if name in LISTS:
            left[name] = tuple(values)
        elif values:
            left[name] = values[0]
    return CoarseProfile.model_validate(left), tuple(stays)


def text_of(value: Value) -> str:
    """A value as JSON has it, without quotes."""
    if isinstance(value, bool):
        return "true" if value else "false"
    return value.isoformat() if isinstance(value, date) else str(value)


def teller(by: Proposed) -> Teller:
    """Who told it, and by which event."""
    told, origin = by.proposal, by.proposal.origin
    return Teller(
        vendor=told.vendor,
        record=told.record,
        employer=by.employer,
        event_id=origin.event_id,
        proof=origin.proof,
        received_at=origin.received_at,
        told_at=by.told_at,
    )


def _origin(name: Field, value: Value, offered: Sequence[Offer], *, at: datetime) -> ValueOrigin:
    by = tuple(_tellers(name, value, offered))
    return ValueOrigin(field=name, value=text_of(value), how="kept" if by else "said", at=at, by=by)


def _tellers(name: Field, value: Value, offered: Sequence[Offer]) -> Iterable[Teller]:
    told = {
        (one.by.proposal.vendor, one.by.proposal.record): one.by
        for one in offered
        if (one.field, one.value) == (name, value)
    }
    return map(teller, told.values())
