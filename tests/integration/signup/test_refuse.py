"""The way out of an invitation, on a real database."""

import asyncio
import json
from datetime import timedelta
from typing import Any

import httpx
import pytest

from services.signup import jobs
from services.signup.handlers import on_erasure_confirmed
from shared.contracts.base import rfc3339
from shared.contracts.consent import ErasureConfirmedV1
from shared.messaging.envelope import Received, Record
from shared.security.links import Link, LinkPurpose, LinkSigner
from tests.fakes.clock import NOON
from tests.fakes.consent_pages import SEED, SUBJECT_KEY
from tests.integration.signup.conftest import Edge
from tests.integration.signup.test_story import arriving, handle, invite, post, store

ANA = "ana.canary@example.org"
UNTIL = NOON + timedelta(days=14)
HTML = {"Accept": "text/html"}


async def invited(edge: Edge, http: httpx.AsyncClient, record: str = "1") -> str:
    """A stub, and its invitation asked for; the candidate."""
    await post(http, "acme", record, ANA)
    await handle(edge, await arriving(edge))
    await invite(edge)
    found: str = await edge.pool.fetchval("SELECT candidate::text FROM candidates")
    return found


def way_out(candidate: str, purpose: LinkPurpose = "refuse") -> str:
    return f"/refuse/{LinkSigner(SEED, SUBJECT_KEY).sign(Link(candidate, purpose, UNTIL))}"


async def erase(edge: Edge, candidate: str) -> None:
    """Consent says that the person never answered."""
    event = ErasureConfirmedV1(candidate=candidate, store="consent", at=NOON)
    received = [Received("1", "/fairpool/consent", None, event, Record("t", 0, 0, None, b"", ()))]
    async with store(edge) as one:
        await on_erasure_confirmed(one, received)


async def lapses(edge: Edge) -> list[dict[str, Any]]:
    rows = await edge.pool.fetch("SELECT headers, value FROM outbox WHERE topic = 'candidate-events'")
    return [json.loads(row["value"]) for row in rows if "candidate.lapsed" in row["headers"]]


async def is_invited_again(edge: Edge, http: httpx.AsyncClient) -> bool:
    """Whether a vendor's report of the same mailbox brings a mail, the person being erased."""
    await edge.pool.execute("DELETE FROM outbox")
    await invited(edge, http, "2")
    return bool(await edge.pool.fetchval("SELECT count(*) FROM outbox WHERE topic = 'notices'"))


async def test_to_open_the_link_changes_nothing_and_offers_both(edge: Edge, http: httpx.AsyncClient) -> None:
    link = way_out(await invited(edge, http))
    page = await http.get(link, headers=HTML)
    assert (page.status_code, (await http.head(link)).status_code) == (200, 200)
    assert "Nothing has changed yet" in page.text
    assert 'value="not_me"' in page.text
    assert 'value="never_again"' in page.text
    assert (await http.get(link)).json() == {"status": "invited"}
    assert await lapses(edge) == []


async def test_this_was_not_me_lets_the_stub_lapse_and_says_the_same_again_also_after_the_erasure(
    edge: Edge, http: httpx.AsyncClient
) -> None:
    candidate = await invited(edge, http)
    link = way_out(candidate)
    first = await http.post(link, data={"choice": "not_me"}, headers=HTML)
    assert first.status_code == 200
    assert "You said that this was not you" in first.text
    [lapse] = await lapses(edge)
    assert (lapse["candidate"], lapse["reason"]) == (candidate, "refused")
    again = await http.post(link, data={"choice": "not_me"}, headers=HTML)
    await erase(edge, candidate)
    assert await edge.pool.fetchval("SELECT count(*) FROM candidates") == 0
    later = await http.post(link, data={"choice": "not_me"}, headers=HTML)
    opened = (await http.get(link, headers=HTML)).text
    assert first.text == again.text == later.text == opened
    assert len(await lapses(edge)) == 1
    assert ANA not in await edge.everything()
    assert await is_invited_again(edge, http), "once more, as the page says"


@pytest.mark.parametrize("reason", ["deleted", "expired"])
async def test_a_no_of_somebody_who_lapses_already_is_passed_on_all_the_same(
    edge: Edge, http: httpx.AsyncClient, reason: str
) -> None:
    candidate = await invited(edge, http)
    await edge.pool.execute(
        "UPDATE candidates SET lapse_reason = $1, lapse_asked_at = $2, lapsed_at = $2", reason, NOON
    )
    await http.post(way_out(candidate), data={"choice": "not_me"})
    await http.post(way_out(candidate), data={"choice": "not_me"})
    assert [one["reason"] for one in await lapses(edge)] == ["refused"]


