"""A person reads which employer could read what of them, and why."""

from typing import Any

from deploy.local.secrets import read as read_secrets
from deploy.local.secrets import signing_key_of
from shared.security import encoding
from shared.security.sessions import SessionSigner
from tests.e2e.scene import Newcomer, Scene
from tests.waiting import until


async def told(scene: Scene, candidate: str) -> dict[str, Any]:
    keys = read_secrets(scene.stack.home).keys
    seed, subject = (encoding.decode(keys[name]) for name in (signing_key_of("signup"), "FAIRPOOL_LINK_SUBJECT_KEY"))
    session = SessionSigner(seed, subject).start(candidate, at=scene.now, said_by=None)
    answer = await scene.client.http.get(
        f"{scene.dev.services.consent}/v1/me/told", headers={"Authorization": f"Bearer {session.token}"}
    )
    assert answer.status_code == 200, answer.text
    found: dict[str, Any] = answer.json()
    return found


async def test_whoever_is_listed_reads_by_whom_with_what_and_why(scene: Scene) -> None:
    employer = await scene.new_employer()
    people: list[Newcomer] = [*await scene.company()]
    await scene.list_of(employer, people)
    candidate = await scene.candidate(people[0])

    async def theirs() -> dict[str, Any] | None:
        items = (await told(scene, candidate))["items"]
        return next((item for item in items if item["employer"]["id"] == employer.id), None)

    item = await until(theirs, what="the person reads that the employer could read of them")
    assert item["until"] is None and item["fields"] == ["skills"] and item["way"] == "list"
    (skills,) = item["looks_for"]
    assert all(skill in skills for skill in people[0].skills)
    pools = (await told(scene, candidate))["pools"]
    assert [one["fields"] for one in pools if one["employer"]["id"] == employer.id] == [["skills"]]
