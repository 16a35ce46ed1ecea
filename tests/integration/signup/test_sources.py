"""Sources as an operator keeps them: exchanged with overlap, listed without secrets, ended."""

import json
from datetime import timedelta
from typing import Any

import httpx
import pytest

from services.signup.adapters.sources import PostgresSources
from tests.fakes.keeper import first_epoch
from tests.integration.signup.conftest import KEYS, VAULT_KEY, Edge
from tests.integration.signup.test_hooks import HOOK, SECRET, SOURCE, payload, signed

OPERATOR = {"Authorization": f"Bearer {KEYS['ops']}"}
NEW = "the-secret-that-comes-after"
SECRET_OF = "/v1/sources/greenhouse/denver/secret"


@pytest.fixture(autouse=True)
async def source(http: httpx.AsyncClient) -> None:
    assert (await http.post("/v1/sources", json=SOURCE, headers=OPERATOR)).status_code == 201


async def _hook(http: httpx.AsyncClient, secret: str) -> int:
    raw = payload()
    return (await http.post(HOOK, content=raw, headers=signed(raw, secret=secret))).status_code


async def test_both_secrets_sign_during_the_overlap_and_the_new_one_alone_after_it(
    http: httpx.AsyncClient, edge: Edge
) -> None:
    answer = await http.put(SECRET_OF, json={"secret": NEW, "overlap_hours": 24}, headers=OPERATOR)
    assert answer.status_code == 204
    assert [await _hook(http, secret) for secret in (NEW, SECRET)] == [200, 200]
    edge.clock.advance(timedelta(hours=25))
    kept = PostgresSources(
        lambda: edge.pool, edge.work, first_epoch(VAULT_KEY), edge.clock.now, kept=timedelta(seconds=60)
    )
    found = await kept.find("greenhouse", "denver")
    assert found is not None
    assert found.secrets == (NEW,)


async def test_without_overlap_the_old_secret_ends_at_once(http: httpx.AsyncClient) -> None:
    await http.put(SECRET_OF, json={"secret": NEW, "overlap_hours": 0}, headers=OPERATOR)
    assert [await _hook(http, secret) for secret in (NEW, SECRET)] == [200, 401]


async def test_asked_again_the_exchange_changes_nothing(http: httpx.AsyncClient) -> None:
    for _ in range(2):
        await http.put(SECRET_OF, json={"secret": NEW}, headers=OPERATOR)
    assert await _hook(http, SECRET) == 200


async def test_a_replica_that_kept_the_old_secret_looks_again_before_it_refuses(
    http: httpx.AsyncClient, edge: Edge, monkeypatch: pytest.MonkeyPatch
) -> None:
    assert await _hook(http, SECRET) == 200  # this process keeps the source in memory now
    monkeypatch.setattr("services.signup.adapters.sources._FRESH_FOR", 0.0)
    other = PostgresSources(
        lambda: edge.pool, edge.work, first_epoch(VAULT_KEY), edge.clock.now, kept=timedelta(seconds=60)
    )
    until = edge.clock.now() + timedelta(hours=1)
    assert await other.rotate("greenhouse", "denver", NEW, previous_until=until, by="ops")
    assert await _hook(http, NEW) == 200


async def test_the_list_shows_each_source_and_no_secret(http: httpx.AsyncClient) -> None:
    await http.put(SECRET_OF, json={"secret": NEW, "overlap_hours": 1}, headers=OPERATOR)
    answer = await http.get("/v1/sources", headers=OPERATOR)
    (item,) = answer.json()["items"]
    assert (item["source"], item["url"], item["vendor"]) == ("denver", f"https://signup.example{HOOK}", "acme")
    assert item["previous_until"] > item["added_at"]
    assert SECRET not in answer.text
    assert NEW not in answer.text


async def test_where_the_secret_does_not_open_the_ats_is_asked_to_come_again_and_the_operator_sets_another(
    http: httpx.AsyncClient, edge: Edge
) -> None:
    await edge.pool.execute("UPDATE sources SET sealed_secret = ''")
    raw = payload()
    for _ in range(2):
        answer = await http.post(HOOK, content=raw, headers=signed(raw, secret=""))
        assert (answer.status_code, answer.json()["type"].rpartition(":")[2]) == (503, "source-shut"), (
            "an empty secret signs nothing"
        )
    (item,) = (await http.get("/v1/sources", headers=OPERATOR)).json()["items"]
    assert item["is_shut"]
    assert (await http.put(SECRET_OF, json={"secret": NEW}, headers=OPERATOR)).status_code == 204
    assert [await _hook(http, secret) for secret in (NEW, SECRET)] == [200, 401]


async def test_a_deleted_source_is_gone_and_a_missing_one_is_a_404(http: httpx.AsyncClient) -> None:
    one = "/v1/sources/greenhouse/denver"
    assert (await http.delete(one, headers=OPERATOR)).status_code == 204
    assert (await http.delete(one, headers=OPERATOR)).status_code == 404
    assert (await http.put(SECRET_OF, json={"secret": NEW}, headers=OPERATOR)).status_code == 404
    assert await _hook(http, SECRET) == 404


async def test_an_employer_without_a_vendor_posts_from_its_own_system(http: httpx.AsyncClient, edge: Edge) -> None:
    edge.tenant("emp_own", "employer")
    body = {**SOURCE, "source": "own", "employer": "emp_own", "vendor": None}
    answer = await http.post("/v1/sources", json=body, headers=OPERATOR)
    assert (answer.status_code, answer.json()["vendor"]) == (201, "emp_own")
    raw = payload()
    assert (await http.post("/v1/hooks/greenhouse/own", content=raw, headers=signed(raw))).status_code == 200
    assert [event["vendor"] for event in await edge.outbox()] == ["emp_own"]
    edge.tenant("emp_own", "employer", vendor="bright", version=2)
    assert (await http.post("/v1/hooks/greenhouse/own", content=raw, headers=signed(raw))).status_code == 410


@pytest.mark.parametrize("who", ["acme", "emp_one"])
@pytest.mark.parametrize(
    ("method", "path", "body"),
    [
        ("GET", "/v1/sources", None),
        ("PUT", SECRET_OF, {"secret": NEW}),
        ("DELETE", "/v1/sources/greenhouse/denver", None),
    ],
)
async def test_only_an_operator_keeps_sources(
    http: httpx.AsyncClient, who: str, method: str, path: str, body: dict[str, Any] | None
) -> None:
    content = None if body is None else json.dumps(body)
    headers = {"Authorization": f"Bearer {KEYS[who]}", "Content-Type": "application/json"}
    assert (await http.request(method, path, content=content, headers=headers)).status_code == 403
