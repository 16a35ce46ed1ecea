"""Writing to a pool unseen, as employers do it."""

from collections.abc import AsyncIterator
from dataclasses import dataclass
from datetime import timedelta
from typing import Any, get_args

import httpx
import pytest

from services.outreach_gateway import jobs
from services.outreach_gateway.adapters.policy_file import read_policy
from services.outreach_gateway.api import accounts, submissions
from services.outreach_gateway.api.ids import OutreachIds
from services.outreach_gateway.model import Fitting
from shared.runner.model import Job
from shared.security.words import HPKE_MARK, KeyPair, WordsForm, open_words
from shared.ticks import Ticks
from tests.fakes.clock import NOON, FixedClock
from tests.fakes.gateway_jobs import FakeJobs
from tests.fakes.gateway_pool_messages import FakePoolMessages
from tests.handlers.outreach_gateway.served import KEYS, opens, served
from tests.handlers.outreach_gateway.test_jobs import JOB
from tests.signing import TICK_KEY

POLICY = read_policy("2026-12")
TICKS = Ticks(TICK_KEY, timedelta(days=1))
BODY = {"pool": "p_rural", "subject": "Night-shift RN", "body": "We would like to talk.", "job": JOB}
PAIR = KeyPair.generate()


class NoRows:
    """No message to a member."""

    async def kept(self, *_: object) -> None:
        return None

    async def account(self, *_: object) -> None:
        return None

    async def lock_one(self, *_: object) -> None:
        return None


@dataclass
class Scene:
    http: httpx.AsyncClient
    clock: FixedClock
    kept: FakePoolMessages

    async def send(self, key: str = "one", **changes: Any) -> httpx.Response:
        return await self.http.post("/v1/outreach", json={**BODY, **changes}, headers={"Idempotency-Key": key})

    async def turns(self, form: WordsForm = "hpke") -> None:
        """What the runner would do by now."""
        self.kept.at = self.clock.now()
        work = [Job(id, self.kept.at, 1) for id in self.kept.kept]
        await jobs.on_pool_messages(self.kept, work, POLICY, OutreachIds(b"k").child, TICKS, form)

    def live(self, number: int, employer: str = "emp_a", pool: str = "p_rural") -> None:
        self.kept.people[employer, pool] = [Fitting(str(one), 0, PAIR.public) for one in range(number)]


@pytest.fixture
async def scene() -> AsyncIterator[Scene]:
    kept, of_jobs, clock = FakePoolMessages(), opens(FakeJobs()), FixedClock(NOON)
    async with served(
        submissions, accounts, clock=clock, policy=POLICY, store=opens(NoRows()), ids=OutreachIds(b"k"),
        ticks=TICKS, jobs=of_jobs, look_at_jobs=of_jobs, pool_messages=opens(kept),
    ) as http:  # fmt: skip
        yield Scene(http, clock, kept)


@pytest.mark.parametrize("number", [0, 1, 4, 7])
async def test_it_is_taken_whoever_is_in_the_pool_and_told_in_fives_at_its_end(scene: Scene, number: int) -> None:
    scene.live(number)
    sent = await scene.send()
    assert (sent.status_code, sent.json()["state"]) == (202, "taken")
    id = sent.json()["id"]
    await scene.turns()
    scene.kept.went_out = {child.id for child in scene.kept.children[id].values()}
    shown = (await scene.http.get(f"/v1/outreach/{id}")).json()
    assert (shown["state"], shown["sent"], shown["known_by"]) == ("taken", None, sent.json()["known_by"])
    scene.clock.at(scene.kept.kept[id].tell_at)
    await scene.turns()
    over = (await scene.http.get(f"/v1/outreach/{id}")).json()
    assert (over["state"], over["sent"]) == ("ended", number - number % 5)
    assert (await scene.http.delete(f"/v1/outreach/{id}")).status_code == 409


async def test_until_its_end_every_answer_is_the_same_whoever_is_in_the_pool(scene: Scene) -> None:
    told = []
    for number in (0, 6):
        scene.live(number)
        scene.kept.kept.clear()
        scene.clock.at(NOON)
        id = (await scene.send()).json()["id"]
        await scene.turns()
        answers = [await scene.send(), await scene.send("two"), await scene.http.get(f"/v1/outreach/{id}")]
        scene.clock.at(NOON + timedelta(days=3))
        answers.append(await scene.http.delete(f"/v1/outreach/{id}"))
        await scene.turns()
        answers += [await scene.http.get(f"/v1/outreach/{id}"), await scene.send("three")]
        told.append([(answer.status_code, answer.content) for answer in answers])
    assert told[0] == told[1]
    assert [status for status, _ in told[0]] == [202, 409, 200, 204, 200, 409]


async def test_one_message_to_a_pool_at_a_time_and_the_next_after_two_weeks(scene: Scene) -> None:
    id = (await scene.send()).json()["id"]
    assert (await scene.send()).json()["id"] == id
    second = await scene.send("two")
    assert (second.status_code, second.json()["type"]) == (409, "urn:fairpool:problem:earlier-message")
    assert (await scene.send("other", pool="p_other")).status_code == 202
    await scene.http.delete(f"/v1/outreach/{id}")
    for days, status in ((13, 409), (14, 409), (15, 202)):
        scene.clock.at(NOON + timedelta(days=days))
        assert (await scene.send("two")).status_code == status


