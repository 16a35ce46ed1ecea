"""Non-interference: what an employer is told of its messages is made of its own doing and of their end states, and of nothing else.

Rivals write, the person blocks, pauses, moves, withdraws, loses a mailbox, is erased: histories at random, through the gateway's
own handlers, rules and queue. Each teller that tells a little more is found out, so this can fail.
"""

import asyncio
import random
from collections import Counter
from datetime import datetime, timedelta
from math import log2

import pytest
from hypothesis import HealthCheck, example, given, settings
from hypothesis import strategies as st

from services.outreach_gateway.answers import FEWEST_DAYS, MOST_DAYS, Told
from services.outreach_gateway.model import Outreach, State
from tests.unit.outreach_gateway.worlds import (
    ME,
    RIVALS,
    TICKS,
    Ends,
    Mine,
    Others,
    Says,
    Seen,
    Show,
    TakeBack,
    World,
    Write,
    ends_of,
    interferes,
    shown,
)

HOURS = st.integers(0, 24 * 12)
MINE = st.lists(
    st.builds(Write, HOURS, st.integers(FEWEST_DAYS, MOST_DAYS), st.sampled_from(["m_one", "m_two"]))
    | st.builds(TakeBack, HOURS, st.integers(0, 2)),
    min_size=1,
    max_size=5,
)
OTHERS = st.lists(
    st.builds(Write, HOURS, st.integers(FEWEST_DAYS, MOST_DAYS), st.just("m_theirs"), st.sampled_from(RIVALS))
    | st.builds(
        Says,
        HOURS,
        st.booleans(),
        st.booleans(),
        st.sampled_from([None, "America/Denver", "America/New_York", "Pacific/Honolulu"]),
        st.none() | st.sampled_from([(8, 13), (20, 12)]),
        st.none() | st.integers(1, 9),
    )
    | st.builds(Ends, HOURS, st.booleans()),
    max_size=8,
)


@settings(suppress_health_check=[HealthCheck.too_slow])
@given(MINE, OTHERS)
def test_what_is_told_is_made_of_ones_own_doing_and_the_end_states(mine: list[Mine], others: list[Others]) -> None:
    assert not interferes(mine, others)


def until(row: Outreach, what: Told, at: datetime) -> object:
    """The answer, and until when it waits."""
    return shown(row, what, at), row.slot_at if row.state is State.DELAYED else None


def reason(row: Outreach, what: Told, at: datetime) -> object:
    """The answer, and for what was not sent whether it was refused or taken from the queue."""
    return shown(row, what, at), row.state if what is Told.NOT_SENT else None


def refused_at_once(row: Outreach, what: Told, at: datetime) -> object:
    """`not_sent` as soon as that is so, in place of at the message's end."""
    is_over = row.state in (State.DROPPED, State.CANCELLED) and what is Told.WAITING
    return shown(row, Told.NOT_SENT if is_over else what, at)


def sent_at_once(row: Outreach, what: Told, at: datetime) -> object:
    """`sent` as soon as that is so, in place of at the tick."""
    return shown(row, Told.SENT if row.sent_at is not None else what, at)


def the_hour(row: Outreach, what: Told, at: datetime) -> object:
    """The hour of the sending, in place of the day."""
    return shown(row, what, at), row.sent_at.hour if row.sent_at is not None and what is Told.SENT else None


def how_often_decided(row: Outreach, what: Told, at: datetime) -> object:
    """The answer, with a version that rises with each decision."""
    return shown(row, what, at), row.version


def bounces(row: Outreach, what: Told, at: datetime) -> object:
    """The answer, and whether the mailbox took it."""
    return shown(row, what, at), row.state is State.BOUNCED if what is Told.SENT else None


DAY = 24
TELLING = [
    ([Write(5)], [Write(2, by=RIVALS[0])]),
    ([Write(0), Write(3, ref="m_two")], [Says(1, blocks=True)]),
    ([Write(30, days=5)], [Write(1, by=RIVALS[0]), Write(2, by=RIVALS[1]), Says(6, zone="America/New_York")]),
    ([Write(2), TakeBack(3 * DAY)], [Says(0, paused_days=9)]),
    ([Write(2, days=4)], [Says(0, contact=False)]),
    ([Write(12)], [Write(3, by=RIVALS[1]), Ends(20)]),
    ([Write(7)], []),
]  # type: list[tuple[list[Mine], list[Others]]]


def test_of_these_histories_nothing_is_told_either() -> None:
    assert [interferes(mine, others) for mine, others in TELLING] == [False] * len(TELLING)


@pytest.mark.parametrize(
    "teller",
    [until, reason, refused_at_once, sent_at_once, the_hour, how_often_decided, bounces],
)
def test_who_tells_a_little_more_is_found_out(teller: Show) -> None:
    assert any(interferes(mine, others, show=teller) for mine, others in TELLING)


def test_a_block_a_pause_a_withdrawal_an_erasure_and_a_dead_mailbox_look_alike() -> None:
    """At every moment, and the same as a week that is full."""
    mine = [Write(5, days=4), Write(6, days=3, ref="m_two")]
    acts: list[list[Others]] = [
        [Says(1, blocks=True)],
        [Says(1, paused_days=30)],
        [Says(1, contact=False)],
        [Ends(1, erased=True)],
        [Ends(1)],
        [Write(1, by=RIVALS[0]), Write(1, by=RIVALS[1]), Says(4, contact=False)],
    ]
    assert len({ends_of(mine, others) for others in acts}) == 1


@settings(suppress_health_check=[HealthCheck.too_slow])
@given(MINE, OTHERS, st.integers(0, 120))
@example([Write(5, days=3)], [], 110)
@example([Write(0, days=3), TakeBack(0)], [Write(7, days=3, ref="m_theirs", by="emp_1"), Ends(1)], 0)
def test_what_is_heard_of_late_is_told_at_a_tick_and_takes_nothing_back(
    mine: list[Mine], others: list[Others], late: int
) -> None:
    """A gateway or a courier that was down: hours after the tick that would have told it, or after the message's end."""
    seen = asyncio.run(World(Seen(shown), late=timedelta(hours=late)).play(mine, others, days=25))
    told: dict[str, list[Told]] = {}
    for news in seen.feed:
        assert news.state is Told.CANCELLED or news.at == TICKS.last(ME, news.at)
        told.setdefault(news.outreach, []).append(news.state)
    ends = ([Told.SENT], [Told.NOT_SENT], [Told.CANCELLED], [Told.CANCELLED, Told.SENT])
    assert all(states in ends for states in told.values())


def test_an_end_state_carries_less_than_four_bits() -> None:
    """Of one message that waits as long as one can, whatever rivals and the person do: a day of fifteen, or none."""
    lot = random.Random(1)  # noqa: S311 (an attack, no secret)
    ends = Counter(ends_of([Write(60)], crowded(lot)) for _ in range(WORLDS))
    bits = -sum(number / WORLDS * log2(number / WORLDS) for number in ends.values())
    assert len(ends) <= MOST_DAYS + 2
    assert 1 < bits < 4


WORLDS = 80


def crowded(lot: random.Random) -> list[Others]:
    """Rivals of whom some wrote before, in weeks that are full then, and a person of whom nothing is known but their zone."""
    rivals = [Write(lot.randrange(59), by=rival) for rival in RIVALS if lot.random() < 0.6]
    return [
        *rivals,
        Says(lot.randrange(50, 60), contact=lot.random() < 0.8, zone=lot.choice([None, "Pacific/Honolulu"])),
    ]
