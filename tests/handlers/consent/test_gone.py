"""The links of somebody who lapsed or was erased: dead from that moment, in any order of arrival, and never a receipt."""

from datetime import timedelta
from typing import Literal

import httpx
import pytest

from services.consent.handlers import on_candidate_erased, on_candidate_lapsed, on_candidate_registered
from shared.contracts.base import Event
from shared.contracts.signup import CandidateErasedV1, CandidateLapsedV1, CandidateRegisteredV1
from shared.messaging.envelope import Received, Record
from tests.fakes.clock import NOON
from tests.fakes.consent import ConsentsDatabase, writes
from tests.fakes.consent_pages import JOIN, link

CONFIRM, ME = (
    f"/confirm/{link('00000000-0000-7000-8000-000000000001', 'confirm')}",
    "/me",
)
U = f"/u/{link('00000000-0000-7000-8000-000000000001', 'unsubscribe', employer='emp_acme')}"
PAGE = {"Accept": "text/html"}
YES = {"purposes": ["match", "contact"], "time_zone": "America/Denver"}


async def hear(database: ConsentsDatabase, *events: Event) -> None:
    for event in events:
        received = Received("e", "/fairpool/signup", NOON, event, Record("t", 0, 0, None, None, ()))
        async with database.transaction() as consents:
            match event:
                case CandidateRegisteredV1():
                    await on_candidate_registered(consents, [received])  # type: ignore[list-item]  # of the matched class
                case CandidateLapsedV1():
                    await on_candidate_lapsed(consents, [received], writes)  # type: ignore[list-item]  # of the matched class
                case CandidateErasedV1():
                    await on_candidate_erased(consents, [received])  # type: ignore[list-item]  # of the matched class


REGISTERED = CandidateRegisteredV1(candidate="00000000-0000-7000-8000-000000000001", at=NOON)
LAPSED = CandidateLapsedV1(candidate="00000000-0000-7000-8000-000000000001", at=NOON, reason="deleted")
ERASED = CandidateErasedV1(candidate="00000000-0000-7000-8000-000000000001", at=NOON)


@pytest.mark.parametrize(
    "events",
    [
        (REGISTERED, LAPSED),
        (LAPSED, REGISTERED),
        (ERASED,),
        (ERASED, REGISTERED),
        (REGISTERED, ERASED, REGISTERED),
        (REGISTERED, LAPSED, ERASED, LAPSED),
    ],
)
@pytest.mark.parametrize("address", [CONFIRM, ME])
async def test_a_dead_link_is_410_with_the_way_to_join_again_and_writes_nothing(
    client: httpx.AsyncClient, database: ConsentsDatabase, events: tuple[Event, ...], address: str
) -> None:
    await hear(database, *events)
    for answer in (
        await client.get(address),
        await client.post(address, json=YES),
        await client.post(address, json={}),
    ):
        assert answer.status_code == 410
        assert answer.headers["content-type"] == "application/problem+json"
        assert JOIN in answer.json()["detail"]
        assert "receipt" not in answer.json()
    for page in (await client.get(address, headers=PAGE), await client.post(address, data=YES, headers=PAGE)):
        assert page.status_code == 410
        assert f'href="{JOIN}"' in page.text
        assert "Nobody is in the pool through this link anymore" in page.text
    assert database.entries == []


async def test_who_answered_before_the_lapse_is_heard_is_kept(
    client: httpx.AsyncClient, database: ConsentsDatabase
) -> None:
    assert (await client.post(CONFIRM, json=YES)).status_code == 200
    await hear(database, LAPSED)
    assert database.confirmed == []
    assert (await client.get(CONFIRM)).status_code == 200
    assert (await client.post(CONFIRM, json={"purposes": []})).json()["version"] == 2


REFUSED = CandidateLapsedV1(candidate="00000000-0000-7000-8000-000000000001", at=NOON, reason="refused")


