from datetime import time
from typing import Annotated, Any
from urllib.parse import urlencode

import httpx
import pytest
from fastapi import FastAPI, Request
from pydantic import Field

from shared.web import forms
from shared.web.types import Line, RequestModel
from tests.unit.shared.web.support import problem

FORM = {"Content-Type": "application/x-www-form-urlencoded"}


class Hours(RequestModel):
    """When nobody may write."""

    start: time
    end: time


class Choices(RequestModel):
    """A preference center's form."""

    mail: Line
    purposes: tuple[Line, ...] = ()
    blocked: list[Line] | None = None
    weekly: Annotated[int, Field(ge=0, le=2)] = 2
    quiet_hours: Hours | None = None
    paused: bool = False


@pytest.fixture
def posted(app: FastAPI) -> list[forms.Posted[Choices]]:
    """What the route `/form` has read."""
    seen: list[forms.Posted[Choices]] = []

    @app.post("/form")
    async def form(request: Request) -> dict[str, bool]:
        seen.append(await forms.read(request, Choices, words={"mail": "Enter your mail address"}))
        return {"ok": not seen[-1].errors}

    return seen


async def send(client: httpx.AsyncClient, pairs: list[tuple[str, str]]) -> httpx.Response:
    return await client.post("/form", content=urlencode(pairs), headers=FORM)


async def test_a_form_and_json_give_the_same_model(
    client: httpx.AsyncClient, posted: list[forms.Posted[Choices]]
) -> None:
    pairs = [
        ("mail", "a@b.example"), ("purposes", "match"), ("purposes", "contact"), ("blocked", "emp_x"), ("weekly", "1"),
        ("quiet_hours.start", "21:00"), ("quiet_hours.end", "08:00"), ("paused", "true"),
    ]  # fmt: skip
    await send(client, pairs)
    body: dict[str, Any] = {
        "mail": "a@b.example", "purposes": ["match", "contact"], "blocked": ["emp_x"], "weekly": 1,
        "quiet_hours": {"start": "21:00", "end": "08:00"}, "paused": True,
    }  # fmt: skip
    await client.post("/form", json=body)
    form, by_json = posted
    assert form.value == by_json.value
    assert form.value is not None
    assert form.value.quiet_hours == Hours(start=time(21), end=time(8))
    assert (form.is_json, by_json.is_json) == (False, True)


async def test_an_empty_value_is_no_value(client: httpx.AsyncClient, posted: list[forms.Posted[Choices]]) -> None:
    await send(client, [("mail", "a@b.example"), ("weekly", ""), ("quiet_hours.start", ""), ("purposes", "")])
    assert posted[0].value == Choices(mail="a@b.example")


async def test_a_wrong_form_comes_back_with_a_sentence_for_each_field_and_what_was_given(
    client: httpx.AsyncClient, posted: list[forms.Posted[Choices]]
) -> None:
    await send(client, [("weekly", "9"), ("quiet_hours.start", "late"), ("purposes", "match"), ("extra", "1")])
    (wrong,) = posted
    assert wrong.value is None
    assert wrong.errors == {
        "mail": "Enter your mail address",
        "weekly": "Weekly must be 2 or less",
        "quiet_hours.start": "Start must be a time of day such as 21:00",
        "quiet_hours.end": "End is required",
        "extra": "Extra is not a field that is known here",
    }
    assert wrong.given == {"weekly": "9", "quiet_hours.start": "late", "purposes": ["match"], "extra": "1"}


async def test_wrong_json_is_a_problem(client: httpx.AsyncClient, posted: list[forms.Posted[Choices]]) -> None:
    found = problem(await client.post("/form", json={"mail": "x", "weekly": 9}), 422)
    assert found["errors"] == [{"pointer": "#/weekly", "detail": "must be 2 or less"}]
    problem(await client.post("/form", content=b"{", headers={"Content-Type": "application/json; charset=utf-8"}), 400)
    assert posted == []


@pytest.mark.parametrize("content_type", ["", "text/plain", "multipart/form-data; boundary=x", "application/xml"])
async def test_another_content_type_is_415(
    client: httpx.AsyncClient, posted: list[forms.Posted[Choices]], content_type: str
) -> None:
    response = await client.post("/form", content=b"mail=x", headers={"Content-Type": content_type})
    assert forms.FORM in problem(response, 415)["detail"]
    assert posted == []


@pytest.mark.parametrize(
    "raw",
    [
        b"mail=%ff%fe",
        b"mail=\xff",
        b"mail",
        b"&".join(b"f%d=1" % number for number in range(401)),
        b"mail=a&mail=b",
        b"mail=a&quiet_hours=1&quiet_hours.start=2",
        b"mail=a&quiet_hours.start=2&quiet_hours=1",
    ],
)
async def test_a_form_that_cannot_be_read_is_400(
    client: httpx.AsyncClient, posted: list[forms.Posted[Choices]], raw: bytes
) -> None:
    problem(await client.post("/form", content=raw, headers=FORM), 400)
    assert posted == []


@pytest.mark.parametrize("raw", [b"", b"mail=%00", b"mail=a&weekly.x.y.z.w.v=1", b"mail=a&.=1", b"mail=a&purposes=%00"])
async def test_a_strange_form_is_an_error_of_the_form_and_no_fault_of_ours(
    client: httpx.AsyncClient, posted: list[forms.Posted[Choices]], raw: bytes
) -> None:
    assert (await client.post("/form", content=raw, headers=FORM)).status_code == 200
    assert posted[0].errors
