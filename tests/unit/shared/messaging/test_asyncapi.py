"""`/asyncapi` says what a service hears and says, before and after its subscribers are there."""

from collections.abc import Iterator, Sequence
from datetime import timedelta
from typing import Any, cast

import httpx
from fastapi import FastAPI
from faststream.kafka import KafkaBroker

from shared.contracts.base import Event
from shared.contracts.topics import CONSENT_STATE, NOTICES, OUTREACH_DECISIONS, TENANTS
from shared.messaging.asyncapi import describe, install_asyncapi
from shared.messaging.consumer import Consumer, Subscription
from shared.messaging.envelope import Received
from shared.messaging.unit import Unit
from shared.postgres.pool import Pool
from tests.fakes.clock import FixedClock


async def _handle(unit: Unit, received: Sequence[Received[Event]]) -> None: ...


SUBSCRIPTIONS = (
    Subscription("courier.mails", (NOTICES, OUTREACH_DECISIONS), _handle, takes=()),
    Subscription("courier.consent", (CONSENT_STATE,), _handle, takes=()),
)


def _broker() -> KafkaBroker:
    return KafkaBroker(["kafka-1:9092", "kafka-2:9092"], apply_types=False, logger=None)


def _attached() -> KafkaBroker:
    broker = _broker()
    for subscription in SUBSCRIPTIONS:
        Consumer(
            subscription,
            cast(Pool, None),
            FixedClock(),
            "courier",
            timedelta(seconds=1),
            lambda _: None,
            lambda _: None,
        ).attach(broker)
    return broker


def _document(broker: KafkaBroker | None = None) -> dict[str, Any]:
    return describe("Courier", "courier", broker or _broker(), SUBSCRIPTIONS)


async def test_the_route_answers_with_the_document() -> None:
    app = FastAPI()
    app.state.service = "courier"
    install_asyncapi(app, "Courier", _broker(), lambda: SUBSCRIPTIONS)
    async with httpx.AsyncClient(transport=httpx.ASGITransport(app), base_url="http://test") as client:
        answer = await client.get("/asyncapi")
    assert answer.status_code == 200
    assert answer.json() == _document()
    assert answer.json()["asyncapi"].startswith("3.0")
    assert answer.json()["info"]["title"] == "Courier"


def test_it_says_the_same_before_and_after_the_subscribers_are_attached() -> None:
    assert _document(_attached()) == _document(_broker())


def test_each_topic_is_a_channel_with_its_description() -> None:
    channels = _document()["channels"]
    assert set(channels) == {
        "notices",
        "outreach-decisions",
        "consent-state",
        "tenants",
        "outreach-outcomes",
        "candidate-events",
        "erasures",
        "erasure-confirmations",
    }
    notices = channels["notices"]
    assert notices["address"] == "notices"
    assert NOTICES.carries in notices["description"]
    assert "7 days" in notices["description"]
    assert notices["bindings"]["kafka"]["partitions"] == NOTICES.partitions


def test_a_group_receives_its_topics_and_a_service_sends_what_it_owns() -> None:
    operations = _document()["operations"]
    told = {
        name: (operation["action"], operation["channel"]["$ref"].removeprefix("#/channels/"))
        for name, operation in operations.items()
    }
    assert told == {
        "courier.mails:noticesSubscribe": ("receive", "notices"),
        "courier.mails:outreach-decisionsSubscribe": ("receive", "outreach-decisions"),
        "courier.consent": ("receive", "consent-state"),
        f"courier.{TENANTS.name}.follow": ("receive", "tenants"),
        "courier.candidate-events.send": ("send", "candidate-events"),
        "courier.outreach-outcomes.send": ("send", "outreach-outcomes"),
        "courier.erasures.follow": ("receive", "erasures"),
        "courier.erasure-confirmations.send": ("send", "erasure-confirmations"),
    }


def test_each_message_has_the_payload_of_its_event() -> None:
    document = _document()
    message = document["components"]["messages"]["fairpool.outreach.decided.v1"]
    payload = document["components"]["schemas"][message["payload"]["$ref"].rpartition("/")[2]]
    assert {"outreach", "version", "outcome", "sealed"} <= set(payload["properties"])
    assert message["headers"]["properties"]["ce_type"] == {"const": "fairpool.outreach.decided.v1"}


def test_a_topic_that_two_services_own_is_sent_by_both() -> None:
    for service in ("consent", "signup"):
        assert f"{service}.notices.send" in describe("T", service, _broker(), ())["operations"]


def test_every_reference_leads_somewhere() -> None:
    document = _document(_attached())
    references = list(_references(document))
    assert len(references) > 20
    for reference in references:
        found: Any = document
        for step in reference.removeprefix("#/").split("/"):
            found = found[step]


def test_a_service_without_subscriptions_has_a_document_too() -> None:
    document = describe("T", "consent", _broker(), ())
    assert "consent.consent-state.send" in document["operations"]
    assert [server["host"] for server in document["servers"].values()] == ["kafka-1:9092", "kafka-2:9092"]


def _references(part: object) -> Iterator[str]:
    if isinstance(part, dict):
        for name, value in part.items():
            if name == "$ref":
                yield value
            else:
                yield from _references(value)
    elif isinstance(part, list):
        for value in part:
            yield from _references(value)
