"""The tables around the courier: people in the vault, and the outcomes that leave."""

from services.signup.courier.model import Person
from services.signup.vault.sealing import Identity, seal_identity
from shared.contracts.signup import OutreachOutcomeReportedV1
from shared.messaging.unit import headers_from_json
from shared.postgres.pool import Pool


async def put_into_vault(pool: Pool, candidate: str, person: Person, vault_key: bytes) -> None:
    """A sealed identity and key pair."""
    # The courier reads this table and nothing else of signup's: what signup keeps beside it is no matter here.
    await pool.execute("ALTER TABLE identities DROP CONSTRAINT IF EXISTS identities_candidate_fkey")
    row = seal_identity(candidate, Identity(person.address, "Ana"), person.words_key, vault_key)
    await pool.execute(
        "INSERT INTO identities "
        "(candidate, version, identity_key, messages_key, mail, name, phones, public_key, private_key) "
        "VALUES ($1, $2, $3, $4, $5, $6, $7, $8, $9)",
        row.candidate,
        row.version,
        row.identity_key,
        row.messages_key,
        row.mail,
        row.name,
        row.phones,
        row.public_key,
        row.private_key,
    )


async def published(pool: Pool) -> dict[str, OutreachOutcomeReportedV1]:
    """The outcomes in the outbox by event id; AssertionError when one stands there twice."""
    found: dict[str, OutreachOutcomeReportedV1] = {}
    for row in await pool.fetch("SELECT headers, value FROM outbox ORDER BY id"):
        name = (dict(headers_from_json(row["headers"]))["ce_id"] or b"").decode()
        assert name not in found
        found[name] = OutreachOutcomeReportedV1.model_validate_json(row["value"])
    return found
