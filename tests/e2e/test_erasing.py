"""A person erases themself on the whole stack: every service sweeps, the certificate holds, and nothing reaches them any more."""

from functools import partial
from typing import Any

import pytest

from deploy.local.secrets import VERIFY_KEYS
from deploy.local.secrets import read as read_secrets
from services.signup.adapters.erasures import SERVICES
from services.signup.decisions.certificates import KIND
from shared.security import encoding
from shared.security.documents import DocumentReader
from tests.e2e.scene import Newcomer, Scene
from tests.e2e.test_leaving import KEEP_THE_ID, tables_with, until_dead
from tests.waiting import until

KEEPS_100_DAYS = {("signup", table) for table in ("erasure_requests", "certificates", "erasure_sweeps")}
"""What became of the erasure."""


def token_of(link: str) -> str:
    return link.rpartition("/confirm/")[2]


async def erase(scene: Scene, person: Newcomer) -> dict[str, Any]:
    answer = await scene.client.http.post(
        f"{scene.dev.services.signup}/v1/me/erase",
        json={"confirm": "erase"},
        headers={"Authorization": f"Bearer {token_of(await scene.link(person))}"},
    )
    assert answer.status_code == 202, answer.text
    found: dict[str, Any] = answer.json()
    return found


async def certificate(scene: Scene, address: str, *outstanding: str) -> dict[str, Any] | None:
    """The certificate, once just these services owe their word."""
    found: dict[str, Any] = (await scene.client.http.get(address, headers={"Accept": "application/json"})).json()
    return found if found["outstanding"] == list(outstanding) else None


async def test_whoever_erases_themself_is_swept_everywhere_and_nothing_reaches_them_any_more(scene: Scene) -> None:
    person, http = await scene.join(), scene.client.http
    _, first = await scene.write_to(person)
    await scene.until_state(first, "delivered")
    employer, held = await scene.write_to(person)
    await scene.until_state(held, "delayed")
    id_, link = await scene.candidate(person), await scene.link(person)
    before = len(await scene.mails_to(person))

    done = await erase(scene, person)
    said = await until(partial(certificate, scene, done["certificate"]), what="every service has confirmed")
    assert {store["service"] for store in said["stores"]} == {"signup", *SERVICES}
    keys = dict(pair.split("=") for pair in read_secrets(scene.stack.home).keys[VERIFY_KEYS].split(","))
    signed = DocumentReader([encoding.decode(keys["signup"])]).read(KIND, said["signed"])
    assert signed is not None and signed["complete_at"] == said["complete_at"]
    assert id_ not in str(said) and person.mail not in str(said)

    await scene.until_state(held, "cancelled")
    assert (await scene.receipt(held, employer.key))["state"] == "waiting", (
        "its sender is told at its tick, like any other"
    )
    await until(lambda: not scene.pools_of(id_), what="the person is in no pool any more")
    await until_dead(http, link)
    for path in ("profile", "erase"):
        assert (await http.get(f"{scene.dev.services.signup}/{path}/{token_of(link)}")).status_code == 410
    assert (await erase(scene, person))["erased_at"] == done["erased_at"], "asked again it is the same erasure"

    may = {*KEEP_THE_ID, *KEEPS_100_DAYS, ("outreach_gateway", "outreach")}

    async def stands_where_it_may() -> bool:
        return await tables_with(scene, id_) <= may

    await until(stands_where_it_may, what="the id stands where it is declared, and nowhere else")
    assert len(await scene.mails_to(person)) == before
    assert await scene.mails_with(held, person) == []


@pytest.mark.slow
async def test_while_a_service_is_down_it_is_named_as_outstanding_and_finishes_when_it_is_back(scene: Scene) -> None:
    person = await scene.join()
    await scene.until_confirmed(person)
    id_ = await scene.candidate(person)
    with scene.stack.held_down("pool_matching"):
        address = (await erase(scene, person))["certificate"]
        owing = partial(certificate, scene, address, "pool_matching")
        assert (await until(owing, what="all others have confirmed"))["signed"] is None
        listed = await scene.client.http.get(
            f"{scene.dev.services.signup}/v1/erasures",
            headers={"Authorization": f"Bearer {scene.dev.operator.key}"},
        )
        assert [one["service"] for one in listed.json()["items"] if one["candidate"] == id_] == ["pool_matching"]
    assert (await until(partial(certificate, scene, address), what="the service has confirmed"))["signed"]
