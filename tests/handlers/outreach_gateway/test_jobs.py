"""`/v1/jobs` as employers use it."""

from collections.abc import AsyncIterator
from typing import Any

import httpx
import pytest

from services.outreach_gateway.api import jobs
from tests.fakes import gateway_jobs
from tests.fakes.gateway_jobs import FakeJobs
from tests.handlers.outreach_gateway.served import KEYS, opens, served

JOB: dict[str, Any] = {
    "title": "Registered nurse",
    "occupation": "29-1141",
    "organization": "Denver Health",
    "location": "Denver, CO",
    "remote": False,
    "pay": {"min": 82000, "max": 96000, "currency": "USD", "per": "year"},
    "url": "https://jobs.example.org/42",
    "valid_through": "2099-01-31",
}


@pytest.fixture
async def client() -> AsyncIterator[httpx.AsyncClient]:
    store = opens(FakeJobs())
    async with served(jobs, domain="acme.com", jobs=store, look_at_jobs=store) as made:
        yield made


async def test_a_job_is_declared_shown_changed_listed_and_deleted(client: httpx.AsyncClient) -> None:
    made = await client.put("/v1/jobs/rn.42", json=JOB)
    assert (made.status_code, made.json()) == (201, {"id": "rn.42", "version": 1, "job": JOB})
    same = await client.put("/v1/jobs/rn.42", json=JOB)
    assert (same.status_code, same.json()["version"]) == (200, 1)
    changed = await client.put("/v1/jobs/rn.42", json={**JOB, "title": "Night nurse"})
    assert (changed.status_code, changed.json()["version"]) == (200, 2)
    shown = (await client.get("/v1/jobs/rn.42")).json()
    assert shown["job"]["title"] == "Night nurse"
    assert (await client.put("/v1/jobs/rn.42", json=shown["job"])).json()["version"] == 2
    assert (await client.get("/v1/jobs")).json() == {"items": [shown], "next": None}
    assert [(await client.delete("/v1/jobs/rn.42")).status_code for _ in range(2)] == [204, 404]
    assert (await client.get("/v1/jobs/rn.42")).status_code == 404


async def test_the_list_comes_in_pages(client: httpx.AsyncClient) -> None:
    for id in "cab":
        await client.put(f"/v1/jobs/{id}", json=JOB)
    first = (await client.get("/v1/jobs", params={"limit": 2})).json()
    rest = (await client.get("/v1/jobs", params={"limit": 2, "after": first["next"]})).json()
    assert [item["id"] for item in [*first["items"], *rest["items"]]] == ["a", "b", "c"]
    assert rest["next"] is None


async def test_a_job_is_its_employers_alone(client: httpx.AsyncClient) -> None:
    await client.put("/v1/jobs/a", json=JOB)
    others = {"Authorization": f"Bearer {KEYS['emp_b']}"}
    assert (await client.get("/v1/jobs/a", headers=others)).status_code == 404
    assert (await client.delete("/v1/jobs/a", headers=others)).status_code == 404
    assert (await client.get("/v1/jobs", headers=others)).json()["items"] == []
    vendor = {"Authorization": f"Bearer {KEYS['vendor-x']}"}
    assert (await client.get("/v1/jobs", headers=vendor)).status_code == 403


@pytest.mark.parametrize(
    ("change", "pointer"),
    [
        ({"title": "See https://a.example.org"}, "#/title"),
        ({"organization": "a7f.example.org"}, "#/organization"),
        ({"occupation": "99-9999"}, "#/occupation"),
        ({"location": "www.denver.example"}, "#/location"),
        ({"valid_through": "2026-11-01"}, "#/valid_through"),
        ({"url": "http://jobs.example.org"}, "#/url"),
        ({"pay": None}, "#/pay"),
        ({"id": "x"}, "#/id"),
    ],
)
async def test_what_is_wrong_in_a_job_is_named(client: httpx.AsyncClient, change: dict[str, Any], pointer: str) -> None:
    answer = await client.put("/v1/jobs/a", json={**JOB, **change})
    assert answer.status_code == 422
    assert [error["pointer"] for error in answer.json()["errors"]] == [pointer]
    assert (await client.get("/v1/jobs/a")).status_code == 404


async def test_an_employer_may_be_called_like_its_verified_domain(client: httpx.AsyncClient) -> None:
    assert (await client.put("/v1/jobs/a", json={**JOB, "organization": "Acme.com"})).status_code == 201


@pytest.mark.parametrize("id", ["inline:" + "a" * 22, "a%20b", "x" * 101, "\u00e9"])
async def test_an_id_is_of_the_employers_making_and_plain(client: httpx.AsyncClient, id: str) -> None:
    assert (await client.put(f"/v1/jobs/{id}", json=JOB)).status_code == 422


async def test_too_many_open_jobs_are_a_conflict(client: httpx.AsyncClient, monkeypatch: pytest.MonkeyPatch) -> None:
    monkeypatch.setattr(gateway_jobs, "JOBS_PER_EMPLOYER", 1)
    assert (await client.put("/v1/jobs/a", json=JOB)).status_code == 201
    full = await client.put("/v1/jobs/b", json=JOB)
    assert (full.status_code, full.json()["type"]) == (409, "urn:fairpool:problem:too-many-jobs")
    assert "Delete" in full.json()["detail"]
