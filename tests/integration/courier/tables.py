"""The tables around the courier: people in the vault, and what leaves."""

from typing import TypeVar

from services.signup.courier.model import Person
from services.signup.vault.epochs import Epochs
from services.signup.vault.sealing import Identity, seal_identity
from shared.contracts.base import Event
from shared.contracts.signup import MailboxChangedV1, OutreachOutcomeReportedV1
from shared.messaging.unit import headers_from_json
from shared.postgres.pool import Pool
from tests.fakes.clock import NOON

E = TypeVar("E", bound=Event)


async def put_into_vault(pool: Pool, candidate: str, person: Person, vault_key: bytes) -> None:
    """A person with a sealed identity and key pair."""
    row = seal_identity(candidate, Identity(person.address, "Ana"), person.words_key, Epochs({1: vault_key}))
    await pool.execute(
        "INSERT INTO candidates (candidate, blind_index, registered_at, stub_until, profile) "
        "VALUES ($1, $2, $3, $3, '{}')",
        candidate,
        candidate.encode(),
        NOON,
    )
    await pool.execute(
        "INSERT INTO identities "
        "(candidate, version, epoch, identity_key, messages_key, identity, public_key, private_key) "
        "VALUES ($1, $2, $3, $4, $5, $6, $7, $8)",
        row.candidate,
        row.version,
        row.epoch,
        row.identity_key,
        row.messages_key,
        row.identity,
        row.public_key,
        row.private_key,
    )


async def published(pool: Pool) -> dict[str, OutreachOutcomeReportedV1]:
    """The outcomes in the outbox by event id; AssertionError when one stands there twice."""
    return await _in_outbox(pool, OutreachOutcomeReportedV1)


async def mailboxes(pool: Pool) -> list[MailboxChangedV1]:
    """What the outbox tells of mailboxes."""
    return list((await _in_outbox(pool, MailboxChangedV1)).values())


async def _in_outbox(pool: Pool, event: type[E]) -> dict[str, E]:
    found: dict[str, E] = {}
    for row in await pool.fetch("SELECT headers, value FROM outbox ORDER BY id"):
        headers = dict(headers_from_json(row["headers"]))
        if headers["ce_type"] == event.TYPE.encode():
            name = (headers["ce_id"] or b"").decode()
            assert name not in found
            found[name] = event.model_validate_json(row["value"])
    return found
