"""How full a person's windows are shown to be is how full they are: compared with the gateway's own rules, on histories at random."""

import asyncio
from dataclasses import replace
from datetime import datetime, time, timedelta
from typing import Any

from hypothesis import given, settings
from hypothesis import strategies as st

from services.consent.decisions.windows import Fullness, room, slots_of
from services.consent.model import Choices, Quiet
from services.outreach_gateway import handlers
from services.outreach_gateway.adapters.decided import numbers_of, written
from services.outreach_gateway.adapters.policy_file import read_policy
from services.outreach_gateway.calendar import open_hours
from services.outreach_gateway.decisions import windows_of
from services.outreach_gateway.model import Ask, Consent, Memberships, Outreach, Place, Queue, Slot, Standing, State
from shared.contracts.base import rfc3339
from shared.contracts.outreach_gateway import OutreachDecidedV1
from shared.contracts.signup import OutreachOutcomeReportedV1
from shared.facts import Known
from shared.messaging.envelope import Received, Record
from tests.fakes.clock import NOON
from tests.fakes.messages import FakeMessages
from tests.fakes.outreach_gateway import FakeStore, FakeWindows

HOUR, DAY = timedelta(hours=1), timedelta(days=1)
BY_THE_HOUR = replace(read_policy("2026-12"), slot_good_for=HOUR)
"""So that whatever can become free does so on the hour, and the gateway's brute force tries every moment."""
HALVES = replace(BY_THE_HOUR, halve_after_unanswered=3)
ANA = "01890000-0000-7000-8000-00000000000a"

CHOICES = st.builds(
    Choices,
    first_contacts_per_week=st.sampled_from([None, 1, 2]),
    min_gap_hours=st.sampled_from([None, 24, 60, 720]),
    quiet_hours=st.sampled_from([None, Quiet(time(12), time(15)), Quiet(time(18), time(10))]),
    time_zone=st.sampled_from([None, "America/Denver", "America/New_York", "Asia/Tokyo"]),
)
HOURS_AGO = st.integers(-40 * 24, 10 * 24)


def consent_of(choices: Choices) -> Consent:
    quiet = choices.quiet_hours
    return Consent(
        ANA,
        1,
        contact=True,
        first_contacts_per_week=choices.first_contacts_per_week,
        min_gap_hours=choices.min_gap_hours,
        quiet_start=quiet.start if quiet else None,
        quiet_end=quiet.end if quiet else None,
        time_zone=choices.time_zone,
    )


async def by_the_gateway(policy: Any, choices: Choices, slots: list[datetime], at: datetime) -> datetime | None:
    """When it would let an employer write that has not written yet."""
    consent = consent_of(choices)
    queue = Queue(
        ANA,
        windows_of(policy, consent),
        open_hours(policy, consent, at=at),
        taken=tuple(Place(f"o_{place}", f"emp_{place}", slot) for place, slot in enumerate(slots)),
        waiting=(Ask("o_new", "emp_new", at + policy.latest_slot),),
    )
    windows = FakeWindows(policy, at=at, step=HOUR)
    ((answer,),) = [one for one in await windows.book([queue], windows.epochs) if one is not None]
    return answer.at if isinstance(answer, Slot) else None


@settings(max_examples=50, deadline=None)
@given(CHOICES, st.lists(HOURS_AGO, max_size=9), st.integers(0, 23), st.sampled_from([BY_THE_HOUR, HALVES]))
def test_the_next_first_message_comes_no_sooner_than_the_gateway_lets_one_come(
    choices: Choices, hours_ago: list[int], hour: int, policy: Any
) -> None:
    at = NOON + hour * HOUR
    slots = [at + ago * HOUR for ago in hours_ago]
    shown = room(numbers_of(policy), choices, slots, at=at)
    assert shown.next_at == asyncio.run(by_the_gateway(policy, choices, slots, at))


