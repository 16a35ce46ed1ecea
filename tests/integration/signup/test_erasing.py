"""A person erases themself, on a real database: at once, for good, and with a certificate."""

import asyncio
import json
from collections.abc import AsyncIterator
from datetime import timedelta
from typing import Any

import httpx
import pytest
from joserfc import jws
from joserfc.jwk import OKPKey

from services.signup.adapters.certificates import PostgresErasing
from services.signup.adapters.erasures import SERVICES, PostgresErasures
from services.signup.adapters.kept import PEOPLE
from services.signup.adapters.operator_store import PostgresOperatorStore
from services.signup.api import erasing, people
from services.signup.decisions.certificates import KIND
from services.signup.handlers import on_consent_changed, on_erasure_swept
from shared.contracts.base import rfc3339
from shared.contracts.signup import ErasureSweptV1, SweptStore
from shared.ids import new_candidate_id
from shared.messaging.envelope import Received, Record
from shared.security import encoding
from shared.security.documents import DocumentReader, DocumentSigner
from shared.security.links import LinkPurpose, public_half
from shared.web.app import create_app
from tests.fakes.clock import NOON
from tests.fakes.consent_pages import link
from tests.integration.signup.conftest import KEYS, Edge, emails_of
from tests.integration.signup.test_story import EPOCHS, SECRETS, arriving, handle, invite, keep, post, published, store
from tests.signing import consented

ANA = "ana.canary@example.org"
UNTIL = NOON + timedelta(days=14)
SIGNER, BEFORE = DocumentSigner(b"s" * 32), DocumentSigner(b"t" * 32)
HTML = {"Accept": "text/html"}


@pytest.fixture
async def face(edge: Edge) -> AsyncIterator[httpx.AsyncClient]:
    """The routes of an erasure, a person's and an operator's."""

    async def ready() -> dict[str, Any]:
        return {}

    app = create_app("signup", "signup", ready=ready)
    adapter = PostgresErasing(edge.work, SECRETS, EPOCHS, emails_of(edge).hashed_old)
    made = erasing.ErasingEdge(
        erasing=adapter,
        links=edge.links(),
        holders=edge.holders(),
        look=edge.open_sessions,
        now=edge.clock.now,
        signer=SIGNER,
        own=PEOPLE.swept,
        keys=(SIGNER.public, BEFORE.public),
        signup_url="https://signup.test",
        consent_url="https://consent.test",
    )
    app.include_router(erasing.router(made))
    app.include_router(erasing.pages(made))
    app.include_router(
        people.router(
            PostgresOperatorStore(edge.work),
            adapter,
            edge.tenants,
            index=SECRETS.index,
            signup_url="https://signup.test",
        )
    )
    async with httpx.AsyncClient(transport=httpx.ASGITransport(app), base_url="https://signup.test") as client:
        yield client


def token(candidate: str, purpose: LinkPurpose = "confirm") -> str:
    return link(candidate, purpose, expires_at=UNTIL, issued_at=NOON)


def bearer(candidate: str, purpose: LinkPurpose = "confirm") -> dict[str, str]:
    return {"Authorization": f"Bearer {token(candidate, purpose)}"}


async def stub(edge: Edge, http: httpx.AsyncClient, record: str = "1", mail: str = ANA) -> str:
    await post(http, "acme", record, mail)
    await handle(edge, await arriving(edge))
    await invite(edge)
    found: str = await edge.pool.fetchval("SELECT candidate::text FROM candidates ORDER BY registered_at DESC LIMIT 1")
    return found


async def confirmed(edge: Edge, http: httpx.AsyncClient) -> str:
    """Somebody who allowed to be seen, and kept a profile."""
    candidate = await stub(edge, http)
    consent = consented(candidate=candidate, version=1, at=edge.clock.now(), purposes=("match",))
    async with store(edge) as one:
        await on_consent_changed(
            one, [Received("c1", "consent", None, consent, Record("consent-state", 0, 0, None, None, ()))]
        )
    await keep(edge, candidate)
    return candidate


async def erase(face: httpx.AsyncClient, candidate: str) -> dict[str, Any]:
    answer = await face.post("/v1/me/erase", json={"confirm": "erase"}, headers=bearer(candidate))
    assert answer.status_code == 202, answer.text
    found: dict[str, Any] = answer.json()
    return found


