"""Webhooks: signed, recognized, sealed, committed."""

import asyncio
import gzip
import hashlib
import hmac
import json
import re
from pathlib import Path
from typing import Any

import httpx
import pytest
from prometheus_client import REGISTRY
from structlog.testing import capture_logs

from services.signup.vault.intake import open_told
from shared.facts import UNKNOWN
from shared.web.tenants import Tenants
from tests.integration.signup.conftest import KEYS, Edge

SECRET = "the-secret-of-denver"
HOOK = "/v1/hooks/greenhouse/denver"
SOURCE = {"format": "greenhouse", "source": "denver", "vendor": "acme", "employer": "emp_one", "secret": SECRET}
CANARIES = ("Annabellarita", "Canarywright", "annabellarita.canarywright@example.org", "+13035550123", "17 Hidden Lane")


def payload(action: str = "new_candidate_application", **changes: Any) -> bytes:
    candidate = {
        "id": 8812,
        "first_name": CANARIES[0],
        "last_name": CANARIES[1],
        "email_addresses": [{"value": CANARIES[2], "type": "personal"}],
        "phone_numbers": [{"value": CANARIES[3], "type": "mobile"}],
        "addresses": [{"value": f"{CANARIES[4]}\nDenver, CO 80202", "type": "home"}],
        "title": "Registered nurse",
        **changes,
    }
    return json.dumps({"action": action, "payload": {"application": {"candidate": candidate}}}).encode()


def signed(raw: bytes, event: str | None = "e1", secret: str = SECRET) -> dict[str, str]:
    headers = {
        "Signature": "sha256 " + hmac.new(secret.encode(), raw, hashlib.sha256).hexdigest(),
        "Content-Type": "application/json",
    }
    return headers | ({"Greenhouse-Event-ID": event} if event else {})


@pytest.fixture(autouse=True)
async def source(http: httpx.AsyncClient) -> None:
    answer = await http.post("/v1/sources", json=SOURCE, headers={"Authorization": f"Bearer {KEYS['ops']}"})
    assert answer.status_code == 201, answer.text


async def test_a_signed_webhook_becomes_one_sealed_event(http: httpx.AsyncClient, edge: Edge) -> None:
    raw = payload()
    answer = await http.post(HOOK, content=raw, headers=signed(raw))
    assert (answer.status_code, answer.json()["status"]) == (200, "accepted")
    (event,) = await edge.outbox()
    assert (event["vendor"], event["record"], event["employer"]) == ("acme", "denver:8812", "emp_one")
    everything = await edge.everything()
    assert not [word for word in CANARIES if word.lower() in everything.lower()]


@pytest.mark.parametrize("first", ["j\u00f6rg@example.org", "zo\u200be@example.org"])
async def test_an_email_that_can_not_be_mailed_is_passed_over_for_the_next(
    http: httpx.AsyncClient, edge: Edge, first: str
) -> None:
    emails = [{"value": first, "type": "personal"}, {"value": "\u200bzoe@example.org", "type": "work"}]
    raw = payload(email_addresses=emails)
    assert (await http.post(HOOK, content=raw, headers=signed(raw))).json()["status"] == "accepted"
    (event,) = await edge.outbox()
    key = await edge.keys.for_day(edge.pool, edge.clock.now().date())
    told = json.loads(open_told(key, event["sealed"], vendor="acme", record="denver:8812"))
    assert told["person"]["mail"] == "zoe@example.org"


async def test_a_merge_names_both_records_of_its_source(http: httpx.AsyncClient, edge: Edge) -> None:
    person = {"id": 8300, "new_candidate_id": 8299}
    raw = json.dumps({"action": "merge_candidate", "payload": {"person": person}}).encode()
    assert (await http.post(HOOK, content=raw, headers=signed(raw))).json()["status"] == "accepted"
    (event,) = await edge.outbox()
    assert (event["vendor"], event["record"], event["into"]) == ("acme", "denver:8300", "denver:8299")
    assert event["employer"] == "emp_one"


async def test_every_body_of_the_page_for_greenhouse_is_accepted(http: httpx.AsyncClient) -> None:
    page = (Path(__file__).parents[3] / "docs/greenhouse.md").read_text("utf-8")
    bodies = re.findall(r"```json\n(.*?)```", page, re.DOTALL)
    actions = {json.loads(body)["action"] for body in bodies}
    assert actions == {
        "new_candidate_application", "update_candidate", "hire_candidate", "merge_candidate", "delete_candidate",
        "candidate_anonymized",
    }  # fmt: skip
    assert re.findall(r"^## (.+)$", page, re.MULTILINE) == [json.loads(body)["action"] for body in bodies]
    for place, body in enumerate(bodies):
        answer = await http.post(HOOK, content=body.encode(), headers=signed(body.encode(), f"page-{place}"))
        assert (answer.status_code, answer.json()["status"]) == (200, "accepted"), body


