"""The demo's own parts: its invented people, its clock, its words at the end, and its exit codes."""

import json
from collections import Counter
from dataclasses import replace
from datetime import UTC, datetime, timedelta
from pathlib import Path
from typing import Any

import pytest
import typer
from typer.testing import CliRunner

from deploy.checks.policy import FIRST_POLICY
from deploy.demo import command, watching
from deploy.demo.effects import CANCELLED, DARK, OUT_OF_POOLS, REFUSED, Click, spread, within
from deploy.demo.people import invent
from deploy.demo.summary import Summary
from deploy.demo.trades import SEEKING
from deploy.demo.watching import TopicWatch, reference_in
from deploy.demo.world import next_tuesday, reference
from deploy.local.home import Home
from shared.contracts.base import Event
from shared.contracts.outreach_gateway import OutreachDecidedV1
from shared.contracts.pool_matching import MembershipsChangedV1

CANDIDATE = "0f7c2a52-8d3e-4b53-9a8c-3a4b7c1d2e3f"

GOOD = Summary(
    people={"reported by vendors": 3},
    outreach={"sent by employers": 2, "delivered": 1, "bounced": 0},
    told={"sent": 1, "not_sent": 1},
    rules={"delay": {"network_gap": 1}, "drop": {}},
    mails=1,
    fullest={"at most 2 first contacts in 7 days": (1, 2)},
    seconds_to_mail=[0.25],
    effects={"withdrawn: out of all pools": [0.25, 0.5, 4.0], "erased": []},
    promises={"nothing is lost": []},
)


def test_the_same_run_invents_the_same_people_and_another_run_others_with_other_addresses() -> None:
    one, again, other = invent(300, run="a"), invent(300, run="a"), invent(300, run="b")
    assert one == again
    assert {person.mail for person in one}.isdisjoint(person.mail for person in other)
    assert len({person.mail for person in one}) == 300
    assert all(person.mail.endswith("@example.org") for person in one)


def test_about_one_in_seven_people_comes_from_two_vendors_and_every_choice_is_made_by_some() -> None:
    people = invent(300, run="a")
    assert 0.1 < sum(len(person.vendors) == 2 for person in people) / 300 < 0.22
    assert all(len(set(person.vendors)) == len(person.vendors) for person in people)
    choices = Counter(person.choice for person in people)
    assert choices["match and contact"] > 200
    assert choices["match only"] > 10
    assert choices["nothing"] > 5


def test_every_personal_field_of_a_person_is_a_canary() -> None:
    person = invent(1, run="a")[0]
    texts = {canary.text for canary in person.canaries()}
    assert {person.mail, person.phone, person.family_name, person.profile.street} <= texts


def test_eight_employers_look_for_people() -> None:
    assert len({seeking.employer for seeking in SEEKING}) == 8


@pytest.mark.parametrize("day", range(0, 400, 13))
def test_the_next_tuesday_is_ahead_and_in_open_hours_in_all_states_summer_and_winter(day: int) -> None:
    now = datetime(2026, 1, 1, 23, 50, tzinfo=UTC) + timedelta(days=day)
    tuesday = next_tuesday(now)
    assert tuesday.weekday() == 1
    assert timedelta() < tuesday - now <= timedelta(days=7)
    assert FIRST_POLICY.is_open(tuesday, None)
    assert FIRST_POLICY.is_open(tuesday + timedelta(hours=6), None)


def test_a_reference_is_found_again_in_its_subject() -> None:
    mark = reference("a", 1)
    assert reference_in(f"Nurse wanted (ref {mark})") == mark
    assert reference_in("Denver Health told Fairpool about you") is None
    assert mark != reference("a", 2)


def run(monkeypatch: pytest.MonkeyPatch, summary: Summary, *arguments: str) -> Any:
    def play(place: Home, people: int, steps: object) -> Summary:
        return summary

    monkeypatch.setattr(command, "_play", play)
    monkeypatch.setattr("deploy.local.launch.running", lambda home: object())
    app = typer.Typer()
    app.command()(command.demo)
    return CliRunner().invoke(app, list(arguments))


