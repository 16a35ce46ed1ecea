"""A profile is shown exactly while its person allows it."""

from dataclasses import replace
from datetime import timedelta
from typing import Any

import pytest

from services.signup.decisions.inviting import may_invite
from services.signup.decisions.showing import Unheard, heard, news, settled
from services.signup.model.invitations import PastInvitations
from services.signup.model.records import Showing
from shared.contracts.consent import ConsentChangedV1
from shared.contracts.grants import newest
from shared.contracts.signup import CoarseProfile
from tests.fakes.clock import NOON

DAY = timedelta(days=1)

PROFILE = CoarseProfile(occupations=("29-1141",))
KEPT = Showing("00000000-0000-7000-8000-000000000001", 0, False, False, None, None, PROFILE, 0, None)
HOUR = timedelta(hours=1)


def consent(version: int = 1, **changes: Any) -> ConsentChangedV1:
    return ConsentChangedV1(
        **{
            "candidate": "00000000-0000-7000-8000-000000000001",
            "version": version,
            "at": NOON,
            "purposes": ("match",),
            **changes,
        }
    )


def allowed(outcome: Showing | Unheard, *, or_else: Showing = KEPT) -> Showing:
    return outcome if isinstance(outcome, Showing) else or_else


def after(*events: ConsentChangedV1) -> Showing:
    showing = KEPT
    for event in events:
        showing = allowed(heard(showing, event, None, at=NOON), or_else=showing)
    return showing


def test_match_shows_the_profile() -> None:
    found = after(consent())
    assert (found.confirmed, found.published, found.profile_version) == (True, PROFILE, 1)


def test_no_purpose_at_all_confirms_and_shows_nothing() -> None:
    found = after(consent(purposes=()))
    assert (found.confirmed, found.published) == (True, None)
    assert news(KEPT, found) is None


@pytest.mark.parametrize("profile", [None, CoarseProfile()])
def test_who_kept_nothing_is_not_shown_whatever_they_allow(profile: CoarseProfile | None) -> None:
    found = allowed(heard(replace(KEPT, profile=profile), consent(), None, at=NOON))
    assert (found.match_granted, found.published, found.profile_version) == (True, None, 0)


def test_what_is_kept_after_the_answer_is_shown_then() -> None:
    before = allowed(heard(replace(KEPT, profile=None), consent(), None, at=NOON))
    kept = settled(replace(before, profile=PROFILE), at=NOON)
    assert (kept.published, kept.profile_version) == (PROFILE, 1)


def test_a_withdrawal_hides_it() -> None:
    found = after(consent(), consent(2, purposes=("contact",)))
    assert (found.published, found.profile_version) == (None, 2)


def test_an_older_or_repeated_version_changes_nothing() -> None:
    now = after(consent(2, purposes=()))
    assert heard(now, consent(1), None, at=NOON) == "older"
    assert heard(now, consent(2), None, at=NOON) == "older"


def test_the_same_choice_again_is_no_news() -> None:
    first, second = after(consent()), after(consent(), consent(2))
    assert news(first, second) is None
    assert second.consent_version == 2


def test_a_pause_hides_until_it_is_over() -> None:
    paused = after(consent(paused_until=NOON + HOUR))
    assert (paused.published, paused.look_again_at) == (None, NOON + HOUR)
    resumed = settled(paused, at=NOON + HOUR)
    assert (resumed.published, resumed.look_again_at) == (PROFILE, None)


def test_consent_ends_at_its_end() -> None:
    given = after(consent(ends_at=NOON + HOUR))
    assert (given.published, given.look_again_at) == (PROFILE, NOON + HOUR)
    assert settled(given, at=NOON + HOUR).published is None


def test_whom_no_mail_reaches_is_not_shown_until_they_are_back() -> None:
    shown = after(consent())
    lost = settled(replace(shown, mailbox_gone=True), at=NOON)
    assert (lost.published, lost.profile_version) == (None, 2)
    again = allowed(heard(lost, consent(2), None, at=NOON))
    assert again.published is None, "another yes brings no mailbox back"
    back = settled(replace(lost, mailbox_gone=False), at=NOON)
    assert (back.published, back.profile_version) == (PROFILE, 3)


def test_a_pause_and_an_end_are_each_looked_at() -> None:
    given = after(consent(paused_until=NOON + HOUR, ends_at=NOON + 2 * HOUR))
    assert settled(given, at=NOON + HOUR).look_again_at == NOON + 2 * HOUR


def test_versions_rise_with_every_change_of_what_is_shown() -> None:
    hidden = settled(replace(after(consent()), match_granted=False), at=NOON)
    assert hidden.profile_version == 2


def test_of_a_batch_the_newest_counts_whatever_its_place() -> None:
    assert newest([consent(3), consent(2)], now=NOON).by_candidate["00000000-0000-7000-8000-000000000001"].version == 3


@pytest.mark.parametrize(
    ("past", "by_join", "allowed"),
    [
        (PastInvitations(0), False, True),
        (PastInvitations(1), False, True),
        (PastInvitations(2), False, False),
        (PastInvitations(9, NOON), True, True),
        (PastInvitations(0, NOON, NOON, refused=True), False, False),
        (PastInvitations(1, NOON, NOON, refused=True), True, True),
        (PastInvitations(1, NOON, NOON + DAY, refused=True), True, True),
        (PastInvitations(2, NOON + DAY, NOON, refused=True), True, False),
        (PastInvitations(2, NOON + DAY, NOON), True, False),
        (PastInvitations(2, NOON - 90 * DAY, NOON - 100 * DAY, refused=True), True, True),
        (PastInvitations(2, NOON - 89 * DAY, NOON - 100 * DAY, refused=True), True, False),
    ],
)
def test_a_mailbox_is_invited_twice_ever_and_after_a_no_only_by_the_join_page_once_in_90_days(
    past: PastInvitations, by_join: bool, allowed: bool
) -> None:
    assert may_invite(past, by_join=by_join, at=NOON) is allowed
