"""From what others told to what a person may keep: a proposal is not a profile."""

from collections.abc import Iterable

from services.signup.decisions.coarsening import coarsen
from services.signup.decisions.reports import Claimed, Outcome, ProposalChanged, Registered
from services.signup.model.records import Proposal
from services.signup.model.reports import Opened


def proposals_among(outcomes: Iterable[Outcome]) -> list[Proposal]:
    """What these outcomes propose to their people, in the steps that would be shown."""
    found = []
    for one in outcomes:
        match one:
            case Registered() | Claimed(may_propose=True) | ProposalChanged():
                found += _proposal(one.report, one.candidate)
            case _:
                pass
    return found


def _proposal(report: Opened, candidate: str) -> list[Proposal]:
    told = report.told.profile
    if told is None:
        return []
    titles = tuple(dict.fromkeys(title for title in told.titles if title.strip()))
    return [Proposal(candidate, report.vendor, report.record, coarsen(told), titles, report.origin)]
