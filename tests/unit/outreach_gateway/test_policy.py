"""A policy is held against itself and against what people signed."""

from dataclasses import replace
from datetime import time, timedelta
from pathlib import Path

import pytest

from services.outreach_gateway.adapters.policy_file import (
    POLICIES,
    PolicyError,
    files,
    policy_in_force,
    read_policy,
)
from services.outreach_gateway.decisions import KEPT
from services.outreach_gateway.model import Policy
from services.outreach_gateway.policy import contradictions, most_within, words
from shared.contracts.agreements import Limits

POLICY = read_policy("2026-12")
DAY, HOUR = timedelta(days=1), timedelta(hours=1)
SIGNED = {"2026-12": Limits(2, 7 * DAY, 24 * HOUR, time(8), time(21))}
CAPS = ((2, 7 * DAY), (6, 30 * DAY))


def found(policy: Policy, **signed: Limits) -> tuple[str, ...]:
    return contradictions(policy, signed or SIGNED, kept=KEPT)


def test_every_shipped_policy_can_be_kept() -> None:
    assert [found(read_policy(version)) for version in files()] == [()] * len(files())


@pytest.mark.parametrize(
    ("changes", "said"),
    [
        ({"network": ((9, 7 * DAY), (6, 30 * DAY))}, "allows 9 in 7 days beside 6 in 30 days"),
        ({"network": ((2, 7 * DAY), (1, 7 * DAY))}, "two caps for 7 days"),
        ({"network": ((2, 7 * DAY),), "gap": 8 * DAY}, "do not fit"),
        ({"network": ((2, 0 * DAY),)}, "no length"),
        ({"slot_good_for": 0 * DAY}, "gives slot_good_for no length"),
        ({"gap": -HOUR}, "below zero"),
        ({"same_employer": 120 * DAY}, "remembered for 100 days alone"),
        ({"network": ((2, 7 * DAY), (9, 365 * DAY))}, "remembered for 100 days alone"),
        ({"opens": time(21), "closes": time(8)}, "no slot lies in between"),
        ({"opens": time(8), "closes": time(8, 10)}, "no slot lies in between"),
        ({"opens": time(9), "closes": time(14)}, "never open in all of unknown_zone"),
        ({"halve_after_unanswered": 3, "unanswered_after": 0 * DAY}, "no time after which"),
    ],
)
def test_a_policy_that_contradicts_itself_says_how(changes: dict[str, object], said: str) -> None:
    (reason, *_) = found(replace(POLICY, **changes))  # type: ignore[arg-type]  # one field each
    assert said in reason


@pytest.mark.parametrize(
    ("changes", "said"),
    [
        ({"network": ((9, 7 * DAY),), "gap": HOUR}, "lets 9 first contacts arrive in 7 days"),
        ({"network": ((1, 3 * DAY),), "gap": DAY}, "lets 3 first contacts arrive in 7 days"),
        (
            {"network": ((8, 30 * DAY),)},
            "lets 7 first contacts arrive in 7 days",
        ),  # a day apart, and no cap for the week
        ({"gap": HOUR}, "lets 1 hour pass from one first contact to the next"),
        ({"opens": time(7)}, "opens at 07:00"),
        ({"closes": time(21, 1)}, "closes at 21:01"),
    ],
)
def test_a_policy_that_allows_more_than_was_signed_names_the_agreement(changes: dict[str, object], said: str) -> None:
    (reason, *_) = found(replace(POLICY, **changes))  # type: ignore[arg-type]  # one field each
    assert said in reason
    assert "agreement 2026-12 promises" in reason


def test_every_contradiction_is_told_at_once() -> None:
    broken = replace(POLICY, network=((9, 7 * DAY), (6, 30 * DAY)), gap=HOUR, opens=time(6))
    told = "\n".join(found(broken))
    assert told.count("\n") == 3
    for part in (
        "allows 9 in 7 days beside 6 in 30 days",
        "lets 6 first contacts",
        "lets 1 hour pass",
        "opens at 06:00",
    ):
        assert part in told


def test_a_stricter_policy_keeps_to_what_was_signed() -> None:
    assert found(replace(POLICY, network=((1, 7 * DAY),), gap=48 * HOUR, opens=time(9), closes=time(20))) == ()


def test_every_agreement_counts_the_old_ones_too() -> None:
    older = Limits(1, 7 * DAY, 24 * HOUR, time(8), time(21))
    (reason,) = found(POLICY, **{"2026-12": SIGNED["2026-12"], "2026-10": older})
    assert "agreement 2026-10 promises at most 1" in reason


def test_the_most_in_a_stretch_is_the_least_that_any_rule_leaves() -> None:
    assert most_within(replace(POLICY, network=CAPS), 7 * DAY) == 2
    assert most_within(replace(POLICY, network=CAPS), 8 * DAY) == 4
    assert most_within(replace(POLICY, network=CAPS), 90 * DAY) == 18
    assert most_within(replace(POLICY, network=((50, 7 * DAY),)), 7 * DAY) == 7


@pytest.mark.parametrize(
    ("length", "said"), [(7 * DAY, "7 days"), (24 * HOUR, "24 hours"), (HOUR, "1 hour"), (HOUR / 4, "15 minutes")]
)
def test_lengths_are_said_as_people_say_them(length: timedelta, said: str) -> None:
    assert words(length) == said


def own(folder: Path, version: str, old: str = "", new: str = "") -> Path:
    text = (POLICIES / "2026-12.toml").read_text().replace('version = "2026-12"', f'version = "{version}"')
    assert old in text
    path = folder / f"{version}.toml"
    path.write_text(text.replace(old, new, 1) if old else text)
    return path


def test_a_policy_of_an_operators_own_is_found_by_version_and_by_path(tmp_path: Path) -> None:
    path = own(tmp_path, "2030-01", "number = 2,", "number = 1,")
    assert policy_in_force("2030-01", own=tmp_path).network == policy_in_force(str(path)).network == (
        (1, 7 * DAY), (6, 30 * DAY)
    )  # fmt: skip


def test_a_shipped_version_has_one_text(tmp_path: Path) -> None:
    own(tmp_path, "2026-12", "number = 2,", "number = 1,")
    with pytest.raises(PolicyError, match="give yours a new version"):
        policy_in_force("2026-12", own=tmp_path)


def test_a_directory_that_is_not_there_is_no_empty_one(tmp_path: Path) -> None:
    for folders in ({"own": tmp_path / "policy"}, {"own_agreements": tmp_path / "agreement"}):
        with pytest.raises(PolicyError, match="expected a directory"):
            policy_in_force("2026-12", **folders)


def test_an_unknown_version_is_told_which_there_are() -> None:
    with pytest.raises(PolicyError, match="there is no policy 1999-01; there are 2026-12"):
        read_policy("1999-01")


@pytest.mark.parametrize(
    ("old", "new", "said"),
    [
        ('opens = "08:00"', 'opens = "eight"', "hours.opens"),
        ("number = 2,", "number = 0,", "first_contact.at_most.0.number"),
        ("[hours]", "[hours", "line"),
        ('"Pacific/Honolulu"', '"Pacific/Nowhere"', "not IANA zones: Pacific/Nowhere"),
    ],
)
def test_what_is_wrong_in_a_file_is_said_with_its_place(tmp_path: Path, old: str, new: str, said: str) -> None:
    path = own(tmp_path, "2030-01", old, new)
    with pytest.raises(PolicyError) as raised:
        read_policy(str(path))
    assert str(path) in raised.value.reasons[0]
    assert said in raised.value.reasons[0]
