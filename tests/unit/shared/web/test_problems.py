import json
from typing import Any

import httpx
import pytest
from structlog.testing import capture_logs

from tests.unit.shared.web.support import problem

JSON = {"Content-Type": "application/json"}
BROWSER = {"Accept": "text/html,application/xhtml+xml,*/*;q=0.8"}
CANARY = "ana.ruiz.canary@example.org"


async def test_a_problem_has_its_members_and_headers(client: httpx.AsyncClient) -> None:
    response = await client.get("/v1/refused")
    body = problem(response, 409)
    assert body.pop("request_id") == response.headers["x-request-id"]
    assert body == {
        "type": "urn:fairpool:problem:taken",
        "title": "Conflict",
        "status": 409,
        "detail": "It is taken.",
    }
    assert response.headers["retry-after"] == "5"


async def test_each_wrong_field_has_a_pointer_and_a_sentence(client: httpx.AsyncClient) -> None:
    body = {"title": "x" * 21, "parts": [{"name": "a"}, {"pay": "much"}], "since": "soon"}
    found = problem(await client.post("/v1/things/t1?after=x", json=body), 422)
    assert sorted(found["errors"], key=lambda one: str(one["pointer"])) == [
        {"in": "query", "pointer": "#/after", "detail": "must be a whole number"},
        {"pointer": "#/parts/1/name", "detail": "is required"},
        {"pointer": "#/parts/1/pay", "detail": "must be a number"},
        {"pointer": "#/since", "detail": "must be a date such as 2026-11-22"},
        {"pointer": "#/title", "detail": "must have at most 20 characters"},
    ]


@pytest.mark.parametrize(
    "body",
    [
        {"title": CANARY},
        {"title": 7, "words": [CANARY]},
        {"title": "x", "since": CANARY},
        {"title": "x", "parts": CANARY},
        {"title": "x", "parts": [{"name": "x", "pay": CANARY}]},
    ],
)
async def test_a_refusal_never_repeats_what_was_sent(client: httpx.AsyncClient, body: dict[str, object]) -> None:
    response = await client.post("/v1/things/t1", json=body)
    problem(response, 422)
    assert "canary" not in response.text


async def test_an_unknown_field_is_refused_by_name(client: httpx.AsyncClient) -> None:
    found = problem(await client.post("/v1/things/t1", json={"title": "x", "a/b~c": 1}), 422)
    assert found["errors"] == [{"pointer": "#/a~1b~0c", "detail": "is not a field that is known here"}]


@pytest.mark.parametrize(
    "raw",
    [
        b"{",
        b"",
        b"{'title': 'x'}",
        b'{"title": "\xff\xfe"}',
        b"\x80",
        b'{"title": "x", "anything": ' + b"[" * 100_000 + b"]" * 100_000 + b"}",
        b'{"title": "x", "anything": ' + b'{"a":' * 30_000 + b"1" + b"}" * 30_000 + b"}",
        b'{"title": "x", "anything": ' + b"9" * 5000 + b"}",
        b'{"title": "x", "parts": [{"name": "x", "pay": NaN}]}',
        b'{"title": "x", "parts": [{"name": "x", "pay": 1e999}]}',
        b'{"title": "\\u0000"}',
        b'{"title": "\\ud800"}',
        b'{"title": "x", "anything": {"deep": ["\\u0000"]}}',
        b'{"title": "x", "anything": {"\\udfff": 1}}',
        b'{"title": "x", "\\udfff": 1}',
        b'{"title": "x", "words": "a\\u0000b"}',
        b'{"title": "two\\nlines"}',
        b'{"title": "   "}',
        b"[]",
        b"null",
        b'"text"',
        b"1",
    ],
)
async def test_no_body_however_bad_is_a_fault_of_ours(client: httpx.AsyncClient, raw: bytes) -> None:
    response = await client.post("/v1/things/t1", content=raw, headers=JSON)
    assert response.status_code in (400, 422)
    problem(response, response.status_code)


@pytest.mark.parametrize("raw", [b"{", b'{"a": "\xff"}', b"NaN", b"-Infinity", b"[" * 100_000, b"9" * 5000, b""])
async def test_json_that_a_route_reads_itself_is_refused_when_malformed(client: httpx.AsyncClient, raw: bytes) -> None:
    assert problem(await client.post("/v1/raw", content=raw), 400)["type"] == "urn:fairpool:problem:malformed"


