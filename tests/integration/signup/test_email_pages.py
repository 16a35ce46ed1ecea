"""The pages and routes of another email, on a real database."""

import re
from collections.abc import AsyncIterator
from datetime import timedelta
from typing import Any

import httpx
import pytest

from services.signup.adapters import email_changes as adapter
from services.signup.adapters.page_requests import PostgresPageRequests
from services.signup.adapters.postgres import PostgresStore
from services.signup.api import email_changes, email_links
from services.signup.api.signed_in import signed_in
from services.signup.mailboxes import look_up_mailboxes
from services.signup.model.email_changes import ANSWERED_WITHIN, WAY_BACK
from services.signup.vault.index import BlindIndex
from shared.security.links import Link, LinkPurpose, LinkSigner
from shared.web.app import create_app
from tests.fakes.consent_pages import SEED, SUBJECT_KEY
from tests.integration.signup.conftest import BLIND_INDEX_KEY, NAVIGATION, Edge, emails_of
from tests.integration.signup.test_profile import ANA, NURSE, allow, tell
from tests.integration.signup.test_story import arriving, handle, post
from tests.killing import KILLED, killed_before

NEW = "ana.new@example.net"
HTML = {"Accept": "text/html"}
OURS = {**HTML, "Sec-Fetch-Site": "same-origin"}


@pytest.fixture
async def face(edge: Edge) -> AsyncIterator[httpx.AsyncClient]:
    async def ready() -> dict[str, Any]:
        return {}

    made = email_changes.EmailEdge(
        changes=emails_of(edge),
        requests=PostgresPageRequests(edge.work),
        links=edge.links(),
        signed_in=signed_in(edge.holders(), edge.open_sessions),
        origins=edge.holders().origins,
        origin_key=BLIND_INDEX_KEY,
        now=edge.clock.now,
        navigation=NAVIGATION,
        answer_after=timedelta(0),
    )
    app = create_app("signup", "signup", ready=ready)
    for routes in (email_changes.pages(made), email_changes.api(made), email_links.pages(made)):
        app.include_router(routes)
    async with httpx.AsyncClient(transport=httpx.ASGITransport(app), base_url="http://signup.test") as client:
        yield client


@pytest.fixture
async def ana(http: httpx.AsyncClient, edge: Edge) -> str:
    """Somebody who has confirmed."""
    candidate = await tell(http, edge, **NURSE)
    await allow(edge, candidate)
    return candidate


def address(edge: Edge, ana: str, purpose: LinkPurpose, change: str | None = None) -> str:
    at = edge.clock.now()
    path = "recovery" if purpose == "confirm" else "email"
    token = LinkSigner(SEED, SUBJECT_KEY).sign(Link(ana, purpose, at + WAY_BACK, None, at, change))
    return f"/{path}/{token}"


async def change_of(edge: Edge) -> str:
    return str(await edge.pool.fetchval("SELECT id FROM email_changes"))


async def test_an_email_is_changed_by_two_pages_and_put_back_by_a_third(
    face: httpx.AsyncClient, edge: Edge, ana: str
) -> None:
    mine = await edge.sign_in(ana)
    asked = await face.post("/v1/me/email", json={"email": NEW}, headers=mine)
    assert (asked.status_code, asked.json()) == (202, {"status": "check_both_mailboxes"})
    seen = (await face.get("/v1/me/email", headers=mine)).json()
    assert (seen["email"], seen["new_email"], seen["change"]) == (ANA, NEW, "asked")
    change = await change_of(edge)
    new, old = address(edge, ana, "email_new", change), address(edge, ana, "email_old", change)
    page = await face.get(new, headers=HTML)
    assert page.status_code == 200 and "Is this mailbox yours?" in page.text and NEW not in page.text
    assert (await face.post(new, data={"answer": "not_me"}, headers=OURS)).status_code == 200
    assert (await face.get("/v1/me/email", headers=mine)).json()["change"] == "asked", "the new one only says yes"
    assert "Noted" in (await face.post(new, data={"answer": "yes"}, headers=OURS)).text
    assert "I agree" in (await face.get(old, headers=HTML)).text
    assert (await face.post(old, json={"answer": "yes"})).json() == {"status": "changed"}
    assert (await face.get("/v1/me/email", headers=mine)).status_code == 401, "every session has ended"
    mine = await edge.sign_in(ana)
    assert (await face.get("/v1/me/email", headers=mine)).json()["email"] == NEW
    assert (await face.post("/v1/me/email", json={"email": ANA}, headers=mine)).status_code == 409
    edge.clock.at(edge.clock.now() + WAY_BACK - timedelta(minutes=5))
    assert "put the old one back" in (await face.get(old, headers=HTML)).text
    assert "The old email is back" in (await face.post(old, data={"answer": "not_me"}, headers=OURS)).text
    assert (await face.get("/v1/me/email", headers=mine)).status_code == 401, "every session has ended"
    mine = await edge.sign_in(ana)
    assert (await face.get("/v1/me/email", headers=mine)).json()["email"] == ANA


