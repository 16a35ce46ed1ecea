"""What a person may change, and when it counts as a change."""

from dataclasses import replace
from datetime import datetime, time, timedelta

import pytest
from hypothesis import given
from hypothesis import strategies as st

from services.consent.decisions import Changed, Refused, Unchanged, block_employer, change, stop_all
from services.consent.model import LASTS, PURPOSES, Choices, Present, Quiet
from tests.fakes.clock import NOON

EMPLOYERS = frozenset({"emp_acme", "emp_denverhealth"})
STRANGER = Present("c1", "person_x")
GRANTED = replace(STRANGER, version=1, choices=Choices(purposes=PURPOSES, ends_at=NOON + LASTS))


def wishes(present: Present, wish: Choices, at: datetime = NOON) -> Changed | Unchanged | Refused:
    return change(present, wish, at, employers=EMPLOYERS)


def refusal(field: str, wish: Choices, present: Present = STRANGER) -> str:
    outcome = wishes(present, replace(wish, purposes=PURPOSES))
    assert isinstance(outcome, Refused), f"expected a refusal of {field}"
    assert list(outcome.errors) == [field]
    return outcome.errors[field]


def accepted(wish: Choices, present: Present = STRANGER) -> Choices:
    outcome = wishes(present, wish)
    assert isinstance(outcome, Changed), outcome
    return outcome.choices


def test_a_first_yes_lasts_a_year() -> None:
    assert accepted(Choices(purposes=("match",))) == Choices(purposes=("match",), ends_at=NOON + timedelta(days=365))


def test_a_first_no_is_a_change_because_silence_is_not_a_no() -> None:
    assert isinstance(wishes(STRANGER, Choices()), Changed)
    assert isinstance(stop_all(STRANGER), Changed)


def test_the_same_answer_again_changes_nothing() -> None:
    assert isinstance(wishes(GRANTED, GRANTED.choices), Unchanged)
    assert isinstance(wishes(GRANTED, replace(GRANTED.choices, purposes=("contact", "match", "match"))), Unchanged)


def test_the_order_and_repetition_of_entries_means_nothing() -> None:
    chosen = accepted(
        Choices(
            purposes=("contact", "match"),
            sectors=("31-0000", "29-0000", "31-0000"),
            blocked_employers=("emp_acme", "emp_acme"),
        )
    )
    assert chosen.purposes == ("match", "contact")
    assert chosen.sectors == ("29-0000", "31-0000")
    assert chosen.blocked_employers == ("emp_acme",)


@pytest.mark.parametrize("code", ["29", "29-000", "99-0000", "29-00000", "nurse", "29-0000\n", "٢٩-0000"])
def test_a_sector_that_is_no_occupation_is_refused(code: str) -> None:
    assert "29-0000" in refusal("sectors", Choices(sectors=(code,)))


@pytest.mark.parametrize("code", ["29-0000", "29-1000", "29-1140", "29-1141"])
def test_a_sector_may_be_of_any_level(code: str) -> None:
    assert accepted(Choices(purposes=("match",), sectors=(code,))).sectors == (code,)


def test_only_an_employer_of_the_network_can_be_blocked_anew() -> None:
    refusal("blocked_employers", Choices(blocked_employers=("emp_nobody",)))


def test_an_employer_that_left_the_network_may_stay_blocked() -> None:
    present = replace(GRANTED, choices=replace(GRANTED.choices, blocked_employers=("emp_gone",)))
    wish = replace(present.choices, blocked_employers=("emp_acme", "emp_gone"))
    assert accepted(wish, present).blocked_employers == ("emp_acme", "emp_gone")


@pytest.mark.parametrize("number", [0, 3, -1])
def test_first_messages_can_only_become_fewer(number: int) -> None:
    assert "1 or 2" in refusal("first_contacts_per_week", Choices(first_contacts_per_week=number))


@pytest.mark.parametrize("hours", [23, 0, 721])
def test_the_gap_can_only_become_longer(hours: int) -> None:
    assert "24 to 720" in refusal("min_gap_hours", Choices(min_gap_hours=hours))


@pytest.mark.parametrize("zone", ["Mars/Base", "../etc/passwd", "", "posix/UTC", "America/denver"])
def test_a_zone_that_is_none_is_refused(zone: str) -> None:
    assert "America/Denver" in refusal("time_zone", Choices(time_zone=zone))


def test_quiet_hours_that_leave_two_hours_are_taken() -> None:
    quiet = Quiet(time(10), time(21))
    assert accepted(Choices(purposes=PURPOSES, time_zone="America/Denver", quiet_hours=quiet)).quiet_hours == quiet