async def test_sent_again_it_is_recognised_and_answered_the_same(http: httpx.AsyncClient, edge: Edge) -> None:
    raw = payload()
    answers = [await http.post(HOOK, content=raw, headers=signed(raw)) for _ in range(3)]
    assert [answer.status_code for answer in answers] == [200] * 3
    assert len(await edge.outbox()) == 1


async def test_without_an_event_id_the_body_is_recognized(http: httpx.AsyncClient, edge: Edge) -> None:
    raw, other = payload(), payload(title="Welder")
    for body in (raw, raw, other):
        await http.post(HOOK, content=body, headers=signed(body, None))
    assert len(await edge.outbox()) == 2


async def test_a_captured_webhook_is_not_new_under_another_id(http: httpx.AsyncClient, edge: Edge) -> None:
    raw = payload()
    answers = [await http.post(HOOK, content=raw, headers=signed(raw, event)) for event in ("e1", "e2", None)]
    assert [answer.json()["status"] for answer in answers] == ["accepted", "duplicate", "duplicate"]
    assert len(await edge.outbox()) == 1


async def test_another_body_under_an_id_that_was_used_is_another_event(http: httpx.AsyncClient, edge: Edge) -> None:
    bodies = (payload(), payload(title="Welder"), payload(title="Welder"), payload())
    answers = [await http.post(HOOK, content=raw, headers=signed(raw)) for raw in bodies]
    assert [answer.json()["status"] for answer in answers] == ["accepted", "accepted", "duplicate", "duplicate"]
    assert len(await edge.outbox()) == 2


@pytest.mark.parametrize("tag", ["\ud800", "icu\x00"])
async def test_a_person_with_a_tag_that_can_not_be_kept_is_taken(http: httpx.AsyncClient, edge: Edge, tag: str) -> None:
    raw = payload(tags=[tag, "triage"])
    answer = await http.post(HOOK, content=raw, headers=signed(raw))
    assert (answer.status_code, answer.json()["status"]) == (200, "accepted")
    assert len(await edge.outbox()) == 1


async def test_nobody_is_taken_for_a_suspended_employer(http: httpx.AsyncClient, edge: Edge) -> None:
    edge.tenant("emp_one", "employer", vendor="acme", version=2, standing="suspended")
    raw = payload()
    assert (await http.post(HOOK, content=raw, headers=signed(raw))).status_code == 403
    assert await edge.outbox() == []


@pytest.mark.parametrize("unheard_of", ["acme", "emp_one"])
async def test_a_webhook_of_whom_nothing_has_arrived_here_yet_is_asked_for_again_and_not_refused(
    http: httpx.AsyncClient, edge: Edge, monkeypatch: pytest.MonkeyPatch, unheard_of: str
) -> None:
    raw, told = payload(), {name: edge.tenants.get(name) for name in ("acme", "emp_one")}
    told[unheard_of] = UNKNOWN
    monkeypatch.setattr(Tenants, "get", lambda _, tenant: told[tenant])
    answer = await http.post(HOOK, content=raw, headers=signed(raw))
    assert (answer.status_code, answer.headers["retry-after"]) == (503, "5")
    assert await edge.outbox() == []


async def test_the_same_webhook_many_times_at_once_is_one_event(http: httpx.AsyncClient, edge: Edge) -> None:
    raw = payload()
    answers = await asyncio.gather(*(http.post(HOOK, content=raw, headers=signed(raw)) for _ in range(40)))
    assert {answer.status_code for answer in answers} == {200}
    assert len(await edge.outbox()) == 1


@pytest.mark.parametrize("secret", ["another-secret-entirely", ""])
async def test_a_wrong_signature_writes_nothing(http: httpx.AsyncClient, edge: Edge, secret: str) -> None:
    raw = payload()
    answer = await http.post(HOOK, content=raw, headers=signed(raw, secret=secret))
    assert answer.status_code == 401
    assert answer.headers["content-type"] == "application/problem+json"
    assert "`Signature: sha256 <hex>`" in answer.json()["detail"]
    assert await edge.outbox() == []


async def test_an_unsigned_body_is_refused_before_it_is_parsed(http: httpx.AsyncClient) -> None:
    assert (await http.post(HOOK, content=b"{not json")).status_code == 401


