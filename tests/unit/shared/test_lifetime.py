import asyncio
import gc
from collections.abc import Iterator, Sequence
from typing import Any, cast

import pytest

from shared.lifetime import keep_what_is_there, not_cancelled_from_within
from shared.messaging.errors import FatalError
from shared.messaging.producer import Producer
from shared.messaging.published import Published
from shared.messaging.relay import Relay
from tests.waiting import others_run


@pytest.fixture
def collector() -> Iterator[None]:
    """As it was, afterwards."""
    before = gc.get_threshold()
    yield
    gc.unfreeze()
    gc.set_threshold(*before)


@pytest.mark.usefixtures("collector")
def test_what_a_process_has_when_it_has_started_is_not_looked_through_again() -> None:
    stays = [object()]
    keep_what_is_there()
    assert gc.get_freeze_count() > 0
    assert not any(one is stays for one in gc.get_objects())


@pytest.mark.usefixtures("collector")
def test_what_is_made_later_is_still_collected() -> None:
    keep_what_is_there()

    class Circle:
        def __init__(self) -> None:
            self.own = self

    made = Circle()
    found = [one for one in gc.get_objects() if one is made]
    assert found
    del made, found
    assert gc.collect() > 0


async def _awaits_what_somebody_else_cancelled() -> None:
    somebodys = asyncio.get_running_loop().create_future()
    somebodys.cancel()
    await somebodys


async def _waits(*_: object) -> None:
    await asyncio.Event().wait()


async def test_what_ends_as_cancelled_though_nobody_told_it_to_is_fatal_and_what_was_told_to_ends() -> None:
    with pytest.raises(FatalError, match="it was cancelled from within"):
        await not_cancelled_from_within("it", _awaits_what_somebody_else_cancelled)
    told = asyncio.ensure_future(not_cancelled_from_within("it", _waits))
    await others_run()
    told.cancel()
    with pytest.raises(asyncio.CancelledError):
        await told


class _NoProducer:
    def another(self) -> "_NoProducer":
        return self

    async def stop(self) -> None:
        pass


async def test_a_relay_does_not_stop_without_a_word(monkeypatch: pytest.MonkeyPatch) -> None:
    async def turn(_: Relay, shards: Sequence[int], producer: Producer) -> None:
        await _awaits_what_somebody_else_cancelled()

    monkeypatch.setattr(Relay, "_turn", turn)
    monkeypatch.setattr(Relay, "_watch", _waits)
    monkeypatch.setattr(Published, "run", _waits)
    with pytest.raises(ExceptionGroup) as failed:
        async with asyncio.timeout(5):
            await Relay(cast(Any, None), cast(Any, _NoProducer())).run()
    assert failed.group_contains(FatalError, match="the outbox was cancelled from within")