async def sweep(edge: Edge, candidate: str, *services: str) -> None:
    stores = (SweptStore(store="rows", ends="deleted", how="they are deleted"),)
    told = [
        ErasureSweptV1.model_validate(
            {"candidate": candidate, "service": one, "at": edge.clock.now(), "stores": stores}
        )
        for one in services
    ]
    async with edge.work() as unit:
        await on_erasure_swept(
            PostgresErasures(unit), [Received("e", "x", None, one, Record("t", 0, 0, None, None, ())) for one in told]
        )


async def test_one_transaction_takes_rows_and_keys_and_tells_every_service(
    edge: Edge, http: httpx.AsyncClient, face: httpx.AsyncClient
) -> None:
    candidate = await confirmed(edge, http)
    await erase(face, candidate)
    for table in ("candidates", "identities", "claims", "proposals"):
        assert await edge.pool.fetchval(f"SELECT count(*) FROM {table}") == 0, table
    assert ANA not in await edge.everything()
    assert (await published(edge, "candidate-keys"))[-1] is None
    profile = (await published(edge, "candidate-profiles"))[-1]
    assert profile is not None and (profile["profile"], profile["version"]) == (None, 2)
    (told,) = await published(edge, "erasures")
    assert told is not None and told["candidate"] == candidate
    owed = await edge.pool.fetch("SELECT service FROM erasures_outstanding ORDER BY service")
    assert [row["service"] for row in owed] == sorted(SERVICES)
    assert await edge.pool.fetchval("SELECT count(*) FROM work WHERE key = $1", candidate) == 0


async def test_the_certificate_says_what_is_outstanding_and_is_signed_once_nothing_is(
    edge: Edge, http: httpx.AsyncClient, face: httpx.AsyncClient
) -> None:
    candidate = await confirmed(edge, http)
    address = (await erase(face, candidate))["certificate"]
    await sweep(edge, candidate, "consent", "courier", "pool_matching")
    waiting = (await face.get(address)).json()
    assert (waiting["outstanding"], waiting["complete_at"], waiting["signed"]) == (["outreach_gateway"], None, None)
    edge.clock.at(NOON + timedelta(hours=1))
    await sweep(edge, candidate, "outreach_gateway")
    done = (await face.get(address)).json()
    assert (done["outstanding"], done["complete_at"]) == ([], rfc3339(edge.clock.now()))
    assert {one["service"] for one in done["stores"]} == {"signup", *SERVICES}
    assert encoding.decode(done.pop("key")) == SIGNER.public
    signed = DocumentReader([SIGNER.public]).read(KIND, done.pop("signed"))
    assert signed == done
    assert candidate not in json.dumps(done) and address.rpartition("/")[2] not in json.dumps(done)
    assert DocumentReader([public_half(b"o" * 32)]).read(KIND, (await face.get(address)).json()["signed"]) is None


async def test_a_certificate_can_be_read_for_100_days_and_is_forgotten_then(
    edge: Edge, http: httpx.AsyncClient, face: httpx.AsyncClient
) -> None:
    candidate = await confirmed(edge, http)
    address = (await erase(face, candidate))["certificate"]
    await sweep(edge, candidate, *SERVICES)
    edge.clock.at(NOON + timedelta(days=100, seconds=1))
    assert (await face.get(address)).status_code == 404
    async with store(edge) as one:
        assert await one.forget_certificates(limit=10) == 1
    for table in ("erasure_requests", "certificates", "erasure_sweeps"):
        assert await edge.pool.fetchval(f"SELECT count(*) FROM {table}") == 0, table


async def test_two_at_once_and_again_are_one_erasure(
    edge: Edge, http: httpx.AsyncClient, face: httpx.AsyncClient
) -> None:
    candidate = await confirmed(edge, http)
    answers = await asyncio.gather(*(erase(face, candidate) for _ in range(4)))
    answers.append(await erase(face, candidate))
    assert len({one["erased_at"] for one in answers}) == 1
    assert len({one["certificate"] for one in answers}) == 5
    read = [(await face.get(one["certificate"])).status_code for one in answers]
    assert read == [200] * 5
    assert len(await published(edge, "erasures")) == 1
    assert await edge.pool.fetchval("SELECT count(*) FROM erased") == 1