async def test_where_the_old_email_cannot_be_put_back_the_page_does_not_say_that_it_was(
    face: httpx.AsyncClient, http: httpx.AsyncClient, edge: Edge, ana: str
) -> None:
    mine = await edge.sign_in(ana)
    await face.post("/v1/me/email", json={"email": NEW}, headers=mine)
    change = await change_of(edge)
    for purpose in ("email_new", "email_old"):
        await face.post(address(edge, ana, purpose, change), json={"answer": "yes"})
    await edge.pool.execute("DELETE FROM former_mailboxes")  # as where an index key was taken away
    await tell(http, edge, "bright", **NURSE)
    await edge.pool.execute(  # who never answered would give way
        "UPDATE candidates SET confirmed_at = $1 WHERE candidate <> $2::uuid", edge.clock.now(), ana
    )
    page = (await face.post(address(edge, ana, "email_old", change), data={"answer": "not_me"}, headers=OURS)).text
    assert "The old email could not be put back" in page and "every session has ended" in page
    assert (await face.get("/v1/me/email", headers=mine)).status_code == 401
    refused = await face.delete("/v1/me/email", headers=await edge.sign_in(ana))
    assert (refused.status_code, refused.json()["type"].rsplit(":", 1)[-1]) == (409, "email-not-put-back")


async def test_a_no_to_another_email_comes_no_sooner_than_a_yes_and_nothing_slow_is_computed_for_it(
    face: httpx.AsyncClient, edge: Edge, ana: str, monkeypatch: pytest.MonkeyPatch
) -> None:
    mine, waited, looked_up = await edge.sign_in(ana), [], []

    async def wait_since(began: float, span: timedelta) -> None:
        waited.append(span)

    async def look_up(*args: Any, **more: Any) -> Any:
        looked_up.append(args)
        return await look_up_mailboxes(*args, **more)

    monkeypatch.setattr(email_changes, "wait_since", wait_since)
    monkeypatch.setattr(adapter, "look_up_mailboxes", look_up)
    answers = [
        await face.post("/v1/me/email", json={"email": f"n{place}@example.org"}, headers=mine) for place in range(9)
    ]
    assert {answer.status_code for answer in answers} == {202, 429}
    assert len(waited) == 9
    assert len(looked_up) == sum(answer.status_code == 202 for answer in answers)


async def test_a_page_of_another_site_answers_nothing_and_a_foreign_link_is_none(
    face: httpx.AsyncClient, edge: Edge, ana: str
) -> None:
    await face.post("/v1/me/email", json={"email": NEW}, headers=await edge.sign_in(ana))
    old = address(edge, ana, "email_old", await change_of(edge))
    foreign = {"Sec-Fetch-Site": "cross-site", "Origin": "https://evil.example"}
    assert (await face.post(old, data={"answer": "yes"}, headers=foreign)).status_code == 403
    for path in ("/email/x", address(edge, ana, "confirm").replace("recovery", "email"), old[:-6]):
        assert (await face.get(path)).status_code == 404
        assert (await face.post(path, json={"answer": "yes"})).status_code == 404
    assert (await face.post(old, json={"answer": "maybe"})).status_code == 422
    edge.clock.at(edge.clock.now() + WAY_BACK + ANSWERED_WITHIN)
    assert (await face.get(old)).status_code == 410
    assert (await face.get("/me/email", headers=HTML)).status_code == 401


