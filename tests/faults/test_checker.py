"""The checker itself: it finds each kind of broken promise that is planted, and nothing in a clean history."""

from dataclasses import replace
from datetime import UTC, datetime, time, timedelta
from typing import Any, Literal

import pytest

from deploy.checks.checker import CHECKS, fullest, violations
from deploy.checks.history import ArrivedMail, ClockOffsets, History, ShownMember, Versioned, Withdrawal
from deploy.checks.policy import FIRST_POLICY, PolicyWindows
from deploy.checks.told import Answer, Told
from shared.contracts.consent import ConsentChangedV1, QuietHours
from shared.contracts.outreach_gateway import OutreachDecidedV1, OutreachRequestedV1
from shared.contracts.pool_matching import DisclosedV1
from shared.contracts.signup import OutreachOutcomeReportedV1

Decided = Literal["admitted", "delayed", "dropped", "cancelled"]
Outcome = Literal["delivered", "bounced", "doubtful", "returned", "withheld"]

ANA, ANOTHER = "0190a1b2-0000-7000-8000-000000000001", "0190a1b2-0000-7000-8000-000000000002"
TUESDAY = datetime(2026, 11, 24, 18, 30, tzinfo=UTC)
DAY = timedelta(days=1)
WHO = "01945f2e-7c1a-7d3b-9a51-3f0c5b2d8e10"
MOMENT = timedelta(seconds=1)


def consent(candidate: str = ANA, version: int = 1, at: datetime = TUESDAY - DAY, **more: Any) -> ConsentChangedV1:
    given = {"candidate": candidate, "version": version, "at": at, "purposes": ("match", "contact"), **more}
    return ConsentChangedV1.model_validate(given)


def request(outreach: str, employer: str, at: datetime, candidate: str = ANA) -> OutreachRequestedV1:
    return OutreachRequestedV1(
        outreach=outreach, employer=employer, candidate=candidate, at=at, expires_at=at + 13 * DAY
    )


def decision(
    outreach: str,
    employer: str,
    at: datetime,
    outcome: Decided = "admitted",
    *,
    version: int = 1,
    candidate: str = ANA,
) -> OutreachDecidedV1:
    return OutreachDecidedV1(
        outreach=outreach,
        version=version,
        candidate=candidate,
        employer=employer,
        outcome=outcome,
        policy="2026-12",
        at=at,
        until=at + DAY if outcome == "delayed" else None,
    )


def outcome(
    outreach: str, employer: str, at: datetime, kind: Outcome = "delivered", *, version: int = 1, candidate: str = ANA
) -> OutreachOutcomeReportedV1:
    return OutreachOutcomeReportedV1(
        outreach=outreach, decision_version=version, candidate=candidate, employer=employer, outcome=kind, at=at
    )


def delivered(*sent: tuple[str, str, datetime], address: str = "ana@example.org", candidate: str = ANA) -> History:
    """Each was requested, admitted, handed over and arrived within two seconds."""
    return History(
        now=max(at for *_, at in sent) + timedelta(minutes=1),
        submitted=frozenset(name for name, *_ in sent),
        requests=[request(name, employer, at, candidate) for name, employer, at in sent],
        decisions=[decision(name, employer, at, candidate=candidate) for name, employer, at in sent],
        outcomes=[outcome(name, employer, at + MOMENT, candidate=candidate) for name, employer, at in sent],
        consents=[consent(candidate)],
        mails=[ArrivedMail(f"mail-{name}", address, name, at + MOMENT) for name, _, at in sent],
    )


HALVING = replace(FIRST_POLICY, halve_after_unanswered=3)
"""As the policy will be once people can answer."""


def found(history: History, windows: PolicyWindows = FIRST_POLICY) -> set[str]:
    return {name for name, check in CHECKS.items() if list(check(history, windows))}


CLEAN = delivered(("o_1", "emp_a", TUESDAY), ("o_2", "emp_b", TUESDAY + DAY + MOMENT))


def test_a_clean_history_has_no_violation() -> None:
    assert violations(CLEAN) == []


def test_a_message_exactly_a_window_later_is_allowed() -> None:
    history = delivered(("o_1", "emp_a", TUESDAY), ("o_2", "emp_b", TUESDAY + DAY), ("o_3", "emp_c", TUESDAY + 7 * DAY))
    assert violations(history) == []