async def test_who_never_answered_can_erase_themself_too(
    edge: Edge, http: httpx.AsyncClient, face: httpx.AsyncClient
) -> None:
    candidate = await stub(edge, http)
    answer = await face.post("/v1/me/erase", json={"confirm": "erase"}, headers=bearer(candidate, "confirm"))
    assert answer.status_code == 202
    assert await edge.pool.fetchval("SELECT count(*) FROM candidates") == 0


@pytest.mark.parametrize(
    ("headers", "status", "type_"),
    [
        ({}, 401, "not-signed-in"),
        ({"Authorization": "Bearer forged"}, 401, "session-over"),
        ({"Authorization": f"Bearer {KEYS['acme']}"}, 401, "session-over"),
    ],
)
async def test_whoever_has_no_link_erases_nobody(
    edge: Edge, http: httpx.AsyncClient, face: httpx.AsyncClient, headers: dict[str, str], status: int, type_: str
) -> None:
    await confirmed(edge, http)
    answer = await face.post("/v1/me/erase", json={"confirm": "erase"}, headers=headers)
    assert (answer.status_code, answer.json()["type"]) == (status, f"urn:fairpool:problem:{type_}")
    assert await edge.pool.fetchval("SELECT count(*) FROM candidates") == 1


async def test_a_link_that_can_only_stop_or_has_expired_erases_nothing(
    edge: Edge, http: httpx.AsyncClient, face: httpx.AsyncClient
) -> None:
    candidate = await confirmed(edge, http)
    only_stops: tuple[LinkPurpose, ...] = ("unsubscribe", "refuse")
    for purpose in only_stops:
        by_program = await face.post("/v1/me/erase", json={"confirm": "erase"}, headers=bearer(candidate, purpose))
        by_page = await face.post(f"/erase/{token(candidate, purpose)}", data={"confirm": "erase"})
        assert (by_program.status_code, by_page.status_code) == (404, 404)
    edge.clock.at(UNTIL)
    late = await face.post("/v1/me/erase", json={"confirm": "erase"}, headers=bearer(candidate))
    assert (late.status_code, late.json()["type"]) == (410, "urn:fairpool:problem:link-expired")
    assert (await face.post(f"/erase/{token(candidate)}", data={"confirm": "erase"})).status_code == 410
    assert await edge.pool.fetchval("SELECT count(*) FROM candidates") == 1


async def test_without_the_word_nothing_is_erased(edge: Edge, http: httpx.AsyncClient, face: httpx.AsyncClient) -> None:
    candidate = await confirmed(edge, http)
    for body in ({}, {"confirm": "yes"}, {"confirm": True}, {"confirm": "erase", "candidate": "x"}):
        answer = await face.post("/v1/me/erase", json=body, headers=bearer(candidate))
        assert answer.status_code == 422, body
    assert await edge.pool.fetchval("SELECT count(*) FROM candidates") == 1


async def test_the_page_asks_twice_changes_nothing_when_it_is_opened_and_leads_to_the_certificate(
    edge: Edge, http: httpx.AsyncClient, face: httpx.AsyncClient
) -> None:
    candidate = await confirmed(edge, http)
    page = f"/erase/{token(candidate)}"
    first = await face.get(page, headers=HTML)
    assert first.status_code == 200 and "What stays, and why" in first.text and "<form" not in first.text
    second = await face.get(page, params={"step": "sure"}, headers=HTML)
    assert second.status_code == 200 and "Are you sure?" in second.text
    unticked = await face.post(page, data={"opening": ""}, headers=HTML)
    assert unticked.status_code == 422 and "Check the box" in unticked.text
    assert await edge.pool.fetchval("SELECT count(*) FROM candidates") == 1
    opening = second.text.partition('name="opening" value="')[2].partition('"')[0]
    form = {"confirm": "erase", "opening": opening}
    done = await face.post(page, data=form, headers=HTML)
    assert (done.status_code, done.headers["location"]) == (303, f"https://signup.test/erased/{opening}")
    again = await face.post(page, data=form, headers=HTML)
    assert (again.status_code, again.headers["location"]) == (done.status_code, done.headers["location"])
    shown = await face.get(done.headers["location"], headers=HTML)
    assert shown.status_code == 200 and "Not confirmed yet" in shown.text
    await sweep(edge, candidate, *SERVICES)
    shown = await face.get(done.headers["location"], headers=HTML)
    assert "This is your certificate" in shown.text and "Not confirmed yet" not in shown.text
    assert (await face.get(page, headers=HTML)).status_code == 410
    assert (await face.get("/erased/" + "x" * 43, headers=HTML)).status_code == 404


