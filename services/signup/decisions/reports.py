"""Is this a new person, a claim on a known one, or noise?"""

from collections.abc import Callable, Iterable, Iterator, Mapping
from dataclasses import dataclass
from datetime import datetime, timedelta
from typing import assert_never

from services.signup.model.people import Record
from services.signup.model.records import Claim, Known, Picture, Stub
from services.signup.model.reports import Deletion, Opened
from shared.contracts.signup import JOIN

STUB_KEPT = timedelta(days=14)
OVERTAKES = timedelta(hours=1)
"""Where a vendor does not say when: a creation that comes later after a deletion is not the one that was deleted."""


@dataclass(frozen=True, slots=True)
class Registered:
    """Nobody had this mailbox: a stub, to be invited. `left`: whom the record was of until now."""

    report: Opened
    candidate: str
    left: str | None = None


@dataclass(frozen=True, slots=True)
class Claimed:
    """Somebody known: provenance is noted, and what is told of their work is a proposal, also once they have spoken.

    `is_news`: this record did not claim them yet. `left`: whom it claimed until now.
    """

    report: Opened
    candidate: str
    is_news: bool
    invite_again: bool
    """A stub who came by the join page."""
    may_propose: bool
    left: str | None = None


@dataclass(frozen=True, slots=True)
class CameBack:
    """Somebody who confirmed long ago filled in the join page: they get a link to sign in."""

    candidate: str


@dataclass(frozen=True, slots=True)
class ProposalChanged:
    """A record knows better: it proposes something else."""

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
class Merged:
    """A vendor made one record of two: the claim goes to the one that goes on, or is its already."""

    report: Opened
    into: Record
    candidate: str


@dataclass(frozen=True, slots=True)
class Kept:
    """Nobody knows the record yet: what is told of it is looked at again when somebody does, within a day."""

    report: Opened


@dataclass(frozen=True, slots=True)
class Waits:
    """The mailbox is of a stub that is being erased, or has just answered: looked at again once that is settled."""

    report: Opened
    candidate: str


@dataclass(frozen=True, slots=True)
class Stopped:
    """A creation that its deletion had overtaken: with it the deletion has counted, and stops no other."""

    report: Opened
    deletion: Deletion


@dataclass(frozen=True, slots=True)
class DeletedAlready:
    """A deletion of a record that one has ended before; by no clock it is another one."""

    report: Opened


@dataclass(frozen=True, slots=True)
class Noise:
    """Nothing follows from the report."""

    reason: str


Outcome = (
    Registered
    | Claimed
    | CameBack
    | ProposalChanged
    | Hired
    | ClaimRemoved
    | Merged
    | Kept
    | Waits
    | Stopped
    | DeletedAlready
    | Noise
)


def waves(reports: Iterable[Opened]) -> Iterator[list[Opened]]:
    """The reports in groups in which each record stands once: within a record, order is kept from group to group."""
    groups: list[list[Opened]] = []
    depth: dict[Record, int] = {}
    for report in reports:
        place = max(depth.get(key, 0) for key in report.keys)
        depth |= dict.fromkeys(report.keys, place + 1)
        if place == len(groups):
            groups.append([])
        groups[place].append(report)
    yield from groups


def possible_stubs(
    reports: Iterable[Opened], picture: Picture, *, at: datetime, new_id: Callable[[], str]
) -> dict[Record, Stub]:
    """For each mailbox that nobody has, a stub from the first report that brings it, by that report's record."""
    stubs: dict[Record, Stub] = {}
    mailboxes = set(picture.addresses)
    for report in reports:
        if report.blind_index and report.blind_index not in mailboxes and _brings_somebody(report, picture):
            mailboxes.add(report.blind_index)
            stubs[report.key] = Stub(
                new_id(),
                report.blind_index,
                at + STUB_KEPT,
                report.older_indexes,
                report.index_key,
                report.told.locale,
            )
    return stubs


def decide(report: Opened, picture: Picture, new: Mapping[Record, str]) -> Outcome:
    """What follows from one report; `new` names the candidates that were not there before, by their first record."""
    claim = picture.claims.get(report.key)
    is_denied = claim is None and picture.is_denied(report.key)
    match report.change:
        case "signed_up":
            return _signed_up(report, claim, picture, new)
        case "changed" if is_denied and report.blind_index is not None:
            return _of_mailbox(report, None, picture, new)
        case "changed" | "hired" | "merged" if is_denied:
            return Noise("not_theirs")
        case "deleted" if claim is None and _is_told_again(report, picture):
            return DeletedAlready(report)
        case _ if claim is None:
            return Kept(report)
        case _ if claim.employer != report.employer:
            return Noise("another_employer")
        case "changed":
            return _changed(report, claim, picture, new)
        case "hired":
            return Hired(report, claim.candidate)
        case "deleted":
            if _is_older(report, claim):
                return Noise("older_than_known")
            return ClaimRemoved(report, claim.candidate, may_erase=not picture.people[claim.candidate].confirmed)
        case "merged":
            if report.into is None or report.into == report.key:
                return Noise("merged_into_itself")
            return Merged(report, report.into, claim.candidate)
        case _:
            assert_never(report.change)