async def test_after_a_not_me_a_new_link_is_mailed_at_once(face: httpx.AsyncClient, edge: Edge, ana: str) -> None:
    requests, mailbox = PostgresPageRequests(edge.work), BlindIndex(BLIND_INDEX_KEY).of(ANA)
    mine = await edge.sign_in(ana)
    await face.post("/v1/me/email", json={"email": NEW}, headers=mine)

    async def asked() -> int:
        edge.clock.at(edge.clock.now() + timedelta(minutes=1))
        await requests.sign_in(mailbox, b"here")
        return int(await edge.pool.fetchval("SELECT count(*) FROM outbox WHERE topic = 'notices'"))

    first = await asked()
    assert await asked() == first, "the same link is not sent again so soon"
    assert (await face.delete("/v1/me/email", headers=mine)).status_code == 204
    assert await asked() == first + 1, "the one from before is void"


async def test_a_wrong_email_is_said_beside_its_field_and_nothing_is_begun(
    face: httpx.AsyncClient, edge: Edge, ana: str
) -> None:
    mine = await edge.sign_in(ana)
    for typed in ("", "nobody", "a@b@c"):
        page = await face.post("/me/email", data={"email": typed}, headers={**mine, **HTML})
        assert page.status_code == 422 and 'id="email-error"' in page.text
        assert (await face.post("/v1/me/email", json={"email": typed}, headers=mine)).status_code == 422
    answer = await face.post("/me/email", json={}, headers=mine)
    assert (answer.status_code, answer.headers["Content-Type"]) == (422, "application/problem+json")
    page = await face.post("/recover", data={"email": "x", "code": ""}, headers=HTML)
    assert page.status_code == 422 and 'id="old_email-error"' in page.text
    assert await edge.pool.fetchval("SELECT count(*) FROM email_changes") == 0


async def test_the_first_code_is_shown_once_by_the_invitation_s_link_and_a_new_one_to_who_is_signed_in(
    face: httpx.AsyncClient, edge: Edge, ana: str
) -> None:
    first = address(edge, ana, "confirm")
    assert (await face.get(first, headers=HTML)).status_code == 200
    shown = await face.post(first)
    assert shown.status_code == 201 and len(shown.json()["recovery_code"]) == 29
    assert (await face.post(first)).status_code == 409
    mine = await edge.sign_in(ana)
    assert (await face.get("/v1/me/email", headers=mine)).json()["has_recovery_code"]
    new = await face.post("/v1/me/recovery-code", headers=mine)
    assert new.status_code == 201 and new.json() != shown.json()
    page = await face.post("/me/email", data={"action": "code"}, headers={**mine, **HTML})
    assert "Your recovery code" in page.text
    assert re.search(r">(https?://[^<]+)/recover</a>", page.text), "it is copied onto paper, so the address is whole"
    assert shown.json()["recovery_code"] not in await edge.everything()


async def test_recovering_says_the_same_whatever_was_wrong_and_begins_only_where_all_was_right(
    face: httpx.AsyncClient, edge: Edge, ana: str
) -> None:
    mine = await edge.sign_in(ana)
    code = (await face.post("/v1/me/recovery-code", headers=mine)).json()["recovery_code"]
    wrong = [(ANA, "0000-" * 6), ("nobody@example.org", code)]
    answers = [
        await face.post("/recover", json={"old_email": old, "code": typed, "email": NEW})
        for old, typed in [*wrong, (ANA, code)]
    ]
    assert {(answer.status_code, answer.text) for answer in answers} == {(202, '{"status":"check_the_new_mailbox"}')}
    seen = (await face.get("/v1/me/email", headers=mine)).json()
    assert (seen["change"], seen["new_email"]) == ("recovering", NEW)
    told = [await face.post("/recover", json={"old_email": ANA, "code": "1" * 24, "email": NEW}) for _ in range(20)]
    assert told[-1].status_code == 429 and told[-1].headers["Retry-After"]


@pytest.mark.parametrize("act", ["ask", "second_yes", "put_back"])
async def test_a_step_that_is_killed_has_happened_whole_or_not_at_all(
    edge: Edge, ana: str, act: str, monkeypatch: pytest.MonkeyPatch
) -> None:
    emails, at = emails_of(edge), edge.clock.now()

    async def there() -> tuple[Any, ...]:
        row = await edge.pool.fetchrow("SELECT state, new_said, old_said FROM email_changes")
        seen = await emails.seen(ana)
        former = await edge.pool.fetchval("SELECT count(*) FROM former_mailboxes")
        told = await edge.pool.fetchval("SELECT count(*) FROM outbox WHERE topic = 'notices'")
        assert seen is not None
        return (seen.email, row and tuple(row), former, told)

    if act != "ask":
        await emails.ask(ana, NEW, b"")
        await emails.answer(ana, None, "new_yes", at)
    if act == "put_back":
        await emails.answer(ana, None, "old_yes", at)
    before = await there()

    async def done() -> None:
        if act == "ask":
            await emails.ask(ana, NEW, b"")
        else:
            await emails.answer(ana, None, "old_yes" if act == "second_yes" else "not_me", at)

    for step in range(1, 60):
        try:
            with killed_before(step, monkeypatch):
                await done()
        except KILLED:
            assert await there() == before, step
        else:
            break
    assert step > 5 and await there() != before


