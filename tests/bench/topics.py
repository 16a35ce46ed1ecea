"""A worker of the gateway, and what it is measured against, on the same servers: requests on one topic, decisions on another."""

import asyncio
import json
import os
import signal
import subprocess
import time
from collections.abc import Iterator, Sequence
from contextlib import ExitStack, contextmanager
from datetime import UTC, datetime, timedelta

from deploy.local.ports import free_ports
from shared.contracts.operator import TenantChangedV1
from shared.contracts.outreach_gateway import OutreachRequestedV1
from shared.contracts.topics import OUTREACH_DECISIONS
from shared.ids import new_candidate_id
from shared.messaging import topics
from shared.messaging.envelope import Outgoing, encode
from shared.messaging.producer import Producer
from shared.messaging.reading import read_to_the_end
from shared.postgres.migrate import migrate
from shared.postgres.pool import open_pool
from tests.architecture.test_subscriptions import ENVIRONMENT
from tests.bench.intake import Bench, answers, said, until
from tests.databases import MIGRATIONS_OF
from tests.signing import Owners, environment_of, signed_by
from tests.stack import Servers

REQUESTS = 5_000
"""Of a round."""
_WITHIN = 300.0
_ROWS = """
WITH asked AS (SELECT * FROM unnest($1::text[], $2::uuid[]) AS one (id, candidate)),
consented AS (INSERT INTO consents (candidate, version, contact, blocked_employers, time_zone)
    SELECT candidate, 1, true, '{}', $5 FROM asked),
member AS (INSERT INTO memberships (candidate, version, employers) SELECT candidate, 1, '{emp_one}' FROM asked)
INSERT INTO outreach (id, employer, candidate, member_ref, request_digest, sealed, submitted_at, expires_at, due_at,
                      last_day, tell_at, occupation, job_state)
SELECT id, 'emp_one', candidate, 'm', '\\x00', repeat('words', 200), $3, $4::timestamptz, $4, $4::date, $4, '29-1141', 'CO' FROM asked
"""
"""All that the edge writes: a row without its last day is one of a version before, and is changed once more to have it."""

_WAITS = "SELECT EXISTS (SELECT FROM outreach WHERE state = 'submitted') OR EXISTS (SELECT FROM outbox)"
"""A row leaves the outbox once Kafka has it."""