def test_it_exits_with_0_when_every_promise_was_kept(monkeypatch: pytest.MonkeyPatch) -> None:
    result = run(monkeypatch, GOOD)
    assert result.exit_code == 0
    assert "Every promise was kept" in result.output


def test_it_exits_with_1_and_names_what_broke_a_promise(monkeypatch: pytest.MonkeyPatch) -> None:
    broken = replace(GOOD, promises={"nothing is lost": ["nothing lost: o_1: it was requested and never decided"]})
    result = run(monkeypatch, broken)
    assert result.exit_code == 1
    assert "o_1" in result.output
    assert "Every promise was kept" not in result.output


def test_as_json_standard_output_is_json_alone(monkeypatch: pytest.MonkeyPatch) -> None:
    result = run(monkeypatch, GOOD, "--json")
    assert json.loads(result.stdout)["promises"] == {"nothing is lost": []}


def test_what_follows_a_click_is_shown_as_a_distribution_with_the_number_of_people(
    monkeypatch: pytest.MonkeyPatch,
) -> None:
    rows = [line.strip().split("  ") for line in run(monkeypatch, GOOD).output.splitlines()]
    shown = {row[0]: [cell.strip() for cell in row[1:] if cell.strip()] for row in rows}
    assert shown["withdrawn: out of all pools"] == ["3", "0.50", "4.00", "4.00", "4.00"]
    assert shown["erased"] == ["0", "-", "-", "-", "-"]


def test_a_share_of_the_people_is_told_by_the_slowest_of_them_and_never_by_more() -> None:
    hundred = [float(one) for one in range(1, 101)]
    assert [within(hundred, share) for share in (0.5, 0.95, 0.99, 1)] == [50, 95, 99, 100]
    assert [within([2.0, 1.0], share) for share in (0.5, 0.99)] == [1, 2]
    assert within([], 0.99) == 0


def decided(outreach: str, outcome: str, version: int) -> OutreachDecidedV1:
    at = datetime(2026, 11, 24, 18, tzinfo=UTC)
    values = {
        "outreach": outreach,
        "version": version,
        "candidate": CANDIDATE,
        "employer": "emp_a",
        "policy": "p",
        "at": at,
    }
    return OutreachDecidedV1.model_validate({**values, "outcome": outcome})


def test_a_click_holds_once_each_thing_that_there_was_has_ended_and_is_told_with_its_seconds(
    monkeypatch: pytest.MonkeyPatch,
) -> None:
    topics, clock = TopicWatch(), 100.0
    monkeypatch.setattr(watching, "monotonic", lambda: clock)

    def told(*events: Event) -> None:
        for event in events:
            topics._note(event)

    def in_pools(version: int, *pools: str) -> MembershipsChangedV1:
        values = [{"pool": pool, "employer": "emp_a", "since": "2026-11-24T18:00:00Z"} for pool in pools]
        return MembershipsChangedV1.model_validate({"candidate": CANDIDATE, "version": version, "pools": values})

    told(in_pools(1, "p_1"), decided("o_1", "delayed", 1), decided("o_2", "delayed", 1), decided("o_3", "admitted", 1))
    click = Click.of(CANDIDATE, topics, clock)
    assert click.held == {"o_1", "o_2"}
    clock = 101.0
    told(decided("o_1", "cancelled", 2), in_pools(2))
    assert click.effects(topics) == {OUT_OF_POOLS: 1.0, CANCELLED: None, REFUSED: None}
    clock = 103.0
    told(decided("o_2", "cancelled", 2))
    topics.stopped[CANDIDATE] = clock
    assert click.holds(topics)
    assert spread([click], [], topics) == {OUT_OF_POOLS: [1.0], CANCELLED: [3.0], REFUSED: [3.0], DARK: []}


def test_without_a_stack_it_says_how_to_start_one(tmp_path: Path) -> None:
    app = typer.Typer()
    app.command()(command.demo)
    result = CliRunner().invoke(app, ["--home", str(tmp_path)])
    assert result.exit_code == 8
    assert "fairpool dev --detach" in result.output
