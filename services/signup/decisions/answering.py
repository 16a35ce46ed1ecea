"""What a person answers to what a vendor told after they had spoken: use it, pass over it, or "this is not me"."""

import hashlib
from collections.abc import Iterable, Sequence
from dataclasses import dataclass
from datetime import datetime
from typing import Any, assert_never

from services.signup.decisions import provenance
from services.signup.decisions.coarsening import MOST_SKILLS
from services.signup.decisions.keeping import LISTS, MOST_OCCUPATIONS, Offer, Refused, value_of
from services.signup.model.people import Record
from services.signup.model.provenance import ValueOrigin
from services.signup.model.records import Proposed
from shared.contracts.signup import CoarseProfile

MOST_AT_ONCE = 3
"""More occupations than that from one source are for the person to tick: as many yes and no may be a mark on somebody."""


@dataclass(frozen=True, slots=True)
class Telling:
    """What one record tells of a person, as they answer it."""

    id: str
    """Of the record and its words: what is told anew is another telling."""
    by: Proposed
    offers: tuple[Offer, ...]
    news: tuple[Offer, ...]
    """What of it the person does not show already."""

    @property
    def record(self) -> Record:
        """The vendor's record."""
        return self.by.proposal.vendor, self.by.proposal.record


@dataclass(frozen=True, slots=True)
class Accept:
    """Use what is named by its ids; None: all that is clear and no skill."""

    keep: Sequence[str] | None = None


@dataclass(frozen=True, slots=True)
class Ignore:
    """Leave everything as it is, and ask no more until it tells something else."""


@dataclass(frozen=True, slots=True)
class NotMe:
    """The record is not of this person: its claim ends, what it alone told goes, and it proposes nothing again."""


Answer = Accept | Ignore | NotMe


@dataclass(frozen=True, slots=True)
class Answered:
    """The profile as it is from now on; None: the person has not spoken on theirs."""

    profile: CoarseProfile | None
    origins: tuple[ValueOrigin, ...]


def tellings(proposed: Iterable[Proposed], offered: Sequence[Offer], kept: CoarseProfile | None) -> list[Telling]:
    """One for each record, in the order of the proposals."""
    return [_telling(one, [offer for offer in offered if offer.by == one], kept) for one in proposed]


def waiting(told: Iterable[Telling], kept: CoarseProfile | None) -> list[Telling]:
    """Those that the person has yet to answer: told since they spoke, and with something that they do not show."""
    return [one for one in told if kept is not None and one.by.answered_at is None and one.news]


def decide(
    answer: Answer,
    telling: Telling,
    kept: CoarseProfile | None,
    origins: Sequence[ValueOrigin],
    offered: Sequence[Offer],
    *,
    at: datetime,
) -> Answered | Refused:
    """The profile after this answer."""
    match answer:
        case Ignore():
            return Answered(kept, tuple(origins))
        case NotMe():
            if kept is None:
                return Answered(None, ())
            return Answered(*provenance.without(telling.record, kept, origins, offered))
        case Accept(keep):
            chosen = _clear(telling) if keep is None else _named(telling, keep)
            if isinstance(chosen, Refused):
                return chosen
            profile = _with(kept or CoarseProfile(), chosen)
            if errors := _too_many(profile):
                return errors
            return Answered(profile, provenance.after(origins, profile, offered, at=at))
        case _:
            assert_never(answer)


def is_clear(offer: Offer, telling: Telling) -> bool:
    """Whether it is used unless the person says otherwise: no skill, no title of several meanings, no long list of occupations."""
    if offer.field in ("skills", "titles") or offer.one_of > 1:
        return False
    return offer.field != "occupations" or sum(one.field == "occupations" for one in telling.offers) <= MOST_AT_ONCE


def _telling(one: Proposed, offers: Sequence[Offer], kept: CoarseProfile | None) -> Telling:
    words = (one.proposal.vendor, one.proposal.record, one.proposal.profile.model_dump_json(), *one.proposal.titles)
    news = [
        offer
        for offer in offers
        if offer.field != "titles" and (kept is None or offer.value not in value_of(kept, offer.field))
    ]
    return Telling(
        f"p_{hashlib.sha256(chr(10).join(words).encode()).hexdigest()[:20]}", one, tuple(offers), tuple(news)
    )


def _clear(telling: Telling) -> list[Offer]:
    return [offer for offer in telling.news if is_clear(offer, telling)]


def _named(telling: Telling, keep: Sequence[str]) -> list[Offer] | Refused:
    by_id = {offer.id: offer for offer in telling.offers if offer.field != "titles"}
    errors = {
        f"#/keep/{place}": "must be the id of a value that this proposal tells"
        for place, one in enumerate(keep)
        if one not in by_id
    }
    return Refused(errors) if errors else [by_id[one] for one in keep]


def _with(kept: CoarseProfile, chosen: Sequence[Offer]) -> CoarseProfile:
    values: dict[str, Any] = kept.model_dump()
    for offer in chosen:
        if offer.field in LISTS:
            values[offer.field] = tuple(dict.fromkeys([*values[offer.field], offer.value]))
        else:
            values[offer.field] = offer.value
    return CoarseProfile.model_validate(values)


def _too_many(profile: CoarseProfile) -> Refused | None:
    for name, most in (("occupations", MOST_OCCUPATIONS), ("skills", MOST_SKILLS)):
        if len(getattr(profile, name)) > most:
            return Refused({"#/keep": f"must have at most {most} {name}, with what is shown already"})
    return None
