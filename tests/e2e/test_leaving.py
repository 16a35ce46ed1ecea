"""A yes is heard or its link is dead; what overtakes its creation counts; one mailbox is one person."""

import secrets

import httpx
import pytest

from tests.e2e.scene import ALL_ON, Newcomer, Scene
from tests.waiting import until

_CLAIMS = "SELECT vendor FROM claims WHERE candidate::text = $1"


def candidate(person: Newcomer, **changes: object) -> dict[str, object]:
    return {
        "id": int.from_bytes(person.record.encode()[-6:]),
        "first_name": person.given_name,
        "last_name": person.family_name,
        "title": "Registered nurse",
        "email_addresses": [{"value": person.mail, "type": "personal"}],
        "addresses": [],
        "tags": list(person.skills),
        **changes,
    }


KEEP_THE_ID = {
    ("signup", "erased"): "so that nothing brings the person back; told on the topic `erasures`",
    (
        "consent",
        "consents",
    ): "an empty, closed row: the links in old emails stay dead, and no consent can be given by one",
    ("outreach_gateway", "erased"): "so that no late record of another topic makes a row again",
    ("pool_matching", "persons"): "an empty row that no later version replaces, for the same reason",
    ("signup", "courier_mails"): "what was emailed, without words or an address, until it can't come back (110 days)",
}
"""The only tables in which the id of an erased person may stand, and why."""


async def tables_with(scene: Scene, id_: str) -> set[tuple[str, str]]:
    """Every table of every service that holds the id, in whichever column, as text or as bytes."""
    found = set()
    for database in ("signup", "consent", "pool_matching", "outreach_gateway"):
        tables = await scene.rows(database, "SELECT tablename FROM pg_tables WHERE schemaname = 'public'")
        assert tables, database
        for (table,) in tables:
            query = f'SELECT 1 FROM "{table}" AS held WHERE held::text ~ $1 LIMIT 1'
            if await scene.rows(database, query, f"{id_}|{id_.encode().hex()}"):
                found.add((database, table))
    return found


async def hook(scene: Scene, action: str, payload: dict[str, object]) -> None:
    answer = await scene.client.post_webhook(
        scene.dev.sources[0], {"action": action, "payload": payload}, event_id=secrets.token_hex(8)
    )
    assert answer.status_code == 200, answer.text


async def created(scene: Scene, person: Newcomer, **changes: object) -> None:
    await hook(
        scene, "new_candidate_application", {"application": {"id": 1, "candidate": candidate(person, **changes)}}
    )


async def deleted(scene: Scene, person: Newcomer) -> None:
    await hook(scene, "delete_candidate", {"person": {"id": candidate(person)["id"], "deleted_application_ids": []}})


async def until_dead(http: httpx.AsyncClient, link: str) -> None:
    async def is_dead() -> bool:
        return (await http.get(link)).status_code == 410

    await until(is_dead, what="the link is dead")


async def test_whoever_was_deleted_before_the_answer_has_a_dead_link_and_can_join_again(scene: Scene) -> None:
    person, http = scene.invent(), scene.client.http
    await created(scene, person)
    link, id_ = await scene.link(person), await scene.candidate(person)
    assert ("signup", "identities") in await tables_with(scene, id_)
    await deleted(scene, person)
    await until_dead(http, link)
    answer = await http.post(link, json={**ALL_ON, "time_zone": "America/Denver"})
    assert answer.status_code == 410
    assert "/join" in answer.json()["detail"]
    assert "receipt" not in answer.json()
    page = await http.get(link, headers={"Accept": "text/html"})
    assert page.status_code == 410
    assert "/join" in page.text

    async def is_erased() -> bool:
        return not await scene.rows("signup", "SELECT 1 FROM candidates WHERE candidate::text = $1", id_)

    await until(is_erased, what="the stub is erased")
    assert await scene.rows("signup", "SELECT 1 FROM erased WHERE candidate::text = $1", id_)

    async def is_nowhere_else() -> bool:
        return await tables_with(scene, id_) == set(KEEP_THE_ID)

    await until(is_nowhere_else, what="the id stands where it is declared, and nowhere else")
    again = {"name": person.given_name, "mail": person.mail, "work": "Registered nurse", "state": "CO"}
    assert (await http.post(f"{scene.dev.services.signup}/join", json=again)).status_code == 202

    async def second_mail() -> bool:
        return len(await scene.mails_to(person)) == 2

    await until(second_mail, what="a second link is mailed")
    new = await scene.link_in((await scene.mails_to(person))[-1])
    assert new != link
    assert (await http.get(new)).status_code == 200
    assert (await http.get(link)).status_code == 410


async def test_whoever_answered_before_the_deletion_is_kept_and_matched(scene: Scene) -> None:
    person = scene.invent()
    await created(scene, person)
    id_ = await scene.candidate(person)
    await scene.answer(person, ALL_ON)
    await deleted(scene, person)

    async def is_unclaimed() -> bool:
        return not await scene.rows("signup", _CLAIMS, id_)

    await until(is_unclaimed, what="the vendor's claim is gone")
    await scene.pool_of(await scene.new_employer(), person)
    assert (await scene.client.http.get(await scene.link(person))).status_code == 200


@pytest.mark.parametrize("overtakes", [True, False])
async def test_a_change_counts_whether_or_not_it_overtakes_its_creation(scene: Scene, overtakes: bool) -> None:
    person = scene.invent()
    change = candidate(person, addresses=[{"value": "Boise, ID 83702", "type": "home"}])
    if not overtakes:
        await created(scene, person, title=None)
        await scene.link(person)
    await hook(scene, "update_candidate", {"candidate": change})
    if overtakes:
        await created(scene, person, title=None)
    await scene.link(person)
    id_ = await scene.candidate(person)

    async def is_told() -> bool:
        told = await scene.rows(
            "signup", "SELECT 1 FROM proposals WHERE candidate::text = $1 AND profile->>'state' = 'ID'", id_
        )
        return bool(told)

    await until(is_told, what="the change is proposed")
    await scene.answer(person, ALL_ON)
    employer = await scene.new_employer()
    pool = await scene.pool(employer, states=["ID"], skills_all=list(person.skills))
    await until(lambda: scene.fitting(pool), what="the person is in the pool of Idaho")


async def test_one_mailbox_under_several_spellings_is_one_person(scene: Scene) -> None:
    person = scene.invent()
    local, _, domain = person.mail.partition("@")
    await scene.report(person)
    await scene.link(person)
    for tag in range(4):
        event = scene.event(person, vendor=1)
        event["data"] |= {"record": f"{person.record}-{tag}", "person": {"emails": [f"{local.upper()}+{tag}@{domain}"]}}
        await scene.client.post_events(scene.dev.vendors[1].key, [event])
    id_ = await scene.candidate(person)

    async def all_claim() -> bool:
        return len(await scene.rows("signup", _CLAIMS, id_)) == 5

    await until(all_claim, what="five records claim one person")
    assert len(await scene.mails_to(person)) == 1
    await scene.answer(person, ALL_ON)
    await scene.until_confirmed(person)
    await scene.client.http.post(f"{scene.dev.services.signup}/sign-in", json={"mail": f"{local}+new@{domain}"})

    async def is_mailed() -> bool:
        return len(await scene.mails_to(person)) == 2

    await until(is_mailed, what="the link goes to the address that was confirmed")
