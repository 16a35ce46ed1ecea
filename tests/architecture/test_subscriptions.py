"""Who reads what is written in one place, and every service keeps to it."""

import importlib
import inspect
from dataclasses import dataclass
from typing import Any

import httpx
import pytest
from fastapi import FastAPI

from shared.contracts import topics
from shared.contracts.registry import EVENTS
from shared.contracts.topics import ALL_TOPICS, POOL_UPDATES, TOPICS, Topic
from shared.messaging.asyncapi import owners
from shared.messaging.consumer import Subscription
from shared.security import encoding
from shared.security.links import public_half
from tests.signing import environment_of

PROCESSES = {
    "consent": "services.consent",
    "outreach_gateway": "services.outreach_gateway",
    "pool_matching": "services.pool_matching",
    "signup": "services.signup",
    "courier": "services.signup.courier",
}
REMOVED = {topics.CANDIDATE_KEYS}
"""Topics whose owner takes keys away again, with a record without a value."""
SEED = bytes(32)
ENVIRONMENT = {
    "KAFKA": "127.0.0.1:1",
    **{name.removeprefix("FAIRPOOL_"): value for name, value in environment_of("consent").items()},
    "REDIS": "redis://127.0.0.1:1/0",
    "SMTP": "smtp://127.0.0.1:1",
    "HTTP_PORT": "0",
    "SIGNUP_URL": "http://127.0.0.1:1",
    "CONSENT_URL": "http://127.0.0.1:1",
    "VAULT_KEYS": "file:///nowhere",
    "LINK_SIGNING_KEY": encoding.encode(SEED),
    "LINK_VERIFY_KEY": encoding.encode(public_half(SEED)),
    "LINK_SUBJECT_KEY": encoding.encode(bytes(range(64))),
    "MEMBER_REF_KEY": encoding.encode(bytes(range(64))),
    **{f"{name}_DATABASE": "postgresql://127.0.0.1:1/none" for name in ("SIGNUP", "CONSENT", "POOL_MATCHING", "OUTREACH_GATEWAY")},
    **{f"{name}_KEY": encoding.encode(bytes(32)) for name in ("BLIND_INDEX", "OUTREACH_ID", "TICK")},
}  # fmt: skip


@dataclass(frozen=True)
class Built:
    """A process put together as its own `app.py` does it, connected to nothing."""

    name: str
    service: Any
    app: FastAPI

    @property
    def subscriptions(self) -> list[Subscription]:
        """Its consumer groups."""
        return list(self.service.subscriptions)

    @property
    def read(self) -> dict[str, Topic]:
        """Every topic that it reads, with a group or as a projection."""
        followed = [follower._topic for follower, _ in self.service.parts.followers]
        return {topic.name: topic for topic in [*(one for s in self.subscriptions for one in s.topics), *followed]}


@pytest.fixture(params=PROCESSES)
def built(request: pytest.FixtureRequest, monkeypatch: pytest.MonkeyPatch) -> Built:
    """Each process."""
    for name, value in ENVIRONMENT.items():
        monkeypatch.setenv(f"FAIRPOOL_{name}", value)
    build = importlib.import_module(f"{PROCESSES[request.param]}.app").build
    settings = inspect.signature(build).parameters["settings"].annotation
    return Built(request.param, *build(settings()))


def test_a_process_goes_by_the_name_that_the_topics_use(built: Built) -> None:
    assert built.service.name == built.name
    assert built.app.state.service == built.name


def test_every_subscription_names_its_group_after_its_service(built: Built) -> None:
    groups = [subscription.group for subscription in built.subscriptions]
    assert groups, f"{built.name} subscribes to nothing"
    assert [group for group in groups if not group.startswith(f"{built.name}.")] == []
    assert len(set(groups)) == len(groups)


def test_every_topic_that_is_read_names_the_service_as_a_reader(built: Built) -> None:
    assert [name for name, topic in built.read.items() if built.name not in topic.readers] == []


def test_every_reader_that_a_topic_names_does_read_it(built: Built) -> None:
    named = {topic.name for topic in TOPICS if built.name in topic.readers}
    assert named - set(built.read) == set(), "read it, or take the reader out of shared/contracts/topics.py"


