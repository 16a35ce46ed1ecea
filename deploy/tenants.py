"""Tells the services about tenants, by way of the topic `tenants`."""

import asyncio
import contextlib
from collections.abc import Callable, Iterable, Mapping, Sequence
from dataclasses import dataclass
from datetime import UTC, datetime, timedelta

from deploy.local.errors import StackError
from services.signup.decisions import acting
from services.signup.decisions.acting import Replaced
from services.signup.decisions.tenants import Refused
from shared.contracts.base import Event
from shared.contracts.operator import TenantChangedV1, TenantKind
from shared.contracts.topics import TENANTS
from shared.messaging.envelope import Received, encode, only
from shared.messaging.errors import FatalError
from shared.messaging.follower import Follower, Positions
from shared.messaging.kafka import Kafka
from shared.messaging.producer import Producer
from shared.messaging.signatures import Signer
from shared.messaging.topics import wait_for_kafka
from shared.security.tenant_keys import hash_key
from shared.web.tenants import Tenants

_SOURCE = "operator"
_OPTIONS = {"only_from": "--from"}
"""What a command calls a field that has another name there."""
_READ_WITHIN = timedelta(seconds=20)


@dataclass(frozen=True, slots=True)
class Tenant:
    """A vendor, an employer or an operator, without its key."""

    id: str
    kind: TenantKind
    name: str
    vendor: str | None = None
    domain: str | None = None


def changed(tenant: Tenant, keys: Iterable[str], *, at: datetime) -> TenantChangedV1:
    """The event that makes exactly these keys work; its version is the time in milliseconds, so a later one wins."""
    return TenantChangedV1(
        tenant=tenant.id,
        version=int(at.timestamp() * 1000),
        kind=tenant.kind,
        name=tenant.name,
        key_hashes=tuple(hash_key(key) for key in keys),
        vendor=tenant.vendor,
        domain=tenant.domain,
    )


async def publish(kafka: Kafka, tenants: Sequence[Tenant], keys: Mapping[str, str], signer: Signer) -> None:
    """Put each tenant, with the hash of its key, on the topic; FatalError when Kafka does not take them."""
    at = datetime.now(UTC)
    await _send(kafka, [changed(tenant, [keys[tenant.id]], at=at) for tenant in tenants], signer)


async def republish(kafka: Kafka, signer: Signer) -> int:
    """Says of every tenant once more what is known of it, signed with the operator's present key; how many there are."""
    events = await read(kafka)
    await _send(kafka, events, signer)
    return len(events)


async def _send(kafka: Kafka, events: Sequence[TenantChangedV1], signer: Signer) -> None:
    at = datetime.now(UTC)
    # Not idempotent: that works with every broker, and a record that is there twice says the same.
    producer = Producer(kafka, idempotence=False, client_id="fairpool-operator", signer=signer)
    await producer.start()
    try:
        await producer.send([encode(event, source=_SOURCE, at=at) for event in events])
    finally:
        await producer.stop()


async def act(
    kafka: Kafka, decide: Callable[[Mapping[str, TenantChangedV1]], TenantChangedV1 | Refused], signer: Signer
) -> TenantChangedV1:
    """Decides on everybody as they are now and says the outcome; StackError when it is refused. What nobody may say of them
    must not be believed: whoever asks gives a Kafka with a verifier.

    Somebody else may act in the same moment, here or by a route: then it is decided once more, on what they said.
    """

    async def look() -> tuple[Mapping[str, TenantChangedV1], Replaced]:
        known = await _follow(kafka)
        return dict(known.records()), known.replaced

    outcome = await acting.act(decide, look, lambda event: _send(kafka, [event], signer))
    if isinstance(outcome, Refused):
        raise StackError(
            "; ".join(f"{_OPTIONS.get(field, field)} {sentence}" for field, sentence in outcome.errors.items())
        )
    return outcome


async def read(kafka: Kafka) -> list[TenantChangedV1]:
    """Every tenant as it is now, by id; FatalError when the topic could not be read to its end."""
    return sorted((await _follow(kafka)).records().values(), key=lambda event: event.tenant)


async def _follow(kafka: Kafka) -> Tenants:
    """The projection of all that the topic holds now."""
    known = Tenants()

    async def keep(received: Sequence[Received[Event]], _: Positions) -> None:
        for item in only(TenantChangedV1, received):
            known.apply(item.event)

    await wait_for_kafka(kafka, seconds=0)  # it can say why Kafka lets nobody in
    follower = Follower(kafka, TENANTS, keep, client_id="fairpool-operator")
    await follower.start()
    reading = asyncio.create_task(follower.run())
    try:
        if not await follower.caught_up(within=_READ_WITHIN):
            raise FatalError("the topic tenants could not be read to its end")
    finally:
        reading.cancel()
        with contextlib.suppress(asyncio.CancelledError):
            await reading
        await follower.stop()
    return known
