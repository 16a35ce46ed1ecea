"""How much goes to PostgreSQL at once, and what is done meanwhile."""

import asyncio

import pytest

from services.pool_matching.adapters.beside import beside
from services.pool_matching.adapters.sql import joined
from tests.waiting import others_run


def test_many_texts_go_as_one_and_none_of_them_may_hold_what_stands_between_them() -> None:
    assert joined([]) == "" and joined(["a"]) == "a"
    assert joined(["a", "", '{"b": "\\u001f"}']).split("\x1f") == ["a", "", '{"b": "\\u001f"}']
    for texts in (["a\x1fb"], ["\x1f"], ["a", "b\x1f"]):
        with pytest.raises(ValueError, match="separator"):
            joined(texts)


async def test_the_work_is_done_while_the_statement_is_on_its_way() -> None:
    happened, worked = list[str](), asyncio.Event()

    async def statement() -> str:
        happened.append("sent")
        await worked.wait()
        happened.append("answered")
        return "row"

    def work() -> int:
        happened.append("worked")
        worked.set()
        return 7

    assert await beside(statement(), work) == ("row", 7)
    assert happened == ["sent", "worked", "answered"]


async def test_nothing_is_left_on_the_connection_when_the_work_fails() -> None:
    ended = asyncio.Event()

    async def statement() -> None:
        try:
            await asyncio.Event().wait()
        finally:
            await others_run()  # as PostgreSQL ends what it has in hand
            ended.set()

    def work() -> float:
        return 1 / 0

    with pytest.raises(ZeroDivisionError):
        await beside(statement(), work)
    assert ended.is_set()
