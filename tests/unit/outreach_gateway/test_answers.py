"""What an employer is told, and when: by its own tick, in days, without a reason."""

from collections.abc import Callable
from dataclasses import replace
from datetime import UTC, date, datetime, timedelta
from itertools import product

import pytest

from services.outreach_gateway import jobs
from services.outreach_gateway.answers import (
    HEARD_WITHIN,
    WENT_OUT,
    Course,
    News,
    Told,
    Untold,
    at_tick,
    closed_until,
    end,
    handed_on_until,
    in_words,
    known_at,
    last_day,
    sent_on,
    told,
    told_at,
)
from services.outreach_gateway.model import FINAL, State
from shared.runner.model import Job
from shared.ticks import Ticks
from tests.fakes.outreach_gateway import FakeTellings

TICKS = Ticks(b"k" * 32)
EMPLOYER = "emp_a"
AT = datetime(2026, 11, 24, 18, 30, tzinfo=UTC)
LAST = date(2026, 12, 8)
WAITS = Course(State.SUBMITTED, AT, LAST)
ENDED = known_at(WAITS, TICKS, EMPLOYER)
ALL_TICKS = [TICKS.first(EMPLOYER, AT) + timedelta(days=number) for number in range(18)]


def sent(at: datetime, state: State = State.DELIVERED) -> Course:
    return replace(WAITS, state=state, sent_at=at)


def test_the_last_day_is_the_one_asked_for_or_else_the_latest_and_never_after_the_offer() -> None:
    today, late = AT.date(), date(2099, 1, 1)
    assert last_day(None, late, today=today) == date(2026, 12, 8)
    assert last_day(date(2026, 12, 1), late, today=today) == date(2026, 12, 1)
    assert last_day(date(2026, 12, 1), date(2026, 11, 30), today=today) == date(2026, 11, 30)


@pytest.mark.parametrize("state", sorted(set(State) - WENT_OUT - {State.ADMITTED}))
def test_whatever_is_decided_it_waits_until_its_own_end_and_then_was_not_sent(state: State) -> None:
    course = replace(WAITS, state=state)
    seen = [told(course, TICKS, EMPLOYER, at=tick) for tick in ALL_TICKS]
    assert seen == [told(WAITS, TICKS, EMPLOYER, at=tick) for tick in ALL_TICKS]
    assert next(tick for tick, what in zip(ALL_TICKS, seen, strict=True) if what is Told.NOT_SENT) == ENDED
    assert end(LAST) <= ENDED < end(LAST) + timedelta(days=1)


@pytest.mark.parametrize("state", sorted(WENT_OUT))
def test_what_was_sent_is_told_at_the_first_tick_after_its_day_whatever_the_mailbox_did(state: State) -> None:
    hours = [sent(datetime(2026, 11, 26, hour, tzinfo=UTC), state) for hour in (0, 5, 23)]
    for course in hours:
        at = told_at(course, TICKS, EMPLOYER)
        assert at == TICKS.first(EMPLOYER, datetime(2026, 11, 27, tzinfo=UTC))
        assert told(course, TICKS, EMPLOYER, at=at - timedelta(seconds=1)) is Told.WAITING
        assert told(course, TICKS, EMPLOYER, at=at) is Told.SENT
    assert {sent_on(course) for course in hours} == {date(2026, 11, 26)}
    heard_late = replace(hours[0], heard_at=datetime(2026, 11, 29, 12, tzinfo=UTC))
    assert sent_on(heard_late) == date(2026, 11, 26), "the day is that of the sending"
    assert told_at(heard_late, TICKS, EMPLOYER) == TICKS.first(EMPLOYER, datetime(2026, 11, 29, 12, tzinfo=UTC))


def test_between_two_ticks_nothing_is_told_whatever_happens() -> None:
    """Also what is heard of after the tick at which the message ended."""
    for tick, seconds in product([*ALL_TICKS, ENDED], (1, 60, 3600)):
        moment = tick + timedelta(seconds=seconds)
        before, after = replace(WAITS, state=State.ADMITTED), replace(sent(AT), heard_at=moment)
        assert told(after, TICKS, EMPLOYER, at=moment) == told(before, TICKS, EMPLOYER, at=moment)


def test_what_is_with_the_courier_at_its_end_is_waited_for_and_never_told_twice() -> None:
    assert told(replace(WAITS, state=State.ADMITTED), TICKS, EMPLOYER, at=ENDED) is Told.WAITING
    late = replace(sent(end(LAST) - timedelta(minutes=31)), heard_at=ENDED + timedelta(minutes=1))
    assert (sent_on(late), told_at(late, TICKS, EMPLOYER)) == (LAST, TICKS.next(EMPLOYER, ENDED))
    assert handed_on_until(LAST) == end(LAST) - HEARD_WITHIN, "so that it is rare"


def test_what_was_taken_back_is_told_at_once_and_that_it_had_gone_out_when_its_day_is_told() -> None:
    back = replace(WAITS, state=State.CANCELLED, taken_back_at=AT)
    assert [told(back, TICKS, EMPLOYER, at=at) for at in (AT, ENDED + timedelta(days=3))] == [Told.CANCELLED] * 2
    assert told_at(back, TICKS, EMPLOYER) is None
    gone = replace(sent(AT), taken_back_at=AT + timedelta(minutes=1))
    assert told(gone, TICKS, EMPLOYER, at=AT + timedelta(minutes=2)) is Told.CANCELLED
    at = told_at(gone, TICKS, EMPLOYER)
    assert at is not None and told(gone, TICKS, EMPLOYER, at=at) is Told.SENT


