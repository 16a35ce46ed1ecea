"""All messages of an employer, page by page, each as it is told of one by one."""

from collections.abc import Sequence
from dataclasses import dataclass
from datetime import timedelta
from typing import Any

from services.outreach_gateway.adapters.policy_file import read_policy
from services.outreach_gateway.answers import Course, Told
from services.outreach_gateway.api import accounts, seat
from services.outreach_gateway.model import PoolMessage, State
from services.outreach_gateway.ports.requests import Account
from shared.feed.model import Telling
from shared.feed.reading import FeedReader
from shared.feed.tailer import Tailer
from shared.feed.web import FeedFace
from shared.security.cursors import FeedCursors
from shared.ticks import Ticks
from tests.fakes.clock import NOON
from tests.fakes.feed import FakeFeed
from tests.fakes.gateway_pool_messages import FakePoolMessages
from tests.handlers.outreach_gateway.served import opens, served
from tests.signing import TICK_KEY

DAY = timedelta(days=1)
LAST = (NOON + 10 * DAY).date()


def id_of(number: int) -> str:
    return f"o_{number:022}"


@dataclass
class _Rows:
    kept: Sequence[Account]

    async def accounts_of_seat(self, employer: str, *, after: str, limit: int) -> list[Account]:
        theirs = [one for one in self.kept if one.employer == employer and one.id > after]
        return sorted(theirs, key=lambda one: one.id)[:limit]

    async def account(self, id: str, employer: str | None) -> Account | None:
        return next((one for one in self.kept if one.id == id), None)


def _account(number: int, told: Told = Told.WAITING) -> Account:
    course = Course(State.SUBMITTED, NOON, LAST)
    return Account(id_of(number), "emp_a", f"m_{number}", course, told, NOON, None, None, None, None, None)


async def test_messages_to_members_and_to_pools_are_listed_once_each_as_they_are_told_of() -> None:
    ones = [_account(number, Told.NOT_SENT if number % 4 else Told.WAITING) for number in range(0, 20, 2)]
    pools = [
        PoolMessage(id_of(number), "emp_a", f"p_{number}", b"", NOON, LAST, LAST, NOON + 12 * DAY)
        for number in (1, 5, 7)
    ]
    kept = FakePoolMessages(kept={one.id: one for one in pools})
    feed = FakeFeed(incoming=[Telling("emp_b", "{}")])
    reader = FeedReader(
        feed, FeedCursors(bytes(64), feed="told"), Tailer("told", feed), now=lambda: NOON, kept=timedelta(days=100)
    )
    given: dict[str, Any] = {
        "store": opens(_Rows(ones)),
        "pool_messages": opens(kept),
        "policy": read_policy("2026-12"),
        "ticks": Ticks(TICK_KEY, DAY),
        "told": FeedFace(reader, anew=""),
    }
    async with served(seat, accounts, **given) as http:
        found: list[dict[str, Any]] = []
        after: str | None = ""
        while after is not None:
            page = (await http.get("/v1/seat/outreach", params={"limit": 4, "after": after})).json()
            found, after = [*found, *page["items"]], page["next"]
        assert [one["id"] for one in found] == sorted(id_of(number) for number in (*range(0, 20, 2), 1, 5, 7))
        assert found == [(await http.get(f"/v1/outreach/{one['id']}")).json() for one in found]
        place = (await http.get("/v1/seat")).json()
        assert (place["employer"], place["policy"]) == ("emp_a", "2026-12")
        assert place["outreach"] is not None
        feed.incoming.append(Telling("emp_a", "{}"))
        assert (await http.get("/v1/seat")).json()["outreach"] is None, "what has no number yet is on its way"
