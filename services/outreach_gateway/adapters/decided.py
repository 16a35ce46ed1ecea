"""A decision as the topic carries it: the bytes of its model, without one, since there are thousands of them a second."""

from datetime import datetime, timedelta
from functools import lru_cache
from json.encoder import encode_basestring as text
from typing import Literal

from services.outreach_gateway.model import Admit, Cancel, Decision, Delay, Drop, Policy
from services.outreach_gateway.ports.outreach import Settled
from shared.contracts.base import rfc3339
from shared.contracts.outreach_gateway import Cap, PolicyNumbers

OUTCOMES: dict[type[Decision], Literal["admitted", "delayed", "dropped", "cancelled"]] = {
    Admit: "admitted",
    Delay: "delayed",
    Drop: "dropped",
    Cancel: "cancelled",
}
"""Each decision's name on the topic."""


def written(item: Settled, policy: Policy, at: str, sealed: str | None, sealed_job: str | None) -> bytes:
    """What `OutreachDecidedV1.model_dump_json()` would write, at a tenth of its price: what is in it was checked when it came into the row.

    Words go with what is admitted alone, the job with what waits, and the policy's numbers with what has, or waits for, a slot.
    `at` is the transaction's time as `rfc3339` writes it.
    """
    row, decision = item.outreach, item.decision
    until = good_until = words = job = slot_at = None
    numbers = "null"
    if isinstance(decision, Admit):
        good_until, words, slot_at, numbers = decision.good_until, sealed, decision.slot_at, _numbers(policy)
    elif isinstance(decision, Delay):
        until, job, numbers = decision.slot_at, sealed_job, _numbers(policy)
    return (
        f'{{"outreach":{text(row.id)},"version":{row.version + 1},"candidate":{text(row.candidate)},"employer":{text(row.employer)},'
        f'"outcome":"{OUTCOMES[type(decision)]}","rule":{_text(item.rule)},"policy":{text(policy.version)},"at":"{at}",'
        f'"until":{_shared(until)},"good_until":{_shared(good_until)},"sealed":{_text(words)},"sealed_job":{_text(job)},'
        f'"asked_at":{_moment(row.submitted_at)},"ends_at":{_shared(row.expires_at)},"slot_at":{_shared(slot_at)},"numbers":{numbers}}}'
    ).encode()


def _text(given: str | None) -> str:
    return "null" if given is None else text(given)


def _moment(at: datetime | None) -> str:
    return "null" if at is None else f'"{rfc3339(at)}"'


_shared = lru_cache(maxsize=1024)(_moment)
"""Ends of days, and slots that are now: many have the same."""


@lru_cache(maxsize=16)
def _numbers(policy: Policy) -> str:
    return numbers_of(policy).model_dump_json()


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