@pytest.mark.parametrize("path", ["/v1/hooks/greenhouse/nowhere", "/v1/hooks/lever/denver", "/v1/hooks/x/y"])
async def test_an_unknown_source_or_format_is_not_there(http: httpx.AsyncClient, path: str) -> None:
    answer = await http.post(path, content=payload(), headers=signed(payload()))
    assert answer.status_code == 404
    assert answer.json()["title"] == "Not found"


async def test_a_format_that_is_not_supported_is_told_those_that_are(http: httpx.AsyncClient) -> None:
    answer = await http.post("/v1/hooks/lever/denver", content=payload(), headers=signed(payload()))
    assert answer.json()["type"] == "urn:fairpool:problem:unsupported-format"
    assert "Supported: greenhouse." in answer.json()["detail"]


async def test_a_ping_succeeds_and_does_nothing(http: httpx.AsyncClient, edge: Edge) -> None:
    raw = b'{"action": "ping", "web_hook_id": 1}'
    answer = await http.post(HOOK, content=raw, headers=signed(raw))
    assert (answer.status_code, answer.json()["status"]) == (200, "ignored")
    assert await edge.outbox() == []


@pytest.mark.parametrize("addresses", [[], None, [{"value": "none"}], [None, {"value": ""}]])
async def test_a_candidate_without_an_email_is_ignored_and_counted(
    http: httpx.AsyncClient, edge: Edge, addresses: object
) -> None:
    raw, labels = payload(email_addresses=addresses), {"reason": "person_without_email"}
    before = REGISTRY.get_sample_value("fairpool_hooks_ignored_total", labels) or 0
    with capture_logs() as logs:
        answers = [await http.post(HOOK, content=raw, headers=signed(raw)) for _ in range(2)]
    said = {
        "status": "ignored",
        "reason": "person_without_email",
        "detail": "None of the candidate's emails can be mailed, so they could never confirm.",
    }
    assert [(one.status_code, one.json()) for one in answers] == [(200, said)] * 2
    assert [one["action"] for one in logs if one["event"] == "hook_ignored"] == ["person_without_email"] * 2
    assert REGISTRY.get_sample_value("fairpool_hooks_ignored_total", labels) == before + 2
    assert await edge.outbox() == []


@pytest.mark.parametrize(
    ("changes", "reason"),
    [
        ({"can_email": False}, "person_may_not_be_mailed"),
        ({"addresses": [{"value": "San Juan, PR 00901"}]}, "person_outside_the_states"),
        ({"action": "application_updated"}, "action_not_used"),
        ({"action": "Annabellarita"}, "undocumented"),
    ],
)
async def test_whoever_is_ignored_is_told_why_and_nothing_of_the_body_is_repeated(
    http: httpx.AsyncClient, changes: dict[str, Any], reason: str
) -> None:
    raw = payload(**changes)
    answer = await http.post(HOOK, content=raw, headers=signed(raw))
    assert (answer.json()["status"], answer.json()["reason"]) == ("ignored", reason)
    assert answer.json()["detail"]
    assert not [word for word in CANARIES if word in answer.text]


async def test_a_webhook_is_told_how_it_was_read_the_same_when_it_comes_again_and_without_who_it_is_about(
    http: httpx.AsyncClient,
) -> None:
    raw = payload(
        tags=["triage", "VIP"],
        employments=[{"title": "Chief vibe officer", "start_date": "01/01/2016", "end_date": "01/02/2022"}],
        title="Registered nurse",
    )
    answers = [await http.post(HOOK, content=raw, headers=signed(raw)) for _ in range(2)]
    assert [answer.json()["status"] for answer in answers] == ["accepted", "duplicate"]
    for answer in answers:
        assert answer.json()["read"] == {
            "record": "8812", "change": "signed_up", "email": True, "occupations": ["29-1141"], "unknown_titles": 1,
            "skills": ["triage"], "years": 6, "state": "CO", "area": "802", "left_out": [],
        }  # fmt: skip
        assert not [word for word in CANARIES if word in answer.text]


async def test_a_change_whose_person_is_left_out_says_so(http: httpx.AsyncClient) -> None:
    raw = payload("update_candidate", email_addresses=[], addresses=[{"value": "Remote, except CO"}])
    found = (await http.post(HOOK, content=raw, headers=signed(raw))).json()["read"]
    assert (found["email"], "state" in found) == (False, False)
    assert [one["reason"] for one in found["left_out"]] == ["person_without_email"]


