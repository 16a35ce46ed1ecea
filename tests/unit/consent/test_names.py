"""How employers are found by what people type."""

from dataclasses import replace

import pytest

from services.consent.decisions import Called, Changed, Refused, Unmet, change, keys_of_employer, keys_of_names, unmet
from services.consent.model import Choices, Present
from tests.fakes.clock import NOON

STRANGER = Present("c1", "person_x")


@pytest.mark.parametrize(
    "typed",
    [
        "Denver Health",
        "denver health",
        "  DENVER   HEALTH ",
        "Denver-Health",
        "DenverHealth",
        "Denver Health, Inc.",
        "The Denver Health Company",
        "Dénver Heålth L.L.C.",
        "Denver He\u0430lth",
        "denverhealth.org",
        "DenverHealth.org",
        "www.denverhealth.org",
        "https://www.denverhealth.org/jobs?from=mail",
        "careers.denverhealth.org",
        "jobs@denverhealth.org",
        "@denverhealth.org",
    ],
)
def test_an_employer_is_found_by_every_spelling_of_its_name_and_by_its_domain(typed: str) -> None:
    for domain in ("denverhealth.org", "careers.denverhealth.org"):
        assert keys_of_names([typed]) & keys_of_employer("Denver Health", domain)


@pytest.mark.parametrize(
    "typed", ["Denver", "Health", "Denver Health Partners", "Boulder Health", "org", "health.org", "denverhealth.com"]
)
def test_nobody_else_is_found(typed: str) -> None:
    assert not keys_of_names([typed]) & keys_of_employer("Denver Health", "denverhealth.org")


def test_a_company_that_is_called_by_a_domain_is_found_by_it() -> None:
    assert keys_of_names(["indeed.com"]) & keys_of_employer("Indeed.com, LLC", None)


def named(*names: str, found: tuple[str, ...] = ()) -> Choices:
    outcome = change(STRANGER, Choices(purposes=("match",), blocked_names=names), NOON, employers=(), named=found)
    assert isinstance(outcome, Changed), outcome
    return outcome.choices


def test_names_are_kept_as_they_were_typed_once_each_and_in_order() -> None:
    assert named(" Globex  Corp ", "", "acme.com", "globex corp").blocked_names == ("Globex Corp", "acme.com")


def test_who_bears_the_name_is_blocked_and_the_name_stays() -> None:
    chosen = named("Globex", found=("emp_globex",))
    assert (chosen.blocked_employers, chosen.blocked_names) == (("emp_globex",), ("Globex",))
    present = replace(STRANGER, version=1, choices=replace(chosen, ends_at=None))
    let_in = change(present, replace(chosen, blocked_employers=(), blocked_names=()), NOON, employers=())
    assert isinstance(let_in, Changed)
    assert let_in.choices.blocked_employers == ()


@pytest.mark.parametrize("name", ["--", "…", "x" * 101, "Acme\u202eknaB", "=?utf-8?q?x?="])
def test_a_name_that_can_not_be_found_is_refused(name: str) -> None:
    outcome = change(STRANGER, Choices(purposes=("match",), blocked_names=(name,)), NOON, employers=())
    assert isinstance(outcome, Refused)
    assert list(outcome.errors) == ["blocked_names"]


def test_so_many_names_and_no_more() -> None:
    outcome = change(
        STRANGER,
        Choices(purposes=("match",), blocked_names=tuple(f"Acme {n}" for n in range(101))),
        NOON,
        employers=(),
    )
    assert isinstance(outcome, Refused)


CALLED = [Called(name, None, name) for name in ("Juniper Kitchens", "Denver Health", "Juno", "Ace")]


@pytest.mark.parametrize(
    ("typed", "near"),
    [
        ("Juniper", ("Juniper Kitchens",)),
        ("Juniper Kitchen", ("Juniper Kitchens",)),
        ("Denvr Helth", ("Denver Health",)),
        ("Denver Health Hospital Authority", ("Denver Health",)),
        ("Initech", ()),
        ("Jun", ("Juno",)),
        ("Den", ()),
    ],
)
def test_a_name_that_nobody_has_is_found_with_those_that_may_be_meant(typed: str, near: tuple[str, ...]) -> None:
    assert unmet([typed, "denver-health"], CALLED) == (Unmet(typed, near),)


def test_whoever_is_blocked_already_is_not_proposed() -> None:
    assert unmet(["Juniper"], CALLED, blocked={"Juniper Kitchens"}) == (Unmet("Juniper", ()),)


def test_a_list_of_many_names_is_held_against_everybody_for_its_first_lines_alone() -> None:
    found = unmet([f"Juniper{number}" for number in range(100)] + ["Juniper"], CALLED)
    assert len(found) == 101
    assert found[-1] == Unmet("Juniper", ())
