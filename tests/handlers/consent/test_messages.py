"""What a person reads of what employers wrote to them."""

from collections.abc import AsyncIterator
from datetime import timedelta
from html import escape

import httpx
import pytest

from services.consent.model import PURPOSES, Choices, Present
from services.outreach_gateway.adapters.decided import numbers_of
from services.outreach_gateway.adapters.policy_file import read_policy
from shared.ids import new_candidate_id
from tests.fakes.clock import NOON
from tests.fakes.consent import ConsentsDatabase
from tests.fakes.consent_pages import bearer, client_of
from tests.fakes.messages import FakeMessages
from tests.ports.test_messages_store import DAY, decided, reported

NUMBERS = numbers_of(read_policy("2026-12"))
ANA, BEN = new_candidate_id(), new_candidate_id()
HOUR = timedelta(hours=1)


@pytest.fixture
def kept() -> FakeMessages:
    return FakeMessages()


@pytest.fixture
async def client(database: ConsentsDatabase, kept: FakeMessages) -> AsyncIterator[httpx.AsyncClient]:
    async with client_of(database, messages=kept) as client:
        yield client


def allow(database: ConsentsDatabase, per_week: int | None = None) -> None:
    choices = Choices(purposes=PURPOSES, time_zone="America/Denver", first_contacts_per_week=per_week)
    database.rows[ANA] = Present(ANA, "person_x", version=1, choices=choices)


async def heard(kept: FakeMessages) -> None:
    """A week of Ana's: one came, one is planned, one was refused, one did not arrive."""
    await kept.keep_decisions(
        [
            decided("o_came", ANA, 1, "admitted", at=NOON - 2 * DAY, asked_at=NOON - 2 * DAY, slot_at=NOON - 2 * DAY, numbers=NUMBERS),
            decided("o_waits", ANA, 1, "delayed", at=NOON - HOUR, asked_at=NOON - HOUR, until=NOON + 20 * HOUR, rule="hours", numbers=NUMBERS, ends_at=NOON + 9 * DAY, employer="emp_denverhealth", sealed_job="eyJ.a+b"),
            decided("o_blocked", ANA, 1, "dropped", at=NOON - 3 * DAY, asked_at=NOON - 3 * DAY, rule="employer_blocked"),
            decided("o_bounced", ANA, 1, "admitted", at=NOON - 4 * DAY, asked_at=NOON - 4 * DAY, slot_at=NOON - 4 * DAY, numbers=NUMBERS),
            decided("o_of_ben", BEN, 1, "dropped", rule="expired"),
        ]
    )  # fmt: skip
    await kept.keep_reports(
        [reported("o_came", ANA, 1, "delivered", at=NOON - 2 * DAY), reported("o_bounced", ANA, 1, "bounced", at=NOON - 4 * DAY)]
    )  # fmt: skip


async def test_each_message_is_shown_with_its_employer_its_state_and_why(
    client: httpx.AsyncClient, database: ConsentsDatabase, kept: FakeMessages
) -> None:
    allow(database)
    await heard(kept)
    answer = await client.get("/v1/me/messages", headers=bearer(ANA))
    assert answer.status_code == 200, answer.text
    items = {one["id"]: one for one in answer.json()["items"]}
    assert list(items) == ["o_waits", "o_came", "o_blocked", "o_bounced"]
    assert {id: one["state"] for id, one in items.items()} == {
        "o_waits": "waiting",
        "o_came": "sent",
        "o_blocked": "not_sent",
        "o_bounced": "bounced",
    }
    assert items["o_waits"]["employer"] == {"id": "emp_denverhealth", "name": "Denver Health"}
    assert items["o_waits"]["planned_for"] == "2026-11-24T15:00:00Z"
    assert items["o_waits"]["ends_at"] == "2026-12-02T19:00:00Z"
    assert items["o_blocked"]["detail"] == "It was not sent, and will not be. You blocked this employer."
    assert items["o_blocked"]["rule"] == "employer_blocked"
    assert items["o_came"]["detail"] == "It was sent. The message is in your inbox."
    assert answer.json()["next"] is None


async def test_of_what_waits_the_page_and_programs_are_led_to_its_job_and_of_nothing_else(
    client: httpx.AsyncClient, database: ConsentsDatabase, kept: FakeMessages
) -> None:
    allow(database)
    await heard(kept)
    items = (await client.get("/v1/me/messages", headers=bearer(ANA))).json()["items"]
    where = {one["id"]: one["job_page"] for one in items if one["job_page"] is not None}
    assert list(where) == ["o_waits"]
    assert where["o_waits"].endswith("/me/job?outreach=o_waits&sealed=eyJ.a%2Bb")
    page = (await client.get("/me/messages", headers=bearer(ANA))).text
    assert f'<a href="{escape(where["o_waits"])}">See the job</a>' in page
    assert page.count("See the job") == 1
    await kept.keep_reports([reported("o_waits", ANA, 1, "delivered", at=NOON)])
    assert "See the job" not in (await client.get("/me/messages", headers=bearer(ANA))).text


