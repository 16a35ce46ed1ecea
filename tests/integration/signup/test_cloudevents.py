"""CloudEvents 1.0.2, rule by rule, as far as a receiver is bound: the table in docs/cloudevents.md names each test."""

import base64
import json
from collections.abc import Mapping
from typing import Any

import httpx
import pytest

from tests.integration.signup.conftest import KEYS, Edge
from tests.integration.signup.test_events import BATCH, ONE, post

JSON = "application/json"
NAMES = ("specversion", "id", "source", "type")


def small(**changes: Any) -> dict[str, Any]:
    return {"employer": "emp_one", "record": "r1", "person": {"emails": ["one@example.org"]}, **changes}


def plain(**changes: Any) -> dict[str, Any]:
    """An event with nothing but what is required."""
    whole = {"specversion": "1.0", "id": "p1", "source": "acme", "type": "candidate.signed_up", "data": small()}
    return {name: value for name, value in (whole | changes).items() if value is not ...}


async def binary(
    http: httpx.AsyncClient, *, kind: str | None = JSON, body: object = None, **attributes: str | bytes | None
) -> httpx.Response:
    """An event in binary mode; `None` takes an attribute away."""
    values: Mapping[str, str | bytes | None] = {
        "specversion": "1.0", "id": "p1", "source": "acme", "type": "candidate.signed_up", **attributes,
    }  # fmt: skip
    headers = [(b"Authorization", f"Bearer {KEYS['acme']}".encode())]
    headers += [(b"Content-Type", kind.encode())] if kind else []
    for name, value in values.items():
        if value is not None:
            headers.append((f"ce-{name}".encode(), value if isinstance(value, bytes) else value.encode()))
    return await http.post("/v1/events", content=json.dumps(small() if body is None else body), headers=headers)


async def in_every_mode(http: httpx.AsyncClient, **attributes: Any) -> list[dict[str, Any]]:
    """The answers to one event in structured, batch and binary mode, each with an id of its own."""
    texts = {name: value if isinstance(value, str) else json.dumps(value) for name, value in attributes.items()}
    answers = [
        await post(http, plain(id="s", **attributes)),
        await post(http, [plain(id="b", **attributes)], BATCH),
        await binary(http, id="h", **texts),
    ]
    assert [answer.status_code for answer in answers] == [202] * 3, [answer.text for answer in answers]
    return [answer.json() for answer in answers]


def pointers(answer: httpx.Response, status: int = 422) -> list[str]:
    assert answer.status_code == status, answer.text
    assert answer.headers["content-type"] == "application/problem+json"
    return [error["pointer"] for error in answer.json()["errors"]]


# Core specification


@pytest.mark.parametrize("name", NAMES)
async def test_a_required_attribute_that_is_missing_or_empty_is_refused(http: httpx.AsyncClient, name: str) -> None:
    for value in (..., None, ""):
        assert f"#/{name}" in pointers(await post(http, plain(**{name: value})))
    for text in ("",) if name == "specversion" else (None, ""):
        assert f"#/ce-{name}" in pointers(await binary(http, **{name: text}))


async def test_a_binary_event_without_a_specversion_is_none(http: httpx.AsyncClient) -> None:
    assert (await binary(http, specversion=None)).status_code == 415


@pytest.mark.parametrize("version", ["0.3", "1.1", "1", "2.0"])
async def test_another_version_is_refused(http: httpx.AsyncClient, version: str) -> None:
    assert pointers(await post(http, plain(specversion=version))) == ["#/specversion"]
    assert pointers(await binary(http, specversion=version)) == ["#/ce-specversion"]


async def test_source_and_id_name_an_event_whatever_mode_it_comes_in(http: httpx.AsyncClient, edge: Edge) -> None:
    packed = base64.b64encode(json.dumps(small()).encode()).decode()
    answers = [
        await post(http, plain(id="cafe order 1")),
        await binary(http, id="cafe%20order%201"),
        await post(http, [plain(id="cafe order 1", traceparent="00-1")], BATCH),
        await post(http, plain(id="cafe order 1", data=..., data_base64=packed)),
    ]
    assert [answer.json()["duplicates"] for answer in answers] == [0, 1, 1, 1]
    assert len(await edge.outbox()) == 1


