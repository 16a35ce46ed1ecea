"""Owners republish what Kafka does not have as new as their rows."""

import json
from functools import partial

import pytest

from deploy.checks.collect import read_topics
from shared.contracts.consent import ConsentChangedV2
from shared.contracts.topics import (
    CANDIDATE_KEYS,
    CANDIDATE_PROFILES,
    CONSENT_STATE,
    ERASURES,
    MEMBERSHIPS,
    POOLS,
    Topic,
)
from shared.messaging.envelope import Outgoing, Record
from shared.messaging.kafka import Kafka
from shared.messaging.producer import Producer
from shared.messaging.signatures import HEADER
from shared.security.seals import Seals
from tests.e2e.scene import Scene, signed_as
from tests.waiting import until

_OWNERS = {
    "signup": (CANDIDATE_PROFILES, CANDIDATE_KEYS),
    "consent": (CONSENT_STATE,),
    "pool_matching": (MEMBERSHIPS, POOLS),
}


async def last_of(scene: Scene, topic: Topic, key: str) -> Record | None:
    """What a reader of the whole topic, or compaction, would end with."""
    found = [
        record for record in await read_topics(Kafka.plain(scene.dev.kafka), [topic]) if record.key == key.encode()
    ]
    return found[-1] if found else None


def older(record: Record, seals: Seals) -> Outgoing:
    """What a relay that was paused would still write; what is sealed in it was sealed for that version."""
    said = json.loads(record.value or b"")
    said["version"] -= 1
    if record.topic == CONSENT_STATE.name:
        limits = ConsentChangedV2.model_validate_json(record.value or b"").opened(seals).limits
        said = ConsentChangedV2.within(limits, seals, **said | {"sealed": None}).model_dump(mode="json")
    own = tuple(pair for pair in record.headers if pair[0] != HEADER)
    return Outgoing(record.topic, record.key, json.dumps(said).encode(), own)


async def test_an_old_version_that_comes_last_is_followed_by_what_the_row_says(scene: Scene) -> None:
    employer, person = await scene.new_employer(), await scene.join()
    pool = await scene.pool_of(employer, person)
    candidate = await scene.candidate(person)
    keys = {topic: pool if topic is POOLS else candidate for topics in _OWNERS.values() for topic in topics}
    newest = {topic: await until(partial(last_of, scene, topic, keys[topic])) for topic in keys}
    for topic, record in newest.items():
        signer = signed_as(topic.signers[0], scene.stack.home)
        producer = Producer(Kafka.plain(scene.dev.kafka), idempotence=False, client_id="test-by-hand", signer=signer)
        await producer.start()
        await producer.send([older(record, scene.seals)])
        await producer.stop()

    for service, topics in _OWNERS.items():
        url = f"{getattr(scene.dev.services, service)}/v1/read-back"
        answer = await scene.client.ask("POST", url, key=scene.dev.operator.key, expect=(202,))
        assert {topic.name for topic in topics} == set(answer.json()["topics"]) - {
            ERASURES.name
        }  # it knows no versions

    async def is_newest(topic: Topic) -> bool:
        found = await last_of(scene, topic, keys[topic])
        return found is not None and json.loads(found.value or b"") == json.loads(newest[topic].value or b"")

    for topic in keys:
        await until(partial(is_newest, topic), what=f"{topic.name} shows the row's version last")


@pytest.mark.parametrize("service", _OWNERS)
async def test_only_an_operator_may_ask_for_it(scene: Scene, service: str) -> None:
    url = f"{getattr(scene.dev.services, service)}/v1/read-back"
    await scene.client.ask("POST", url, expect=(401,))
    await scene.client.ask("POST", url, key=scene.dev.employers[0].key, expect=(403,))
