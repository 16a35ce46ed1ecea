"""The key that names outreach is exchanged with overlap: a repeated request is the same one, whoever takes it."""

import asyncio
from contextlib import AbstractAsyncContextManager
from datetime import timedelta
from pathlib import Path
from typing import Any
from uuid import UUID

import httpx
import pytest

from services.outreach_gateway.api import submissions
from services.outreach_gateway.api.ids import OutreachIds
from shared.postgres.pool import Pool
from shared.security.member_refs import MemberRefs
from shared.security.words import KeyPair
from shared.ticks import Ticks
from tests.databases import MIGRATIONS_OF
from tests.fakes.gateway_jobs import FakeJobs
from tests.handlers.outreach_gateway.served import opens, served
from tests.handlers.outreach_gateway.test_jobs import JOB
from tests.ports.test_outreach_store import ANA, POLICY, PostgresRows
from tests.signing import TICK_KEY

OLD, NEW = b"o" * 32, b"n" * 32
OLD_REF, NEW_REF = b"o" * 64, b"n" * 64
BODY = {"subject": "Night-shift RN", "body": "We would like to talk.", "job": JOB}


@pytest.fixture
def migrations() -> tuple[Path, ...]:
    return MIGRATIONS_OF["outreach_gateway"]


def gateway(
    pool: Pool, *keys: bytes, refs: tuple[bytes, ...] = (OLD_REF,)
) -> AbstractAsyncContextManager[httpx.AsyncClient]:
    """A process of the gateway with these keys."""
    of_jobs = opens(FakeJobs())
    return served(
        submissions, policy=POLICY, store=PostgresRows(pool).requests, ids=OutreachIds(*keys), refs=MemberRefs(*refs),
        ticks=Ticks(TICK_KEY, timedelta(days=1)), jobs=of_jobs, look_at_jobs=of_jobs,
    )  # fmt: skip


async def send(
    http: httpx.AsyncClient, key: str = "one", refs: bytes = OLD_REF, who: str = ANA, **changes: Any
) -> httpx.Response:
    ref = MemberRefs(refs).make(who, "emp_a", "p_one", 0)
    return await http.post(
        "/v1/outreach", json={"member_ref": ref, **BODY, **changes}, headers={"Idempotency-Key": key}
    )


async def test_a_request_of_under_the_old_key_is_the_same_until_that_is_taken_away(pool: Pool) -> None:
    async with gateway(pool, OLD) as http:
        first = await send(http)
    assert first.status_code == 202, first.text
    async with gateway(pool, NEW, OLD) as http:
        assert (await send(http)).json() == first.json()
        reused = await send(http, body="Other words.")
        assert reused.json()["type"] == "urn:fairpool:problem:idempotency-key-reused"
    assert await pool.fetchval("SELECT count(*) FROM outreach") == 1
    async with gateway(pool, NEW) as http:
        assert (await send(http)).status_code == 409, "under the new key alone it is another message"


@pytest.mark.parametrize("older", [(OLD_REF,), (NEW_REF, OLD_REF)])
async def test_a_message_closes_its_member_under_the_ref_of_the_other_key_too(
    pool: Pool, older: tuple[bytes, ...]
) -> None:
    async with gateway(pool, OLD, refs=older) as http:
        assert (await send(http)).status_code == 202
    async with gateway(pool, OLD, refs=(NEW_REF, OLD_REF)) as http:
        refused = (await send(http, "two", NEW_REF)).json()
        assert refused["type"] == "urn:fairpool:problem:earlier-message"
        assert "PATCH" in refused["detail"] and "takes subject, body and job all anew" in refused["detail"]
        assert (await send(http, "two", OLD_REF)).json()["type"] == "urn:fairpool:problem:earlier-message"
    async with gateway(pool, OLD, refs=(NEW_REF,)) as http:
        assert (await send(http, "two", OLD_REF)).status_code == 404


async def test_two_processes_that_name_it_differently_take_the_same_request_in_once(pool: Pool) -> None:
    """One has `OLD,NEW`, the other `NEW,OLD` already; both look before either has written."""
    async with gateway(pool, OLD, NEW) as before, gateway(pool, NEW, OLD) as after:
        answers = await asyncio.gather(
            *(send(http, f"{turn}", who=str(UUID(int=turn + 1))) for turn in range(8) for http in (before, after))
        )
    assert {answer.status_code for answer in answers} == {202}, [answer.text for answer in answers]
    names = [answer.json()["id"] for answer in answers]
    assert names[::2] == names[1::2], "the two name each request alike in the end"
    assert await pool.fetchval("SELECT count(*) FROM outreach") == len(names) / 2


async def test_a_kept_key_that_nothing_can_be_sealed_to_is_as_good_as_none(pool: Pool) -> None:
    async def is_missing() -> bool:
        return bool(await pool.fetchval("SELECT key_missing FROM outreach"))

    await pool.execute("INSERT INTO candidate_keys (candidate, version, public_key) VALUES ($1, 1, 'key')", UUID(ANA))
    async with gateway(pool, OLD) as http:
        sent = await send(http)
        assert (sent.status_code, await is_missing()) == (202, True), sent.text
        await pool.execute("UPDATE candidate_keys SET public_key = $1", KeyPair.generate().public)
        other = f"/v1/outreach/{sent.json()['id']}"
        assert ((await http.patch(other, json=BODY)).status_code, await is_missing()) == (200, False)
        await pool.execute("UPDATE candidate_keys SET public_key = $1", "A" * 43)
        assert ((await http.patch(other, json=BODY)).status_code, await is_missing()) == (200, True)
