from dataclasses import dataclass, replace
from datetime import UTC, datetime, timedelta

import pytest

from shared.contracts import grants
from shared.contracts.consent import Purpose

AT = datetime(2026, 11, 23, 12, tzinfo=UTC)
SOON, EARLIER = AT + timedelta(hours=1), AT - timedelta(hours=1)


@dataclass(frozen=True)
class Kept:
    paused_until: datetime | None = None
    ends_at: datetime | None = None
    blocked_employers: tuple[str, ...] = ()


FREE = Kept()


def test_what_is_neither_paused_nor_over_is_in_force() -> None:
    assert grants.is_in_force(FREE, at=AT)
    assert grants.is_in_force(Kept(paused_until=EARLIER, ends_at=SOON), at=AT)


def test_a_pause_is_over_at_its_very_end() -> None:
    assert grants.is_paused(Kept(paused_until=SOON), at=AT)
    assert not grants.is_paused(Kept(paused_until=AT), at=AT)
    assert not grants.is_in_force(Kept(paused_until=SOON), at=AT)


def test_what_was_agreed_is_over_at_its_very_end() -> None:
    assert grants.has_ended(Kept(ends_at=AT), at=AT)
    assert not grants.has_ended(Kept(ends_at=SOON), at=AT)
    assert not grants.is_in_force(Kept(ends_at=AT), at=AT)


@pytest.mark.parametrize(
    ("kept", "changes"),
    [
        (FREE, None),
        (Kept(EARLIER, AT), None),
        (Kept(SOON, SOON + timedelta(days=1)), SOON),
        (Kept(EARLIER, SOON), SOON),
    ],
)
def test_it_changes_by_itself_when_a_pause_or_the_agreement_ends(kept: Kept, changes: datetime | None) -> None:
    assert grants.changes_at(kept, at=AT) == changes
    if changes is not None:
        before, then = (grants.is_in_force(kept, at=moment) for moment in (changes - timedelta(seconds=1), changes))
        assert before is not then


def test_what_is_switched_on_is_on_alone() -> None:
    assert grants.allows_contact(("match", "contact"))
    only_match: tuple[Purpose, ...] = ("match",)
    assert not grants.allows_contact(only_match)
    assert grants.allows_match(only_match)
    assert not grants.allows_match(())


def test_whoever_is_shut_out_is_and_nobody_else() -> None:
    kept = replace(FREE, blocked_employers=("emp_a",))
    assert grants.shuts_out(kept, "emp_a")
    assert not grants.shuts_out(kept, "emp_b")
