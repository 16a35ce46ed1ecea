"""The courier as a process of its own, on Kafka's protocol, PostgreSQL and SMTP; it is killed and told to stop."""

import asyncio
import email
import os
import re
import signal
import sys
from collections import Counter
from collections.abc import AsyncIterator, Sequence
from dataclasses import dataclass, field
from datetime import UTC, datetime, timedelta
from email.message import EmailMessage
from email.policy import default
from functools import partial
from pathlib import Path

import httpx
import pytest

from deploy.local.ports import Ports
from services.signup.courier.adapters.envelope import message_id
from services.signup.courier.model import Person
from services.signup.vault.keepers.file import FileKeeper
from shared.contracts.base import Event
from shared.contracts.consent import ConsentChangedV2
from shared.contracts.operator import TenantChangedV1
from shared.contracts.outreach_gateway import OutreachDecidedV1, Words
from shared.contracts.signup import NoticeRequestedV1, NoticeRequestedV2
from shared.ids import new_candidate_id, new_id
from shared.messaging.envelope import encode
from shared.messaging.kafka import Kafka
from shared.messaging.producer import Producer
from shared.messaging.topics import create_missing
from shared.postgres.pool import Pool, open_pool
from shared.security import boxes, encoding
from shared.security.links import LinkReader, public_half
from shared.security.words import KeyPair, seal_words
from tests.fakes.keeper import begun
from tests.integration.courier.faulty import SILENCE, FaultyRelay, faulty_relay
from tests.integration.courier.tables import put_into_vault
from tests.signing import Owners, consented, environment_of
from tests.stack import Servers
from tests.unit.courier.jobs import JOB
from tests.waiting import until

LEASE = timedelta(seconds=4)
TLS = httpx.create_ssl_context()  # made once: that takes longer than to ask
CONNECTIONS = 4
SUBJECT_KEY = bytes(range(64))


@dataclass(slots=True)
class World:
    """Everything around the courier's processes."""

    pool: Pool
    producer: Producer
    relay: FaultyRelay
    environment: dict[str, str]
    vault_key: bytes
    seed: bytes
    log: Path
    keys: dict[str, KeyPair] = field(default_factory=dict)
    processes: list[asyncio.subprocess.Process] = field(default_factory=list)
    ports: list[int] = field(default_factory=list)

    async def start(self, count: int = 1) -> list[asyncio.subprocess.Process]:
        """Couriers that are ready."""
        started = []
        for port in [Ports.free().courier for _ in range(count)]:
            with self.log.open("ab") as log:
                process = await asyncio.create_subprocess_exec(
                    sys.executable,
                    "-m",
                    "services.signup.courier",
                    env=self.environment | {"FAIRPOOL_HTTP_PORT": str(port)},
                    stdout=log,
                    stderr=log,
                )
            self.processes.append(process)
            self.ports.append(port)
            started.append(process)
            await until(partial(is_ready, port), what="the courier is ready")
        return started

    async def person(self) -> str:
        """Someone in the vault who allows contact."""
        candidate, pair = new_candidate_id(), KeyPair.generate()
        self.keys[candidate] = pair
        await put_into_vault(self.pool, candidate, Person(address_of(candidate), pair), self.vault_key)
        await self.publish(consent(candidate, 1, granted=True))
        return candidate

    async def publish(self, *events: Event) -> None:
        await self.producer.send([encode(event, source="test", at=datetime.now(UTC)) for event in events])

    async def admit(
        self, candidate: str, *, good_for: timedelta = timedelta(minutes=10), employer: str = "emp_test"
    ) -> str:
        """An admitted outreach to this person."""
        outreach, now = new_id("o"), datetime.now(UTC)
        words = Words(outreach=outreach, subject="Night-shift RN", body="A canary sentence.", job=JOB)
        event = OutreachDecidedV1(
            outreach=outreach,
            version=1,
            candidate=candidate,
            employer=employer,
            outcome="admitted",
            policy="2026-12",
            at=now,
            good_until=now + good_for,
            sealed=seal_words(words, self.keys[candidate].public, "jwe"),
        )
        await self.publish(event)
        return outreach

    async def state(self, name: str) -> str | None:
        found: str | None = await self.pool.fetchval("SELECT state FROM courier_mails WHERE id = $1", name)
        return found

    async def comes_to(self, name: str, state: str) -> None:
        async def there() -> bool:
            return await self.state(name) == state

        await until(there, what=f"{name} is {state}")

    def mails(self) -> Sequence[EmailMessage]:
        return [email.message_from_bytes(raw, policy=default) for raw in self.relay.reached]

    def sends_of(self, outreach: str) -> int:
        return sum(mail["Message-ID"] == message_id_of(outreach) for mail in self.mails())


