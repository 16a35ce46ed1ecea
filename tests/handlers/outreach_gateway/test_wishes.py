"""What a person wants next comes first of what waits for them, and no window is passed by it."""

import asyncio
from datetime import datetime, timedelta

import pytest
from hypothesis import given, settings
from hypothesis import strategies as st

from services.outreach_gateway import handlers
from services.outreach_gateway.decisions import windows_of
from services.outreach_gateway.model import State
from shared.contracts.consent import MessageWishedV1
from tests.fakes.clock import NOON
from tests.handlers.outreach_gateway.test_handlers import ANA, BEN, POLICY, Gateway, received

HOUR, DAY = timedelta(hours=1), timedelta(days=1)
SIX = ("o_a", "o_b", "o_c", "o_d", "o_e", "o_f")


def wish(id: str, at: datetime, candidate: str = ANA) -> MessageWishedV1:
    return MessageWishedV1(candidate=candidate, outreach=id, at=at)


async def hear(gateway: Gateway, *wishes: MessageWishedV1) -> None:
    await handlers.on_message_wished(gateway.store, [received(one) for one in wishes])


def slots(gateway: Gateway) -> dict[str, datetime]:
    return {row.id: row.slot_at for row in gateway.store.rows.values() if row.slot_at is not None}


@pytest.fixture
async def gateway() -> Gateway:
    """Five employers asked one after the other: one message went out at once, four wait."""
    return await _gateway(5)


async def _gateway(count: int) -> Gateway:
    gateway = Gateway()
    gateway.windows.step = HOUR / 6
    gateway.knows(ANA)
    for place, id in enumerate(SIX[:count]):
        gateway.store.at = gateway.windows.at = NOON + place * HOUR / 6
        await gateway.submitted(id, f"emp_{id[-1]}")
    return gateway


async def test_what_is_wanted_next_gets_the_first_free_slot_and_the_others_keep_their_order(gateway: Gateway) -> None:
    before = slots(gateway)
    assert sorted(before, key=before.__getitem__) == ["o_a", "o_b", "o_c", "o_d", "o_e"]
    await hear(gateway, wish("o_d", NOON + HOUR))
    await gateway.at(NOON + HOUR)
    after = slots(gateway)
    assert sorted(after, key=after.__getitem__) == ["o_a", "o_d", "o_b", "o_c", "o_e"]
    assert sorted(after.values()) == sorted(before.values()), "the same slots, in another order"


async def test_of_two_wishes_the_later_counts_in_whatever_order_they_come(gateway: Gateway) -> None:
    await hear(gateway, wish("o_c", NOON + 2 * HOUR))
    await hear(gateway, wish("o_e", NOON + HOUR), wish("o_c", NOON))
    await hear(gateway, wish("o_e", NOON + HOUR))
    await gateway.at(NOON + 2 * HOUR)
    after = slots(gateway)
    assert sorted(after, key=after.__getitem__) == ["o_a", "o_c", "o_e", "o_b", "o_d"]


async def test_the_same_wish_again_plans_nothing_anew(gateway: Gateway) -> None:
    await hear(gateway, wish("o_d", NOON + HOUR))
    await gateway.at(NOON + HOUR)
    due = dict(gateway.store.due)
    await hear(gateway, wish("o_d", NOON + HOUR))
    assert gateway.store.due == due


async def test_nobody_moves_anothers_message_nor_one_that_was_handed_on(gateway: Gateway) -> None:
    before, due = slots(gateway), dict(gateway.store.due)
    await hear(gateway, wish("o_d", NOON + HOUR, candidate=BEN), wish("o_a", NOON + HOUR), wish("o_of_nobody", NOON))
    assert (slots(gateway), gateway.store.due) == (before, due)
    assert gateway.state("o_a") is State.ADMITTED


@settings(max_examples=6, deadline=None)
@given(st.lists(st.tuples(st.sampled_from(SIX), st.integers(1, 40)), max_size=4))
def test_whatever_is_wanted_and_when_no_window_ever_holds_too_many(wishes: list[tuple[str, int]]) -> None:
    async def play() -> Gateway:
        gateway = await _gateway(6)
        at = NOON + HOUR
        for id, hours in wishes:
            at += hours * HOUR
            await hear(gateway, wish(id, at))
            await gateway.at(at)
        return gateway

    gateway = asyncio.run(play())
    taken = sorted(slots(gateway).values())
    for window in windows_of(POLICY, gateway.store.consents[ANA]):
        if window.scope == "network":
            assert all(sum(end - window.length < one <= end for one in taken) <= window.cap for end in taken)
