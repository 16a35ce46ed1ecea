"""Whether a policy can be kept: it must not contradict itself, nor allow more than what people signed."""

from collections.abc import Iterator, Mapping
from datetime import UTC, datetime, timedelta
from zoneinfo import ZoneInfo

from services.outreach_gateway.model import Policy
from shared.contracts.agreements import Limits

_NOTHING = timedelta(0)
_WINTER, _SUMMER = datetime(2026, 1, 15, 12, tzinfo=UTC), datetime(2026, 7, 15, 12, tzinfo=UTC)


def contradictions(policy: Policy, signed: Mapping[str, Limits], *, kept: timedelta) -> tuple[str, ...]:
    """Why the policy can't be decided by, each as the rest of a sentence that begins with it; empty when it can.

    `signed` are the limits of every agreement, by its version; `kept` is how long slots are remembered.
    """
    if senseless := tuple(_lengths(policy)):
        return senseless
    against_signed = (
        reason for version, limits in signed.items() for reason in _against_limits(policy, version, limits)
    )
    return (*_against_itself(policy, kept), *against_signed)


def most_within(policy: Policy, stretch: timedelta) -> int:
    """The most first contacts that may arrive for one person in any stretch of this length."""
    by_caps = [number * -(-stretch // length) for number, length in policy.network]
    by_gap = [-(-stretch // policy.gap)] if policy.gap > _NOTHING else []
    return min(by_caps + by_gap)


def _lengths(policy: Policy) -> Iterator[str]:
    lengths = {
        "slot_good_for": policy.slot_good_for,
        "latest_slot": policy.latest_slot,
        "first_contact.same_employer": policy.same_employer,
        **{f"the window of {number}": length for number, length in policy.network},
    }
    for name, length in lengths.items():
        if length <= _NOTHING:
            yield f"gives {name} no length: write one such as P7D or PT10M"
    if policy.gap < _NOTHING or policy.held_for_grant < _NOTHING:
        yield "has a gap or a time to hold for a grant below zero"


def _against_itself(policy: Policy, kept: timedelta) -> Iterator[str]:
    yield from _caps(policy)
    yield from _memory(policy, kept)
    yield from _hours(policy)
    if policy.halve_after_unanswered and policy.unanswered_after <= _NOTHING:
        yield "halves caps for what is unanswered, but gives no time after which it counts as that"


def _caps(policy: Policy) -> Iterator[str]:
    caps = sorted(policy.network, key=lambda cap: cap[1])
    for (fewer, short), (more, long) in ((one, two) for at, one in enumerate(caps) for two in caps[at + 1 :]):
        if short == long:
            yield f"has two caps for {words(short)}: keep one of them"
        elif fewer > more:
            yield (
                f"allows {fewer} in {words(short)} beside {more} in {words(long)}: "
                f"the {fewer} can never be; allow at most {more} in {words(short)}, or more in {words(long)}"
            )
    for number, length in caps:
        if policy.gap * (number - 1) >= length:
            yield (
                f"allows {number} in {words(length)} with {words(policy.gap)} between two: "
                f"they do not fit; allow fewer, or a shorter gap"
            )


def _memory(policy: Policy, kept: timedelta) -> Iterator[str]:
    windows = {"first_contact.same_employer": policy.same_employer, "first_contact.gap": policy.gap}
    windows |= {f"the window of {number}": length for number, length in policy.network}
    for name, length in windows.items():
        if length + policy.slot_good_for > kept:
            yield f"makes {name} {words(length)} long, but slots are remembered for {words(kept)} alone"


def _hours(policy: Policy) -> Iterator[str]:
    start, end = (
        timedelta(hours=at.hour, minutes=at.minute, seconds=at.second) for at in (policy.opens, policy.closes)
    )
    if end - start <= policy.slot_good_for:
        yield f"opens at {policy.opens:%H:%M} and closes at {policy.closes:%H:%M}: no slot lies in between"
        return
    for season in (_WINTER, _SUMMER):
        offsets = [season.astimezone(ZoneInfo(zone)).utcoffset() or _NOTHING for zone in policy.unknown_zone]
        if end - start - (max(offsets) - min(offsets)) <= policy.slot_good_for:
            yield "is never open in all of unknown_zone at once: who told no zone could never be written to"
            return


def _against_limits(policy: Policy, version: str, limits: Limits) -> Iterator[str]:
    most = most_within(policy, limits.per)
    if most > limits.first_contacts:
        yield (
            f"lets {most} first contacts arrive in {words(limits.per)}, "
            f"but agreement {version} promises at most {limits.first_contacts}"
        )
    if policy.gap < limits.gap:
        yield (
            f"lets {words(policy.gap)} pass from one first contact to the next, "
            f"but agreement {version} promises {words(limits.gap)}"
        )
    if policy.opens < limits.opens or policy.closes > limits.closes:
        yield (
            f"opens at {policy.opens:%H:%M} and closes at {policy.closes:%H:%M}, "
            f"but agreement {version} promises {limits.opens:%H:%M} to {limits.closes:%H:%M}"
        )


def words(length: timedelta) -> str:
    """A length of time as people say it: `7 days`, `24 hours`, `10 minutes`."""
    for unit, size in (("day", timedelta(days=1)), ("hour", timedelta(hours=1)), ("minute", timedelta(minutes=1))):
        if length % size == _NOTHING and (length != size or unit != "day") and length >= size:
            number = length // size
            return f"{number} {unit}{'' if number == 1 else 's'}"
    return f"{length.total_seconds():g} seconds"
