"""What consent does with what signup tells of candidates."""

from datetime import datetime, timedelta

import httpx
import pytest

from services.consent.handlers import on_candidate_claimed, on_candidate_registered
from shared.contracts.signup import JOIN, CandidateClaimedV1, CandidateRegisteredV1
from shared.messaging.envelope import Received, Record
from tests.fakes.clock import NOON
from tests.fakes.consent import ConsentsDatabase
from tests.fakes.consent_pages import link


def registered(candidate: str) -> Received[CandidateRegisteredV1]:
    event = CandidateRegisteredV1(candidate=candidate, at=NOON)
    return Received(f"e-{candidate}", "/fairpool/signup", NOON, event, Record("candidate-events", 0, 0, None, None, ()))


async def test_each_new_person_has_a_row_in_which_nothing_is_on(database: ConsentsDatabase) -> None:
    async with database.transaction() as consents:
        await on_candidate_registered(
            consents,
            [
                registered("00000000-0000-7000-8000-000000000001"),
                registered("00000000-0000-7000-8000-000000000002"),
                registered("00000000-0000-7000-8000-000000000001"),
            ],
        )
    assert {row.candidate: (row.version, row.choices.purposes) for row in database.rows.values()} == {
        "00000000-0000-7000-8000-000000000001": (0, ()),
        "00000000-0000-7000-8000-000000000002": (0, ()),
    }


async def test_a_registration_that_comes_late_or_twice_changes_nothing(database: ConsentsDatabase) -> None:
    async with database.transaction() as consents:
        present = await consents.lock("00000000-0000-7000-8000-000000000001")
        await on_candidate_registered(consents, [registered("00000000-0000-7000-8000-000000000001")])
        await on_candidate_registered(consents, [registered("00000000-0000-7000-8000-000000000001")])
        assert await consents.read("00000000-0000-7000-8000-000000000001") == present


def claimed(candidate: str, vendor: str, employer: str | None, at: datetime = NOON) -> Received[CandidateClaimedV1]:
    event = CandidateClaimedV1(candidate=candidate, vendor=vendor, employer=employer, at=at)
    return Received(f"e-{vendor}", "/fairpool/signup", NOON, event, Record("candidate-events", 0, 0, None, None, ()))


@pytest.mark.parametrize(
    ("vendor", "employer", "words"),
    [
        ("acme-ats", "emp_acme", "You have this link because Acme Robotics told us about you on November 23, 2026."),
        ("acme-ats", "emp_unknown", "You have this link because an employer or its hiring system told us about you on"),
        (JOIN, None, "You have this link because our join page was filled in with your email on November 23, 2026."),
    ],
)
async def test_the_page_on_which_somebody_answers_says_who_told_of_them_first(
    client: httpx.AsyncClient, database: ConsentsDatabase, vendor: str, employer: str | None, words: str
) -> None:
    async with database.transaction() as consents:
        later = claimed("00000000-0000-7000-8000-000000000001", "other-ats", "emp_other", NOON + timedelta(days=1))
        await on_candidate_claimed(consents, [later, claimed("00000000-0000-7000-8000-000000000001", vendor, employer)])
    address, page = f"/confirm/{link('00000000-0000-7000-8000-000000000001', 'confirm')}", {"Accept": "text/html"}
    wrong = {"action": "save", "version": "0", "purposes": "match", "time_zone": "Nowhere/At/All"}
    shown, corrected = await client.get(address, headers=page), await client.post(address, data=wrong, headers=page)
    assert (shown.status_code, corrected.status_code) == (200, 422)
    assert words in shown.text
    assert words in corrected.text, "a mistake takes nothing away"


async def test_of_somebody_of_whom_nobody_was_heard_to_tell_it_says_what_may_be(client: httpx.AsyncClient) -> None:
    page = await client.get(
        f"/confirm/{link('00000000-0000-7000-8000-000000000001', 'confirm')}", headers={"Accept": "text/html"}
    )
    assert "You have this link because you joined Fairpool, or because a hiring system" in page.text