def message_id_of(outreach: str) -> str:
    return message_id("outreach", outreach, SUBJECT_KEY, "fairpool.example")


def address_of(candidate: str) -> str:
    return f"canary.{candidate[-12:]}@people.example"


def consent(candidate: str, version: int, *, granted: bool) -> ConsentChangedV2:
    return consented(
        candidate=candidate, version=version, at=datetime.now(UTC), purposes=("match", "contact") if granted else ()
    )


async def is_ready(port: int) -> bool:
    async with httpx.AsyncClient(verify=TLS) as client:
        try:
            return (await client.get(f"http://127.0.0.1:{port}/health/ready", timeout=3)).status_code == 200
        except httpx.HTTPError:
            return False


@pytest.fixture
async def world(servers: Servers, database: str, tmp_path: Path) -> AsyncIterator[World]:
    await create_missing(Kafka.plain(servers.kafka))
    pool = await open_pool(database, name="test")
    producer = Producer(Kafka.plain(servers.kafka), idempotence=False, client_id="test", signer=Owners())
    await producer.start()
    seed, vault_key = boxes.new_key(), boxes.new_key()
    await begun(pool, FileKeeper(tmp_path / "keys"), vault_key)
    async with faulty_relay() as relay:
        environment = {name: value for name, value in os.environ.items() if not name.startswith("FAIRPOOL_")} | {
            "FAIRPOOL_KAFKA": servers.kafka,
            **environment_of("courier"),
            "FAIRPOOL_KAFKA_IDEMPOTENCE": str(servers.idempotence).lower(),
            "FAIRPOOL_SIGNUP_DATABASE": database,
            "FAIRPOOL_VAULT_KEYS": f"file://{tmp_path}/keys",
            "FAIRPOOL_LINK_SIGNING_KEY": encoding.encode(seed),
            "FAIRPOOL_LINK_SUBJECT_KEY": encoding.encode(SUBJECT_KEY),
            "FAIRPOOL_SMTP": relay.url,
            "FAIRPOOL_CONSENT_URL": "https://consent.test",
            "FAIRPOOL_SIGNUP_URL": "https://signup.test",
            "FAIRPOOL_COURIER_LEASE": f"PT{LEASE.total_seconds():.0f}S",
            "FAIRPOOL_COURIER_CONNECTIONS": str(CONNECTIONS),
        }
        made = World(pool, producer, relay, environment, vault_key, seed, tmp_path / "courier.log")
        tenant = TenantChangedV1(tenant="emp_test", version=1, kind="employer", name="Denver Health", key_hashes=())
        await made.publish(tenant)
        yield made
        for process in made.processes:
            if process.returncode is None:
                process.kill()
                await process.wait()
    await producer.stop()
    await pool.close()


