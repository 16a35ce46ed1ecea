"""`GET /asyncapi`: what a service hears and says, as AsyncAPI 3.0, from its subscribers, the topics and the contracts."""

import json
from collections.abc import Callable, Iterable, Sequence
from functools import cache
from importlib.metadata import version
from typing import Any

from fastapi import FastAPI, Response
from faststream.kafka import KafkaBroker
from faststream.specification.asyncapi import AsyncAPI

from shared.contracts.base import Event
from shared.contracts.registry import EVENTS
from shared.contracts.topics import TOPICS, Topic
from shared.messaging.consumer import Subscription

_DEFINITIONS = "#/components/schemas/{model}"
_BINDING = {"kafka": {"bindingVersion": "0.5.0"}}

Document = dict[str, Any]


def install_asyncapi(
    app: FastAPI, title: str, broker: KafkaBroker, subscriptions: Callable[[], Sequence[Subscription]]
) -> None:
    """Adds `GET /asyncapi`, made once: anybody may ask for it. The service's name is `app.state.service`."""

    @cache
    def made() -> str:
        return json.dumps(describe(title, app.state.service, broker, subscriptions()))

    @app.get(
        "/asyncapi",
        tags=["operations"],
        summary="What this service hears and says (AsyncAPI 3.0)",
        response_model=Document,
    )
    async def asyncapi() -> Response:
        return Response(made(), media_type="application/json")


def describe(title: str, service: str, broker: KafkaBroker, subscriptions: Sequence[Subscription]) -> Document:
    """The document; FastStream's own gives servers and receiving operations, the contracts give the messages."""
    declared = broker if broker.subscribers else _stand_in(broker, subscriptions)
    document: Document = AsyncAPI(declared, title=title, version=version("fairpool")).to_specification().to_jsonable()
    received = {topic.name for subscription in subscriptions for topic in subscription.topics}
    followed = [topic for topic in TOPICS if service in topic.readers and topic.name not in received]
    sent = [topic for topic in TOPICS if service in owners(topic)]
    channels = document["channels"]
    topics = _unique([*(topic for subscription in subscriptions for topic in subscription.topics), *followed, *sent])
    document["operations"] = {
        **{
            name: _operation("receive", _topic_at(channels, operation["channel"]["$ref"]))
            for name, operation in document["operations"].items()
        },
        **{f"{service}.{topic.name}.follow": _operation("receive", topic.name) for topic in followed},
        **{f"{service}.{topic.name}.send": _operation("send", topic.name) for topic in sent},
    }
    document["channels"] = {topic.name: _channel(topic, list(document["servers"])) for topic in topics}
    document["components"] = _components(topics)
    return document


def owners(topic: Topic) -> tuple[str, ...]:
    """Who writes the topic."""
    return tuple(name.strip() for name in topic.owner.split(","))


def _stand_in(broker: KafkaBroker, subscriptions: Sequence[Subscription]) -> KafkaBroker:
    """The same subscribers on a broker that never starts: a service attaches its own when it starts."""
    stand_in = KafkaBroker(broker.specification.url, apply_types=False, logger=None)
    for subscription in subscriptions:
        stand_in.subscriber(
            *(topic.name for topic in subscription.topics), group_id=subscription.group, title=subscription.group
        )(_nothing)
    return stand_in


async def _nothing(_: object) -> None:
    """Stands where a handler will."""


def _topic_at(channels: Document, reference: str) -> str:
    name: str = channels[reference.removeprefix("#/channels/")]["address"]
    return name


def _operation(action: str, topic: str) -> Document:
    return {
        "action": action,
        "channel": {"$ref": f"#/channels/{topic}"},
        "messages": [{"$ref": f"#/channels/{topic}/messages/{event.TYPE}"} for event in _events_on(topic)],
    }


def _channel(topic: Topic, servers: Sequence[str]) -> Document:
    kept = "the last record of each key" if topic.kept is None else f"{topic.kept.days} days"
    return {
        "address": topic.name,
        "description": f"{topic.carries}. Key: {topic.key}. Written by {topic.owner}. Kept: {kept}.",
        "servers": [{"$ref": f"#/servers/{server}"} for server in servers],
        "messages": {event.TYPE: {"$ref": f"#/components/messages/{event.TYPE}"} for event in _events_on(topic.name)},
        "bindings": {"kafka": {**_BINDING["kafka"], "topic": topic.name, "partitions": topic.partitions}},
    }


def _components(topics: Iterable[Topic]) -> Document:
    messages: Document = {}
    schemas: Document = {}
    for event in (event for topic in topics for event in _events_on(topic.name)):
        schema = event.model_json_schema(ref_template=_DEFINITIONS)
        schemas |= schema.pop("$defs", {})
        schemas[event.__name__] = schema
        messages[event.TYPE] = _message(event)
    return {"messages": messages, "schemas": schemas}


def _message(event: type[Event]) -> Document:
    return {
        "name": event.TYPE,
        "title": event.__name__,
        "summary": (event.__doc__ or "").strip(),
        "contentType": "application/json",
        "headers": {
            "type": "object",
            "required": ["ce_specversion", "ce_id", "ce_source", "ce_type"],
            "properties": {
                "ce_specversion": {"const": "1.0"},
                "ce_id": {"type": "string"},
                "ce_source": {"type": "string"},
                "ce_type": {"const": event.TYPE},
                "ce_time": {"type": "string", "format": "date-time"},
            },
        },
        "payload": {"$ref": f"#/components/schemas/{event.__name__}"},
        "bindings": {"kafka": {**_BINDING["kafka"], "key": {"type": "string", "description": event.TOPIC.key}}},
    }


def _events_on(topic: str) -> list[type[Event]]:
    return [event for event in EVENTS.values() if event.TOPIC.name == topic]


def _unique(topics: Iterable[Topic]) -> list[Topic]:
    return list({topic.name: topic for topic in topics}.values())
