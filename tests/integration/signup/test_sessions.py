"""A link from an email is spent for a session, once; sessions are listed, end, and are forgotten. On a real database."""

import asyncio
from datetime import datetime, timedelta

import httpx
import pytest

from services.signup.jobs import forget_sessions
from shared.security.links import Link, LinkSigner
from shared.security.sessions import Session, SessionReader
from shared.security.statements import StatementSigner
from tests.fakes.clock import NOON
from tests.fakes.consent_pages import SEED, SUBJECT_KEY, link
from tests.integration.signup.conftest import Edge
from tests.integration.signup.test_erasing import confirmed
from tests.signing import PUBLIC, seed_of

HTML = {"Accept": "text/html"}
OURS = {**HTML, "Sec-Fetch-Site": "same-origin", "Origin": "null"}
FIREFOX = {"User-Agent": "Mozilla/5.0 (Windows NT 10.0; Win64; x64; rv:145.0) Gecko/20100101 Firefox/145.0"}
IN_15_MINUTES = NOON + timedelta(minutes=15)


@pytest.fixture
async def ana(edge: Edge, http: httpx.AsyncClient) -> str:
    """Somebody who is in the pool."""
    return await confirmed(edge, http)


def mailed(candidate: str, *, issued_at: datetime = NOON, until: datetime = IN_15_MINUTES) -> str:
    return f"/sign-in/{link(candidate, 'me', issued_at=issued_at, expires_at=until)}"


async def bearer(http: httpx.AsyncClient, address: str) -> dict[str, str]:
    answer = await http.post(address)
    assert answer.status_code == 201, answer.text
    return {"Authorization": f"Bearer {answer.json()['session']}"}


async def test_looking_at_the_link_shows_one_button_and_changes_nothing(
    edge: Edge, http: httpx.AsyncClient, ana: str
) -> None:
    for _ in range(2):
        page = await http.get(mailed(ana), headers=HTML)
        assert page.status_code == 200
        assert page.text.count("<button") == 1
        assert "set-cookie" not in page.headers
        assert "form-action 'self' http://consent.test/" in page.headers["content-security-policy"]
        assert (page.headers["cache-control"], page.headers["referrer-policy"]) == ("no-store", "same-origin")
    assert await edge.pool.fetchval("SELECT count(*) FROM sessions") == 0


async def test_the_button_signs_a_browser_in_and_a_second_press_leads_on_in_this_browser_alone(
    http: httpx.AsyncClient, ana: str
) -> None:
    pressed = await http.post(mailed(ana), headers={**OURS, **FIREFOX})
    assert (pressed.status_code, pressed.headers["location"]) == (303, "http://consent.test/me")
    assert {"HttpOnly", "SameSite=lax", "Path=/"} <= {part.strip() for part in pressed.headers["set-cookie"].split(";")}
    again = await http.post(mailed(ana), headers=OURS)  # the client has the cookie
    assert (again.status_code, again.headers["location"]) == (303, "http://consent.test/me")
    assert "Firefox on Windows (this one)" in (await http.get("/me/sessions", headers=HTML)).text
    http.cookies.clear()
    used = await http.post(mailed(ana), headers=OURS)
    assert used.status_code == 410 and "This link was used" in used.text and "set-cookie" not in used.headers
    assert (await http.get(mailed(ana), headers=HTML)).status_code == 410
    assert (await http.post(mailed(ana))).json()["type"] == "urn:fairpool:problem:link-used"


@pytest.mark.parametrize(
    ("known", "asks", "then"),
    [("en", "", "en"), (None, "", "es"), ("en", "?lang=es", "es"), ("es", "?lang=en", "en")],
)
async def test_the_language_of_emails_is_what_a_person_chose_and_a_browsers_only_where_none_is_known(
    edge: Edge, http: httpx.AsyncClient, ana: str, known: str | None, asks: str, then: str
) -> None:
    await edge.pool.execute("UPDATE candidates SET locale = $1", known)
    await http.post(f"{mailed(ana)}{asks}", headers={**OURS, "Accept-Language": "es-MX"})
    assert await edge.pool.fetchval("SELECT locale FROM candidates") == then


