"""Where commands that talk to Kafka find it."""

import asyncio
import os
from collections.abc import Coroutine
from typing import Any, TypeVar

from aiokafka.admin import AIOKafkaAdminClient
from aiokafka.errors import KafkaError

from deploy.local import devfile
from deploy.local.errors import StackError
from deploy.local.home import Home
from shared.messaging.errors import FatalError
from shared.messaging.topics import TopicsDifferError

R = TypeVar("R")


def find(home: Home) -> list[str]:
    """The brokers that FAIRPOOL_KAFKA names, else those of the running stack; NotRunningError when there is neither."""
    named = os.environ.get("FAIRPOOL_KAFKA") or devfile.load(home.dev_file).kafka
    return [broker.strip() for broker in named.split(",")]


async def topic_names(brokers: list[str]) -> list[str]:
    """Every topic that Kafka has."""
    admin = AIOKafkaAdminClient(bootstrap_servers=brokers)
    try:
        await admin.start()
        return list(await admin.list_topics())
    finally:
        await admin.close()


def speak(work: Coroutine[Any, Any, R]) -> R:
    """Run it; what Kafka refuses becomes a plain error."""
    try:
        return asyncio.run(work)
    except (KafkaError, FatalError, TopicsDifferError) as error:
        raise StackError(f"Kafka could not do this: {error or type(error).__name__}") from error