async def test_the_same_key_with_another_body_is_refused(scene: Scene) -> None:
    await scene.send()
    other = await scene.send(subject="Another")
    assert (other.status_code, other.json()["type"]) == (422, "urn:fairpool:problem:idempotency-key-reused")


async def test_a_message_to_a_pool_keeps_its_words_and_says_what_can_be_done_instead(scene: Scene) -> None:
    id = (await scene.send()).json()["id"]
    words = {name: BODY[name] for name in ("subject", "body", "job")}
    refused = await scene.http.patch(f"/v1/outreach/{id}", json=words)
    assert (refused.status_code, refused.json()["type"]) == (409, "urn:fairpool:problem:keeps-its-words")
    assert "DELETE" in refused.json()["detail"]
    assert (await scene.http.patch("/v1/outreach/o_" + "a" * 22, json=words)).status_code == 404


@pytest.mark.parametrize("form", get_args(WordsForm))
async def test_a_key_that_nothing_can_be_sealed_to_leaves_out_its_person_alone(scene: Scene, form: WordsForm) -> None:
    scene.live(3)
    scene.kept.people["emp_a", "p_rural"][1] = Fitting("1", 0, "A" * 43)
    id = (await scene.send()).json()["id"]
    await scene.turns(form)
    assert sorted(scene.kept.children[id]) == ["0", "2"]


async def test_two_keys_in_one_request_are_refused(scene: Scene) -> None:
    headers = [("Idempotency-Key", "one"), ("Idempotency-Key", "two")]
    refused = await scene.http.post("/v1/outreach", json=BODY, headers=headers)
    assert (refused.status_code, refused.json()["type"]) == (400, "urn:fairpool:problem:malformed")
    assert scene.kept.kept == {}


async def test_told_late_it_is_told_at_the_tick_of_that_day(scene: Scene) -> None:
    id = (await scene.send()).json()["id"]
    await scene.turns()
    scene.clock.at(scene.kept.kept[id].tell_at + timedelta(days=2, hours=3))
    await scene.turns()
    assert scene.kept.told[-1].at == TICKS.last("emp_a", scene.clock.now())
    assert scene.kept.told[-1].at > scene.kept.kept[id].tell_at


async def test_the_operator_sees_what_it_has_become(scene: Scene) -> None:
    scene.live(3)
    id = (await scene.send()).json()["id"]
    await scene.turns()
    scene.kept.went_out = {next(iter(scene.kept.children[id].values())).id}
    operators = {"Authorization": f"Bearer {KEYS['op_ops']}"}
    shown = (await scene.http.get(f"/v1/outreach/{id}", headers=operators)).json()
    assert (shown["employer"], shown["told"]) == ("emp_a", "taken")
    assert shown["messages"] == {"delivered": 1, "submitted": 2}


async def test_another_employers_is_not_there(scene: Scene) -> None:
    id = (await scene.send()).json()["id"]
    others = {"Authorization": f"Bearer {KEYS['emp_b']}"}
    assert (await scene.http.get(f"/v1/outreach/{id}", headers=others)).status_code == 404
    assert (await scene.http.delete(f"/v1/outreach/{id}", headers=others)).status_code == 404


async def test_another_employers_pool_is_taken_and_reaches_nobody(scene: Scene) -> None:
    scene.live(6, employer="emp_b", pool="p_theirs")
    id = (await scene.send(pool="p_theirs")).json()["id"]
    await scene.turns()
    assert scene.kept.children[id] == {}


@pytest.mark.parametrize(
    ("change", "pointer"),
    [
        ({"pool": "m_x"}, "#/pool"),
        ({"body": "See example.org/x"}, "#/body"),
        ({"expires_at": "2026-11-23"}, "#/expires_at"),
        ({"job": "none"}, "#/job"),
        ({"member_ref": "m_" + "a" * 30}, "#/pool"),
        ({"pool": None}, "#/member_ref"),
        ({"job": {**JOB, "pay": {**JOB["pay"], "currency": "EURO"}}}, "#/job/pay/currency"),
    ],
)
async def test_what_is_the_employers_own_is_told_at_once(scene: Scene, change: dict[str, Any], pointer: str) -> None:
    answer = await scene.send(**change)
    assert answer.status_code == 422
    assert [error["pointer"] for error in answer.json()["errors"]] == [pointer]
    assert scene.kept.kept == {}


@pytest.mark.parametrize("form", get_args(WordsForm))
async def test_each_person_gets_the_words_and_the_job_sealed_in_the_form_that_is_set(
    scene: Scene, form: WordsForm
) -> None:
    scene.live(2)
    id = (await scene.send()).json()["id"]
    await scene.turns(form)
    children = scene.kept.children[id].values()
    assert len(children) == 2
    for child in children:
        for sealed, body in ((child.sealed, BODY["body"]), (child.sealed_job, "")):
            assert sealed.startswith(HPKE_MARK) == (form == "hpke")
            assert open_words(sealed, PAIR, outreach=child.id).body == body