async def test_a_no_that_is_passed_on_again_keeps_the_time_at_which_it_was_said(
    edge: Edge, http: httpx.AsyncClient
) -> None:
    await http.post(way_out(await invited(edge, http)), data={"choice": "not_me"})
    edge.clock.at(NOON + timedelta(hours=1))
    async with store(edge) as one:
        await jobs.lapse(one)
    first, again = await lapses(edge)
    assert (again["reason"], again["at"]) == ("refused", first["at"])


@pytest.mark.parametrize("is_erased", [False, True])
async def test_never_again_holds_for_the_mailbox_also_when_it_is_said_after_the_other(
    edge: Edge, http: httpx.AsyncClient, is_erased: bool
) -> None:
    candidate = await invited(edge, http)
    link = way_out(candidate)
    await http.post(link, data={"choice": "not_me"})
    if is_erased:
        await erase(edge, candidate)
    assert (await http.post(link, data={"choice": "never_again"})).json() == {"status": "never_again"}
    await erase(edge, candidate)
    page = await http.post(link, data={"choice": "not_me"}, headers=HTML)
    assert "We will not write to you again" in page.text
    assert not await is_invited_again(edge, http)


@pytest.mark.parametrize("choice", ["not_me", "never_again"])
async def test_after_a_no_strangers_who_join_in_somebodys_name_have_them_written_to_once_in_90_days(
    edge: Edge, http: httpx.AsyncClient, choice: str
) -> None:
    candidate = await invited(edge, http)

    async def join(day: int) -> int:
        """How many emails go out when the page is filled in; they are refused again."""
        nonlocal candidate
        await http.post(way_out(candidate), data={"choice": choice})
        await erase(edge, candidate)
        edge.clock.at(NOON + timedelta(days=day))
        await edge.pool.execute("DELETE FROM outbox")
        await http.post("/join", json={"email": ANA, "name": "Ana", "work": "Nurse"})
        await handle(edge, await arriving(edge))
        await invite(edge)
        candidate = await edge.pool.fetchval("SELECT candidate::text FROM candidates")
        return int(await edge.pool.fetchval("SELECT count(*) FROM outbox WHERE topic = 'notices'"))

    assert [await join(day) for day in (1, 2, 3, 90, 91, 92)] == [1, 0, 0, 0, 1, 0]


@pytest.mark.parametrize(
    ("content_type", "body", "status"),
    [
        (None, b"", "refused"),
        ("text/plain", b"choice=never_again", "refused"),
        ("application/json", b"{", "refused"),
        ("application/json", b"[]", "refused"),
        ("application/json", b'{"choice": "never_again"}', "never_again"),
        ("application/json", b'{"choice": null}', "refused"),
        ("application/x-www-form-urlencoded", b"List-Unsubscribe=One-Click", "never_again"),
        ("application/x-www-form-urlencoded; charset=utf-8", b"choice=never_again", "never_again"),
        ("application/x-www-form-urlencoded", b"choice=" + b"x" * 20_000, "refused"),
        ("multipart/form-data; boundary=b", b'--b\r\nContent-Disposition: form-data; name="List-Unsubscribe"\r\n\r\nOne-Click\r\n--b--\r\n', "never_again"),
        ("multipart/form-data", b"broken", "refused"),
    ],
)  # fmt: skip
async def test_any_post_refuses_and_one_click_means_never_again(
    edge: Edge, http: httpx.AsyncClient, content_type: str | None, body: bytes, status: str
) -> None:
    link = way_out(await invited(edge, http))
    answer = await http.post(link, content=body, headers={"Content-Type": content_type} if content_type else {})
    assert (answer.status_code, answer.json()) == (200, {"status": status})
    assert len(await lapses(edge)) == 1


async def answered(edge: Edge, http: httpx.AsyncClient) -> str:
    candidate = await invited(edge, http)
    await edge.pool.execute("UPDATE candidates SET confirmed_at = $1", NOON)
    return candidate