async def test_null_entries_turn_nobody_away(http: httpx.AsyncClient, edge: Edge) -> None:
    raw = payload(
        email_addresses=[None, {"value": None}, {"value": "n2@example.org", "type": "personal"}],
        employments=[None],
        phone_numbers=[{"value": None}, None, ""],
        tags=[None, "", "triage"],
        first_name="",
        addresses="",
    )
    answer = await http.post(HOOK, content=raw, headers=signed(raw))
    assert (answer.status_code, answer.json()["status"]) == (200, "accepted")
    assert len(await edge.outbox()) == 1


async def test_a_profile_that_goes_there_and_back_is_told_each_time(http: httpx.AsyncClient, edge: Edge) -> None:
    there, back = payload(title="Welder"), payload(title="Registered nurse")
    sent = [(there, "e1"), (back, "e2"), (there, "e3"), (there, "e4"), (there, "e1"), (back, "e5")]
    answers = [await http.post(HOOK, content=raw, headers=signed(raw, event)) for raw, event in sent]
    assert [answer.json()["status"] for answer in answers] == [
        "accepted", "accepted", "accepted", "duplicate", "duplicate", "accepted",
    ]  # fmt: skip
    assert len(await edge.outbox()) == 4


async def test_a_byte_order_mark_is_signed_and_then_passed_over(http: httpx.AsyncClient, edge: Edge) -> None:
    raw = b"\xef\xbb\xbf" + payload()
    assert (await http.post(HOOK, content=raw, headers=signed(raw))).json()["status"] == "accepted"
    assert (await http.post(HOOK, content=raw, headers=signed(raw[3:]))).status_code == 401


async def test_a_compressed_webhook_is_told_so_and_not_sent_to_its_secret(http: httpx.AsyncClient) -> None:
    raw = gzip.compress(payload())
    for signature in (signed(payload()), signed(raw)):
        answer = await http.post(HOOK, content=raw, headers={**signature, "Content-Encoding": "gzip"})
        assert (answer.status_code, answer.headers["accept-encoding"]) == (415, "identity")
        assert "Content-Encoding" in answer.json()["detail"]


@pytest.mark.timeout(60)
@pytest.mark.parametrize(
    "hostile", [", CO" + " " * 100_000 + "x", "=?x" * 33_000, " " * 100_000 + "x", "a." * 50_000, "@" * 100_000]
)
async def test_long_texts_are_looked_at_by_nobody(http: httpx.AsyncClient, hostile: str) -> None:
    raw = payload(
        first_name=hostile,
        last_name=hostile,
        title=hostile,
        tags=[hostile],
        addresses=[{"value": hostile, "type": hostile}],
        employments=[{"title": hostile, "start_date": hostile, "end_date": hostile}],
        phone_numbers=[{"value": hostile}],
    )
    assert (await http.post(HOOK, content=raw, headers=signed(raw))).json()["status"] == "accepted"


async def test_signed_nonsense_is_refused_without_its_words(http: httpx.AsyncClient) -> None:
    raw = payload(tags="Annabellarita")
    answer = await http.post(HOOK, content=raw, headers=signed(raw))
    assert answer.status_code == 422
    assert "Annabellarita" not in answer.text


async def test_kafka_away_is_a_503_and_what_was_kept_is_not_taken_twice(http: httpx.AsyncClient, edge: Edge) -> None:
    raw = payload()
    edge.kafka_answers = False
    answer = await http.post(HOOK, content=raw, headers=signed(raw))
    assert (answer.status_code, answer.headers["retry-after"]) == (503, "10")
    edge.kafka_answers = True
    assert (await http.post(HOOK, content=raw, headers=signed(raw))).status_code == 200
    assert len(await edge.outbox()) == 1


async def test_the_database_away_is_a_503(http: httpx.AsyncClient, no_database: object) -> None:
    raw = payload()
    assert (await http.post(HOOK, content=raw, headers=signed(raw))).status_code == 503


async def test_a_body_over_the_limit_is_a_413(http: httpx.AsyncClient) -> None:
    raw = b" " * (1024 * 1024 + 1)
    assert (await http.post(HOOK, content=raw, headers=signed(raw))).status_code == 413


async def test_a_vendor_that_lost_its_employer_can_not_write_for_it(http: httpx.AsyncClient, edge: Edge) -> None:
    edge.tenant("emp_one", "employer", vendor="bright", version=2, standing="suspended")
    raw = payload()
    answer = await http.post(HOOK, content=raw, headers=signed(raw))
    assert (answer.status_code, answer.json()["type"].rpartition(":")[2]) == (410, "seat-moved")
    assert await edge.outbox() == []
    edge.tenant("emp_one", "employer", vendor="acme", version=3)  # and back
    assert (await http.post(HOOK, content=raw, headers=signed(raw))).status_code == 200