@pytest.mark.parametrize(
    ("moments", "broken"),
    [
        ((0 * DAY, DAY - MOMENT), "24 hours"),
        ((0 * DAY, 2 * DAY, 7 * DAY - MOMENT), "in 7 days"),
        ((0 * DAY, 2 * DAY, 7 * DAY, 9 * DAY, 14 * DAY, 16 * DAY, 21 * DAY), "in 30 days"),
    ],
)
def test_one_message_too_many_in_a_window_is_found(moments: tuple[timedelta, ...], broken: str) -> None:
    history = delivered(*((f"o_{n}", f"emp_{n}", TUESDAY + moment) for n, moment in enumerate(moments)))
    assert {"caps hold for what arrived", "caps hold for admitted slots"} <= found(history)
    assert any(broken in violation.detail for violation in violations(history))


def test_two_first_contacts_of_one_employer_in_90_days_are_found() -> None:
    history = delivered(("o_1", "emp_a", TUESDAY), ("o_2", "emp_a", TUESDAY + 85 * DAY))
    assert "caps hold for what arrived" in found(history)


def test_a_full_cap_for_somebody_who_left_three_unanswered_is_found() -> None:
    moments = (0, 7, 14, 22, 24)
    history = delivered(*((f"o_{n}", f"emp_{n}", TUESDAY + n * DAY) for n in moments))
    assert "caps halve for who does not answer" in found(history, HALVING)
    assert violations(history) == []  # while nobody can answer, nobody is silent
    slower = delivered(*((f"o_{n}", f"emp_{n}", TUESDAY + n * DAY) for n in (0, 7, 14)))
    assert violations(slower, HALVING) == []


@pytest.mark.parametrize("limit", [{"first_contacts_per_week": 1}, {"min_gap_hours": 72}])
def test_more_than_the_person_wants_is_found(limit: dict[str, Any]) -> None:
    assert found(replace(CLEAN, consents=[consent(**limit)])) == {"each person's own limits hold"}


@pytest.mark.parametrize(
    ("hour", "wishes", "is_fine"),
    [
        (18, {}, True),
        (17, {}, False),  # 7:30 in Hawaii
        (15, {"time_zone": "America/New_York"}, True),
        (12, {"time_zone": "America/New_York"}, False),  # 7:30
        (18, {"time_zone": "America/Denver", "quiet_hours": QuietHours(start=time(11), end=time(13))}, False),
        (18, {"time_zone": "America/Denver", "quiet_hours": QuietHours(start=time(21), end=time(8))}, True),
        (19, {"quiet_hours": QuietHours(start=time(8), end=time(10))}, False),  # 9:30 in Hawaii
        (19, {"quiet_hours": QuietHours(start=time(14), end=time(15))}, False),  # 14:30 in New York
        (19, {"quiet_hours": QuietHours(start=time(20), end=time(9))}, True),
    ],
)
def test_a_mail_outside_the_persons_hours_is_found(hour: int, wishes: dict[str, Any], is_fine: bool) -> None:
    history = replace(delivered(("o_1", "emp_a", TUESDAY.replace(hour=hour))), consents=[consent(**wishes)])
    assert found(history) == (set() if is_fine else {"mails arrive in open hours"})


def test_an_outreach_in_two_mails_is_found() -> None:
    twin = replace(CLEAN.mails[0], id="another", at=CLEAN.mails[0].at + timedelta(milliseconds=1))
    assert "nothing is sent twice" in found(replace(CLEAN, mails=[*CLEAN.mails, twin]))


@pytest.mark.parametrize(
    "lost",
    [
        {"submitted": frozenset({"o_1", "o_2", "o_3"})},
        {"decisions": CLEAN.decisions[:1], "outcomes": CLEAN.outcomes[:1], "mails": CLEAN.mails[:1]},
        {"outcomes": CLEAN.outcomes[:1], "mails": CLEAN.mails[:1]},
        {"outcomes": [outcome("o_1", "emp_a", TUESDAY, "returned"), CLEAN.outcomes[1]], "mails": CLEAN.mails[1:]},
        {
            "decisions": [decision("o_1", "emp_a", TUESDAY, "delayed"), CLEAN.decisions[1]],
            "outcomes": CLEAN.outcomes[1:],
            "mails": CLEAN.mails[1:],
            "now": TUESDAY + 3 * DAY,
        },
    ],
    ids=["never requested", "never decided", "no outcome", "returned and forgotten", "due and forgotten"],
)
def test_a_lost_message_is_found(lost: dict[str, object]) -> None:
    assert "nothing is lost" in found(replace(CLEAN, **lost))  # type: ignore[arg-type]  # fields of a History