async def test_a_no_to_the_invitation_stops_what_was_answered_before_it_and_the_person_is_told(
    client: httpx.AsyncClient, database: ConsentsDatabase
) -> None:
    assert (await client.post(CONFIRM, json=YES)).status_code == 200
    await hear(database, REFUSED, REFUSED)
    answered, stopped = database.entries
    assert (stopped.version, stopped.choices.purposes, stopped.previous) == (2, (), answered.leaf)
    assert stopped.document["record"]["event"]["through"] == "refuse"
    assert stopped.choices.time_zone == "America/Denver"
    assert database.confirmed == []
    async with database.transaction() as consents:
        await consents.tell_changes(10)
    [notice] = database.links.notices
    assert [change.what for change in notice.changes] == ["everything_stopped"]
    assert (await client.get(CONFIRM)).status_code == 200


async def test_a_no_to_the_invitation_stops_nothing_that_was_allowed_after_it(
    client: httpx.AsyncClient, database: ConsentsDatabase
) -> None:
    assert (await client.post(CONFIRM, json=YES)).status_code == 200
    before = NOON - timedelta(minutes=1)
    await hear(
        database, CandidateLapsedV1(candidate="00000000-0000-7000-8000-000000000001", at=before, reason="refused")
    )
    assert [entry.version for entry in database.entries] == [1]


async def test_a_no_to_the_invitation_changes_nothing_of_an_answer_that_was_no(
    client: httpx.AsyncClient, database: ConsentsDatabase
) -> None:
    assert (await client.post(CONFIRM, json={"purposes": []})).json()["version"] == 1
    await hear(database, REFUSED)
    assert [entry.version for entry in database.entries] == [1]
    assert (database.confirmed, database.links.due) == ([], {})


@pytest.mark.parametrize("reason", ["deleted", "expired"])
async def test_a_lapse_for_another_reason_stops_nobody_who_answered(
    client: httpx.AsyncClient, database: ConsentsDatabase, reason: Literal["deleted", "expired"]
) -> None:
    assert (await client.post(CONFIRM, json=YES)).status_code == 200
    await hear(database, CandidateLapsedV1(candidate="00000000-0000-7000-8000-000000000001", at=NOON, reason=reason))
    assert [entry.choices.purposes for entry in database.entries] == [("match", "contact")]


async def test_a_lapse_is_confirmed_each_time_it_is_heard(database: ConsentsDatabase) -> None:
    await hear(database, REGISTERED, LAPSED, LAPSED)
    assert database.confirmed == ["00000000-0000-7000-8000-000000000001", "00000000-0000-7000-8000-000000000001"]


async def test_an_invitation_that_is_over_says_how_to_join(client: httpx.AsyncClient) -> None:
    over = f"/confirm/{link('00000000-0000-7000-8000-000000000001', 'confirm', expires_at=NOON - timedelta(seconds=1))}"
    answer = await client.post(over, json=YES)
    assert answer.status_code == 410
    assert JOIN in answer.json()["detail"]
    page = await client.get(over, headers=PAGE)
    assert page.status_code == 410
    assert f'href="{JOIN}"' in page.text


async def test_a_stop_is_always_answered_as_a_stop(client: httpx.AsyncClient, database: ConsentsDatabase) -> None:
    await hear(database, LAPSED)
    for data in ({"List-Unsubscribe": "One-Click"}, {"scope": "employer"}):
        answer = await client.post(U, data=data)
        assert answer.status_code == 200
        page = await client.post(U, data=data, headers=PAGE)
        assert page.status_code == 200
        assert "stopped" in page.text.lower()
    assert (await client.get(U, headers=PAGE)).status_code == 200
    assert database.entries == []


async def test_nobody_who_was_erased_is_told_as_having_anything_on(
    client: httpx.AsyncClient, database: ConsentsDatabase
) -> None:
    await client.post(CONFIRM, json=YES)
    await hear(database, ERASED)
    assert (await client.get(ME)).status_code == 410
    answer = await client.post(U, data={"List-Unsubscribe": "One-Click"})
    assert answer.status_code == 200
    assert "match" not in answer.text