async def test_a_program_gets_the_session_and_no_cookie(http: httpx.AsyncClient, ana: str) -> None:
    answer = await http.post(mailed(ana))
    assert answer.status_code == 201
    assert set(answer.json()) == {"session", "expires_at"} and "set-cookie" not in answer.headers
    mine = {"Authorization": f"Bearer {answer.json()['session']}"}
    (only,) = (await http.get("/v1/me/sessions", headers=mine)).json()["items"]
    assert (only["browser"], only["is_this"], only["expires_at"]) == ("A program", True, answer.json()["expires_at"])


async def test_of_several_who_spend_a_link_at_once_one_has_it(edge: Edge, http: httpx.AsyncClient, ana: str) -> None:
    answers = await asyncio.gather(*(http.post(mailed(ana)) for _ in range(5)))
    assert sorted(one.status_code for one in answers) == [201, 410, 410, 410, 410]
    assert await edge.pool.fetchval("SELECT count(*) FROM sessions") == 1


async def test_the_same_link_in_another_spelling_is_the_same_link(http: httpx.AsyncClient, ana: str) -> None:
    """base64url writes 64 bytes in 86 characters, of which the last has four bits to spare."""
    address = mailed(ana)
    await bearer(http, address)
    alphabet = "ABCDEFGHIJKLMNOPQRSTUVWXYZabcdefghijklmnopqrstuvwxyz0123456789-_"
    last = alphabet.index(address[-1])
    spellings = [address[:-1] + alphabet[last - last % 16 + spare] for spare in range(16)]
    answers = [await http.post(one) for one in [*spellings, address + ".", address + "="]]
    assert {one.status_code for one in answers} <= {404, 410}


async def test_another_email_of_the_same_moment_to_somebody_else_and_a_later_one_are_other_links(
    edge: Edge, http: httpx.AsyncClient, ana: str
) -> None:
    await bearer(http, mailed(ana))
    await bearer(http, mailed(ana, issued_at=NOON + timedelta(seconds=1)))
    assert await edge.pool.fetchval("SELECT count(*) FROM sessions") == 2


@pytest.mark.parametrize(
    ("token", "status"),
    [
        ("x.y.z", 404),
        (link("01945f2e-7c1a-7d3b-9a51-3f0c5b2d8e10", "confirm"), 404),
        (link("01945f2e-7c1a-7d3b-9a51-3f0c5b2d8e10", "unsubscribe"), 404),
        (link("01945f2e-7c1a-7d3b-9a51-3f0c5b2d8e10", "me", expires_at=NOON), 410),
        (link("01945f2e-7c1a-7d3b-9a51-3f0c5b2d8e10", "me"), 410),  # nobody
    ],
)
async def test_what_is_no_good_link_signs_nobody_in(
    edge: Edge, http: httpx.AsyncClient, token: str, status: int
) -> None:
    for answer in (await http.get(f"/sign-in/{token}"), await http.post(f"/sign-in/{token}")):
        assert answer.status_code == status
        assert "set-cookie" not in answer.headers
    assert await edge.pool.fetchval("SELECT count(*) FROM sessions") == 0


async def test_no_other_sites_page_signs_a_browser_in_and_the_link_stays_good(
    http: httpx.AsyncClient, ana: str
) -> None:
    elsewhere = {**HTML, "Sec-Fetch-Site": "cross-site", "Origin": "https://evil.example"}
    refused = await http.post(mailed(ana), headers=elsewhere)
    assert refused.status_code == 403 and "set-cookie" not in refused.headers
    assert (await http.post(mailed(ana), headers=OURS)).status_code == 303