@pytest.mark.parametrize(
    "after", [{"vendor": "bright"}, {"vendor": None}, {"vendor": "acme", "standing": "suspended"}], ids=str
)
async def test_what_an_ats_deletes_is_heard_whoever_has_the_seat(
    http: httpx.AsyncClient, edge: Edge, after: dict[str, Any]
) -> None:
    """A contract that ended is just when an ATS purges what it has."""
    edge.tenant("emp_one", "employer", version=2, **after)
    purges = {
        "delete_candidate": {"person_id": 8812, "candidate_id": 8812},
        "candidate_anonymized": {"candidate_id": 8813, "anonymized_fields": ["full_name", "email_addresses"]},
    }
    for action, said in purges.items():
        raw = json.dumps({"action": action, "payload": said}).encode()
        answer = await http.post(HOOK, content=raw, headers=signed(raw, event=action))
        assert (answer.status_code, answer.json()["status"]) == (200, "accepted"), answer.text
    heard = [(event["record"], event["change"]) for event in await edge.outbox()]
    assert heard == [("denver:8812", "deleted"), ("denver:8813", "deleted")]
    others = [payload(), b"no json", json.dumps({"action": "ping", "payload": {}}).encode()]
    merge = {"action": "merge_candidate", "payload": {"person": {"id": 8812, "new_candidate_id": 1}}}
    for raw in (*others, json.dumps(merge).encode()):
        assert (await http.post(HOOK, content=raw, headers=signed(raw))).status_code in (403, 410), raw


async def test_a_deletion_that_is_wrongly_signed_is_heard_from_nobody(http: httpx.AsyncClient, edge: Edge) -> None:
    edge.tenant("emp_one", "employer", version=2, vendor="bright")
    raw = json.dumps({"action": "delete_candidate", "payload": {"candidate_id": 8812}}).encode()
    assert (await http.post(HOOK, content=raw, headers=signed(raw, secret="of somebody else"))).status_code == 401
    assert await edge.outbox() == []


async def test_one_employers_record_and_event_ids_are_not_anothers(http: httpx.AsyncClient, edge: Edge) -> None:
    edge.tenant("emp_three", "employer", vendor="acme")
    other = {**SOURCE, "source": "boston", "employer": "emp_three"}
    await http.post("/v1/sources", json=other, headers={"Authorization": f"Bearer {KEYS['ops']}"})
    raw = payload()
    for path in (HOOK, "/v1/hooks/greenhouse/boston"):
        await http.post(path, content=raw, headers=signed(raw))
    assert {event["record"] for event in await edge.outbox()} == {"denver:8812", "boston:8812"}


async def test_the_same_source_again_is_taken_and_another_is_not(http: httpx.AsyncClient) -> None:
    operator = {"Authorization": f"Bearer {KEYS['ops']}"}
    again = await http.post("/v1/sources", json=SOURCE, headers=operator)
    other = await http.post("/v1/sources", json={**SOURCE, "secret": "x" * 20}, headers=operator)
    assert (again.status_code, other.status_code) == (200, 409)
    assert again.json()["url"] == "https://signup.example/v1/hooks/greenhouse/denver"
    assert SECRET not in again.text


@pytest.mark.parametrize("who", ["acme", "emp_one"])
async def test_only_an_operator_sets_up_sources(http: httpx.AsyncClient, who: str) -> None:
    answer = await http.post("/v1/sources", json=SOURCE, headers={"Authorization": f"Bearer {KEYS[who]}"})
    assert answer.status_code == 403


@pytest.mark.parametrize(
    ("changes", "pointer"),
    [({"format": "fax"}, "#/format"), ({"vendor": "nobody"}, "#/vendor"), ({"employer": "emp_two"}, "#/employer"),
     ({"secret": "short"}, "#/secret"), ({"more": 1}, "#/more")],
)  # fmt: skip
async def test_a_wrong_source_is_refused_by_field(http: httpx.AsyncClient, changes: Any, pointer: str) -> None:
    answer = await http.post(
        "/v1/sources", json={**SOURCE, **changes}, headers={"Authorization": f"Bearer {KEYS['ops']}"}
    )
    assert answer.status_code == 422
    assert pointer in {error["pointer"] for error in answer.json()["errors"]}


async def test_secrets_are_not_in_the_database_in_clear(edge: Edge) -> None:
    rows = await edge.pool.fetch("SELECT sealed_secret FROM sources")
    assert all(SECRET.encode() not in row["sealed_secret"] for row in rows)