@pytest.mark.parametrize(
    "extensions",
    [
        {"traceparent": "00-0af7651916cd43dd8448eb211c80319c-b7ad6b7169203331-01"},
        {"topic": "t", "pubsubname": "bus", "traceid": "x", "partitionkey": "p", "sequence": "1"},
        {"comexampleextensionwithaverylongname": "x"},
        {"a": True, "b": 7},
    ],
)
async def test_extension_attributes_are_passed_over(http: httpx.AsyncClient, extensions: dict[str, Any]) -> None:
    for answer in await in_every_mode(http, **extensions):
        assert (answer["accepted"], answer["rejected"]) == (1, [])
        passed = answer["events"][0]["passed_over"]
        assert {one["pointer"] for one in passed} == {f"#/{name}" for name in extensions}


@pytest.mark.parametrize("name", ["unheard_of", "Traceparent", "trace-parent", "träce", ""])
async def test_a_name_that_no_attribute_has_is_refused(http: httpx.AsyncClient, name: str) -> None:
    assert pointers(await post(http, plain(**{name: "x"}))) == [f"#/{name}"]


@pytest.mark.parametrize("name", ["bad_name", "trace-parent", "data_base64", "a.b", ""])
async def test_a_header_with_a_name_that_no_attribute_has_is_refused(http: httpx.AsyncClient, name: str) -> None:
    answer = await binary(http, **{name: "x"})
    assert pointers(answer) == [f"#/ce-{name}"]
    assert answer.json()["errors"][0]["in"] == "header"


@pytest.mark.parametrize("text", ["a\tb", "a\x7fb", "a\x85b", "a\uffffb", "a\ufdd0b", "a\U0001fffeb"])
async def test_a_string_holds_no_control_and_no_noncharacters(http: httpx.AsyncClient, text: str) -> None:
    assert pointers(await post(http, plain(id=text))) == ["#/id"]


async def test_any_other_string_is_an_id(http: httpx.AsyncClient) -> None:
    for text in ("Euro € 😀", "\u202ea", "=?utf-8?q?a?=", "x" * 1000, " a "):
        answer = await post(http, plain(id=text))
        assert (answer.status_code, answer.json()["events"][0]["id"]) == (202, text)


@pytest.mark.parametrize(
    "time",
    ["2018-04-05T17:31:00Z", "2018-04-05T17:31:00.123456789Z", "2018-04-05t17:31:00z", "2018-04-05T17:31:00-07:00"],
)
async def test_a_time_is_one_of_rfc_3339(http: httpx.AsyncClient, time: str) -> None:
    await in_every_mode(http, time=time)


@pytest.mark.parametrize("time", ["2018-04-05T17:31:00", "2018-04-05", "yesterday", 1522949460, True])
async def test_any_other_time_is_refused(http: httpx.AsyncClient, time: object) -> None:
    assert pointers(await post(http, plain(time=time))) == ["#/time"]


async def test_an_event_of_64_kib_is_taken(http: httpx.AsyncClient) -> None:
    await in_every_mode(http, padding="x" * 30_000, more="y" * 30_000)


# JSON event format


@pytest.mark.parametrize("name", ["time", "subject", "datacontenttype", "dataschema", "anextension", "data_base64"])
async def test_an_attribute_that_is_null_is_absent(http: httpx.AsyncClient, name: str) -> None:
    assert (await post(http, plain(**{name: None}))).json()["accepted"] == 1


@pytest.mark.parametrize("name", ["time", "subject", "datacontenttype", "dataschema"])
async def test_an_optional_attribute_that_is_empty_is_absent(http: httpx.AsyncClient, name: str) -> None:
    assert (await post(http, plain(**{name: ""}))).json()["accepted"] == 1


