"""Who told what of a person, by which event, and whether anybody checked who they were: for pages and for programs."""

from collections.abc import Mapping
from dataclasses import dataclass
from typing import Any

from services.signup.api.profile_views import LABELS, Choice, Names, items, source, words_of
from services.signup.decisions import provenance
from services.signup.decisions.answering import Telling, is_clear
from services.signup.decisions.keeping import LISTS, Offer, Value, value_of
from services.signup.model.people import Proof
from services.signup.model.provenance import Teller, ValueOrigin
from shared.contracts.signup import JOIN, CoarseProfile
from shared.facts import shown
from shared.i18n import gettext, marked

PROOFS: Mapping[Proof | None, str] = {
    "signature": marked("its signature was checked"),
    "key": marked("sent with the hiring system’s own key"),
    "page": marked("typed on the join page, where anybody can type"),
    None: marked("from before we kept how it was checked"),
}


@dataclass(frozen=True, slots=True)
class WaitingView:
    """What one record told since the person spoke, to be answered."""

    id: str
    source: str
    how: str
    choices: list[Choice]


@dataclass(frozen=True, slots=True)
class TellerView:
    """One record that tells of the person."""

    id: str
    source: str
    how: str
    is_join: bool


def waiting_view(one: Telling, kept: CoarseProfile | None, names: Names) -> WaitingView:
    """With each value beside what is shown now, ticked where it is clear and takes the place of nothing."""
    choices = [
        Choice(
            offer.id,
            f"{gettext(LABELS[offer.field])}: {words_of(offer.field, offer.value)}",
            _now(offer, kept),
            is_clear(offer, one) and not _replaced(offer, kept),
        )
        for offer in one.news
        if offer.field != "titles"
    ]
    return WaitingView(one.id, source(one.by, names), how(provenance.teller(one.by)), choices)


def teller_view(one: Telling, names: Names) -> TellerView:
    """Who it is, and by which event."""
    return TellerView(one.id, source(one.by, names), how(provenance.teller(one.by)), one.by.proposal.vendor == JOIN)


def how(by: Teller) -> str:
    """How it came, in words."""
    checked = gettext(PROOFS[by.proof])
    return gettext("%(how)s, event %(event)s", how=checked, event=by.event_id) if by.event_id else checked


def telling_out(one: Telling, names: Names) -> dict[str, Any]:
    """For programs: `id` is what is answered, each value's `id` what is kept of it."""
    return {
        "id": one.id,
        "by": teller_out(provenance.teller(one.by), names),
        "values": items(one.news, names),
    }


def origin_out(one: ValueOrigin, names: Names) -> dict[str, Any]:
    """For programs."""
    return {
        "field": one.field,
        "value": one.value,
        "how": one.how,
        "at": one.model_dump(mode="json")["at"],
        "by": [teller_out(by, names) for by in one.by],
    }


def teller_out(by: Teller, names: Names) -> dict[str, Any]:
    """For programs: who told it, by which event, and how it was known that they did."""
    told = by.model_dump(mode="json")
    return {
        "vendor": by.vendor,
        "vendor_name": None if by.vendor == JOIN else shown(names(by.vendor), None),
        "employer": by.employer,
        "employer_name": shown(names(by.employer), None) if by.employer else None,
        "record": by.record,
        "event_id": by.event_id,
        "proof": by.proof,
        "signature_verified": by.proof == "signature",
        "received_at": told["received_at"],
        "told_at": told["told_at"],
    }


def _now(offer: Offer, kept: CoarseProfile | None) -> str:
    if kept is None or offer.field == "titles":
        return ""
    if offer.field in LISTS:
        values = value_of(kept, offer.field)
        several = gettext("May be meant by “%(title)s”.", title=offer.title) if offer.one_of > 1 else ""
        added = gettext("Added to what you show.") if values else ""
        return " ".join(part for part in (several, added) if part)
    if not (replaced := _replaced(offer, kept)):
        return gettext("You show nothing here now.")
    return gettext(
        "It would replace: %(values)s.", values=", ".join(words_of(offer.field, value) for value in replaced)
    )


def _replaced(offer: Offer, kept: CoarseProfile | None) -> tuple[Value, ...]:
    """What is shown now where there can be one value alone."""
    return () if kept is None or offer.field == "titles" or offer.field in LISTS else value_of(kept, offer.field)