async def test_a_session_says_a_yes_as_of_its_link_and_none_by_a_link_that_signup_did_not_state(
    http: httpx.AsyncClient, ana: str
) -> None:
    """Who has the courier's key for links alone, or an email from before a no, gains nothing by signing in."""
    reader = SessionReader(PUBLIC["signup"], [SUBJECT_KEY])
    made = NOON - timedelta(minutes=10)
    of_link = await http.post(mailed(ana, issued_at=made))
    session = reader.read(of_link.json()["session"], at=NOON)
    assert isinstance(session, Session) and session.statement is not None
    assert session.statement.issued_at == made
    until = NOON + timedelta(minutes=3)
    for statements in (None, StatementSigner(seed_of("consent"))):
        until += timedelta(seconds=1)
        token = LinkSigner(SEED, SUBJECT_KEY, statements).sign(Link(ana, "me", until, None, NOON))
        session = reader.read((await http.post(f"/sign-in/{token}")).json()["session"], at=NOON)
        assert isinstance(session, Session) and session.statement is None


async def test_a_session_that_is_ended_opens_nothing_any_more_and_consent_is_told(
    edge: Edge, http: httpx.AsyncClient, ana: str
) -> None:
    one, other, third = [await edge.sign_in(ana) for _ in range(3)]
    names = {item["id"]: item["is_this"] for item in (await http.get("/v1/me/sessions", headers=one)).json()["items"]}
    mine = next(name for name, is_this in names.items() if is_this)
    assert (await http.delete(f"/v1/me/sessions/{mine}", headers=other)).status_code == 204
    assert (await http.delete(f"/v1/me/sessions/{mine}", headers=other)).status_code == 404
    assert (await http.get("/v1/me/sessions", headers=one)).status_code == 401
    told = [value for value in await edge.outbox() if "session" in value]
    assert [(value["candidate"], value["session"]) for value in told] == [(ana, mine)]
    assert (await http.post("/me/sessions", json={"action": "end_others"}, headers=other)).json() == {"ended": 1}
    assert (await http.get("/v1/me/sessions", headers=third)).status_code == 401
    assert (await http.post("/me/sessions", json={"action": "sign_out"}, headers=other)).json() == {"ended": 1}
    assert (await http.get("/v1/me/sessions", headers=other)).status_code == 401
    assert {value["session"] for value in await edge.outbox() if "session" in value} == set(names)


async def test_nobody_ends_a_session_of_somebody_else(edge: Edge, http: httpx.AsyncClient, ana: str) -> None:
    bob = await confirmed_too(edge, http)
    hers, his = await edge.sign_in(ana), await edge.sign_in(bob)
    (item,) = (await http.get("/v1/me/sessions", headers=hers)).json()["items"]
    assert (await http.delete(f"/v1/me/sessions/{item['id']}", headers=his)).status_code == 404
    ended = await http.post("/me/sessions", json={"action": "end", "session": item["id"]}, headers=his)
    assert ended.json() == {"ended": 0}
    assert (await http.get("/v1/me/sessions", headers=hers)).status_code == 200


async def confirmed_too(edge: Edge, http: httpx.AsyncClient) -> str:
    candidate = "01945f2e-7c1a-7d3b-9a51-3f0c5b2d8e99"
    await edge.pool.execute(
        "INSERT INTO candidates SELECT (jsonb_populate_record(candidates, jsonb_build_object('candidate', $1::text,"
        " 'blind_index', '\\xabcd'))).* FROM candidates LIMIT 1",
        candidate,
    )
    return candidate


async def test_the_page_ends_sessions_and_signs_out_by_cookie_from_our_own_page_alone(
    edge: Edge, http: httpx.AsyncClient, ana: str
) -> None:
    await edge.sign_in(ana)
    assert (await http.post(mailed(ana), headers={**OURS, **FIREFOX})).status_code == 303
    form = {"action": "end_others"}
    assert (await http.post("/me/sessions", data=form, headers=HTML)).status_code == 403
    page = await http.post("/me/sessions", data=form, headers=OURS)
    assert page.status_code == 200 and page.text.count("<dt>") == 1
    out = await http.post("/me/sessions", data={"action": "sign_out", "session": "x"}, headers=OURS)
    assert "You are signed out" in out.text
    assert "Max-Age=0" in out.headers["set-cookie"]
    assert (await http.get("/me/sessions", headers=HTML)).status_code == 401
    assert await edge.pool.fetchval("SELECT count(*) FROM sessions WHERE ended_at IS NULL") == 0


