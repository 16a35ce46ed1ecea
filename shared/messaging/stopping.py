"""Stopping Kafka's clients: bounded, and whole even when the brokers are down."""

import asyncio
from collections.abc import Coroutine
from datetime import timedelta
from typing import Any

import structlog

_log = structlog.get_logger(__name__)


async def stop_within(limit: timedelta, stop: Coroutine[Any, Any, object]) -> None:
    """Returns when the client has stopped, or was left behind because it would not in time.

    While brokers are down, aiokafka's `stop()` hangs, or raises the CancelledError of its own fetch tasks, which would
    pass for a cancellation of the caller.
    """
    task = asyncio.ensure_future(stop)
    done, _ = await asyncio.wait({task}, timeout=limit.total_seconds())
    if not done:
        task.cancel()
        _log.warning("client_left_behind", after=limit)
    elif not task.cancelled() and (error := task.exception()) is not None:
        _log.warning("client_stopped_badly", error=type(error).__name__)
