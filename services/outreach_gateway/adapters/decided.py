"""A decision as the topic carries it."""

from datetime import datetime, timedelta
from functools import lru_cache
from typing import Literal

from services.outreach_gateway.model import Admit, Cancel, Decision, Delay, Drop, Policy
from services.outreach_gateway.ports.outreach import Settled
from shared.contracts.outreach_gateway import Cap, OutreachDecidedV1, PolicyNumbers

_OUTCOMES: dict[type[Decision], Literal["admitted", "delayed", "dropped", "cancelled"]] = {
    Admit: "admitted",
    Delay: "delayed",
    Drop: "dropped",
    Cancel: "cancelled",
}


def decided(
    item: Settled, policy: Policy, at: datetime, sealed: str | None, sealed_job: str | None
) -> OutreachDecidedV1:
    """The event; words go with what is admitted alone, the job with what waits, and the policy's numbers with what has, or waits for, a slot."""
    row, decision = item.outreach, item.decision
    return OutreachDecidedV1(
        outreach=row.id,
        version=row.version + 1,
        candidate=row.candidate,
        employer=row.employer,
        outcome=_OUTCOMES[type(decision)],
        rule=item.rule,
        policy=policy.version,
        at=at,
        until=decision.slot_at if isinstance(decision, Delay) else None,
        good_until=decision.good_until if isinstance(decision, Admit) else None,
        sealed=sealed if isinstance(decision, Admit) else None,
        sealed_job=sealed_job if isinstance(decision, Delay) else None,
        asked_at=row.submitted_at,
        ends_at=row.expires_at,
        slot_at=decision.slot_at if isinstance(decision, Admit) else None,
        numbers=numbers_of(policy) if isinstance(decision, Admit | Delay) else None,
    )


@lru_cache(maxsize=16)
def numbers_of(policy: Policy) -> PolicyNumbers:
    """What the policy says in numbers."""
    return PolicyNumbers(
        at_most=tuple(Cap(number=number, seconds=_seconds(length)) for number, length in policy.network),
        gap_seconds=_seconds(policy.gap),
        same_employer_seconds=_seconds(policy.same_employer),
        slot_good_for_seconds=_seconds(policy.slot_good_for),
        latest_slot_seconds=_seconds(policy.latest_slot),
        unanswered_after_seconds=_seconds(policy.unanswered_after),
        halve_after_unanswered=policy.halve_after_unanswered,
        opens=policy.opens,
        closes=policy.closes,
        unknown_zone=policy.unknown_zone,
    )


def _seconds(length: timedelta) -> int:
    return length // timedelta(seconds=1)