async def test_who_comes_back_by_the_join_page_is_somebody_new_and_is_written_to_at_once(
    edge: Edge, http: httpx.AsyncClient, face: httpx.AsyncClient
) -> None:
    before = await confirmed(edge, http)
    await erase(face, before)
    edge.clock.at(NOON + timedelta(minutes=1))
    answer = await http.post("/join", json={"name": "Ana", "mail": ANA, "work": "Registered nurse", "state": "CO"})
    assert answer.status_code == 202
    await handle(edge, await arriving(edge))
    await invite(edge)
    notice = (await published(edge, "notices"))[-1]
    assert notice is not None and notice["candidate"] != before
    await erase(face, notice["candidate"])  # and leaves again
    edge.clock.at(NOON + timedelta(minutes=2))
    await http.post("/join", json={"name": "Ana", "mail": ANA, "work": "Registered nurse", "state": "CO"})
    await handle(edge, await arriving(edge))
    await invite(edge)
    again = (await published(edge, "notices"))[-1]
    assert again is not None and again["candidate"] not in (before, notice["candidate"])


@pytest.mark.parametrize("vendor", ["acme", "bright"])
async def test_no_vendors_event_old_or_new_registers_whoever_erased_themself(
    edge: Edge, http: httpx.AsyncClient, face: httpx.AsyncClient, vendor: str
) -> None:
    await post(http, "acme", "1", ANA)
    first = await arriving(edge)
    await handle(edge, first)
    candidate = await edge.pool.fetchval("SELECT candidate::text FROM candidates")
    await post(http, "bright", "2", "Ana.Canary+jobs@example.org")
    old = await arriving(edge)
    await erase(face, candidate)
    notices = len(await published(edge, "notices"))
    edge.clock.at(NOON + timedelta(hours=1))
    await handle(edge, first)  # a dead letter that is replayed
    await handle(edge, old)  # what was under way
    await post(http, vendor, "3", ANA)  # a vendor that tells of them anew
    await handle(edge, await arriving(edge))
    assert await edge.pool.fetchval("SELECT count(*) FROM candidates") == 0
    assert await edge.pool.fetchval("SELECT count(*) FROM identities") == 0
    assert await edge.pool.fetchval("SELECT count(*) FROM work WHERE queue = 'invitations'") == 0
    assert len(await published(edge, "notices")) == notices


async def test_whoever_names_the_address_of_anothers_certificate_is_erased_and_gets_another_one(
    edge: Edge, http: httpx.AsyncClient, face: httpx.AsyncClient
) -> None:
    taken = "o" * 43
    other = await edge.pool.fetchval(
        "INSERT INTO erasure_requests VALUES (gen_random_uuid(), $1, $2) RETURNING candidate", NOON, UNTIL
    )
    await edge.pool.execute("INSERT INTO certificates VALUES (sha256($1::bytea), $2)", taken.encode(), other)
    candidate = await confirmed(edge, http)
    done = await face.post(f"/erase/{token(candidate)}", json={"confirm": "erase", "opening": taken})
    assert done.status_code == 202, done.text
    assert taken not in done.json()["certificate"]
    assert (await face.get(done.json()["certificate"])).json()["outstanding"] == sorted(SERVICES)


async def test_a_joining_from_before_the_erasure_that_is_replayed_registers_nobody(
    edge: Edge, http: httpx.AsyncClient, face: httpx.AsyncClient
) -> None:
    form = {"name": "Ana", "mail": ANA, "work": "Registered nurse", "state": "CO"}
    assert (await http.post("/join", json=form)).status_code == 202
    joined = await arriving(edge)
    await handle(edge, joined)
    edge.clock.at(NOON + timedelta(hours=1))
    await erase(face, await edge.pool.fetchval("SELECT candidate::text FROM candidates"))
    await handle(edge, joined)
    assert await edge.pool.fetchval("SELECT count(*) FROM candidates") == 0


