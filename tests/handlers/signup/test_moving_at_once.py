"""Several ask to move one seat at once, by HTTP: acts wait for each other, and one move is done."""

import asyncio
from collections import Counter
from datetime import timedelta
from typing import Any

import httpx

from services.signup.api import tenants as api
from services.signup.decisions.tenants import Refused
from services.signup.ports.tenants import DecideTenant
from shared.contracts.operator import TenantChangedV1, TenantKind
from shared.security.tenant_keys import hash_key, new_key
from shared.web.app import create_app
from shared.web.tenants import Tenants
from tests.fakes.clock import FixedClock

KEY = new_key("ops")
VENDORS = ("acme-ats", "bright-crm", "lumen-ats")


class Book:
    """`ports.TenantBook`: one act at a time, and none before so many have been asked for."""

    def __init__(self, tenants: Tenants, together: int) -> None:
        self.tenants = tenants
        self.together = asyncio.Barrier(together)
        self.one = asyncio.Lock()

    async def act(self, decide: DecideTenant) -> TenantChangedV1 | Refused:
        await self.together.wait()
        async with self.one:
            outcome = decide(dict(self.tenants.records()))
            if not isinstance(outcome, Refused):
                self.tenants.apply(outcome)
            return outcome


def tenant(id: str, kind: TenantKind, vendor: str | None = None, *hashes: str) -> TenantChangedV1:
    return TenantChangedV1(tenant=id, version=1, kind=kind, name=id, vendor=vendor, key_hashes=hashes)


async def test_of_moves_that_are_asked_for_at_once_one_is_done_and_the_others_say_where_the_seat_is() -> None:
    known = Tenants()
    for one in (
        tenant("ops", "operator", None, hash_key(KEY)),
        tenant("emp_one", "employer", VENDORS[0]),
        *(tenant(vendor, "vendor") for vendor in VENDORS),
    ):
        known.apply(one)

    async def ready() -> dict[str, Any]:
        return {}

    clock = FixedClock()
    app = create_app("signup", "signup", ready=ready)
    app.include_router(api.router(Book(known, 4), known, clock))
    async with httpx.AsyncClient(transport=httpx.ASGITransport(app), base_url="http://signup.test") as http:

        async def move(to: str, **more: str | None) -> httpx.Response:
            body = {"vendor": to, "reason": "contract 12", **more}
            return await http.post("/v1/tenants/emp_one/move", json=body, headers={"Authorization": f"Bearer {KEY}"})

        answers = await asyncio.gather(*(move(vendor) for vendor in (*VENDORS[1:], *VENDORS[1:])))
        assert Counter(answer.status_code for answer in answers) == {200: 1, 422: 3}
        done = next(answer.json() for answer in answers if answer.status_code == 200)
        assert (known.records()["emp_one"].vendor, known.records()["emp_one"].key_hashes) == (
            done["vendor"],
            (hash_key(done["key"]),),
        )
        for answer in answers:
            if answer.status_code == 422:
                [error] = answer.json()["errors"]
                assert "moved in the same moment, by ops" in error["detail"] and done["vendor"] in error["detail"]
        clock.advance(timedelta(seconds=5))
        app_alone = create_app("signup", "signup", ready=ready)
        app_alone.include_router(api.router(Book(known, 1), known, clock))
    async with httpx.AsyncClient(transport=httpx.ASGITransport(app_alone), base_url="http://signup.test") as http:
        assert (await move(VENDORS[0])).status_code == 200, "whoever sees where it is moves it on"
        stale = await move(VENDORS[2], only_from=VENDORS[1])
        [error] = stale.json()["errors"]
        assert (stale.status_code, error["pointer"]) == (422, "#/only_from")
        assert f"is with {VENDORS[0]}, not with {VENDORS[1]}" in error["detail"]
        assert (await move(VENDORS[2], only_from=VENDORS[0])).status_code == 200
