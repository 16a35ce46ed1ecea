"""Whoever is signed in sees the job of a message that waits for them, and nobody else does."""

from typing import Any

import httpx
import pytest

from shared.contracts.outreach_gateway import Job, Pay, Words
from shared.security.words import KeyPair, seal_job
from tests.integration.signup.conftest import Edge
from tests.integration.signup.test_profile import BROWSER, NURSE, tell

WORDS = Words(
    outreach="o_1",
    subject="Canary subject",
    body="Canary body",
    job=Job.model_validate(
        {
            "title": "Night nurse <b>",
            "occupation": "29-1141",
            "organization": "Denver Health",
            "location": "Denver, CO",
            "remote": True,
            "pay": Pay(min=82000, max=96000, currency="USD", per="year"),
            "url": "https://jobs.example.org/42?who=1",
            "valid_through": "2026-12-31",
        }
    ),
)


async def sealed_to(edge: Edge, candidate: str) -> dict[str, str]:
    key = await edge.pool.fetchval("SELECT public_key FROM identities WHERE candidate = $1", candidate)
    return {"outreach": "o_1", "sealed": seal_job(WORDS, key, "hpke")}


async def test_its_person_sees_the_job_by_its_host_alone_and_none_of_the_words(
    http: httpx.AsyncClient, edge: Edge
) -> None:
    candidate = await tell(http, edge, **NURSE)
    mine, asked = await edge.sign_in(candidate), await sealed_to(edge, candidate)
    answer = await http.get("/me/job", params=asked, headers=mine)
    assert answer.json() == {
        "title": "Night nurse <b>",
        "organization": "Denver Health",
        "location": "Denver, CO",
        "remote": True,
        "pay": {"min": 82000, "max": 96000, "currency": "USD", "per": "year"},
        "host": "jobs.example.org",
        "valid_through": "2026-12-31",
    }
    page = await http.get("/me/job", params=asked, headers=BROWSER | mine)
    for words in ("Night nurse &lt;b&gt;", "Denver, CO (remote is possible)", "USD 82,000 to 96,000 a year", "jobs.example.org"):  # fmt: skip
        assert words in page.text
    for secret in ("Canary", "who=1"):
        assert secret not in page.text
        assert secret not in answer.text
    assert asked["sealed"] not in answer.text  # the page leads to itself in the other language


async def test_what_is_another_persons_or_another_messages_or_no_job_is_none_of_theirs(
    http: httpx.AsyncClient, edge: Edge
) -> None:
    candidate = await tell(http, edge, **NURSE)
    mine, asked = await edge.sign_in(candidate), await sealed_to(edge, candidate)
    others: list[dict[str, Any]] = [
        {"sealed": seal_job(WORDS, KeyPair.generate().public, "jwe")},
        {"outreach": "o_2"},
        {"sealed": "no.jwe"},
        {"sealed": asked["sealed"][:-5]},
        {"sealed": "ü"},
    ]
    for other in others:
        refused = await http.get("/me/job", params=asked | other, headers=mine)
        assert (refused.status_code, refused.json()["type"].rpartition(":")[2]) == (404, "no-such-job"), other
    assert (await http.get("/me/job", params=asked)).status_code == 401
    assert (await http.get("/me/job", headers=mine)).status_code == 422


@pytest.mark.parametrize("table", ["candidates", "identities"])
async def test_once_its_person_is_erased_it_opens_for_nobody(http: httpx.AsyncClient, edge: Edge, table: str) -> None:
    candidate = await tell(http, edge, **NURSE)
    mine, asked = await edge.sign_in(candidate), await sealed_to(edge, candidate)
    await edge.pool.execute(f"DELETE FROM {table}")
    assert (await http.get("/me/job", params=asked, headers=mine)).status_code in (401, 410)