@pytest.mark.parametrize(
    "kind",
    [
        JSON,
        "application/json; charset=utf-8",
        "Application/JSON;charset=UTF-8",
        "application/vnd.acme+json",
        "text/json",
    ],
)
async def test_data_is_json_in_utf_8_however_its_media_type_is_written(http: httpx.AsyncClient, kind: str) -> None:
    assert (await post(http, plain(datacontenttype=kind))).json()["accepted"] == 1
    assert (await binary(http, kind=kind, id="p2")).json()["accepted"] == 1


@pytest.mark.parametrize("kind", ["application/json; charset=utf-16", "application/xml", "text/plain", "json"])
async def test_data_of_another_kind_or_charset_is_refused(http: httpx.AsyncClient, kind: str) -> None:
    assert pointers(await post(http, plain(datacontenttype=kind))) == ["#/datacontenttype"]
    assert (await binary(http, kind=kind)).status_code == 415


async def test_data_base64_is_decoded_and_read_as_data_is(http: httpx.AsyncClient, edge: Edge) -> None:
    packed = base64.b64encode(b"\xef\xbb\xbf" + json.dumps(small()).encode()).decode()
    for answer in (
        await post(http, plain(data=..., data_base64=packed)),
        await post(http, [plain(id="p2", data=None, data_base64=packed)], BATCH),
    ):
        assert answer.json()["accepted"] == 1
    assert [one["record"] for one in await edge.outbox()] == ["r1", "r1"]


@pytest.mark.parametrize(
    "packed", ["%", "e30", "bm90IGpzb24=", "/w==", 7, [], base64.b64encode(b'{"a": NaN}').decode(), ""]
)
async def test_data_base64_that_holds_no_json_is_refused(http: httpx.AsyncClient, packed: object) -> None:
    assert pointers(await post(http, plain(data=..., data_base64=packed))) == ["#/data_base64"]
    batch = (await post(http, [plain(), plain(id="p2", data=..., data_base64=packed)], BATCH)).json()
    assert (batch["accepted"], [one["id"] for one in batch["rejected"]]) == (1, ["p2"])


async def test_data_and_data_base64_do_not_stand_together(http: httpx.AsyncClient) -> None:
    assert pointers(await post(http, plain(data_base64="e30="))) == ["#/data_base64"]


@pytest.mark.parametrize("given", [..., None, "{}", [], 7])
async def test_data_is_an_object(http: httpx.AsyncClient, given: object) -> None:
    assert pointers(await post(http, plain(data=given))) == ["#/data"]


async def test_a_byte_order_mark_is_passed_over(http: httpx.AsyncClient) -> None:
    headers = {"Authorization": f"Bearer {KEYS['acme']}", "Content-Type": ONE}
    raw = b"\xef\xbb\xbf" + json.dumps(plain()).encode()
    assert (await http.post("/v1/events", content=raw, headers=headers)).json()["accepted"] == 1


# HTTP protocol binding


@pytest.mark.parametrize(
    "kind", [ONE, ONE.upper(), f"{ONE}; charset=utf-8", f'{ONE};charset="UTF-8"', f"{ONE};a=b;charset=US-ASCII"]
)
async def test_the_content_type_is_compared_without_case_and_parameters(http: httpx.AsyncClient, kind: str) -> None:
    assert (await post(http, plain(), kind)).status_code == 202
    assert (
        await post(http, [plain(id="p2")], kind.replace("+json", "-batch+json").replace("+JSON", "-BATCH+JSON"))
    ).status_code == 202


@pytest.mark.parametrize(
    "kind",
    [f"{ONE}; charset=utf-16", "application/cloudevents+avro", "application/cloudevents", JSON, "", "text/plain"],
)
async def test_another_format_or_charset_is_415(http: httpx.AsyncClient, kind: str) -> None:
    answer = await post(http, plain(), kind)
    assert answer.status_code == 415
    assert ONE in answer.headers["accept-post"]


async def test_in_structured_mode_the_body_counts_and_not_the_headers(http: httpx.AsyncClient) -> None:
    answer = await post(http, plain(), headers={"ce-id": "other", "ce-type": "other", "ce-specversion": "0.3"})
    assert answer.json()["events"][0]["id"] == "p1"