class Topics(Bench):
    """A worker of the gateway, and a bare loop, on the same servers."""

    def worker(self, port: int) -> subprocess.Popen[bytes]:
        """One process that decides and relays."""
        known = {
            **ENVIRONMENT,
            **{name.removeprefix("FAIRPOOL_"): value for name, value in environment_of("outreach_gateway").items()},
            "KAFKA": self.servers.kafka, "KAFKA_IDEMPOTENCE": str(self.servers.idempotence), "REDIS": self.servers.redis,
            "OUTREACH_GATEWAY_DATABASE": self.dsn, "HTTP_PORT": str(port), "ROLE": "worker", "LOG_LEVEL": "WARNING",
            "DRAIN_FOR": "PT0S",
        }  # fmt: skip
        made = self.process("services.outreach_gateway", environment=known)
        until(lambda: made.poll() is not None or answers(f"http://127.0.0.1:{port}/health/ready"))
        assert made.poll() is None, "the gateway did not start: it has said why"
        until(lambda: self.rows("SELECT count(*) FROM epochs WHERE building IS NULL AND name <> 'none'") == 64)
        return made

    def requests(self) -> list[OutreachRequestedV1]:
        """Of people whom nobody has written to, in a zone in which it is about noon."""
        now = datetime.now(UTC).replace(microsecond=0)
        return [
            OutreachRequestedV1(
                outreach=f"o_{os.urandom(8).hex()}", employer="emp_one", candidate=new_candidate_id(), at=now,
                expires_at=now + timedelta(days=7),
            ) for _ in range(REQUESTS)
        ]  # fmt: skip

    def decided(self, *workers: subprocess.Popen[bytes]) -> float:
        """Requests in a second of these, which are all that there are, until the decisions are on their topic."""
        return asyncio.run(self._decided(workers))

    async def _decided(self, workers: Sequence[subprocess.Popen[bytes]]) -> float:
        asked = self.requests()
        async with await open_pool(self.dsn, name="bench") as pool:
            at = asked[0].at
            zone = f"Etc/GMT{at.hour - 13:+d}" if at.hour != 13 else "Etc/GMT"
            await pool.execute(
                _ROWS,
                [one.outreach for one in asked],
                [one.candidate for one in asked],
                at,
                at + timedelta(days=7),
                zone,
            )
            records = [encode(one, source="outreach_gateway", at=one.at) for one in asked]
            for worker in workers:
                worker.send_signal(signal.SIGSTOP)  # for moments: who is gone for seconds loses its place in the group
            await self._produce(records)
            began = time.perf_counter()
            for worker in workers:
                worker.send_signal(signal.SIGCONT)
            async with asyncio.timeout(_WITHIN):
                while await pool.fetchval(_WAITS):  # noqa: ASYNC110 - another process has no event here
                    await asyncio.sleep(0.01)
            took = time.perf_counter() - began
            admitted = await pool.fetchval(
                "SELECT count(*) FROM outreach WHERE id = ANY($1) AND state = 'admitted'",
                [one.outreach for one in asked],
            )
        assert admitted == REQUESTS, "whoever allows it, and whom nobody has written to, may be written to"
        self.people += REQUESTS
        return REQUESTS / took

    async def _produce(self, records: list[Outgoing], *, signed: bool = True) -> None:
        signer = signed_by("outreach_gateway") if signed else None
        producer = Producer(self.kafka, idempotence=self.servers.idempotence, client_id="bench", signer=signer)
        await producer.start()
        for first in range(0, len(records), 500):
            await producer.send(records[first : first + 500])
        await producer.stop()

    def bare_loop(self) -> float:
        """As many of the same records through a bare loop."""
        bare = self.process(
            "tests.bench.bare", "loop", self.servers.kafka, self.events.name, self.ended.name, self.dsn, str(REQUESTS),
            "without", stdin=subprocess.PIPE,
        )  # fmt: skip
        self._give(bare)
        took = self._took(bare)
        said(bare, b"hashed")
        bare.wait(_WITHIN)
        return REQUESTS / took

    def idiomatic(self) -> float:
        """As many through what one would write first."""
        theirs = self.process(
            "tests.bench.idiomatic", self.servers.kafka, self.servers.redis, self.events.name, self.ended.name, str(REQUESTS),
            stdin=subprocess.PIPE,
        )  # fmt: skip
        self._give(theirs, signed=False)  # FastStream reads headers as text, and a signature is none
        took = self._took(theirs)
        theirs.wait(_WITHIN)
        return REQUESTS / took

    def _give(self, theirs: subprocess.Popen[bytes], *, signed: bool = True) -> None:
        """Requests, once it is ready for them."""
        said(theirs, b"ready")
        records = [encode(one, source="outreach_gateway", at=one.at) for one in self.requests()]
        given = [Outgoing(self.events.name, os.urandom(16), one.value, one.headers) for one in records]
        asyncio.run(self._produce(given, signed=signed))

    def _took(self, theirs: subprocess.Popen[bytes]) -> float:
        """Seconds from its start until it is done."""
        began = time.perf_counter()
        assert theirs.stdin
        theirs.stdin.write(b"\n")
        theirs.stdin.flush()
        said(theirs, b"done")
        return time.perf_counter() - began

    async def each_once(self) -> None:
        """Each request was decided once."""
        found: list[str] = []
        async for records in read_to_the_end(self.kafka, [OUTREACH_DECISIONS], client_id="bench"):
            found += [json.loads(record.value or b"")["outreach"] for record in records]
        assert len(found) == len(set(found)) == self.people, "not as many decisions as requests"


@contextmanager
def started() -> Iterator[Topics]:
    """Servers, topics, an employer, and theirs."""
    with ExitStack() as stack:
        servers = stack.enter_context(Servers())
        dsn = asyncio.run(servers.create_database("bench"))
        bench = Topics(servers, stack, dsn, tuple(free_ports(3)))  # type: ignore[arg-type]  # three
        asyncio.run(_prepare(bench))
        yield bench


async def _prepare(bench: Topics) -> None:
    await topics.create_missing(bench.kafka)
    await topics.create_missing(bench.kafka, [bench.events, bench.ended])
    async with await open_pool(bench.dsn, name="bench") as pool:
        await migrate(pool, *MIGRATIONS_OF["outreach_gateway"])
    producer = Producer(bench.kafka, idempotence=bench.servers.idempotence, client_id="bench", signer=Owners())
    await producer.start()
    tenants = [
        TenantChangedV1(tenant="acme", version=1, kind="vendor", name="acme", key_hashes=()),
        TenantChangedV1(tenant="emp_one", version=1, kind="employer", name="emp_one", key_hashes=(), vendor="acme"),
    ]
    await producer.send([encode(one, source="operator", at=datetime.now(UTC)) for one in tenants])
    await producer.stop()
