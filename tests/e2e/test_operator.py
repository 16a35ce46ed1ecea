"""What an operator does to tenants, sources and for a complaint: by command and by route, heard by every service."""

import asyncio
import json
from functools import partial
from typing import Any

import httpx
import pytest
from typer.testing import CliRunner, Result

from deploy.cli import app
from tests.conftest import unique
from tests.e2e.scene import ALL_ON, Scene
from tests.waiting import until


async def _run(scene: Scene, *arguments: str) -> Result:
    home = ["--home", str(scene.stack.home.root)]
    return await asyncio.to_thread(CliRunner().invoke, app, [*arguments, *home])


async def _did(scene: Scene, *arguments: str) -> str:
    done = await _run(scene, *arguments)
    assert done.exit_code == 0, done.output
    return done.stdout.strip()


async def _answers(scene: Scene, key: str, status: int) -> bool:
    """Whether every service answers this employer so."""
    services = scene.dev.services
    urls = (f"{services.pool_matching}/v1/pools", f"{services.outreach_gateway}/v1/outreach")
    headers = {"Authorization": f"Bearer {key}"}
    return all([(await scene.client.http.get(url, headers=headers)).status_code == status for url in urls])


def _name() -> str:
    return f"Works {unique('of')}"


@pytest.mark.parametrize("way", ["command", "route"])
async def test_a_tenant_is_added_suspended_reinstated_and_removed(scene: Scene, way: str) -> None:
    who = _Commands(scene) if way == "command" else _Routes(scene)
    tenant = unique("emp")
    key = await who.add(tenant)
    await until(partial(_answers, scene, key, 200), what="the new key works everywhere")
    await who.suspend(tenant)
    await until(partial(_answers, scene, key, 403), what="a suspended tenant is refused everywhere")
    await who.reinstate(tenant)
    await until(partial(_answers, scene, key, 200), what="it is in good standing again")
    await who.remove(tenant)
    await until(partial(_answers, scene, key, 401), what="no key of it works")

    async def written() -> list[str]:
        log = json.loads(await _did(scene, "operator-log", "--tenant", tenant, "--json"))
        return [act["act"] for act in log] if len(log) == 4 else []

    assert await until(written, what="all four are written down") == ["added", "suspended", "reinstated", "removed"]


@pytest.mark.parametrize("way", ["command", "route"])
async def test_a_key_is_exchanged_without_a_pause(scene: Scene, way: str) -> None:
    who = _Commands(scene) if way == "command" else _Routes(scene)
    tenant = unique("emp")
    old = await who.add(tenant)
    new = await who.add_key(tenant)
    await until(partial(_answers, scene, new, 200), what="the second key works")
    assert await _answers(scene, old, 200)
    await who.revoke(tenant, old)
    await until(partial(_answers, scene, old, 401), what="the first has ended")
    assert await _answers(scene, new, 200)


async def test_a_name_that_deceives_is_refused_by_command_and_by_route(scene: Scene) -> None:
    for name in ("Denver Health", "Denver He\u0430lth", "Fairpool", "Acme \u202eknaB"):
        done = await _run(scene, "tenants", "add", unique("emp"), "--kind", "employer", "--name", name)
        assert (done.exit_code, "name" in done.stderr) == (1, True)
        with pytest.raises(AssertionError, match="422"):
            await _Routes(scene).add(unique("emp"), name=name)


async def test_only_an_operator_may_act(scene: Scene) -> None:
    url = f"{scene.dev.services.signup}/v1/tenants"
    for key in (scene.dev.vendors[0].key, scene.dev.employers[0].key):
        answer = await scene.client.http.get(url, headers={"Authorization": f"Bearer {key}"})
        assert answer.status_code == 403


async def test_sources_are_kept_by_command(scene: Scene) -> None:
    name, employer = unique("source").replace("_", "-"), scene.dev.employers[0]
    url, secret = (
        await _did(scene, "sources", "add", "greenhouse", name, "--employer", employer.id, "--vendor", employer.vendor)
    ).splitlines()
    assert url.endswith(f"/v1/hooks/greenhouse/{name}")
    assert len(secret) > 20
    assert await _did(scene, "sources", "rotate", "greenhouse", name) != secret
    listed = {one["source"]: one for one in json.loads(await _did(scene, "sources", "list", "--json"))}
    assert listed[name]["previous_until"] is not None
    await _did(scene, "sources", "delete", "greenhouse", name)
    assert name not in await _did(scene, "sources", "list")