def test_quiet_hours_that_leave_less_than_two_hours_are_refused() -> None:
    sentence = refusal("quiet_hours", Choices(time_zone="America/Denver", quiet_hours=Quiet(time(9, 59), time(21))))
    assert "at least 2 hours a day" in sentence


def test_quiet_hours_without_a_zone_must_leave_room_in_all_states_at_once() -> None:
    quiet = Quiet(time(12), time(14))
    assert "every US time zone" in refusal("quiet_hours", Choices(quiet_hours=quiet))
    assert accepted(Choices(purposes=PURPOSES, quiet_hours=Quiet(time(21), time(8)))).quiet_hours is not None


def test_quiet_hours_that_end_when_they_start_are_refused() -> None:
    refusal("quiet_hours", Choices(time_zone="UTC", quiet_hours=Quiet(time(9), time(9))))


@pytest.mark.parametrize("field", ["paused_until", "ends_at"])
@pytest.mark.parametrize("ahead", [timedelta(0), timedelta(days=-1), timedelta(days=4000)])
def test_dates_lie_in_the_future_and_not_beyond_reason(field: str, ahead: timedelta) -> None:
    moment = NOON + ahead
    refusal(field, Choices(paused_until=moment) if field == "paused_until" else Choices(ends_at=moment))


def test_an_answer_that_has_run_out_is_renewed_for_a_year_when_it_is_given_again() -> None:
    later = NOON + timedelta(days=400)
    outcome = wishes(GRANTED, GRANTED.choices, later)
    assert isinstance(outcome, Changed)
    assert outcome.choices.ends_at == later + LASTS


def test_a_pause_that_is_over_is_no_reason_to_refuse() -> None:
    present = replace(GRANTED, choices=replace(GRANTED.choices, paused_until=NOON - timedelta(days=1)))
    assert isinstance(wishes(present, present.choices), Unchanged)


def test_switching_everything_off_is_never_refused() -> None:
    bad = Choices(sectors=("x",), time_zone="Mars/Base", min_gap_hours=1, ends_at=NOON)
    outcome = wishes(GRANTED, bad)
    assert isinstance(outcome, Changed)
    assert outcome.choices == replace(GRANTED.choices, purposes=())


def test_stopping_keeps_the_limits_for_another_day() -> None:
    limited = replace(GRANTED, choices=replace(GRANTED.choices, blocked_employers=("emp_acme",), min_gap_hours=48))
    outcome = stop_all(limited)
    assert isinstance(outcome, Changed)
    assert outcome.choices == replace(limited.choices, purposes=())
    assert isinstance(stop_all(replace(limited, choices=outcome.choices)), Unchanged)


def test_blocking_an_employer_keeps_everything_else_and_is_idempotent() -> None:
    outcome = block_employer(GRANTED, "emp_acme")
    assert isinstance(outcome, Changed)
    assert outcome.choices == replace(GRANTED.choices, blocked_employers=("emp_acme",))
    assert isinstance(block_employer(replace(GRANTED, choices=outcome.choices), "emp_acme"), Unchanged)


steps = st.one_of(
    st.just("stop"),
    st.sampled_from(sorted(EMPLOYERS)),
    st.builds(
        Choices,
        purposes=st.lists(st.sampled_from(PURPOSES), max_size=3).map(tuple),
        sectors=st.lists(st.sampled_from(["29-0000", "31-0000", "nonsense"]), max_size=3).map(tuple),
        min_gap_hours=st.one_of(st.none(), st.integers(0, 800)),
    ),
)


def play(taken: list[str | Choices]) -> list[Present]:
    """Every state that a person goes through."""
    states = [STRANGER]
    for number, step in enumerate(taken):
        present, at = states[-1], NOON + timedelta(minutes=number)
        match step:
            case "stop":
                outcome: Changed | Unchanged | Refused = stop_all(present)
            case str():
                outcome = block_employer(present, step)
            case _:
                outcome = wishes(present, step, at)
        if isinstance(outcome, Changed):
            states.append(replace(present, version=present.version + 1, choices=outcome.choices))
    return states[1:]


@given(st.lists(steps, max_size=8), st.data())
def test_readers_that_take_states_in_any_order_and_twice_end_equal(
    taken: list[str | Choices], data: st.DataObject
) -> None:
    states = play(taken)
    assert [state.version for state in states] == list(range(1, len(states) + 1))
    arriving = data.draw(st.permutations(states + states))
    projection: Present | None = None
    for state in arriving:
        if projection is None or state.version > projection.version:
            projection = state
    assert projection == (states[-1] if states else None)


@given(st.lists(steps, max_size=8))
def test_after_a_stop_nothing_is_on_whatever_came_before(taken: list[str | Choices]) -> None:
    assert play([*taken, "stop"])[-1].choices.purposes == ()