def test_a_delivery_without_a_mail_is_found() -> None:
    assert found(replace(CLEAN, mails=CLEAN.mails[:1])) == {"mails and outcomes agree"}


def test_a_mail_without_an_admission_is_found() -> None:
    dropped = [decision("o_1", "emp_a", TUESDAY, "dropped"), CLEAN.decisions[1]]
    assert "mails and outcomes agree" in found(replace(CLEAN, decisions=dropped))


def test_a_mail_that_was_withheld_is_found() -> None:
    withheld = [outcome("o_1", "emp_a", TUESDAY, "withheld"), CLEAN.outcomes[1]]
    assert found(replace(CLEAN, outcomes=withheld)) == {"mails and outcomes agree"}


def test_a_doubtful_one_may_have_a_mail_or_none() -> None:
    doubtful = [outcome("o_1", "emp_a", TUESDAY, "doubtful"), CLEAN.outcomes[1]]
    assert violations(replace(CLEAN, outcomes=doubtful)) == []
    assert violations(replace(CLEAN, outcomes=doubtful, mails=CLEAN.mails[1:])) == []


@pytest.mark.parametrize(
    "consents",
    [
        [],
        [consent(purposes=("match",))],
        [consent(), consent(version=2, at=TUESDAY - timedelta(seconds=5), purposes=())],
        [consent(blocked_employers=("emp_a",))],
        [consent(paused_until=TUESDAY + timedelta(hours=1))],
        [consent(ends_at=TUESDAY)],
    ],
    ids=["never asked", "match only", "withdrawn", "blocked", "paused", "ended"],
)
def test_a_mail_without_a_live_grant_is_found(consents: list[ConsentChangedV1]) -> None:
    history = replace(delivered(("o_1", "emp_a", TUESDAY)), consents=consents)
    assert "every mail has a live grant" in found(history)


def test_a_mail_after_an_answered_withdrawal_is_found() -> None:
    early = Withdrawal("ana@example.org", CLEAN.mails[1].at - timedelta(seconds=2))
    late = Withdrawal("ana@example.org", CLEAN.mails[1].at - timedelta(milliseconds=900))
    assert found(replace(CLEAN, withdrawals=[early])) == {"nothing arrives after a withdrawal"}
    assert violations(replace(CLEAN, withdrawals=[late])) == []


def test_two_candidates_behind_one_address_are_found() -> None:
    other = delivered(("o_9", "emp_c", TUESDAY + 3 * DAY), candidate=ANOTHER)
    both = replace(
        CLEAN,
        requests=[*CLEAN.requests, *other.requests],
        decisions=[*CLEAN.decisions, *other.decisions],
        outcomes=[*CLEAN.outcomes, *other.outcomes],
        consents=[*CLEAN.consents, *other.consents],
        mails=[*CLEAN.mails, *other.mails],
    )
    assert "one person is one candidate" in found(both)


def test_one_candidate_with_two_addresses_is_found() -> None:
    elsewhere = replace(CLEAN.mails[1], address="bob@example.org")
    assert "one person is one candidate" in found(replace(CLEAN, mails=[CLEAN.mails[0], elsewhere]))


def test_versions_that_fall_or_say_two_things_are_found() -> None:
    def record(version: int, event_id: str, content: bytes = b"") -> Versioned:
        return Versioned("consent-state", "ana", version, event_id, content)

    rising = [record(1, "a"), record(2, "b"), record(1, "a"), record(2, "b")]
    assert violations(replace(CLEAN, versioned=rising)) == []
    assert "versions rise" in found(replace(CLEAN, versioned=[record(2, "b"), record(1, "a")]))
    assert found(replace(CLEAN, versioned=[record(1, "a", b"x"), record(1, "b", b"y")])) == {"versions rise"}


def overtaken(topic: str) -> list[Versioned]:
    """A relay that comes back late says what was said before."""
    return [Versioned(topic, "ana", version, f"event-{version}", b"") for version in (1, 2, 1)]


def test_an_old_version_that_comes_last_is_found_where_compaction_would_keep_it() -> None:
    assert found(replace(CLEAN, versioned=overtaken("consent-state"))) == {"compaction keeps the newest"}
    assert violations(replace(CLEAN, versioned=overtaken("outreach-decisions"))) == []


def test_an_unreadable_record_is_found() -> None:
    assert found(replace(CLEAN, unreadable=["notices-dlq/0/3 unknown_type"])) == {"every record is readable"}


