"""Health, docs and metrics of each service as an operator uses them."""

import asyncio
import contextlib
import re

import httpx
import psutil
import pytest

from deploy.local.secrets import read as read_secrets
from tests.e2e.scene import Scene
from tests.waiting import until

SERVICES = ("signup", "consent", "pool_matching", "outreach_gateway")


def url_of(scene: Scene, service: str) -> str:
    """A service's base URL."""
    port = scene.stack.ports.named()[service]
    return f"http://127.0.0.1:{port}"


@pytest.mark.parametrize("service", [*SERVICES, "courier"])
async def test_each_process_is_live_and_ready(scene: Scene, service: str) -> None:
    for route in ("/health/live", "/health/ready"):
        await scene.client.ask("GET", url_of(scene, service) + route)


@pytest.mark.parametrize("service", [*SERVICES, "courier"])
async def test_head_is_get_without_the_body_on_every_route_and_each_answer_has_a_name(
    scene: Scene, service: str
) -> None:
    """On a real server: there a length that does not fit the body would break the connection."""
    http, base = scene.client.http, url_of(scene, service)
    paths = (await http.get(f"{base}/openapi.json")).json()["paths"]
    mine = {name: "abc" for path in paths for name in re.findall(r"{(\w+)}", path)}
    routes = [path.format(**mine) for path, item in paths.items() if "get" in item] + ["/docs", "/static/fairpool.css"]
    assert len(routes) >= 5
    for path in routes:
        got, headed = await http.get(base + path), await http.head(base + path)
        assert (headed.status_code, headed.content) == (got.status_code, b""), path
        assert headed.headers["content-type"] == got.headers["content-type"], path
        assert got.headers["x-request-id"] != headed.headers["x-request-id"]


async def test_head_begins_no_stream(scene: Scene) -> None:
    headers = {"Authorization": f"Bearer {scene.dev.employers[0].key}", "Accept": "text/event-stream"}
    answer = await scene.client.http.head(f"{scene.dev.services.pool_matching}/v1/updates", headers=headers)
    assert (answer.status_code, answer.content) == (200, b"")
    assert answer.headers["content-type"].startswith("text/event-stream")


async def test_no_process_shows_a_secret_in_its_arguments(scene: Scene) -> None:
    """Everybody on the machine may read them."""
    kept = read_secrets(scene.stack.home)
    secrets = {kept.postgres_password, *kept.keys.values(), *kept.role_passwords.values(), *kept.tenant_keys.values()}
    parts = [part.process.pid for part in scene.stack.parts() if part.process is not None]
    processes = [one for pid in parts for one in (psutil.Process(pid), *psutil.Process(pid).children(recursive=True))]
    assert len(processes) >= len(SERVICES)
    shown = []
    for process in processes:
        with contextlib.suppress(psutil.NoSuchProcess):  # PostgreSQL's workers come and go
            shown += [process.name() for argument in process.cmdline() if any(secret in argument for secret in secrets)]
    assert shown == []


@pytest.mark.parametrize("service", SERVICES)
async def test_docs_and_asyncapi_answer_and_name_no_other_host(scene: Scene, service: str) -> None:
    for route in ("/docs", "/asyncapi"):
        page = (await scene.client.ask("GET", url_of(scene, service) + route)).text
        assert "://cdn." not in page
        assert "unpkg.com" not in page


@pytest.mark.parametrize("service", [*SERVICES, "courier"])
async def test_metrics_carry_no_ids(scene: Scene, service: str) -> None:
    person = await scene.join()
    candidate = await scene.candidate(person)
    text = (await scene.client.ask("GET", url_of(scene, service) + "/metrics")).text
    assert "# TYPE" in text
    assert candidate not in text
    assert not any(employer.id in text for employer in scene.dev.employers)


async def test_ready_says_what_is_held_while_redis_may_forget_slots_and_goes_on_answering(scene: Scene) -> None:
    """Evicting keys would exceed caps in silence: `maxmemory-policy` must be `noeviction`."""
    from redis.asyncio import Redis

    redis = Redis.from_url(scene.dev.redis)
    url = url_of(scene, "outreach_gateway") + "/health/ready"

    async def is_held() -> bool:
        answer = await scene.client.http.get(url)
        return answer.status_code == 200 and "held: Redis may forget slots" in answer.text

    async def is_well() -> bool:
        answer = await scene.client.http.get(url)
        return answer.status_code == 200 and "held" not in answer.text

    try:
        await redis.config_set("maxmemory-policy", "allkeys-lru")
        await until(is_held, what="what is held while keys may be evicted")
        await redis.config_set("maxmemory-policy", "noeviction")
        await until(is_well, what="nothing is held")
    finally:
        await redis.config_set("maxmemory-policy", "noeviction")
        await redis.aclose()


async def test_routes_of_later_issues_are_absent(scene: Scene) -> None:
    services = scene.dev.services
    absent = (
        f"{services.consent}/v1/ledger/checkpoint",
        f"{services.pool_matching}/v1/webhooks",
        f"{services.outreach_gateway}/transparency",
    )
    answers = await asyncio.gather(*(scene.client.http.get(url) for url in absent))
    assert [answer.status_code for answer in answers] == [httpx.codes.NOT_FOUND] * len(absent)
