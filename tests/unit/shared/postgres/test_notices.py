"""A listener that hears nothing asks whether its connection is there."""

import asyncio
from collections.abc import Callable
from datetime import timedelta

import pytest

from shared.postgres import notices as notices_module
from shared.postgres.notices import Notices
from tests.waiting import until


class _Connection:
    """Says nothing by itself; whether it answers."""

    def __init__(self, *, answers: bool) -> None:
        self.answers = answers
        self.asked: list[str] = []
        self.is_cut = False

    async def add_listener(self, _: str, __: Callable[..., None]) -> None:
        pass

    def add_termination_listener(self, _: Callable[..., None]) -> None:
        pass

    def is_closed(self) -> bool:
        return self.is_cut

    async def execute(self, query: str, *_: object) -> None:
        self.asked.append(query)
        if not self.answers:
            raise TimeoutError

    def terminate(self) -> None:
        self.is_cut = True


async def test_a_connection_that_died_silently_is_made_anew_and_all_look_once(monkeypatch: pytest.MonkeyPatch) -> None:
    dead, alive, looked = _Connection(answers=False), _Connection(answers=True), list[None]()
    connections = iter((dead, alive))

    async def connect(_: str, *, name: str) -> _Connection:
        return next(connections)

    monkeypatch.setattr(notices_module, "connect_alone", connect)
    monkeypatch.setattr(notices_module, "_QUIET", timedelta(milliseconds=20))
    notices = Notices()
    notices.on("work letters", lambda: looked.append(None))
    running = asyncio.create_task(notices.run("", name="notices"))
    try:
        await until(
            lambda: len(alive.asked) > 1, within=timedelta(seconds=10), what="the next one is asked as well, and stays"
        )
    finally:
        running.cancel()
        await asyncio.wait([running])
    assert (dead.asked, dead.is_cut, len(looked)) == (["SELECT 1"], True, 2)