def _brings_somebody(report: Opened, picture: Picture) -> bool:
    claim = picture.claims.get(report.key)
    match report.change:
        case "signed_up":
            return _overtook(report, picture) is None
        case "changed":
            return picture.is_denied(report.key) if claim is None else _moves(report, claim, picture)
        case _:
            return False


def _signed_up(report: Opened, claim: Claim | None, picture: Picture, new: Mapping[Record, str]) -> Outcome:
    if (deletion := _overtook(report, picture)) is not None:
        return Stopped(report, deletion)
    return _of_mailbox(report, claim, picture, new)


def _of_mailbox(report: Opened, claim: Claim | None, picture: Picture, new: Mapping[Record, str]) -> Outcome:
    """Whoever has the mailbox that is told is the person, and the record is theirs."""
    known = picture.addresses.get(report.blind_index) if report.blind_index else None
    if known is None:
        return Noise("no_mail" if report.blind_index is None else "said_no")
    if (report.key, known.candidate) in picture.not_theirs:
        return Noise("not_theirs")
    left = claim.candidate if claim is not None and claim.candidate != known.candidate else None
    if left is not None and (before := picture.people.get(left)) is not None and before.has_spoken:
        left = None  # no vendor ends what they said
    if new.get(report.key) == known.candidate:
        return Registered(report, known.candidate, left)
    if known.lapsing:
        return Waits(report, known.candidate)
    by_join = report.vendor == JOIN
    may_email = by_join and not report.told.without_email
    if by_join and known.confirmed:
        return CameBack(known.candidate) if may_email else Noise("emailed_enough")
    return Claimed(
        report,
        known.candidate,
        is_news=_is_news(report, claim, known),
        invite_again=may_email,
        may_propose=not _is_older(report, claim),
        left=left,
    )


def _overtook(report: Opened, picture: Picture) -> Deletion | None:
    """The record's deletion if it has overtaken this creation; by the vendor's clock where both say when.

    Where not, a deletion stops one creation, of a record that it found unknown, within a short time: it has overtaken that
    one. Any other creation is of somebody who applies again, and is taken.
    """
    deletion = _deletion(report, picture)
    if deletion is None:
        return None
    if deletion.happened_at is not None and report.happened_at is not None:
        return deletion if deletion.happened_at >= report.happened_at else None
    is_it = not deletion.counted and report.reported_at < deletion.reported_at + OVERTAKES
    return deletion if is_it else None


def _is_told_again(report: Opened, picture: Picture) -> bool:
    """Whether a deletion ends nothing: the record is gone already, and no clock says that this one is another."""
    deletion = _deletion(report, picture)
    return deletion is not None and deletion.counted and report.happened_at is None


def _deletion(report: Opened, picture: Picture) -> Deletion | None:
    return picture.deletions.get(report.owned)


def _is_older(report: Opened, claim: Claim | None) -> bool:
    """Whether the vendor's own clock says that something newer was taken of this record."""
    if claim is None or claim.happened_at is None or report.happened_at is None:
        return False
    return report.happened_at < claim.happened_at


def _is_news(report: Opened, claim: Claim | None, known: Known) -> bool:
    return claim is None or (claim.candidate, claim.employer) != (known.candidate, report.employer)


def _changed(report: Opened, claim: Claim, picture: Picture, new: Mapping[Record, str]) -> Outcome:
    if _is_older(report, claim):
        return Noise("older_than_known")
    if _moves(report, claim, picture):
        return _of_mailbox(report, claim, picture, new)
    if report.told.profile is None:
        return Noise("changes_nothing")
    return ProposalChanged(report, claim.candidate)


def _moves(report: Opened, claim: Claim, picture: Picture) -> bool:
    """Whether the record's address was corrected to another mailbox: the record is of whoever has that one from now on.

    A stub that nobody speaks of any more goes, with the link that was mailed to it: that mailbox may be a stranger's. Whoever
    answered or kept a profile stays as they are. What the vendor does with a correction is the same for both, so that an
    invitation at the new mailbox tells nothing of the old one.
    """
    person = picture.people.get(claim.candidate)
    return (
        report.blind_index is not None
        and claim.employer == report.employer
        and person is not None
        and not person.lapsing
        and person.blind_index != report.blind_index
        and not _is_older(report, claim)
    )
