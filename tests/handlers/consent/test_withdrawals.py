"""How long it takes until what a person takes back is everybody's is measured, whatever their own answer waits for."""

import time
from collections.abc import Sequence
from datetime import timedelta

import pytest
from prometheus_client import REGISTRY

from services.consent import decisions
from services.consent.adapters import withdrawals
from services.consent.adapters.withdrawals import Withdrawals
from services.consent.model import Choices
from tests.fakes.consent import ConsentsDatabase
from tests.fakes.consent_pages import client_of, link, never_publishes
from tests.waiting import until

PERSON = "00000000-0000-7000-8000-000000000001"
U = f"/u/{link(PERSON, 'unsubscribe', employer='emp_acme')}"
ME = "/me"


async def test_what_takes_something_back_is_timed_from_its_arrival_and_nothing_else_is(
    database: ConsentsDatabase,
) -> None:
    timed: list[tuple[int, float]] = []
    began = time.perf_counter()
    async with client_of(
        database, has_published=never_publishes, time_withdrawal=lambda *noted: timed.append(noted), is_signed_in=True
    ) as client:
        assert (await client.post(ME, json={"purposes": ["match", "contact"]})).status_code == 202
        await client.get(U)
        assert timed == [], "a yes, and a look"
        assert (await client.post(U, data={"scope": "employer"})).status_code == 202
        assert len(timed) == 1, "an employer is stopped"
        await client.post(U, data={"scope": "employer"})
        assert len(timed) == 1, "that changed nothing"
        await client.post(ME, json={"purposes": ["match"]})
        await client.post(U)
    assert len(timed) == 3
    assert len({outbox_id for outbox_id, _ in timed}) == 3
    assert all(began <= arrived <= time.perf_counter() for _, arrived in timed)


def test_letting_in_takes_nothing_back() -> None:
    choices = Choices(purposes=("match",), blocked_employers=("emp_a",))
    assert not decisions.takes_back(choices, Choices(purposes=("match", "contact")))
    assert decisions.takes_back(choices, Choices(purposes=("match",), blocked_employers=("emp_a", "emp_b")))


def _counted() -> float:
    return REGISTRY.get_sample_value("fairpool_withdrawal_seconds_count") or 0


async def test_an_acknowledgement_that_comes_late_counts_when_it_comes(monkeypatch: pytest.MonkeyPatch) -> None:
    asked: list[Sequence[int]] = []
    answers = [False, False, True]

    async def has_published(outbox_ids: Sequence[int], *, within: timedelta) -> bool:
        asked.append(outbox_ids)
        return answers[len(asked) - 1]

    before = _counted()
    meter = Withdrawals(has_published)
    meter.time(7, time.perf_counter())
    assert _counted() == before
    await until(lambda: _counted() == before + 1)
    assert asked == [[7]] * 3
    await until(lambda: not meter._timed)

    monkeypatch.setattr(withdrawals, "_TIMED_FOR", timedelta(0))
    answers.append(False)
    meter.time(8, time.perf_counter())
    await until(lambda: _counted() == before + 2, what="what never comes counts too")