async def test_a_session_is_forgotten_once_it_is_over_and_its_link_works_no_more_either(
    edge: Edge, http: httpx.AsyncClient, ana: str
) -> None:
    """Else the link in an email that works for three days could be spent again after four hours."""
    long = mailed(ana, until=NOON + timedelta(days=3))
    await bearer(http, mailed(ana))
    await bearer(http, long)
    edge.clock.at(NOON + timedelta(hours=4))
    async with edge.open_sessions() as sessions:
        assert not await forget_sessions(sessions)
    assert await edge.pool.fetchval("SELECT count(*) FROM sessions") == 1
    assert (await http.post(long)).status_code == 410
    edge.clock.at(NOON + timedelta(days=3))
    async with edge.open_sessions() as sessions:
        await forget_sessions(sessions)
    assert await edge.pool.fetchval("SELECT count(*) FROM sessions") == 0


async def test_nothing_of_a_session_by_which_one_could_sign_in_is_kept(
    edge: Edge, http: httpx.AsyncClient, ana: str
) -> None:
    address = mailed(ana)
    answer = await http.post(address, headers=FIREFOX)
    kept = await edge.everything()
    assert answer.json()["session"] not in kept
    assert address.rpartition("/")[2] not in kept
    assert "Mozilla" not in kept and "Firefox on Windows" in kept


@pytest.mark.parametrize(("asked", "used"), [(0.0, 30.0), (0.3, 0.7)])  # a session says its beginning in whole seconds
async def test_who_has_just_used_their_link_gets_a_new_one_at_once(
    edge: Edge, http: httpx.AsyncClient, ana: str, asked: float, used: float
) -> None:
    """Each works once: the one that is still good by its time may be the one that was used."""

    async def ask() -> int:
        assert (await http.post("/sign-in", json={"email": "ana.canary@example.org"})).status_code == 202
        return sum(value.get("purpose") == "sign_in" for value in await edge.outbox())

    edge.clock.at(NOON + timedelta(seconds=asked))
    assert [await ask(), await ask()] == [1, 1]
    edge.clock.at(NOON + timedelta(seconds=used))
    await bearer(http, mailed(ana))
    edge.clock.at(NOON + timedelta(seconds=60))
    assert await ask() == 2


async def test_pages_tell_moments_on_the_clock_that_their_person_chose_and_else_in_utc_by_name(
    edge: Edge, http: httpx.AsyncClient, ana: str
) -> None:
    mine = {**await edge.sign_in(ana), **HTML}
    pages = ("/me/sessions", "/me/data")
    for page in pages:
        assert "November 23, 2026, 7:00 pm UTC" in (await http.get(page, headers=mine)).text, page
    await edge.pool.execute(
        "INSERT INTO courier_consent (candidate, version, purposes, blocked_employers, time_zone) VALUES ($1, 1, '{}', '{}', $2)",
        ana,
        "America/Denver",
    )
    for page in pages:
        told = (await http.get(page, headers=mine)).text
        assert "November 23, 2026, 12:00 pm MST" in told and "UTC" not in told, page
    await edge.pool.execute("UPDATE courier_consent SET time_zone = 'Pacific/Kiritimati'")
    for page in pages:
        told = (await http.get(page, headers=mine)).text
        assert "November 24, 2026" in told and "November 23" not in told, "days are of the same clock"
    await edge.pool.execute("UPDATE sessions SET ended_at = $1", NOON)
    assert (await http.get("/me/sessions", headers=mine)).status_code == 401
