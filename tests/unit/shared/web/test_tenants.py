from typing import Annotated, Any

import httpx
import pytest
from fastapi import Depends, FastAPI

from shared.contracts.operator import TenantChangedV1
from shared.facts import UNKNOWN, Known
from shared.security.tenant_keys import hash_key, new_key
from shared.web.problems import Problem
from shared.web.tenants import Tenant, Tenants
from tests.unit.shared.web.support import problem

KEY = new_key("emp_denver_health")


def changed(version: int = 1, **fields: Any) -> TenantChangedV1:
    given: dict[str, Any] = {
        "tenant": "emp_denver_health", "version": version, "kind": "employer", "name": "Denver Health",
        "key_hashes": (hash_key(KEY),), "vendor": "acme",
    }  # fmt: skip
    return TenantChangedV1(**(given | fields))


@pytest.fixture
def tenants() -> Tenants:
    known = Tenants()
    known.apply(changed())
    return known


def refusal(tenants: Tenants, header: str | None) -> dict[str, Any]:
    with pytest.raises(Problem) as caught:
        tenants.by_key(header)
    return caught.value.body() | {"headers": caught.value.headers}


def test_a_key_names_its_tenant_even_when_the_id_has_underscores(tenants: Tenants) -> None:
    found = tenants.by_key(f"Bearer {KEY}")
    assert (found.id, found.kind, found.name, found.vendor) == (
        "emp_denver_health",
        "employer",
        "Denver Health",
        "acme",
    )
    assert tenants.by_key(f"bearer  {KEY} ") == found


def test_no_answer_tells_which_tenants_there_are(tenants: Tenants) -> None:
    wrong_key = refusal(tenants, f"Bearer {new_key('emp_denver_health')}")
    assert wrong_key["status"] == 401
    assert wrong_key["headers"] == {"WWW-Authenticate": "Bearer"}
    headers = [
        None, "", "Bearer", "Bearer ", KEY, f"Basic {KEY}", f"Bearer {new_key('nobody')}", "Bearer fp_", "Bearer fp__x",
        "Bearer fp_emp_denver_health_", f"Bearer {KEY}x", f"Bearer {KEY[:-1]}", "Bearer fp_emp_denver_health_é",
        "Bearer " + "x" * 100_000, "Bearer fp_\x00_x",
    ]  # fmt: skip
    assert all(refusal(tenants, header) == wrong_key for header in headers)


def test_an_older_version_never_replaces_a_newer_one(tenants: Tenants) -> None:
    tenants.apply(changed(version=3, name="New name"))
    tenants.apply(changed(version=2, name="Old name", key_hashes=()))
    tenants.apply(changed(version=3, name="Other name"))
    assert tenants.by_key(f"Bearer {KEY}").name == "New name"


def test_while_keys_are_exchanged_both_work_and_then_only_the_new_one(tenants: Tenants) -> None:
    new = new_key("emp_denver_health")
    tenants.apply(changed(version=2, key_hashes=(hash_key(KEY), hash_key(new))))
    assert tenants.by_key(f"Bearer {KEY}") == tenants.by_key(f"Bearer {new}")
    tenants.apply(changed(version=3, key_hashes=(hash_key(new),)))
    assert refusal(tenants, f"Bearer {KEY}")["status"] == 401
    assert tenants.by_key(f"Bearer {new}").version == 3


def test_whoever_has_left_is_suspended_whatever_keys_its_record_still_has(tenants: Tenants) -> None:
    tenants.apply(changed(2, removed=True))
    found = tenants.get("emp_denver_health")
    assert isinstance(found, Known)
    assert (found.value.removed, found.value.suspended) == (True, True)
    assert tenants.of_kind("employer") == []


def test_a_tenant_is_found_by_its_id(tenants: Tenants) -> None:
    found = tenants.get("emp_denver_health")
    assert isinstance(found, Known)
    assert found.value.name == "Denver Health"
    assert tenants.get("nobody") == UNKNOWN


async def test_a_route_gets_its_caller_and_refuses_the_wrong_kind_and_the_suspended(
    app: FastAPI, client: httpx.AsyncClient, tenants: Tenants
) -> None:
    @app.get("/v1/vendors-only")
    async def vendors(caller: Annotated[Tenant, Depends(tenants.require("vendor"))]) -> str:
        return caller.id

    @app.get("/v1/mine")
    async def mine(caller: Annotated[Tenant, Depends(tenants.require("employer", "operator"))]) -> str:
        return caller.id

    headers = {"Authorization": f"Bearer {KEY}"}
    assert (await client.get("/v1/mine", headers=headers)).json() == "emp_denver_health"
    missing = await client.get("/v1/mine")
    problem(missing, 401)
    assert missing.headers["www-authenticate"] == "Bearer"
    wrong = problem(await client.get("/v1/vendors-only", headers=headers), 403)
    assert wrong["detail"] == "This needs the key of: vendor. The key sent is of: employer."
    tenants.apply(changed(version=2, standing="suspended"))
    suspended = problem(await client.get("/v1/mine", headers=headers), 403)
    assert suspended["type"] == "urn:fairpool:problem:suspended"


async def test_a_caller_without_a_key_learns_nothing_about_the_body(
    app: FastAPI, client: httpx.AsyncClient, tenants: Tenants
) -> None:
    @app.post("/v1/mine")
    async def mine(caller: Annotated[Tenant, Depends(tenants.require("employer"))], body: dict[str, int]) -> str:
        return caller.id

    problem(await client.post("/v1/mine", json={"a": "x"}), 401)
