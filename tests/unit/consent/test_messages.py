"""Where a message stands and why, in words for its person."""

from typing import Any, get_args, get_type_hints

import pytest

from services.consent.api.message_words import STANDS
from services.consent.decisions.messages import Standing, planned_for, reason, standing, why
from services.consent.decisions.windows import slot_of
from services.consent.model import Decided, Message, Reported
from services.outreach_gateway.model import Rule
from tests.fakes.clock import NOON


def message(decided: tuple[int, Any] | None, reported: tuple[int, Any] | None, *, rule: str | None = None) -> Message:
    return Message(
        "o_1", "c", "emp_a", NOON, None,
        Decided(*decided, rule, "2026-12", NOON, NOON) if decided else None,
        Reported(*reported, NOON) if reported else None,
    )  # fmt: skip


@pytest.mark.parametrize("rule", Rule)
def test_each_rule_that_the_gateway_can_write_has_words_of_its_own_for_the_person(rule: Rule) -> None:
    said = why(rule.value)
    assert said is not None
    assert f"“{rule.value}”" not in said
    assert "_" not in said
    assert [other for other in Rule if why(other.value) == said] == [rule]


def test_a_rule_of_a_later_version_is_named_and_what_nothing_stood_against_gives_no_reason() -> None:
    assert why("of_next_year") == "A rule of the network, “of_next_year”, did not allow it."
    assert why(None) is None


def test_every_state_has_words() -> None:
    assert set(STANDS) == set(get_args(Standing))


@pytest.mark.parametrize("outcome", get_args(get_type_hints(Decided)["outcome"]))
def test_every_decision_stands_somewhere(outcome: Any) -> None:
    assert standing(message((1, outcome), None)) in get_args(Standing)


@pytest.mark.parametrize("outcome", get_args(get_type_hints(Reported)["outcome"]))
def test_what_became_of_it_is_the_last_word_until_it_is_decided_again(outcome: Any) -> None:
    after, anew = message((2, "admitted"), (2, outcome)), message((3, "dropped"), (2, outcome), rule="hours")
    assert standing(after) != "leaving"
    assert (reason(after) is None) is (outcome == "delivered")
    assert standing(anew) == "not_sent"
    assert reason(anew) == why("hours")


@pytest.mark.parametrize(("outcome", "keeps"), [("delivered", True), ("doubtful", True), ("returned", True), ("bounced", False), ("withheld", False)])  # fmt: skip
def test_what_did_not_arrive_gives_its_slot_back(outcome: Any, keeps: bool) -> None:
    assert (slot_of(message((2, "admitted"), (2, outcome))) is not None) is keeps


def test_only_what_waits_is_planned() -> None:
    assert planned_for(message((1, "delayed"), None)) == NOON
    assert planned_for(message((1, "admitted"), None)) is None
    assert planned_for(message((2, "delayed"), (1, "returned"))) == NOON