async def test_malformed_json_is_400_and_another_content_type_415(client: httpx.AsyncClient) -> None:
    malformed = problem(await client.post("/v1/things/t1", content=b"{", headers=JSON), 400)
    assert malformed["type"] == "urn:fairpool:problem:malformed"
    for headers in ({}, {"Content-Type": "text/plain"}, {"Content-Type": "application/x-www-form-urlencoded"}):
        response = await client.post("/v1/things/t1", content=b'{"title": "x"}', headers=headers)
        assert "application/json" in problem(response, 415)["detail"]


@pytest.mark.parametrize("path", ["/v1/things/a%00b", "/v1/things/a?after=%00", "/v1/things/a?%00=1"])
async def test_the_null_character_in_an_address_is_refused(client: httpx.AsyncClient, path: str) -> None:
    problem(await client.post(path, json={"title": "x"}), 400)


@pytest.mark.parametrize(
    ("body", "errors"),
    [
        ({"title": "x", "parts": [1] * 60_000}, [("#/parts", "must have at most 200 entries")]),
        ({"title": "x", "few": 1, **{f"f{n}": 1 for n in range(20_000)}}, [("#", "has far more fields than are known here")]),
        ({"title": "x", "parts": [{**{f"f{n}": 1 for n in range(20_000)}}]}, [("#/parts/0", "has far more fields than are known here")]),
    ],
)  # fmt: skip
async def test_what_is_far_too_much_is_one_mistake(
    client: httpx.AsyncClient, body: dict[str, Any], errors: list[tuple[str, str]]
) -> None:
    found = problem(await client.post("/v1/things/t1", json=body), 422)["errors"]
    assert [(one["pointer"], one["detail"]) for one in found] == errors


async def test_of_many_mistakes_the_first_twenty_are_told(client: httpx.AsyncClient) -> None:
    response = await client.post("/v1/things/t1", json={"title": "x", "parts": [1] * 200})
    found = problem(response, 422)
    assert [one["pointer"] for one in found["errors"]] == [f"#/parts/{place}" for place in range(20)]
    assert "the first 20" in found["detail"]


@pytest.mark.parametrize("path", ["/v1/things/t1", "/v1/raw"])
async def test_a_byte_order_mark_before_the_json_is_passed_over(client: httpx.AsyncClient, path: str) -> None:
    response = await client.post(path, content=b'\xef\xbb\xbf{"title": "x"}', headers=JSON)
    assert response.status_code in (200, 201), response.text


async def test_text_is_trimmed_and_kept_whole(client: httpx.AsyncClient) -> None:
    response = await client.post("/v1/things/t1", json={"title": "  Zoë 👩‍⚕️ 東京 "})
    assert response.status_code == 201
    assert response.json() == {"thing": "t1", "title": "Zoë 👩‍⚕️ 東京"}


async def test_what_is_not_there_is_404_and_another_method_405(client: httpx.AsyncClient) -> None:
    problem(await client.get("/v1/nothing"), 404)
    response = await client.delete("/v1/refused")
    problem(response, 405)
    assert response.headers["allow"] == "GET, HEAD"


async def test_a_fault_of_ours_is_a_500_without_words_and_logged_without_words(client: httpx.AsyncClient) -> None:
    with capture_logs() as logs:
        response = await client.get("/v1/fault")
    problem(response, 500)
    assert "canary" not in response.text
    (failed,) = [entry for entry in logs if entry["event"] == "request_failed"]
    assert failed["route"] == "/v1/fault"
    assert isinstance(failed["exc_info"], ValueError)


async def test_a_browser_gets_a_page_on_a_page_and_a_problem_elsewhere(client: httpx.AsyncClient) -> None:
    for path, status in (("/page/wrong", 410), ("/page/fault", 500), ("/nowhere", 404)):
        response = await client.get(path, headers=BROWSER)
        assert response.status_code == status
        assert response.headers["content-type"].startswith("text/html")
        assert "canary" not in response.text
    assert "Ask for a new one." in (await client.get("/page/wrong", headers=BROWSER)).text
    problem(await client.get("/page/wrong"), 410)
    problem(await client.get("/v1/refused", headers=BROWSER), 409)
    problem(await client.get("/v1/nothing", headers=BROWSER), 404)


async def test_a_problem_is_ascii_json_whatever_was_sent(client: httpx.AsyncClient) -> None:
    response = await client.post("/v1/things/t1", content=b'{"title": "x", "\\ud800\xc3\xa9": 1}', headers=JSON)
    assert json.loads(response.content.decode("ascii"))["status"] == 422
