"""Where commands that talk to Kafka find it."""

import asyncio
import logging
import os
from collections.abc import Coroutine
from typing import Any, TypeVar

from aiokafka.errors import KafkaConnectionError, KafkaError

from deploy.local import devfile
from deploy.local.endpoints import reach
from deploy.local.errors import StackError
from deploy.local.home import Home
from shared.messaging.errors import FatalError
from shared.messaging.kafka import Kafka
from shared.messaging.topics import Admin, TopicsDifferError

R = TypeVar("R")


def find(home: Home) -> Kafka:
    """The brokers that FAIRPOOL_KAFKA names, else those of the running stack; NotRunningError when there is neither."""
    return reach(os.environ.get("FAIRPOOL_KAFKA") or devfile.load(home.dev_file).kafka)


async def topic_names(brokers: Kafka) -> list[str]:
    """Every topic that Kafka has."""
    async with Admin(brokers) as admin:
        return list(await admin.list_topics())


def speak(work: Coroutine[Any, Any, R]) -> R:
    """Run it; what Kafka refuses becomes a plain error."""
    logging.getLogger("aiokafka").setLevel(logging.CRITICAL)  # what it can't get over by trying again, it raises
    try:
        return asyncio.run(work)
    except KafkaConnectionError as error:
        raise StackError(
            "expected a Kafka that answers, found none at the addresses of FAIRPOOL_KAFKA, else of the running stack. "
            "If they are right, look at FAIRPOOL_KAFKA_SECURITY: it must be what the brokers' listeners want."
        ) from error
    except (KafkaError, FatalError, TopicsDifferError) as error:
        raise StackError(f"Kafka could not do this: {error or type(error).__name__}") from error