async def test_an_operator_erases_by_email_and_only_the_reason_stays(
    edge: Edge, http: httpx.AsyncClient, face: httpx.AsyncClient
) -> None:
    candidate = await confirmed(edge, http)
    operator = {"Authorization": f"Bearer {KEYS['ops']}"}
    body = {"email": ANA, "reason": "case 7"}
    for tenant in ("acme", "emp_one"):
        refused = await face.post("/v1/people/erase", json=body, headers={"Authorization": f"Bearer {KEYS[tenant]}"})
        assert refused.status_code == 403
    done = await face.post("/v1/people/erase", json=body, headers=operator)
    assert done.status_code == 202
    assert (await face.get(done.json()["certificate"])).json()["outstanding"] == sorted(SERVICES)
    assert (await face.post("/v1/people/erase", json=body, headers=operator)).status_code == 404
    acts = (await face.get("/v1/operator-log", headers=operator)).json()["items"]
    assert [(one["act"], one["candidate"], one["reason"]) for one in acts] == [
        ("erased", None, "case 7"), ("nobody_erased", None, "case 7"),
    ]  # fmt: skip
    assert candidate not in json.dumps(acts)
    named = await face.post("/v1/people/erase", json={**body, "reason": f"asked by {ANA}"}, headers=operator)
    assert named.status_code == 422


async def test_whoever_is_signed_in_erases_themself_and_a_second_press_gives_the_same_certificate(
    edge: Edge, http: httpx.AsyncClient, face: httpx.AsyncClient
) -> None:
    candidate = await confirmed(edge, http)
    mine = await edge.sign_in(candidate)
    asked = await face.get("/me/erase?step=sure", headers={**mine, **HTML})
    assert asked.status_code == 200 and 'action="/me/erase"' in asked.text
    form = {"confirm": "erase", "opening": "o" * 43}
    pressed = [await face.post("/me/erase", data=form, headers={**mine, **HTML}) for _ in range(2)]
    assert [(one.status_code, one.headers["location"]) for one in pressed] == [(303, f"https://signup.test/erased/{'o' * 43}")] * 2  # fmt: skip
    assert await edge.pool.fetchval("SELECT count(*) FROM sessions") == 0
    assert (await face.get("/me/erase", headers={**mine, **HTML})).status_code == 410


async def test_a_session_erases_over_the_api_and_one_that_was_ended_does_not(
    edge: Edge, http: httpx.AsyncClient, face: httpx.AsyncClient
) -> None:
    candidate = await confirmed(edge, http)
    mine, ended = await edge.sign_in(candidate), await edge.sign_in(candidate)
    assert (await http.post("/me/sessions", json={"action": "end_others"}, headers=mine)).json() == {"ended": 1}
    for path in ("/v1/me/erase", "/me/erase"):
        assert (await face.post(path, json={"confirm": "erase"}, headers=ended)).status_code == 401
    assert await edge.pool.fetchval("SELECT count(*) FROM candidates") == 1
    assert (await face.post("/v1/me/erase", json={"confirm": "erase"}, headers=mine)).status_code == 202
    assert (await face.post("/v1/me/erase", json={"confirm": "erase"}, headers={})).status_code == 401


async def test_an_ended_session_gets_nothing_of_the_certificate_and_no_session_uses_up_what_another_may_ask_for(
    edge: Edge, http: httpx.AsyncClient, face: httpx.AsyncClient
) -> None:
    candidate = await confirmed(edge, http)
    ended = await edge.sign_in(candidate)
    mine = await edge.sign_in(candidate)
    assert (await http.post("/me/sessions", json={"action": "end_others"}, headers=mine)).json() == {"ended": 1}
    other = await edge.sign_in(candidate)
    assert (await face.post("/v1/me/erase", json={"confirm": "erase"}, headers=mine)).status_code == 202
    for path in ("/v1/me/erase", "/me/erase"):
        assert (await face.post(path, json={"confirm": "erase"}, headers=ended)).status_code == 401
    assert (await face.get("/me/erase", headers=ended)).status_code == 401, "as before: it learns of no erasure"
    for _ in range(21):
        asked = await face.post("/v1/me/erase", json={"confirm": "erase"}, headers=other)
    assert (asked.status_code, asked.json()["certificate"]) == (202, None)
    own = (await face.post("/v1/me/erase", json={"confirm": "erase"}, headers=mine)).json()["certificate"]
    assert own is not None and (await face.get(own)).status_code == 200
    assert (await erase(face, candidate))["certificate"] is not None, "nor does a session those by a link"


