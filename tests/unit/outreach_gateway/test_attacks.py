"""Attacks by messages that are taken back, as somebody with the time for it would try them: at night, when nothing is sent."""

import asyncio
from collections.abc import Sequence
from datetime import date, timedelta

import pytest

from services.outreach_gateway.answers import FEWEST_DAYS, MOST_DAYS, course_of, sent_on
from tests.unit.outreach_gateway.worlds import (
    RIVALS,
    Mine,
    Others,
    Says,
    Seen,
    TakeBack,
    TakesBack,
    World,
    Write,
    shown,
)

NIGHT, MORNING = 10, 20
"""By the hour of these worlds: past nine in the evening in Denver, and eight in the morning."""
PEOPLE = range(16)


def played(mine: Sequence[Mine], others: Sequence[Others], *, days: int = 20) -> World:
    """A world, at its end."""
    world = World(Seen(shown))
    asyncio.run(world.play(mine, others, days=days))
    return world


def night(world: World) -> list[object]:
    """All that the employer was answered until the morning, with its times."""
    begins = world.seen.answers[0][0] if world.seen.answers else None
    return [
        one for one in world.seen.answers if begins is not None and one[0] - begins < timedelta(hours=MORNING - NIGHT)
    ]


def test_two_employers_do_not_link_a_person_by_messages_that_they_take_back() -> None:
    """The other writes to those whose number has a bit, this one to everybody, and looks whose answer differs. A round for each bit:
    all answers are the same, so each guess is one of sixteen."""
    for bit in range(4):
        answers = [
            night(
                played([Write(NIGHT + 1), TakeBack(NIGHT + 8)], [Write(NIGHT, by=RIVALS[0])] if who >> bit & 1 else [])
            )
            for who in PEOPLE
        ]
        assert answers[0]
        assert all(one == answers[0] for one in answers)


def test_no_look_tells_when_a_rival_wrote_or_whether_one_did() -> None:
    """A look for every last day that one can ask for, each taken back, and the person's rival at another hour each time."""
    for days in (FEWEST_DAYS, MOST_DAYS):
        answers = [
            night(played([Write(NIGHT, days=days), TakeBack(NIGHT + 6)], [Write(hour, by=RIVALS[0])]))
            for hour in (0, 1, 4, NIGHT - 1, NIGHT + 3)
        ]
        nobody = night(played([Write(NIGHT, days=days), TakeBack(NIGHT + 6)], []))
        assert all(one == nobody for one in answers)


@pytest.mark.parametrize("zone", [None, "America/New_York", "Pacific/Honolulu"])
def test_no_look_tells_where_a_person_lives_or_when_they_are_quiet(zone: str | None) -> None:
    mine: list[Mine] = [Write(NIGHT), TakeBack(NIGHT + 2)]
    assert night(played(mine, [Says(1, zone=zone, quiet=(8, 13))])) == night(played(mine, []))


def test_places_that_are_taken_back_put_nobody_off() -> None:
    """Two who send nothing take a person's places of the week, a third writes, and they take theirs back in the night."""
    squatters: list[Others] = [Write(NIGHT, by=RIVALS[0]), Write(NIGHT, by=RIVALS[1])]
    leave: list[Others] = [TakesBack(NIGHT + 3, RIVALS[0]), TakesBack(NIGHT + 3, RIVALS[1])]
    days = [sent(played([Write(NIGHT + 1)], others)) for others in ([], squatters, [*squatters, *leave])]
    assert days[1] != days[0]
    assert days[2] == days[0]


def sent(world: World) -> date | None:
    """When the employer's own message was."""
    return sent_on(course_of(world.store.rows["me-0"]))