async def test_a_binary_event_needs_no_content_type(http: httpx.AsyncClient) -> None:
    assert (await binary(http, kind=None)).json()["accepted"] == 1


async def test_headers_are_named_in_any_case(http: httpx.AsyncClient) -> None:
    headers = {"CE-SpecVersion": "1.0", "Ce-Id": "p1", "cE-source": "acme", "CE-TYPE": "candidate.signed_up"}
    assert (await post(http, small(), JSON, headers=headers)).json()["accepted"] == 1


@pytest.mark.parametrize(
    ("header", "text"),
    [
        ("Euro%20%E2%82%AC%20%F0%9F%98%80", "Euro € 😀"),
        ("%61%62", "ab"),
        ("100%25", "100%"),
        ("a%2525", "a%25"),
        ("a+b", "a+b"),
        ('"a \\"b\\" \\\\c"', 'a "b" \\c'),
        ('"a%20b"', "a b"),
        ('"', '"'),
        ("plain", "plain"),
        ("€".encode(), "€"),
    ],
)
async def test_header_values_are_unquoted_and_percent_decoded_once(
    http: httpx.AsyncClient, header: str | bytes, text: str
) -> None:
    assert (await binary(http, id=header)).json()["events"][0]["id"] == text


@pytest.mark.parametrize("header", ["bad%FF", "%C0%A0", "%ED%A0%80", "%E2%82", "100%", "%zz", "%2", b"\xff"])
async def test_a_header_value_that_is_no_utf8_or_no_encoding_is_refused_by_its_name(
    http: httpx.AsyncClient, header: str | bytes
) -> None:
    answer = await binary(http, id=header)
    assert pointers(answer) == ["#/ce-id"]
    assert answer.json()["errors"][0]["in"] == "header"
    assert pointers(await binary(http, subject=header)) == ["#/ce-subject"]


async def test_an_attribute_that_stands_twice_is_refused(http: httpx.AsyncClient) -> None:
    headers = [
        ("Authorization", f"Bearer {KEYS['acme']}"), ("Content-Type", JSON), ("ce-specversion", "1.0"), ("ce-id", "a"),
        ("ce-id", "b"), ("ce-source", "acme"), ("ce-type", "candidate.signed_up"),
    ]  # fmt: skip
    assert pointers(await http.post("/v1/events", json=small(), headers=headers)) == ["#/ce-id"]


async def test_data_of_a_binary_event_is_its_body_and_nothing_else(http: httpx.AsyncClient) -> None:
    answer = await binary(http, data="x", datacontenttype="text/plain")
    assert answer.json()["accepted"] == 1
    assert pointers(await binary(http, id="p2", body=small(more=1))) == ["#/data/more"]


# Web hooks


async def test_the_handshake_allows_any_origin_without_a_key(http: httpx.AsyncClient) -> None:
    asked = {"WebHook-Request-Origin": "eventemitter.example.com", "WebHook-Request-Rate": "120"}
    answer = await http.options("/v1/events", headers=asked)
    assert answer.status_code == 200
    assert answer.headers["webhook-allowed-origin"] == "eventemitter.example.com"
    assert answer.headers["webhook-allowed-rate"] == "*"
    assert "POST" in answer.headers["allow"]


async def test_without_an_origin_nothing_is_allowed_and_the_methods_are_named(http: httpx.AsyncClient) -> None:
    answer = await http.options("/v1/events")
    assert (answer.status_code, answer.headers["allow"]) == (200, "OPTIONS, POST")
    assert "webhook-allowed-origin" not in answer.headers


@pytest.mark.parametrize("origin", ["", "a b", "x" * 300, "<script>", "a,b", "ünïcöde.example"])
async def test_an_origin_that_is_none_is_400(http: httpx.AsyncClient, origin: str) -> None:
    answer = await http.options("/v1/events", headers=[(b"WebHook-Request-Origin", origin.encode())])
    assert answer.status_code == 400
    assert "webhook-allowed-origin" not in answer.headers
