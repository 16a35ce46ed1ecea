"""Five people whom an employer can't reach, each for another reason, on the real services: it is told the same of all of them, and
until the day is over the same of one who can be reached tomorrow."""

import asyncio
from dataclasses import replace
from datetime import UTC, date, datetime, time, timedelta
from typing import Any

import pytest

from deploy.checks.told import Answer, what_is_wrong_with
from tests.e2e.scene import ALL_ON, Employer, Newcomer, Scene
from tests.waiting import until

pytestmark = pytest.mark.slow  # six people, five employers, and days that go by: minutes
OWN = ("id", "member_ref", "submitted_at")
"""What of an answer is the employer's own request."""
NEVER = ("cancelled", "dropped")


async def test_a_block_a_pause_a_withdrawal_and_a_full_week_are_told_alike(scene: Scene) -> None:
    first = scene.invent()
    people = [first, *(replace(scene.invent(), skills=first.skills) for _ in range(5))]
    await scene.together(people)
    employer, pool, refs = await _found(scene, people)
    *outreach, goes_tomorrow = await _written_to(scene, employer, people, refs)

    assert len(await _answers(scene, employer, [*outreach, goes_tomorrow])) == 1
    scene.to_the_next_day()
    assert len(await _answers(scene, employer, outreach)) == 1
    [waiting] = await _answers(scene, employer, outreach)
    assert "'waiting'" in waiting
    known_by = date.fromisoformat((await scene.receipt(outreach[0], employer.key))["known_by"])
    scene.move_clock(datetime.combine(known_by + timedelta(days=1), time(18, 30), UTC))

    async def all_told() -> list[dict[str, Any]] | None:
        rows = [row for row in await scene.client.told(employer.key) if row["outreach"] in outreach]
        return rows if len(rows) == len(outreach) else None

    rows = await until(all_told, what="the employer is told of all of them")
    assert {(row["state"], row["sent_on"]) for row in rows} == {("not_sent", None)}
    assert len({row["at"] for row in rows}) == 1
    [ended] = await _answers(scene, employer, outreach)
    assert "'not_sent'" in ended
    assert pool not in ended


async def _found(scene: Scene, people: list[Newcomer]) -> tuple[Employer, str, list[str]]:
    employer = await scene.new_employer()
    pool = await scene.pool(employer, skills_all=list(people[0].skills))
    for person in people:
        await scene.until_fits(person, pool)
    return employer, pool, [await scene.ref(employer, person, pool) for person in people]


async def _written_to(scene: Scene, employer: Employer, people: list[Newcomer], refs: list[str]) -> list[str]:
    """Each but the last can't be reached, for another reason, and all are written to in the same moment; the outreach, as soon as
    all is decided. The last one had a message today."""
    blocked, paused, unwilling, gone, busy, had_one = people
    later = (scene.now + timedelta(days=30)).isoformat()
    for person, choices in (
        (blocked, {**ALL_ON, "blocked_employers": [employer.id]}),
        (paused, {**ALL_ON, "paused_until": later}),
        (unwilling, {"purposes": ["match"]}),
        (gone, {"purposes": []}),
    ):
        await scene.client.choose(await scene.link(person), choices)
    for person in (blocked, paused, gone):
        await scene.until_gone(person)
    rivals = [(await scene.write_to(busy))[1] for _ in range(2)]
    await scene.until_state(rivals[0], "delivered")
    await scene.until_state(rivals[1], "delayed")
    _, today = await scene.write_to(had_one)
    await scene.until_state(today, "delivered")
    sent = await asyncio.gather(*(scene.write(employer, ref, expires_in=timedelta(days=3)) for ref in refs))
    scene.move_clock(scene.now + timedelta(seconds=31))
    for one in sent[:-1]:
        await scene.until_state(one, *NEVER)
    await scene.until_state(sent[-1], "delayed")
    return list(sent)


async def _answers(scene: Scene, employer: Employer, outreach: list[str]) -> set[str]:
    """What is answered of each, without what the employer itself said; headers too."""
    found = set()
    for one in outreach:
        url = f"{scene.dev.services.outreach_gateway}/v1/outreach/{one}"
        answer = await scene.client.http.get(url, headers={"Authorization": f"Bearer {employer.key}"})
        body = answer.json()
        assert list(what_is_wrong_with(Answer("outreach", employer.id, body))) == []
        said = {name: value for name, value in body.items() if name not in OWN}
        found.add(repr((answer.status_code, sorted(answer.headers.keys() - {"date"}), said)))
    return found