async def test_a_session_that_is_ended_while_it_erases_gets_the_certificate_of_what_it_did(
    edge: Edge, http: httpx.AsyncClient, face: httpx.AsyncClient, monkeypatch: pytest.MonkeyPatch
) -> None:
    candidate = await confirmed(edge, http)
    mine, other = await edge.sign_in(candidate), await edge.sign_in(candidate)
    hashed = PostgresErasing._hashed

    async def hashed_while_others_end_it(self: PostgresErasing, candidate: str) -> Any:
        await http.post("/me/sessions", json={"action": "end_others"}, headers=other)
        return await hashed(self, candidate)

    monkeypatch.setattr(PostgresErasing, "_hashed", hashed_while_others_end_it)
    answer = await face.post("/v1/me/erase", json={"confirm": "erase"}, headers=mine)
    assert answer.status_code == 202
    assert (await face.get(answer.json()["certificate"])).status_code == 200


async def test_of_whoever_is_erased_no_session_and_no_link_opens_anything(
    edge: Edge, http: httpx.AsyncClient, face: httpx.AsyncClient
) -> None:
    candidate = await confirmed(edge, http)
    mine, other = await edge.sign_in(candidate), await edge.sign_in(candidate)
    assert (await http.get("/v1/me/sessions", headers=other)).status_code == 200
    assert (await face.post("/v1/me/erase", json={"confirm": "erase"}, headers=mine)).status_code == 202
    for headers in (mine, other):
        assert (await http.get("/v1/me/sessions", headers=headers)).status_code == 401
    assert (await http.post(f"/sign-in/{token(candidate, 'me')}")).status_code == 410


async def test_anybody_checks_a_certificate_with_what_the_page_of_keys_shows(
    edge: Edge, http: httpx.AsyncClient, face: httpx.AsyncClient
) -> None:
    candidate = await confirmed(edge, http)
    certificate = (await erase(face, candidate))["certificate"]
    await sweep(edge, candidate, *SERVICES)
    signed = (await face.get(certificate)).json()["signed"]
    keys = (await face.get("/erased/keys")).json()["keys"]
    known = {one["kid"]: OKPKey.import_key(one) for one in keys}
    kid = jws.extract_compact(signed.encode()).headers()["kid"]
    assert jws.deserialize_compact(signed, known[kid], algorithms=["Ed25519"]).payload
    assert [one["x"] for one in keys] == [encoding.encode(one.public) for one in (SIGNER, BEFORE)]
    page = await face.get("/erased/keys", headers=HTML)
    assert page.status_code == 200 and all(one["x"] in page.text for one in keys)
    assert "/erased/keys" in (await face.get(certificate, headers=HTML)).text
    saved = await face.get("/erased/keys", params={"format": "json"}, headers=HTML)
    assert "attachment" in saved.headers["content-disposition"] and saved.json()["keys"] == keys


async def test_whoever_asks_for_one_erasure_very_often_is_told_that_it_ran_and_keeps_what_they_have(
    edge: Edge, http: httpx.AsyncClient, face: httpx.AsyncClient
) -> None:
    candidate = await confirmed(edge, http)
    *first, last = [await erase(face, candidate) for _ in range(21)]
    assert last == {"certificate": None, "erased_at": first[0]["erased_at"]}
    assert len({one["certificate"] for one in first}) == 20
    for one in (first[0], first[-1]):
        assert (await face.get(one["certificate"])).status_code == 200
    form = {"confirm": "erase", "opening": "y" * 43}
    page = await face.post(f"/erase/{token(candidate)}", data=form, headers=HTML)
    assert page.status_code == 200 and "You are erased" in page.text and "20 times" in page.text
    assert (await face.post(f"/erase/{token(new_candidate_id())}", data=form, headers=HTML)).status_code == 410