def test_every_check_finds_what_is_planted_for_it() -> None:
    unanswered = delivered(*((f"o_{n}", f"emp_{n}", TUESDAY + n * DAY) for n in (0, 7, 14, 22, 24)))
    planted = {
        "caps hold for what arrived": delivered(("o_1", "emp_a", TUESDAY), ("o_2", "emp_b", TUESDAY + MOMENT)),
        "caps halve for who does not answer": unanswered,
        "caps hold for admitted slots": replace(delivered(("o_1", "a", TUESDAY), ("o_2", "b", TUESDAY)), mails=()),
        "each person's own limits hold": replace(CLEAN, consents=[consent(first_contacts_per_week=1)]),
        "mails arrive in open hours": delivered(("o_1", "emp_a", TUESDAY.replace(hour=6))),
        "nothing is sent twice": replace(CLEAN, mails=[*CLEAN.mails, replace(CLEAN.mails[0], id="twin")]),
        "nothing is lost": replace(CLEAN, outcomes=()),
        "mails and outcomes agree": replace(CLEAN, mails=()),
        "every mail has a live grant": replace(CLEAN, consents=()),
        "nothing arrives after a withdrawal": replace(CLEAN, withdrawals=[Withdrawal("ana@example.org", TUESDAY)]),
        "one person is one candidate": replace(CLEAN, mails=[CLEAN.mails[0], replace(CLEAN.mails[1], address="x@y")]),
        "versions rise": replace(CLEAN, versioned=[Versioned("t", "s", 2, "a", b""), Versioned("t", "s", 1, "b", b"")]),
        "compaction keeps the newest": replace(CLEAN, versioned=overtaken("consent-state")),
        "every record is readable": replace(CLEAN, unreadable=["notices/0/1 unreadable"]),
        "an employer is told a word and a day, at its own ticks": replace(
            CLEAN, answers=[Answer("submission", "emp_a", {"id": "o_1", "state": "delayed"})]
        ),
        "what is told `sent` was sent, and nothing else": replace(
            CLEAN, told=[Told("emp_a", "o_9", "sent", TUESDAY.date(), TUESDAY + DAY)]
        ),
        "every sender hears by the day it was told": replace(CLEAN, known_by={"o_1": (TUESDAY - DAY).date()}),
        "a list names at least five, or nobody": replace(CLEAN, lists=[("p_1", 4)]),
        "whoever an employer is shown was noted as disclosed before": replace(
            CLEAN, shown=[ShownMember("emp_a", "p_1", WHO, frozenset(), TUESDAY)]
        ),
    }
    assert planted.keys() == CHECKS.keys()
    assert [name for name, history in planted.items() if name not in found(history, HALVING)] == []


@pytest.mark.parametrize(
    ("noted", "is_fine"),
    [
        ({}, True),
        ({"at": TUESDAY + MOMENT}, False),
        ({"pool": "p_2"}, False),
        ({"employer": "emp_b"}, False),
        ({"fields": ("years",)}, False),
        ({"fields": ("remote", "state", "years")}, True),
    ],
)
def test_somebody_who_is_shown_was_noted_by_then_with_what_is_shown(noted: dict[str, Any], is_fine: bool) -> None:
    disclosed = DisclosedV1(
        candidate=WHO, employer="emp_a", pool="p_1", at=TUESDAY, fields=("state", "years"), way="list",
        member_since=TUESDAY, memberships=1,
    )  # fmt: skip
    history = replace(
        CLEAN,
        shown=[ShownMember("emp_a", "p_1", WHO, frozenset({"state", "years"}), TUESDAY)],
        disclosures=[disclosed.model_copy(update=noted)],
    )
    assert (found(history) == set()) is is_fine


def test_the_fullest_person_is_counted_by_their_fullest_stretch() -> None:
    history = delivered(*((f"o_{n}", f"emp_{n}", TUESDAY + n * DAY) for n in (0, 2, 8, 10)))
    assert [fullest(history, cap) for cap in FIRST_POLICY.network] == [2, 4, 1]


def test_the_stacks_time_follows_each_change_of_its_clock() -> None:
    offsets = ClockOffsets().changed(TUESDAY, DAY).changed(TUESDAY + timedelta(minutes=1), 2 * DAY)
    assert offsets.stack_time(TUESDAY - MOMENT) == TUESDAY - MOMENT
    assert offsets.stack_time(TUESDAY) == TUESDAY + DAY
    assert offsets.stack_time(TUESDAY + timedelta(minutes=2)) == TUESDAY + timedelta(minutes=2) + 2 * DAY