def test_a_look_costs_14_days_and_what_was_sent_the_policys() -> None:
    policys = timedelta(days=90)
    for what in (Told.NOT_SENT, Told.CANCELLED):
        assert closed_until(what, WAITS, same_employer=policys) == date(2026, 12, 9)
    assert closed_until(Told.SENT, sent(AT), same_employer=policys) == date(2026, 11, 24) + timedelta(days=91)
    assert closed_until(Told.WAITING, WAITS, same_employer=policys) is None


def test_words_say_the_day_on_which_it_is_known_and_no_reason() -> None:
    words = {what: in_words(what, WAITS, TICKS, EMPLOYER) for what in Told}
    assert f"{ENDED:%B} {ENDED.day}" in words[Told.WAITING]
    assert len(set(words.values())) == len(Told)


def test_a_row_of_the_feed_is_read_as_it_was_said() -> None:
    for news in (News("o_1", Told.SENT, LAST, AT), News("o_1", Told.CANCELLED, None, AT)):
        assert News.of(news.said()) == news


@pytest.mark.parametrize("state", State)
def test_whatever_is_looked_at_at_a_tick_is_looked_at_again_later_or_never(state: State) -> None:
    """No tick finds the same message twice."""
    for sent_at, back, tick in product((AT, ENDED + timedelta(seconds=1)), (None, AT), [*ALL_TICKS, ENDED]):
        course = replace(WAITS, state=state, taken_back_at=back, sent_at=sent_at if state in WENT_OUT else None)
        what, again_at = at_tick(Untold("o_1", EMPLOYER, course, Told.WAITING), TICKS, tick)
        assert again_at is None or (again_at > tick and TICKS.first(EMPLOYER, again_at) == again_at)
        assert again_at is not None or what is not Told.WAITING
    assert FINAL


def world(*courses: Course, employer: str = EMPLOYER) -> FakeTellings:
    made = FakeTellings()
    for number, course in enumerate(courses):
        made.put(Untold(f"o_{number}", employer, course, Told.WAITING), told_at(course, TICKS, employer))
    return made


async def turn(rows: FakeTellings, at: datetime, *, limit: int = 500) -> dict[str, datetime]:
    rows.at = at
    return dict(await jobs.tell(rows, [Job(EMPLOYER, at, 1)], TICKS, limit))


async def test_at_a_tick_all_that_has_come_to_be_told_is_told_page_by_page_in_the_order_of_ids() -> None:
    rows = world(*(sent(AT + timedelta(minutes=minute)) for minute in (5, 3, 4, 1, 2)))
    tick = TICKS.first(EMPLOYER, end(AT.date()))
    assert await turn(rows, tick - timedelta(seconds=1)) == {EMPLOYER: tick}
    assert rows.feed == []
    late = tick + timedelta(seconds=3)
    while (await turn(rows, late, limit=2)) == {EMPLOYER: late}:
        pass
    assert rows.feed == [(EMPLOYER, News(f"o_{number}", Told.SENT, AT.date(), tick)) for number in range(5)], (
        "all at the tick, however late the work is done"
    )
    assert await turn(rows, late) == {}


def test_no_day_is_told_before_what_became_of_it_is_heard_of() -> None:
    """Whoever is told in the first minutes of the day would read `in the last seconds of the day before` in a later tick."""
    employer = next(name for name in map(str, range(10_000)) if TICKS.first(name, end(LAST)) < end(LAST) + HEARD_WITHIN)
    soon = replace(sent(end(LAST) - timedelta(seconds=9)), heard_at=end(LAST) + timedelta(minutes=3))
    early = replace(sent(end(LAST) - timedelta(hours=9)), heard_at=end(LAST) - timedelta(hours=9))
    assert told_at(soon, TICKS, employer) == told_at(early, TICKS, employer) == known_at(soon, TICKS, employer)


async def test_what_changes_nothing_is_not_told() -> None:
    rows = world(replace(WAITS, state=State.ADMITTED))
    assert await turn(rows, ENDED) == {EMPLOYER: TICKS.next(EMPLOYER, ENDED)}
    assert rows.feed == []


async def test_whoever_nobody_has_to_tell_is_told() -> None:
    rows = world(sent(AT))
    rows.at = ENDED
    assert not await jobs.find_untold(rows)
    assert rows.scheduled == {EMPLOYER: ENDED}


def _moves() -> list[Callable[[Course], Course]]:
    return [
        lambda course: course,
        lambda course: replace(course, state=State.DROPPED),
        lambda course: replace(course, state=State.CANCELLED),
        lambda course: replace(course, state=State.DELAYED),
    ]


def test_worlds_that_differ_in_what_a_person_did_are_told_alike_at_every_moment() -> None:
    moments = [AT + timedelta(hours=hours, seconds=7) for hours in range(0, 24 * 17, 5)]
    seen = {tuple(told(move(WAITS), TICKS, EMPLOYER, at=at) for at in moments) for move in _moves()}
    assert len(seen) == 1