async def test_whoever_has_answered_is_told_what_never_again_ends_before_it_does(
    edge: Edge, http: httpx.AsyncClient
) -> None:
    link = way_out(await answered(edge, http))
    looked, tried = await http.get(link, headers=HTML), await http.post(link, content=b"", headers=HTML)
    assert (looked.status_code, tried.status_code) == (200, 409), "that it was not them is no way to stop anything"
    for page in (looked, tried):
        assert "What holds now is what was saved or stopped last" in page.text and 'href="/sign-in"' in page.text
        assert "you are no longer in any of their lists" in page.text and 'value="never_again"' in page.text
    assert "Nothing was changed just now" in tried.text and "Opening this page changes nothing" in looked.text
    asked = await http.get(link)
    assert (asked.status_code, asked.json()["status"]) == (200, "answered")
    problem = (await http.post(link, data={"choice": "not_me"})).json()
    assert problem["type"] == "urn:fairpool:problem:answered" and "never_again" in problem["detail"]
    assert await lapses(edge) == []


@pytest.mark.parametrize("how", [{"choice": "never_again"}, {"List-Unsubscribe": "One-Click"}])
async def test_never_again_after_an_answer_has_consent_stop_everything_each_time_that_it_is_said(
    edge: Edge, http: httpx.AsyncClient, how: dict[str, str]
) -> None:
    candidate = await answered(edge, http)
    link = way_out(candidate)
    assert (await http.post(link, data=how)).json() == {"status": "stopped"}
    later = NOON + timedelta(hours=1)  # they switched on again, and say it again
    edge.clock.at(later)
    done = await http.post(link, data=how, headers=HTML)
    assert done.status_code == 200 and "Everything is being switched off" in done.text
    assert [(one["candidate"], one["reason"]) for one in await lapses(edge)] == [(candidate, "refused")] * 2
    assert [one["at"] for one in await lapses(edge)] == [rfc3339(NOON), rfc3339(later)]
    assert await edge.pool.fetchval("SELECT lapse_reason FROM candidates") is None, "they are not erased"
    await erase(edge, candidate)
    assert await edge.pool.fetchval("SELECT count(*) FROM candidates") == 1
    assert await edge.pool.fetchval("SELECT count(*) FROM refusals") == 0


async def test_in_a_mailbox_that_its_person_has_left_an_old_invitation_stops_nothing(
    edge: Edge, http: httpx.AsyncClient
) -> None:
    link = way_out(await answered(edge, http))
    await edge.pool.execute("UPDATE candidates SET links_from = $1", NOON + timedelta(seconds=1))
    page, said = await http.get(link, headers=HTML), await http.post(link, data={"choice": "never_again"})
    assert "This link no longer stops anything" in page.text and 'value="never_again"' not in page.text
    assert (said.status_code, said.json()["type"]) == (409, "urn:fairpool:problem:answered")
    assert await lapses(edge) == []


async def test_a_link_of_somebody_who_is_gone_expired_or_of_another_kind_says_so(
    edge: Edge, http: httpx.AsyncClient
) -> None:
    candidate = await invited(edge, http)
    assert (await http.post(way_out(candidate, "confirm"), content=b"")).status_code == 404
    assert (await http.get(way_out(candidate, "me"), headers=HTML)).status_code == 404
    assert (await http.get("/refuse/no-token", headers=HTML)).status_code == 404
    await edge.pool.execute("DELETE FROM candidates")
    gone = await http.post(way_out(candidate), content=b"", headers=HTML)
    assert (gone.status_code, "You are forgotten already" in gone.text) == (410, True)
    edge.clock.at(UNTIL)
    expired = await http.get(way_out(candidate), headers=HTML)
    assert (expired.status_code, "This link has expired" in expired.text) == (410, True)
    assert await lapses(edge) == []


async def test_two_at_once_are_one_refusal(edge: Edge, http: httpx.AsyncClient) -> None:
    link = way_out(await invited(edge, http))
    answers = await asyncio.gather(*(http.post(link, data={"choice": "never_again"}) for _ in range(4)))
    assert [answer.json()["status"] for answer in answers] == ["never_again"] * 4
    assert len(await lapses(edge)) == 1


async def test_a_refusal_is_forgotten_when_its_link_has_expired(edge: Edge, http: httpx.AsyncClient) -> None:
    await http.post(way_out(await invited(edge, http)), data={"choice": "never_again"})
    forgotten = []
    for at in (UNTIL, UNTIL + timedelta(seconds=1)):
        edge.clock.at(at)
        async with store(edge) as one:
            forgotten.append(await one.forget_refusals(limit=10))
    assert forgotten == [0, 1]
    assert await edge.pool.fetchval("SELECT count(*) FROM refusals") == 0
    assert await edge.pool.fetchval("SELECT count(*) FROM invitations WHERE refused_at IS NOT NULL") == 1
