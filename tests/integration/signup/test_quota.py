"""How much is kept of records that nobody knows: a tenant that tells too much of them is turned away, and nobody else."""

from datetime import UTC, datetime
from typing import Any

import httpx
import pytest
from prometheus_client import REGISTRY

from tests.integration.signup.conftest import KEYS, Edge
from tests.integration.signup.test_events import BATCH, counts, data, event, post
from tests.integration.signup.test_hooks import HOOK, SOURCE, payload, signed

MOST = 2


@pytest.fixture(autouse=True)
def few(edge: Edge) -> None:
    """A quota that a test can fill."""
    edge.most_kept = MOST


async def fill(edge: Edge, rows: int, *, vendor: str = "acme", counted: bool = False) -> None:
    """So many reports are kept of this tenant's unknown records."""
    at = datetime(2026, 11, 22, tzinfo=UTC)
    await edge.pool.executemany(
        "INSERT INTO kept_reports (vendor, record, employer, kind, id, event, kept_at, counted)"
        " VALUES ($1, $2, '', 'changed', $2, '{}', $3, $4)",
        [(vendor, f"{counted}-{n}", at, counted) for n in range(rows)],
    )


def told(kind: str, **more: Any) -> dict[str, Any]:
    return event(id=f"{kind}{more}", type=f"candidate.{kind}", data=data(**more))


def refused_at_the_edge() -> float:
    return REGISTRY.get_sample_value("fairpool_kept_reports_refused_total", {"at": "edge"}) or 0


async def test_too_many_unknown_records_are_a_429_that_says_when_to_come_again(
    http: httpx.AsyncClient, edge: Edge
) -> None:
    await fill(edge, MOST)
    before = refused_at_the_edge()
    answer = await post(http, told("changed"))
    assert (answer.status_code, answer.headers["retry-after"]) == (429, "3600")
    assert answer.headers["content-type"] == "application/problem+json"
    assert answer.json()["type"] == "urn:fairpool:problem:too-many-unknown-records"
    assert refused_at_the_edge() == before + 1
    assert await edge.outbox() == []


async def test_below_the_quota_and_of_what_only_remembers_a_deletion_nobody_is_turned_away(
    http: httpx.AsyncClient, edge: Edge
) -> None:
    await fill(edge, MOST - 1)
    await fill(edge, 3 * MOST, counted=True)
    assert (await post(http, told("changed"))).status_code == 202


async def test_creations_are_always_taken_and_deletions_for_twice_as_long(http: httpx.AsyncClient, edge: Edge) -> None:
    await fill(edge, MOST)
    assert [(await post(http, told(kind))).status_code for kind in ("signed_up", "hired", "deleted")] == [202, 429, 202]
    await fill(edge, 2 * MOST, vendor="bright")
    source = {"source": "bright", "employer": "emp_two"}
    for kind, status in (("signed_up", 202), ("deleted", 429)):
        sent = {**told(kind, employer=source["employer"]), "source": source["source"]}
        assert (await post(http, sent, key="bright")).status_code == status


async def test_in_a_batch_only_what_would_be_kept_is_rejected(http: httpx.AsyncClient, edge: Edge) -> None:
    await fill(edge, MOST)
    answer = await post(http, [told("changed"), told("signed_up")], BATCH)
    found = counts(answer)
    assert (answer.status_code, found["accepted"]) == (202, 1)
    assert [(one["place"], one["status"]) for one in found["rejected"]] == [(0, 429)]
    assert [one["id"] for one in answer.json()["events"]] == [told("signed_up")["id"]]


async def test_one_tenants_unknown_records_turn_no_other_tenant_away(http: httpx.AsyncClient, edge: Edge) -> None:
    await fill(edge, 2 * MOST, vendor="bright")
    assert (await post(http, told("changed"))).status_code == 202


async def test_a_webhook_is_turned_away_by_the_same_rule(http: httpx.AsyncClient, edge: Edge) -> None:
    await http.post("/v1/sources", json=SOURCE, headers={"Authorization": f"Bearer {KEYS['ops']}"})
    await fill(edge, MOST)
    for action, status in (("update_candidate", 429), ("new_candidate_application", 200)):
        raw = payload(action)
        answer = await http.post(HOOK, content=raw, headers=signed(raw, action))
        assert (answer.status_code, answer.headers.get("retry-after")) == (status, "3600" if status == 429 else None)