async def test_the_courier_sends_withholds_returns_and_survives_being_killed(world: World) -> None:
    (first,) = await world.start()

    ana, bo = await world.person(), await world.person()
    outreach = await world.admit(ana)
    await world.comes_to(outreach, "delivered")
    (mail,) = world.mails()
    assert mail["To"] == address_of(ana)
    assert mail["From"] == "Denver Health through Fairpool <outreach@fairpool.example>"

    notice = new_id("n")
    event = NoticeRequestedV1(
        notice=notice, candidate=bo, purpose="confirm", expires_at=datetime.now(UTC) + timedelta(days=14)
    )
    await world.publish(event, event)
    await world.comes_to(notice, "delivered")
    body = world.mails()[-1].get_body(("plain",))
    assert body is not None
    found = re.search(r"https://consent\.test/confirm/(\S+)", body.get_content())
    assert found is not None
    link = LinkReader([public_half(world.seed)], [SUBJECT_KEY]).read(found.group(1), "confirm", at=datetime.now(UTC))
    assert getattr(link, "candidate", None) == bo

    await world.publish(consent(bo, 2, granted=False))
    withheld = await world.admit(bo)
    await world.comes_to(withheld, "withheld")
    returned = await world.admit(ana, good_for=timedelta(seconds=-1))
    await world.comes_to(returned, "returned")

    world.relay.says["dot"] = SILENCE
    doubtful = await world.admit(ana)
    await until(lambda: world.sends_of(doubtful) == 1)
    first.send_signal(signal.SIGKILL)
    await first.wait()
    world.relay.says.clear()
    (second,) = await world.start()
    await world.comes_to(doubtful, "doubtful")
    later = await world.admit(ana)
    await world.comes_to(later, "delivered")
    assert world.sends_of(doubtful) == 1, "never sent again"

    async def all_has_left() -> bool:
        return bool(await world.pool.fetchval("SELECT count(*) FROM outbox") == 0)

    await until(all_has_left, what="every outcome left")

    second.send_signal(signal.SIGTERM)
    assert await asyncio.wait_for(second.wait(), 60) in (0, -signal.SIGTERM), "uvicorn passes the signal on at its end"
    left = await world.pool.fetchval("SELECT count(*) FROM courier_instances WHERE lives_until > now()")
    assert left == 0, "it said goodbye"
    assert len(world.relay.reached) == 4
    log = world.log.read_text()
    for secret in (address_of(ana), address_of(bo), "people.example", "canary sentence", "Night-shift"):
        assert secret not in log


async def test_two_couriers_one_of_which_is_killed_lose_nothing_and_send_nothing_twice(world: World) -> None:
    one, _ = await world.start(2)
    world.relay.slow["dot"] = 0.02
    people = [await world.person() for _ in range(5)]
    names = [await world.admit(people[n % 5]) for n in range(150)]
    await until(lambda: len(world.relay.reached) > 30)
    one.send_signal(signal.SIGKILL)
    await one.wait()

    async def all_over() -> bool:
        rows = await world.pool.fetch("SELECT state FROM courier_mails WHERE id = ANY($1)", names)
        return len(rows) == len(names) and all(row["state"] in ("delivered", "doubtful") for row in rows)

    await until(all_over)
    names_of = {message_id_of(name): name for name in names}
    sends = Counter(names_of[str(mail["Message-ID"])] for mail in world.mails())
    assert set(sends.values()) == {1}
    delivered = {row["id"] for row in await world.pool.fetch("SELECT id FROM courier_mails WHERE state = 'delivered'")}
    assert delivered <= set(sends)
    assert len(names) - len(delivered) <= CONNECTIONS, "only what was being handed over is in doubt"


async def why_not_ready(port: int) -> str:
    async with httpx.AsyncClient() as client:
        answer = await client.get(f"http://127.0.0.1:{port}/health/ready", timeout=5)
        return "" if answer.status_code == 200 else str(answer.json()["detail"])


