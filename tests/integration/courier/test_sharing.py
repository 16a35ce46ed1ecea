"""Several couriers on one database: rows are shared, nothing is sent twice, the dead leave doubt and nothing else."""

import asyncio
from collections import Counter
from collections.abc import AsyncIterator
from contextlib import asynccontextmanager
from datetime import timedelta

import pytest

from services.signup.courier.adapters.postgres import PostgresCourier
from services.signup.courier.model import Consent, Handed, Letter, Mail, Person, Taken
from services.signup.courier.ports import Clear, Mark
from services.signup.courier.sending import Sender
from shared.facts import Known
from shared.messaging.unit import unit_of_work
from shared.postgres.pool import Pool
from shared.security import boxes
from shared.security.words import KeyPair
from tests.fakes.clock import NOON, FixedClock
from tests.fakes.courier import FakeConsentCheck, FakeLetters, FakeRelay
from tests.fakes.keeper import first_epoch
from tests.integration.courier.tables import published, put_into_vault
from tests.waiting import until

ANA = "0192f0c1-2a3b-7c4d-8e5f-60718293a4b5"
LEASE = timedelta(minutes=2)


class Couriers:
    """A database with a person who allows contact, and couriers on it."""

    def __init__(self, pool: Pool) -> None:
        self.pool = pool
        self.vault_key = boxes.new_key()

    @asynccontextmanager
    async def open(self) -> AsyncIterator[PostgresCourier]:
        async with unit_of_work(self.pool, at=NOON, source="courier") as unit:
            yield PostgresCourier(unit, first_epoch(self.vault_key))

    def sender(self, name: str, relay: FakeRelay) -> Sender:
        return Sender(
            courier=name,
            open_store=self.open,
            check_consents=FakeConsentCheck(lambda: relay),
            letters=FakeLetters(),
            relay=relay,
            tenant_name=lambda _: Known("Acme"),
            sender_standing=lambda _: Known("good"),
            introducer_standing=lambda _: Known("good"),
            clock=FixedClock(),
            batch=8,
            at_once=4,
            lease=LEASE,
            stop_within=timedelta(seconds=5),
        )

    async def take_in(self, *names: str) -> None:
        slot = NOON + timedelta(minutes=10)
        mails = [Mail("outreach", name, ANA, 1, slot, employer="emp_a", sealed="jwe") for name in names]
        async with self.open() as store:
            await store.keep(mails, [], at=NOON)

    async def end_lease_of(self, courier: str) -> None:
        await self.pool.execute(
            "UPDATE courier_instances SET lives_until = now() - interval '1 s' WHERE courier = $1", courier
        )

    async def states(self) -> Counter[str]:
        return Counter(row["state"] for row in await self.pool.fetch("SELECT state FROM courier_mails"))


@pytest.fixture
async def couriers(pool: Pool) -> Couriers:
    made = Couriers(pool)
    await put_into_vault(pool, ANA, Person("ana.canary@people.example", KeyPair.generate()), made.vault_key)
    async with made.open() as store:
        await store.keep_consents([Consent(ANA, 1, ("contact",))], {0: 1})
    return made


async def stop(*runs: asyncio.Task[None]) -> None:
    for run in runs:
        run.cancel()
    await asyncio.gather(*runs, return_exceptions=True)


async def test_couriers_share_the_rows_and_never_send_one_twice(couriers: Couriers) -> None:
    names = [f"o_{n}" for n in range(120)]
    await couriers.take_in(*names)
    busy: set[int] = set()

    class Shared(FakeRelay):
        async def hand_over(self, letter: Letter, clear: Clear, mark: Mark) -> Handed:
            busy.add(id(self))
            await until(lambda: len(busy) == 3, what="every courier has something to send")
            return await super().hand_over(letter, clear, mark)

    relays = [Shared(), Shared(), Shared()]
    runs = [asyncio.create_task(couriers.sender(str(n), relay).run()) for n, relay in enumerate(relays)]

    async def all_gone() -> bool:
        return (await couriers.states())["delivered"] == len(names)

    await until(all_gone)
    await stop(*runs)
    given = Counter(name for relay in relays for name in relay.given)
    assert given == Counter(names)
    assert set(await published(couriers.pool)) == {f"{name}.1.delivered" for name in names}


class Endless(FakeRelay):
    """Takes mails and never answers."""

    async def hand_over(self, letter: Letter, clear: Clear, mark: Mark) -> Handed:
        await mark()
        self.given.append(letter.content.decode())
        await asyncio.Event().wait()
        return Taken()


async def test_a_courier_that_dies_between_mark_and_outcome_leaves_doubt_and_no_second_mail(couriers: Couriers) -> None:
    await couriers.take_in("o_1", "o_2")
    dead, alive = Endless(), FakeRelay()
    died = asyncio.create_task(couriers.sender("dead", dead)._work())  # run() would say goodbye
    await until(lambda: len(dead.given) == 2)
    await stop(died)
    other = couriers.sender("alive", alive)
    run = asyncio.create_task(other.run())
    await other.watch()
    assert await couriers.states() == {"sending": 2}, "its lease is not over yet"
    await couriers.end_lease_of("dead")

    async def doubted() -> bool:
        await other.watch()
        return (await couriers.states())["doubtful"] == 2

    await until(doubted)
    await stop(run)
    assert alive.given == []
    assert set(await published(couriers.pool)) == {"o_1.1.doubtful", "o_2.1.doubtful"}


async def test_an_outcome_that_comes_after_the_lease_is_not_reported_over_the_doubt(couriers: Couriers) -> None:
    await couriers.take_in("o_1")
    gate, began = asyncio.Event(), asyncio.Event()

    class Paused(FakeRelay):
        async def hand_over(self, letter: Letter, clear: Clear, mark: Mark) -> Handed:
            await mark()
            began.set()
            await gate.wait()
            return Taken()

    run = asyncio.create_task(couriers.sender("paused", Paused()).run())
    await began.wait()
    await couriers.end_lease_of("paused")
    await couriers.sender("other", FakeRelay()).watch()
    gate.set()
    await stop(run)  # which waits until it has written down what came of its mail
    assert await couriers.states() == {"doubtful": 1}
    assert set(await published(couriers.pool)) == {"o_1.1.doubtful"}