def test_each_kind_of_event_on_a_topic_is_taken_or_knowingly_ignored_by_each_subscription(built: Built) -> None:
    for subscription in built.subscriptions:
        there = {kind for kind in EVENTS.values() if kind.TOPIC in subscription.topics}
        takes, ignores = set(subscription.takes), set(subscription.ignores)
        assert takes, f"{subscription.group} takes nothing"
        assert takes & ignores == set()
        assert there - takes - ignores == set(), (
            f"say in {built.name}'s app.py whether {subscription.group} takes these"
        )
        assert takes | ignores == there, f"{subscription.group} names kinds of other topics"


def test_whoever_takes_one_version_of_an_event_takes_them_all(built: Built) -> None:
    for subscription in built.subscriptions:
        taken = {kind.TYPE.rpartition(".v")[0] for kind in subscription.takes}
        ignored = [kind.TYPE for kind in subscription.ignores if kind.TYPE.rpartition(".v")[0] in taken]
        assert ignored == [], f"{subscription.group} takes another version of these"


def test_whoever_reads_a_topic_from_which_its_owner_removes_keys_does_so_too(built: Built) -> None:
    for subscription in built.subscriptions:
        assert set(subscription.handle_removed) == REMOVED & set(subscription.topics), subscription.group
    followed = {follower._topic for follower, _ in built.service.parts.followers}
    assert followed & REMOVED == set(), "a projection keeps what it has when a key is removed"


def test_only_topics_that_are_known_for_it_have_keys_removed(built: Built) -> None:
    removing = {one.topic for one in built.service.parts.reconciled if one.orphaned is not None}
    assert removing == {topic for topic in REMOVED if built.name in owners(topic)}


async def test_its_asyncapi_names_what_it_reads_and_owns(built: Built) -> None:
    async with httpx.AsyncClient(transport=httpx.ASGITransport(built.app), base_url="http://test") as client:
        document = (await client.get("/asyncapi")).json()
    owned = {topic.name for topic in TOPICS if built.name in owners(topic)}
    assert set(built.read) | owned <= set(document["channels"])
    sent = {
        one["channel"]["$ref"].rpartition("/")[2] for one in document["operations"].values() if one["action"] == "send"
    }
    assert sent == owned


@pytest.mark.parametrize("topic", TOPICS, ids=lambda topic: topic.name)
def test_every_topic_has_an_owner_and_readers_that_exist(topic: Topic) -> None:
    assert set(owners(topic)) <= {*PROCESSES, "operator"}
    assert topic.readers or topic is POOL_UPDATES, "partners may read that one, and nobody of ours"
    assert set(topic.readers) <= set(PROCESSES)
    assert topic.partitions >= 1
    assert topic.carries


def test_every_topic_of_the_file_is_created_and_has_dead_letters_where_it_has_readers() -> None:
    assert {value.name for value in vars(topics).values() if isinstance(value, Topic)} == {
        topic.name for topic in TOPICS
    }
    assert {topic.name for topic in ALL_TOPICS} == {
        name for topic in TOPICS for name in (topic.name, *([f"{topic.name}-dlq"] if topic.readers else []))
    }


@pytest.mark.parametrize("topic", TOPICS, ids=lambda topic: topic.name)
def test_every_topic_carries_an_event(topic: Topic) -> None:
    assert [event for event in EVENTS.values() if event.TOPIC is topic]


@pytest.mark.parametrize("type_", EVENTS)
def test_every_event_stands_in_its_owners_file_and_ends_in_its_version(type_: str) -> None:
    event = EVENTS[type_]
    module = event.__module__.rpartition(".")[2]
    files = {"signup" if owner == "courier" else owner for owner in owners(event.TOPIC)}
    assert module in files
    assert event.__name__.endswith(type_.rpartition(".")[2].upper())


def test_a_process_checks_the_topics_that_it_writes_or_reads_and_the_dead_letters_of_those_it_reads() -> None:
    concerned = {topic.name for topic in ALL_TOPICS if topic.concerns("consent")}
    assert concerned == {
        "consent-state",
        "notices",
        "candidate-events",
        "candidate-events-dlq",
        "erasures",
        "erasures-dlq",
        "erasure-confirmations",
        "sessions",
        "sessions-dlq",
        "exports",
        "exports-dlq",
        "export-parts",
        "tenants",
        "tenants-dlq",
        "wishes",
        "outreach-decisions",
        "outreach-decisions-dlq",
        "outreach-outcomes",
        "outreach-outcomes-dlq",
        "memberships",
        "memberships-dlq",
        "disclosures",
        "disclosures-dlq",
        "pools",
        "pools-dlq",
    }