@settings(max_examples=20, deadline=None)
@given(CHOICES, st.sampled_from([BY_THE_HOUR, HALVES]), st.booleans())
def test_the_caps_and_lengths_are_those_of_the_gateway(choices: Choices, policy: Any, silent: bool) -> None:
    slots = [NOON - days * DAY for days in (40, 50, 60)] if silent else []
    shown = room(numbers_of(policy), choices, slots, at=NOON)
    halved = silent and policy is HALVES
    applied = {(window.length, window.halved if halved else window.cap) for window in windows_of(policy, consent_of(choices)) if window.scope == "network"}  # fmt: skip
    assert {(one.length + HOUR, one.cap) for one in shown.windows} | {(shown.gap + HOUR, 1)} == applied


@settings(max_examples=20, deadline=None)
@given(
    CHOICES,
    st.lists(
        st.tuples(st.integers(1, 50), st.sampled_from(["delivered", "bounced", "doubtful", "withheld", "returned"])),
        min_size=1,
        max_size=6,
    ),
)
def test_what_the_two_topics_tell_leaves_the_same_room_as_the_gateway_s_own_rows(
    choices: Choices, course: list[tuple[int, Any]]
) -> None:
    """One employer after the other writes; what is admitted ends so; the person's page is made of the events alone."""
    asyncio.run(_played(choices, course))


async def _played(choices: Choices, course: list[tuple[int, Any]]) -> None:
    windows, store, messages = FakeWindows(BY_THE_HOUR, step=HOUR), FakeStore(), FakeMessages()
    store.consents[ANA] = consent_of(choices)
    employers = frozenset(f"emp_{place}" for place in range(len(course)))
    store.memberships[ANA] = (1, Memberships(employers))
    at, told = NOON, 0

    async def decide() -> None:
        nonlocal told
        store.at = windows.at = at
        rows = [row for row in store.rows.values() if row.state in (State.SUBMITTED, State.DELAYED)]
        await handlers.decide(store, windows, BY_THE_HOUR, lambda _: Known(Standing.GOOD), rows)
        await messages.keep_decisions(
            [
                OutreachDecidedV1.model_validate_json(written(item, BY_THE_HOUR, rfc3339(at), "sealed", "job"))
                for item in store.settled[told:]
            ]
        )
        told = len(store.settled)

    for place, (hours, outcome) in enumerate(course):
        row = Outreach(f"o_{place}", 0, State.SUBMITTED, f"emp_{place}", ANA, at, at + 13 * DAY)
        store.submit(row)
        at += HOUR
        await decide()
        for admitted in [row for row in store.rows.values() if row.state is State.ADMITTED]:
            report = OutreachOutcomeReportedV1(
                outreach=admitted.id, decision_version=admitted.version, candidate=ANA, employer=admitted.employer,
                outcome=outcome, at=at,
            )  # fmt: skip
            await handlers.on_outcome_reported(store, [_received(report)])
            await messages.keep_reports([report])
        await decide()
        at += hours * HOUR
    await decide()
    shown = room(numbers_of(BY_THE_HOUR), choices, slots_of(await messages.since(ANA, NOON - DAY, 99)), at=at)
    places = [row.slot_at for row in store.rows.values() if row.slot_at is not None]
    assert shown.next_at == await by_the_gateway(BY_THE_HOUR, choices, places, at)


def _received(event: OutreachOutcomeReportedV1) -> Received[OutreachOutcomeReportedV1]:
    return Received("e", "/fairpool/courier", event.at, event, Record("t", 0, 0, None, None, ()))


def test_a_week_is_shown_as_it_is() -> None:
    denver = Choices(time_zone="America/Denver")
    slots = [NOON - 2 * DAY, NOON + 20 * HOUR]
    shown = room(numbers_of(read_policy("2026-12")), denver, slots, at=NOON)
    assert shown.windows == (Fullness(2, 7 * DAY, came=1, planned=1), Fullness(6, 30 * DAY, came=1, planned=1))
    assert shown.gap == DAY
    assert shown.next_at == NOON + 5 * DAY + timedelta(minutes=10)
