"""`fairpool secrets next` says what to set at each step, and `status` when an old key may go."""

import json
from pathlib import Path

import httpx
import pytest
from fastapi import FastAPI
from typer.testing import CliRunner

from deploy import rotations
from deploy.commands.secrets import app
from deploy.local.errors import StackError
from deploy.local.secrets import fresh_keys
from services.signup.vault.addresses import derived_pepper
from shared.contracts.operator import TenantChangedV1
from shared.security import encoding
from shared.security.links import public_half
from shared.security.tenant_keys import hash_key, new_key
from shared.web import problems
from shared.web.secrets import Standing, router
from shared.web.tenants import Tenants

KEYS = fresh_keys()


@pytest.mark.parametrize("name", sorted(set(rotations.LISTS) - {rotations.INDEX, rotations.SIGNING}))
def test_everybody_reads_the_new_one_before_it_makes_anything(name: str) -> None:
    given = KEYS | {rotations.PEPPER: encoding.encode(bytes(32))}
    both, turned, alone = [variables[name].split(",") for _, variables in rotations.steps(name, given)]
    assert both == [given[name], alone[0]] and turned == both[::-1] and len(alone) == 1
    assert len(encoding.decode(alone[0])) == rotations.LISTS[name].length


def test_of_several_keys_nobody_can_tell_which_pepper_was_in_use() -> None:
    with pytest.raises(StackError, match="found several"):
        rotations.pepper({rotations.INDEX: f"{KEYS[rotations.INDEX]},{KEYS[rotations.INDEX]}"})


def test_before_another_key_of_the_index_the_pepper_is_pinned_to_what_it_was() -> None:
    first, *rest = rotations.steps(rotations.INDEX, KEYS)
    kept = encoding.decode(first[1][rotations.PEPPER])
    assert kept == derived_pepper(encoding.decode(KEYS[rotations.INDEX]))
    assert len(rest) == 3
    assert len(rotations.steps(rotations.INDEX, {**KEYS, **first[1]})) == 3, "once it is set it stays"


def test_links_are_checked_with_both_before_the_new_key_signs() -> None:
    both, signs, alone = [variables for _, variables in rotations.steps(rotations.SIGNING, KEYS)]
    new = encoding.encode(public_half(encoding.decode(signs[rotations.SIGNING])))
    assert both == {rotations.VERIFY: f"{KEYS[rotations.VERIFY]},{new}"}
    assert alone == {rotations.VERIFY: new}


@pytest.mark.parametrize("name", ["FAIRPOOL_TICK_KEY", "FAIRPOOL_NONE"])
def test_what_is_no_list_is_refused_with_those_that_are(name: str) -> None:
    with pytest.raises(StackError, match="FAIRPOOL_BLIND_INDEX_KEY"):
        rotations.steps(name, KEYS)


def test_the_secrets_in_force_are_those_of_the_file(tmp_path: Path) -> None:
    file = tmp_path / ".env"
    file.write_text("".join(f"{name}={value}\n" for name, value in KEYS.items()))
    said = CliRunner().invoke(app, ["next", "FAIRPOOL_MEMBER_REF_KEY", "--file", str(file)])
    assert said.exit_code == 0, said.output
    assert f"FAIRPOOL_MEMBER_REF_KEY={KEYS['FAIRPOOL_MEMBER_REF_KEY']}," in said.stdout
    printed = CliRunner().invoke(app, ["pepper", "--file", str(file)])
    assert printed.stdout == f"{rotations.PEPPER}={rotations.pepper(KEYS)}\n"


async def test_operators_alone_see_how_many_rows_are_under_which_key() -> None:
    tenants, keys = Tenants(), {name: new_key(name) for name in ("ops", "acme")}
    for name, kind in (("ops", "operator"), ("acme", "vendor")):
        hashes = (hash_key(keys[name]),)
        tenants.apply(
            TenantChangedV1.model_validate(
                {"tenant": name, "version": 1, "kind": kind, "name": name, "key_hashes": hashes}
            )
        )

    async def standings() -> list[Standing]:
        return [Standing("FAIRPOOL_BLIND_INDEX_KEY", b"\x01" * 8, {b"": 2, b"\x02" * 8: 3})]

    service = FastAPI()
    service.include_router(router(tenants, standings))
    problems.install(service)
    async with httpx.AsyncClient(transport=httpx.ASGITransport(service), base_url="http://t") as http:
        answers = [
            await http.get("/v1/secrets", headers={"Authorization": f"Bearer {keys[name]}"}) for name in ("ops", "acme")
        ]
    assert [answer.status_code for answer in answers] == [200, 403]
    assert answers[0].json()["items"] == [
        {
            "setting": "FAIRPOOL_BLIND_INDEX_KEY",
            "first": "01" * 8,
            "others": [{"key": None, "rows": 2}, {"key": "02" * 8, "rows": 3}],
        }
    ], json.dumps(answers[0].json())
