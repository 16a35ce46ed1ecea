"""An employer changes its vendor: its seat goes on where it was, under another key, and the vendor before is not heard."""

import asyncio
import json
from pathlib import Path
from typing import Any

import httpx
import pytest
from typer.testing import CliRunner, Result

from deploy.cli import app
from deploy.local.secrets import VERIFY_KEYS
from deploy.local.secrets import read as read_secrets
from tests.e2e.scene import Employer, Scene
from tests.taking_over import apply_news, apply_update, lines, members_in, open_bundle
from tests.waiting import until

pytestmark = pytest.mark.slow  # seven people, an employer, and a day that goes by


class Follower:
    """A client that follows both feeds from where it is, as the page for vendors shows."""

    def __init__(self, scene: Scene, members: dict[str, set[str]], messages: dict[str, str], **at: str | None) -> None:
        self.scene, self.members, self.messages = scene, members, messages
        self.at = at
        self.read: list[dict[str, Any]] = []

    async def follow(self, key: str) -> None:
        services = self.scene.dev.services
        for name, url in (
            ("updates", f"{services.pool_matching}/v1/updates"),
            ("outreach", f"{services.outreach_gateway}/v1/outreach"),
        ):
            while True:
                after = self.at.get(name)
                answer = await self.scene.client.ask("GET", url + (f"?after={after}" if after else ""), key=key)
                page = answer.json()
                self.at[name] = page["next"]
                for item in page["items"]:
                    self.read.append(item)
                    if name == "updates":
                        apply_update(self.members, item)
                    else:
                        apply_news(self.messages, item)
                if not page["items"]:
                    break


async def _run(scene: Scene, *arguments: str) -> Result:
    home = ["--home", str(scene.stack.home.root)]
    return await asyncio.to_thread(CliRunner().invoke, app, [*arguments, *home])


async def _statuses(scene: Scene, key: str) -> list[int]:
    services = scene.dev.services
    urls = [
        f"{services.pool_matching}/v1/pools",
        f"{services.pool_matching}/v1/updates",
        f"{services.outreach_gateway}/v1/outreach",
        f"{services.outreach_gateway}/v1/jobs",
        f"{services.signup}/v1/tenants",
    ]
    headers = {"Authorization": f"Bearer {key}"}
    return [(await scene.client.http.get(url, headers=headers)).status_code for url in urls]


async def _event(scene: Scene, vendor: int, employer: str) -> httpx.Response:
    event = scene.event(scene.invent(), vendor=vendor)
    event["data"]["employer"] = employer
    return await scene.client.http.post(
        f"{scene.dev.services.signup}/v1/events",
        params={"dry_run": "true"},
        headers={
            "Authorization": f"Bearer {scene.dev.vendors[vendor].key}",
            "Content-Type": "application/cloudevents+json",
        },
        json=event,
    )


def _public(scene: Scene) -> str:
    named = read_secrets(scene.stack.home).keys[VERIFY_KEYS].split(",")
    return next(key for name, _, key in (one.partition("=") for one in named) if name == "operator")


