"""What is in hand at a time, by tenant: addresses are cheap, keys are not."""

import asyncio
from dataclasses import replace

import pytest
from starlette.types import Message, Receive, Scope, Send

from shared.web import gates
from shared.web.budgets import Budgets
from shared.web.http_limits import HttpLimits
from shared.web.problems import Problem
from tests.waiting import until


def asked_from(address: str) -> Scope:
    return {"type": "http", "path": "/v1/pools", "method": "GET", "headers": [], "client": (address, 1)}


async def nothing_more() -> Message:
    return {"type": "http.request"}


async def test_one_tenant_does_not_get_all_places_from_however_many_addresses() -> None:
    let_go, in_hand = asyncio.Event(), 0

    async def held(scope: Scope, receive: Receive, send: Send) -> None:
        nonlocal in_hand
        gates.note_tenant(scope, scope["tenant"])
        gates.note_tenant(scope, scope["tenant"])  # the gate and the dependency both say it; it is one request
        in_hand += 1
        await let_go.wait()

    async def drop(_: Message) -> None: ...

    budgets = Budgets(held, limits=replace(HttpLimits(), origin_requests=2))

    def ask(tenant: str, address: str) -> asyncio.Task[None]:
        return asyncio.ensure_future(budgets({**asked_from(address), "tenant": tenant}, nothing_more, drop))

    asked = [ask("emp_a", f"192.0.2.{number}") for number in range(2)]
    await until(lambda: in_hand == 2, what="the tenant has its share")
    with pytest.raises(Problem) as refused:
        await ask("emp_a", "192.0.2.3")
    assert refused.value.status == 429
    assert "with your keys" in (refused.value.detail or "")
    asked.append(ask("emp_b", "192.0.2.3"))
    await until(lambda: in_hand == 3, what="another tenant has its own")
    let_go.set()
    await asyncio.gather(*asked)
    await ask("emp_a", "192.0.2.3")


async def test_bodies_on_their_way_refuse_nobody_a_page() -> None:
    arrives, answered = asyncio.Event(), []

    async def page(scope: Scope, receive: Receive, send: Send) -> None:
        await receive()
        answered.append(scope["client"][0])

    async def slow() -> Message:
        await arrives.wait()
        return {"type": "http.request"}

    statuses: list[int] = []

    async def note(message: Message) -> None:
        statuses.append(message.get("status", 0))

    budgets = Budgets(page, limits=replace(HttpLimits(), page_requests=2, origin_requests=2))

    def ask(address: str, receive: Receive) -> asyncio.Task[None]:
        return asyncio.ensure_future(budgets({**asked_from(address), "path": "/join"}, receive, note))

    trickling = [ask(f"192.0.2.{number // 2}", slow) for number in range(6)]
    await ask("198.51.100.1", nothing_more)
    assert answered == ["198.51.100.1"]
    await ask("192.0.2.1", nothing_more)
    assert statuses[0] == 429, "its address has its share"
    arrives.set()
    await asyncio.gather(*trickling)
    assert len(answered) == 7