async def test_a_person_is_looked_up_with_a_reason_that_is_written_down(scene: Scene) -> None:
    person = await scene.join(choices=ALL_ON)
    await scene.until_confirmed(person)
    _, outreach = await scene.write_to(person)
    assert (await _run(scene, "person", "--email", person.mail)).exit_code == 1  # without a reason nobody is shown
    reason = f"complaint {unique('no')}"
    told = await _did(scene, "person", "--email", person.mail, "--reason", reason, "--json")
    found = json.loads(told)
    assert (found["state"], found["match_granted"]) == ("confirmed", True)
    assert [claim["record"] for claim in found["claims"]]
    assert "confirm" in {mail["purpose"] for mail in found["mails"]}
    assert [one["id"] for one in found["outreach"]] == [outreach]
    assert not [word for word in (person.given_name, person.family_name, person.mail, person.phone) if word in told]
    log = json.loads(await _did(scene, "operator-log", "--json"))
    assert [(act["act"], act["candidate"]) for act in log if act["reason"] == reason] == [
        ("looked_up", found["candidate"])
    ]


async def test_logs_show_what_the_parts_wrote(scene: Scene) -> None:
    shown = await _did(scene, "logs", "signup", "-n", "5")
    assert {line.split()[0] for line in shown.splitlines()} == {"signup"}
    assert (await _run(scene, "logs", "nobody")).exit_code == 1


class _Commands:
    """An operator in a terminal."""

    def __init__(self, scene: Scene) -> None:
        self.scene = scene

    async def add(self, tenant: str, name: str | None = None) -> str:
        return await _did(self.scene, "tenants", "add", tenant, "--kind", "employer", "--name", name or _name())

    async def suspend(self, tenant: str) -> None:
        await _did(self.scene, "tenants", "suspend", tenant, "--reason", "ticket 1")

    async def reinstate(self, tenant: str) -> None:
        await _did(self.scene, "tenants", "reinstate", tenant, "--reason", "ticket 2")

    async def remove(self, tenant: str) -> None:
        await _did(self.scene, "tenants", "remove", tenant, "--reason", "ticket 3", "--yes")

    async def add_key(self, tenant: str) -> str:
        return await _did(self.scene, "tenants", "keys", "add", tenant)

    async def revoke(self, tenant: str, key: str) -> None:
        await _did(self.scene, "tenants", "keys", "revoke", tenant, key)


class _Routes:
    """An operator's program."""

    def __init__(self, scene: Scene) -> None:
        self.scene = scene

    async def add(self, tenant: str, name: str | None = None) -> str:
        body = {"tenant": tenant, "kind": "employer", "name": name or _name()}
        return str((await self._ask("POST", "", body=body))["key"])

    async def suspend(self, tenant: str) -> None:
        assert (await self._ask("PUT", f"/{tenant}/suspension", body={"reason": "ticket 1"}))["standing"] == "suspended"

    async def reinstate(self, tenant: str) -> None:
        await self._ask("DELETE", f"/{tenant}/suspension", params={"reason": "ticket 2"})

    async def remove(self, tenant: str) -> None:
        assert (await self._ask("DELETE", f"/{tenant}", params={"reason": "ticket 3"}))["standing"] == "removed"

    async def add_key(self, tenant: str) -> str:
        return str((await self._ask("POST", f"/{tenant}/keys"))["key"])

    async def revoke(self, tenant: str, key: str) -> None:
        first = (await self._ask("GET", f"/{tenant}"))["keys"][0]
        await self._ask("DELETE", f"/{tenant}/keys/{first}")

    async def _ask(
        self, method: str, path: str, *, body: object = None, params: dict[str, str] | None = None
    ) -> dict[str, Any]:
        answer: httpx.Response = await self.scene.client.http.request(
            method,
            f"{self.scene.dev.services.signup}/v1/tenants{path}",
            headers={"Authorization": f"Bearer {self.scene.dev.operator.key}"},
            json=body,
            params=params,
        )
        assert answer.is_success, f"{answer.status_code} {answer.text}"
        return dict(answer.json()) if answer.content else {}
