"""Choices in plain words, and as form fields."""

from dataclasses import replace
from datetime import UTC, datetime, time, timedelta

from services.consent.api import views
from services.consent.model import LASTS, MAJOR_GROUPS, PURPOSES, Choices, Quiet
from shared.facts import fact
from tests.fakes.clock import NOON

ON = Choices(purposes=PURPOSES, ends_at=NOON + LASTS, time_zone="America/Denver")
NAMES = {"emp_acme": "Acme Robotics"}


def facts(choices: Choices) -> dict[str, str]:
    return dict(views.facts(choices, lambda employer: fact(NAMES.get(employer)), NOON))


def test_nothing_on_is_two_offs_and_nothing_more() -> None:
    assert facts(Choices()) == {"Your profile": "Off – no employer sees it", "Messages": "Off – nobody writes to you"}


def test_what_is_on_is_told_with_its_limits() -> None:
    told = facts(
        replace(ON, sectors=("29-0000",), blocked_employers=("emp_acme", "emp_gone"), min_gap_hours=48, quiet_hours=Quiet(time(12), time(13, 30)))
    )  # fmt: skip
    assert told == {
        "Your profile": "On – employers whose jobs fit can see it",
        "Messages": "On – at most 2 in 7 days, 2 days apart, 8\u00a0am to 9\u00a0pm, not noon to 1:30\u00a0pm",
        "Kinds of work": "Healthcare Practitioners and Technical",
        "Blocked employers": "Acme Robotics, an employer that is not known here",
        "Until": "November 23, 2027",
    }


def test_quiet_hours_over_midnight_are_told_as_the_hours_that_are_left() -> None:
    told = facts(replace(ON, quiet_hours=Quiet(time(17), time(9))))
    assert told["Messages"] == "On – at most 2 in 7 days, 1 day apart, 9\u00a0am to 5\u00a0pm"
    told = facts(replace(ON, quiet_hours=Quiet(time(22), time(6))))
    assert told["Messages"].endswith("8\u00a0am to 9\u00a0pm")


def test_an_answer_that_has_run_out_is_off() -> None:
    told = facts(replace(ON, ends_at=NOON - timedelta(days=1)))
    assert told["Your profile"].startswith("Off")
    assert told["Ended"].startswith("On November 22, 2026")


def test_who_takes_a_break_is_neither_seen_nor_written_to_and_the_page_says_both() -> None:
    told = facts(replace(ON, paused_until=NOON + timedelta(days=7)))
    assert told["Your profile"] == told["Messages"] == "Off until November 30, 2026 – you are taking a break"


def test_days_are_those_of_the_persons_zone() -> None:
    just_after_midnight_utc = datetime(2027, 1, 1, 3, tzinfo=UTC)
    assert views.day(just_after_midnight_utc, ON) == "December 31, 2026"


def test_every_present_choice_is_among_what_the_form_offers() -> None:
    present = replace(
        ON, sectors=("29-1141",), blocked_employers=("emp_gone",), min_gap_hours=36, first_contacts_per_week=2
    )
    filled, offered = views.fields(present, NOON), views.options(present, [("emp_acme", "Acme Robotics")])
    assert "29-1141" in [value for value, *_ in offered["sectors"]]
    assert "emp_gone" in [value for value, *_ in offered["employers"]]
    for field, of in (("min_gap_hours", "gaps"), ("first_contacts_per_week", "weekly")):
        assert filled[field] in [value for value, _ in offered[of]]


def test_everyones_rule_is_sent_as_no_choice() -> None:
    offered = views.options(Choices(), [])
    assert offered["weekly"][0][0] == offered["gaps"][0][0] == views.fields(Choices(), NOON)["min_gap_hours"] == ""


def test_all_major_groups_are_offered() -> None:
    assert len(MAJOR_GROUPS) == len(views.options(Choices(), [])["sectors"]) == 23


def test_messages_without_a_profile_are_told_to_be_of_no_use_yet() -> None:
    assert "nobody can write" in facts(replace(ON, purposes=("contact",)))["Messages"]


def test_without_a_zone_the_hours_are_told_as_those_that_hold_in_all_states() -> None:
    somewhere = replace(ON, time_zone=None)
    assert facts(somewhere)["Messages"] == (
        "On – at most 2 in 7 days, 1 day apart, 8\u00a0am to 9\u00a0pm in all 50 states at once, since your time zone is not chosen"
    )
    quiet = facts(replace(somewhere, quiet_hours=Quiet(time(12), time(13))))["Messages"]
    assert "8\u00a0am to 9\u00a0pm and not noon to 1\u00a0pm in all 50 states at once" in quiet
