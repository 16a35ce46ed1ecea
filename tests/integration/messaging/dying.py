"""A process that breaks itself once it runs, as its argument says; started by `test_process_ends.py`."""

import asyncio
import os
import signal
import sys

from shared.service import Service, configure_logging
from shared.settings import ServiceSettings, load


async def _kill_sender(service: Service) -> None:
    client = service.process.producer._client
    assert client is not None
    client.producer._sender.sender_task.cancel()
    await asyncio.Event().wait()


async def _kill_follower(service: Service) -> None:
    next(task for task in asyncio.all_tasks() if task.get_name() == "projection of tenants").cancel()
    await asyncio.Event().wait()


async def _end_job(_: Service) -> None:
    """A job that returns is one that died without a word."""


async def _never() -> None:
    """What aiokafka's stop does while brokers are down."""
    await asyncio.Event().wait()


async def _block_the_loop(service: Service) -> None:
    service.process.fail(RuntimeError("and then the loop no longer turns"))
    signal.pause()  # that is the fault


async def _go_on(_: Service) -> None:
    await _never()


WAYS = {
    "sender": _kill_sender,
    "follower": _kill_follower,
    "job": _end_job,
    "stop": _kill_sender,
    "loop": _block_the_loop,
    "never": _go_on,
}

if __name__ == "__main__":
    settings = load(ServiceSettings)
    configure_logging("dying", settings)
    service = Service("dying", settings, database=os.environ["DYING_DATABASE"])
    way = WAYS[sys.argv[1]]
    if sys.argv[1] == "stop":
        service.process.broker.stop = _never  # type: ignore[assignment, method-assign]  # the fault
    service.job("fault", lambda: way(service))
    service.serve(service.http("Dying"))
