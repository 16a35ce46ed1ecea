"""Is this a new person, a claim on a known one, or noise?"""

from collections.abc import Callable, Iterable, Iterator, Mapping
from dataclasses import dataclass
from datetime import datetime, timedelta
from typing import assert_never

from services.signup.model import Claim, Known, Opened, Picture, Record, Stub
from shared.contracts.signup import JOIN

STUB_KEPT = timedelta(days=14)


@dataclass(frozen=True, slots=True)
class Registered:
    """Nobody had this mail: a stub, to be invited."""

    report: Opened
    candidate: str


@dataclass(frozen=True, slots=True)
class Claimed:
    """Somebody known: provenance is noted, and what is told of their work is a proposal, until they have spoken.

    `is_news`: this record did not claim them yet.
    """

    report: Opened
    candidate: str
    is_news: bool
    invite_again: bool
    """A stub who came by the join page."""
    may_propose: bool


@dataclass(frozen=True, slots=True)
class CameBack:
    """Somebody who confirmed long ago filled in the join page: they get a link to sign in."""

    candidate: str


@dataclass(frozen=True, slots=True)
class ProposalChanged:
    """A record knows better, and the person has not spoken yet."""

    report: Opened
    candidate: str


@dataclass(frozen=True, slots=True)
class Hired:
    """A vendor reports a hire of somebody it introduced."""

    report: Opened
    candidate: str


@dataclass(frozen=True, slots=True)
class ClaimRemoved:
    """A vendor forgot its record; `may_erase`: the person never confirmed, so the last claim takes the stub with it."""

    report: Opened
    candidate: str
    may_erase: bool


@dataclass(frozen=True, slots=True)
class Noise:
    """Nothing follows from the report."""

    reason: str


Outcome = Registered | Claimed | CameBack | ProposalChanged | Hired | ClaimRemoved | Noise


def waves(reports: Iterable[Opened]) -> Iterator[list[Opened]]:
    """The reports in groups in which each record stands once: within a record, order is kept from group to group."""
    groups: list[list[Opened]] = []
    depth: dict[Record, int] = {}
    for report in reports:
        place = depth.get(report.key, 0)
        depth[report.key] = place + 1
        if place == len(groups):
            groups.append([])
        groups[place].append(report)
    yield from groups


def possible_stubs(reports: Iterable[Opened], *, at: datetime, new_id: Callable[[], str]) -> dict[Record, Stub]:
    """For each address that signs up, a stub from the first report of it, by the record that would register it."""
    stubs: dict[Record, Stub] = {}
    addresses: set[bytes] = set()
    for report in reports:
        if report.change == "signed_up" and report.blind_index and report.blind_index not in addresses:
            addresses.add(report.blind_index)
            stubs[report.key] = Stub(candidate=new_id(), blind_index=report.blind_index, until=at + STUB_KEPT)
    return stubs


def decide(report: Opened, picture: Picture, new: Mapping[Record, str]) -> Outcome:
    """What follows from one report; `new` names the candidates that were not there before, by their first record."""
    claim = picture.claims.get(report.key)
    match report.change:
        case "signed_up":
            return _signed_up(report, claim, picture, new)
        case "changed":
            return _changed(report, claim, picture)
        case "hired":
            return Hired(report, claim.candidate) if claim else Noise("unknown_record")
        case "deleted":
            if claim is None:
                return Noise("unknown_record")
            return ClaimRemoved(report, claim.candidate, may_erase=not picture.people[claim.candidate].confirmed)
        case _:
            assert_never(report.change)


def _signed_up(report: Opened, claim: Claim | None, picture: Picture, new: Mapping[Record, str]) -> Outcome:
    known = picture.addresses.get(report.blind_index) if report.blind_index else None
    if known is None:
        return Noise("no_mail")
    if new.get(report.key) == known.candidate:
        return Registered(report, known.candidate)
    by_join = report.vendor == JOIN
    if by_join and known.confirmed:
        return CameBack(known.candidate)
    return Claimed(
        report,
        known.candidate,
        is_news=_is_news(report, claim, known),
        invite_again=by_join,
        may_propose=not known.has_spoken,
    )


def _is_news(report: Opened, claim: Claim | None, known: Known) -> bool:
    return claim is None or (claim.candidate, claim.employer) != (known.candidate, report.employer)


def _changed(report: Opened, claim: Claim | None, picture: Picture) -> Outcome:
    if claim is None:
        return Noise("unknown_record")
    if picture.people[claim.candidate].has_spoken or report.told.profile is None:
        return Noise("changes_nothing")
    return ProposalChanged(report, claim.candidate)