async def test_a_relay_that_refuses_us_burns_nothing_and_a_lost_mailbox_is_written_to_once(world: World) -> None:
    await world.start()
    ana, bo = await world.person(), await world.person()
    world.relay.says["MAIL"] = "530 5.7.0 your password has expired"
    invited = new_id("n")
    notice = NoticeRequestedV2(
        notice=invited, candidate=bo, purpose="confirm", expires_at=datetime.now(UTC) + timedelta(days=14)
    )
    await world.publish(notice)
    held = await world.admit(ana)
    port = world.ports[-1]

    async def says_why() -> bool:
        return "refuses us at MAIL: 530 5.7.0" in await why_not_ready(port)

    await until(says_why, what="readiness names the refusal")

    async def both_wait() -> bool:
        return {await world.state(name) for name in (invited, held)} <= {"ready", "claimed"}

    await until(both_wait, what="both are kept, neither is over")
    tried = world.relay.heard.count("MAIL")
    await until(lambda: world.relay.heard.count("MAIL") >= tried + 2, what="they are tried again")
    assert await both_wait(), "a relay that refuses us ends no email"
    world.relay.says.clear()
    world.relay.of[address_of(ana)] = "550 5.1.1 nobody here"
    await world.comes_to(invited, "delivered")
    await world.comes_to(held, "bounced")
    recipients = world.relay.heard.count("RCPT")
    other = await world.admit(ana)
    await world.comes_to(other, "bounced")
    assert world.relay.heard.count("RCPT") == recipients, "the relay is not asked"
    gone = await world.pool.fetchval("SELECT mailbox_gone_at FROM candidates WHERE candidate = $1", ana)
    assert gone is not None

    world.relay.of.clear()
    link = NoticeRequestedV2(
        notice=new_id("n"), candidate=ana, purpose="sign_in", expires_at=datetime.now(UTC) + timedelta(minutes=30)
    )
    await world.publish(link)
    await world.comes_to(link.notice, "delivered")
    back = await world.admit(ana)
    await world.comes_to(back, "delivered")


async def test_an_invitation_by_a_removed_tenant_is_dropped_and_one_by_a_suspended_employer_or_vendor_waits(
    world: World,
) -> None:
    def tenant(name: str, version: int = 1, **more: object) -> TenantChangedV1:
        values = {"tenant": name, "version": version, "kind": "employer", "name": name, "key_hashes": ()}
        return TenantChangedV1.model_validate(values | more)

    await world.publish(
        tenant("vendor_bad", kind="vendor", standing="suspended"),
        tenant("emp_left", removed=True),
        tenant("emp_bad", standing="suspended"),
        tenant("emp_of_bad", vendor="vendor_bad"),
    )
    until_then = datetime.now(UTC) + timedelta(days=14)
    invitations = {
        by: NoticeRequestedV2(
            notice=new_id("n"),
            candidate=await world.person(),
            purpose="confirm",
            expires_at=until_then,
            introduced_by=by,
        )
        for by in ("emp_bad", "emp_of_bad", "vendor_bad", "emp_left", "emp_test")
    }
    await world.start()
    await world.publish(*invitations.values())
    await world.comes_to(invitations["emp_test"].notice, "delivered")
    await world.comes_to(invitations["emp_left"].notice, "withheld")
    waiting = [invitations[by].notice for by in ("emp_bad", "emp_of_bad", "vendor_bad")]

    async def all_were_put_off() -> bool:
        rows = await world.pool.fetch(
            "SELECT FROM courier_mails WHERE id = ANY($1) AND state = 'ready' AND not_before > now() + interval '20 s'",
            waiting,
        )
        return len(rows) == len(waiting)

    await until(all_were_put_off, what="each was looked at, and is to be looked at again in a minute")
    assert len(world.mails()) == 1
    await world.publish(tenant("emp_bad", version=2))
    held = invitations["emp_bad"].notice

    async def has_left() -> bool:
        await world.pool.execute("UPDATE courier_mails SET not_before = now() WHERE id = $1 AND state = 'ready'", held)
        return await world.state(held) == "delivered"

    await until(has_left, what="what waited for a suspended employer leaves once it is back")


async def test_what_was_admitted_for_a_suspended_or_a_removed_employer_is_withheld(world: World) -> None:
    known = TenantChangedV1(tenant="emp_gone_bad", version=1, kind="employer", name="Bad Health", key_hashes=())
    suspended = known.model_copy(update={"standing": "suspended"})
    removed = known.model_copy(update={"tenant": "emp_gone_left", "removed": True})
    await world.publish(suspended, removed)
    person = await world.person()
    await world.start()
    for employer, state in (("emp_gone_bad", "withheld"), ("emp_gone_left", "withheld"), ("emp_test", "delivered")):
        await world.comes_to(await world.admit(person, employer=employer), state)
    assert len(world.mails()) == 1