async def test_the_page_says_how_full_the_week_is_and_from_when_on_the_next_may_come(
    client: httpx.AsyncClient, database: ConsentsDatabase, kept: FakeMessages
) -> None:
    allow(database)
    await heard(kept)
    page = (await client.get("/me/messages", headers=bearer(ANA))).text
    assert "1 of 2 first messages in 7 days. 1 more is planned." in page
    assert "1 of 6 first messages in 30 days. 1 more is planned." in page
    assert "can come on Saturday, November 28, 2026, 12:10 pm MST at the earliest" in page
    assert "Denver Health" in page
    assert "Nobody may write at that hour" in page
    room = (await client.get("/v1/me/messages", headers=bearer(ANA))).json()["room"]
    assert room["caps"] == [
        {"at_most": 2, "days": 7, "came": 1, "planned": 1},
        {"at_most": 6, "days": 30, "came": 1, "planned": 1},
    ]
    assert (room["policy"], room["gap_hours"], room["next_at"]) == ("2026-12", 24, "2026-11-28T19:10:00Z")


async def test_the_person_s_own_tighter_limit_counts(
    client: httpx.AsyncClient, database: ConsentsDatabase, kept: FakeMessages
) -> None:
    allow(database, per_week=1)
    await heard(kept)
    assert "1 of 1 first message in 7 days." in (await client.get("/me/messages", headers=bearer(ANA))).text


async def test_who_may_not_be_written_to_is_told_that_and_what_was_before(
    client: httpx.AsyncClient, kept: FakeMessages
) -> None:
    await heard(kept)
    answer = (await client.get("/v1/me/messages", headers=bearer(ANA))).json()
    assert answer["room"] is None
    assert answer["detail"] == "Nobody may write to you first now: what you allow does not let them."
    assert len(answer["items"]) == 4


async def test_an_empty_page_says_what_will_be_on_it(client: httpx.AsyncClient, database: ConsentsDatabase) -> None:
    allow(database)
    page = (await client.get("/me/messages", headers=bearer(ANA))).text
    assert "No employer has written to you through Fairpool yet" in page
    assert "No message counts toward your limits now. They are: at most 2 in 7 days" in page


async def test_pages_follow_one_another_to_the_end(client: httpx.AsyncClient, kept: FakeMessages) -> None:
    await kept.keep_decisions(
        [decided(f"o_{place:03}", ANA, 1, "dropped", asked_at=NOON - place * HOUR, rule="hours") for place in range(60)]
    )
    seen: list[str] = []
    after = ""
    while True:
        answer = (await client.get("/v1/me/messages", params={"after": after}, headers=bearer(ANA))).json()
        seen += [one["id"] for one in answer["items"]]
        if answer["next"] is None:
            break
        after = answer["next"]
    assert seen == [f"o_{place:03}" for place in range(60)]
    second = await client.get("/me/messages", params={"after": after}, headers=bearer(ANA))
    assert "How full your week is" not in second.text


@pytest.mark.parametrize("after", ["x", "AAAA", "OTk5OTk5OTk5OTk5OTk5OTk5OTk5OTk5IG8", "MSA"])
async def test_a_place_that_no_answer_gave_is_refused(client: httpx.AsyncClient, after: str) -> None:
    answer = await client.get("/v1/me/messages", params={"after": after}, headers=bearer(ANA))
    assert answer.status_code == 422
    assert "Leave it out" in answer.json()["detail"]


async def test_what_waits_is_let_through_next_by_a_button_and_by_a_program(
    client: httpx.AsyncClient, kept: FakeMessages
) -> None:
    await heard(kept)
    page = (await client.get("/me/messages", headers=bearer(ANA))).text
    assert page.count("Let this one through next</button>") == 1
    assert 'action="/me/messages/o_waits/next"' in page
    pressed = await client.post("/me/messages/o_waits/next", headers=bearer(ANA))
    assert (pressed.status_code, pressed.headers["location"]) == (303, "/me/messages?done=next")
    assert "Noted: it is let through next" in (await client.get(pressed.headers["location"], headers=bearer(ANA))).text
    assert "Noted" not in page
    asked = await client.post("/v1/me/messages/o_waits/next", headers=bearer(ANA))
    assert asked.status_code == 202, asked.text
    assert asked.json()["wished_at"] == "2026-11-23T19:00:00Z"
    assert kept.wished == ["o_waits", "o_waits"]
    assert "You asked for it next" in (await client.get("/me/messages", headers=bearer(ANA))).text


@pytest.mark.parametrize(("outreach", "status"), [("o_came", 409), ("o_blocked", 409), ("o_of_ben", 404), ("o_none", 404)])  # fmt: skip
@pytest.mark.parametrize("before", ["", "/v1"])
async def test_only_what_waits_for_this_very_person_is_let_through(
    client: httpx.AsyncClient, kept: FakeMessages, outreach: str, status: int, before: str
) -> None:
    await heard(kept)
    assert (await client.post(f"{before}/me/messages/{outreach}/next", headers=bearer(ANA))).status_code == status
    assert (await client.post(f"{before}/me/messages/o_waits/next")).status_code == 401
    assert kept.wished == []


@pytest.mark.parametrize("path", ["/me/messages", "/v1/me/messages"])
async def test_nobody_else_reads_it(client: httpx.AsyncClient, kept: FakeMessages, path: str) -> None:
    await heard(kept)
    assert (await client.get(path)).status_code == 401
    answer = await client.get(path, headers=bearer(BEN))
    assert answer.status_code == 200
    assert "o_came" not in answer.text
    assert "You blocked this employer" not in answer.text