async def test_a_change_waits_on_its_pages_until_an_invitation_to_the_new_mailbox_is_closed(
    face: httpx.AsyncClient, http: httpx.AsyncClient, edge: Edge, ana: str
) -> None:
    mine = await edge.sign_in(ana)
    await face.post("/v1/me/email", json={"email": NEW}, headers=mine)
    await post(http, "bright", "77", NEW)
    await handle(edge, await arriving(edge))
    stub = await edge.pool.fetchval("SELECT candidate::text FROM candidates WHERE confirmed_at IS NULL")
    change = await change_of(edge)
    new, old = address(edge, ana, "email_new", change), address(edge, ana, "email_old", change)
    await face.post(new, json={"answer": "yes"})
    said = await face.post(old, data={"answer": "yes"}, headers=OURS)
    assert said.status_code == 200 and "We are closing that invitation" in said.text
    assert (await face.get("/v1/me/email", headers=mine)).json()["change"] == "agreed"
    assert "is changed in a moment" in (await face.get("/me/email", headers={**mine, **HTML})).text
    assert "is changed in a moment" in (await face.get(old, headers=HTML)).text
    assert "There is nothing left to answer" in (await face.get(new, headers=HTML)).text
    busy = await face.post("/v1/me/email", json={"email": "x@example.org"}, headers=mine)
    assert busy.status_code == 409 and "both mailboxes said yes" in busy.json()["detail"]
    async with edge.work() as unit:
        assert await PostgresStore(unit, edge.keys).erase_lapsed([stub]) == [stub]
    edge.clock.advance(timedelta(seconds=6))
    await emails_of(edge).settle(20)
    assert (await emails_of(edge).seen(ana)).email == NEW  # type: ignore[union-attr]  # there is somebody
    assert (await face.get("/v1/me/email", headers=mine)).status_code == 401


async def test_ones_own_present_email_is_told_and_nobody_is_written_to(
    face: httpx.AsyncClient, edge: Edge, ana: str
) -> None:
    mine = await edge.sign_in(ana)
    local, _, domain = ANA.partition("@")
    for same in (ANA, f"{local}@{domain.upper()}"):
        answer = await face.post("/v1/me/email", json={"email": same}, headers=mine)
        assert answer.status_code == 422 and answer.json()["errors"][0]["pointer"] == "#/email"
    page = await face.post("/me/email", data={"email": ANA}, headers={**mine, **HTML})
    assert page.status_code == 422 and 'id="email-error"' in page.text and "That is your email now" in page.text
    assert (await face.post("/me/email", json={"email": ANA}, headers=mine)).status_code == 422
    assert await edge.pool.fetchval("SELECT count(*) FROM email_changes") == 0
    assert not [one for one in await edge.outbox() if "about" in one]
    assert (await face.post("/v1/me/email", json={"email": f"{local}+else@{domain}"}, headers=mine)).status_code == 202


@pytest.mark.parametrize("typed", ["x", "ABCD-EFGH", "0000-0000-0000-0000-0000-000", "\u0410" * 24, "0" * 25])
async def test_what_can_be_no_recovery_code_is_said_beside_its_field_before_anybody_is_looked_up(
    face: httpx.AsyncClient, edge: Edge, ana: str, typed: str, monkeypatch: pytest.MonkeyPatch
) -> None:
    async def look_up(*args: Any) -> None:
        raise AssertionError("nobody is looked up")

    monkeypatch.setattr(adapter.PostgresEmailChanges, "recover", look_up)
    given = {"old_email": ANA, "code": typed, "email": NEW}
    page = await face.post("/recover", data=given, headers=OURS)
    assert page.status_code == 422 and 'id="code-error"' in page.text and f'value="{ANA}"' in page.text
    answer = await face.post("/recover", json=given)
    assert (answer.status_code, [one["pointer"] for one in answer.json()["errors"]]) == (422, ["#/code"])