async def test_a_seat_goes_on_at_another_vendor_where_it_was_and_back(scene: Scene, tmp_path: Path) -> None:
    old, _, new = scene.dev.vendors
    people = await scene.company()
    employer = await scene.new_employer()
    pool = await scene.list_of(employer, people)
    along = Follower(scene, {}, {})

    async def has_read(key: str, pool: str) -> bool:
        await along.follow(key)
        return len(along.members.get(pool, ())) == len(people)

    await until(lambda: has_read(employer.key, pool), what="the first vendor has read who is in the pool")
    first, second, _ = refs = sorted(along.members[pool])[:3]
    sent = {ref: await scene.write(employer, ref) for ref in (first, second)}

    async def is_heard() -> bool:
        return (await _event(scene, 0, employer.id)).status_code == 200

    await until(is_heard, what="the first vendor is heard for its employer")
    path = tmp_path / "seat.zip"
    moved = await _run(
        scene, "tenants", "move", employer.id, "--to", new.id, "--reason", "contract 12", "--out", str(path)
    )
    assert moved.exit_code == 0, moved.output
    key = moved.stdout.splitlines()[0]

    # The command came back: no key of before works, and the vendor of before is not heard.
    assert set(await _statuses(scene, employer.key)) == {401}
    assert await _statuses(scene, key) == [200, 200, 200, 200, 403]
    refused, taken = await _event(scene, 0, employer.id), await _event(scene, 2, employer.id)
    assert (refused.status_code, refused.json()["type"].rpartition(":")[2]) == (403, "wrong-employer")
    assert taken.status_code == 200

    # What the new vendor starts from is what the old one knew.
    manifest = open_bundle(path, _public(scene))
    assert (manifest["employer"]["id"], manifest["vendor"], manifest["standing"]) == (employer.id, new.id, "good")
    assert members_in(path) == along.members
    messages = {message["id"]: message["state"] for message in lines(path, "outreach.jsonl")}
    assert sorted(messages) == sorted(sent.values())
    for message in lines(path, "outreach.jsonl"):
        assert message == await scene.client.outreach(key, message["id"])
    assert len(list(lines(path, "jobs.jsonl"))) == len((await _jobs(scene, key))["items"]) > 0
    fresh = Follower(scene, members_in(path), messages, **manifest["positions"])
    known = len(along.read)

    # Windows and what closes a person go on: a message to the same ref is refused, another one is not.
    now = Employer(employer.id, key)
    await scene.client.submit(key, "again", scene.message(first), expect=(409,))
    sent[refs[2]] = await scene.write(now, refs[2])
    taken_back = await scene.client.ask(
        "DELETE", f"{scene.dev.services.outreach_gateway}/v1/outreach/{sent[second]}", key=key, expect=(204,)
    )
    assert taken_back.status_code == 204

    # Both follow from where they are, a tick later: the one who read all along, and the one who began with the bundle.
    other = await scene.pool(now, skills_all=list(people[0].skills))
    for person in people:
        await scene.until_fits(person, other)  # who comes into it after the tick is told a day later
    scene.move_clock(scene.now + await scene.client.told_every())
    await until(lambda: has_read(key, other), what="whoever read all along is told of the new pool")

    async def have_read_the_same() -> bool:
        await fresh.follow(key)
        await along.follow(key)
        is_told = any(row.get("outreach") == sent[second] for row in fresh.read)
        return is_told and len(fresh.read) >= len(along.read) - known

    await until(have_read_the_same, what="both have read to the end")
    assert sorted(map(str, fresh.read)) == sorted(map(str, along.read[known:])), "nothing again, and nothing missed"
    assert {"outreach": sent[second], "state": "cancelled"}.items() <= _first(fresh.read, sent[second]).items()
    assert fresh.members == along.members
    assert along.messages.items() <= fresh.messages.items()

    # Once more of now, and back: to whom it is with already it does not go.
    later = tmp_path / "later.zip"
    written = await _run(scene, "tenants", "bundle", employer.id, "--out", str(later))
    assert written.exit_code == 0, written.output
    assert members_in(later) == along.members
    checked = await _run(scene, "tenants", "bundle", "--verify", str(later), "--key", _public(scene))
    assert (checked.exit_code, checked.stdout) == (0, written.stdout)
    keys = await _run(scene, "tenants", "keys", "list", employer.id, "--json")
    assert len(json.loads(keys.stdout)) == 1, "the one that read the bundle has ended"
    same = await _run(scene, "tenants", "move", employer.id, "--to", new.id, "--reason", "contract 13")
    assert (same.exit_code, "already" in " ".join(same.stderr.split())) == (1, True)
    back = await _run(
        scene,
        "tenants",
        "move",
        employer.id,
        "--to",
        old.id,
        "--reason",
        "contract 14",
        "--out",
        str(tmp_path / "b.zip"),
    )
    assert back.exit_code == 0, back.output
    assert set(await _statuses(scene, key)) == {401}
    assert ((await _event(scene, 0, employer.id)).status_code, (await _event(scene, 2, employer.id)).status_code) == (
        200,
        403,
    )

    async def written_down() -> list[str]:
        log = json.loads((await _run(scene, "operator-log", "--tenant", employer.id, "--json")).stdout)
        acts = [act["act"] for act in log if act["act"].startswith("moved")]
        return acts if len(acts) == 2 else []

    assert await until(written_down, what="both moves are written down") == [
        f"moved from {old.id} to {new.id}",
        f"moved from {new.id} to {old.id}",
    ]

    async def seats() -> set[str]:
        rows = await scene.rows("pool_matching", "SELECT vendor FROM seats WHERE employer = $1", employer.id)
        return {row["vendor"] for row in rows}

    await until(lambda: _are(seats, {old.id, new.id}), what="whoever held the seat is known to have")


def _first(read: list[dict[str, Any]], outreach: str) -> dict[str, Any]:
    return next(item for item in read if item.get("outreach") == outreach)


async def _are(found: Any, expected: object) -> bool:
    return bool(await found() == expected)


async def _jobs(scene: Scene, key: str) -> dict[str, Any]:
    answer = await scene.client.ask("GET", f"{scene.dev.services.outreach_gateway}/v1/jobs", key=key)
    return dict(answer.json())
