"""The secrets of a local stack: made once for each home, kept in a file that only its user may read."""

import os
import secrets
from collections.abc import Callable

from cryptography.hazmat.primitives.asymmetric.ed25519 import Ed25519PrivateKey
from pydantic import BaseModel, ConfigDict, Field, ValidationError

from deploy.local.errors import StackError
from deploy.local.home import Home, write_whole
from shared.contracts.topics import SIGNERS
from shared.messaging.signatures import Signatures
from shared.security import encoding
from shared.security.links import public_half
from shared.settings import PREFIX

VERIFY_KEYS = "FAIRPOOL_VERIFY_KEYS"
SEAL_KEYS = "FAIRPOOL_CONSENT_SEAL_KEYS"
MEMBER_REF_KEY = "FAIRPOOL_MEMBER_REF_KEY"
TICK_KEY = "FAIRPOOL_TICK_KEY"
OLD_VAULT_KEY = "FAIRPOOL_VAULT_KEY"
"""The one key of a vault without epochs; a new home has none."""


def fresh_keys() -> dict[str, str]:
    """New keys for the services, by the name of their environment variable, base64url."""
    link_key = Ed25519PrivateKey.generate()
    raw = {
        "FAIRPOOL_BLIND_INDEX_KEY": os.urandom(32),
        MEMBER_REF_KEY: os.urandom(64),
        "FAIRPOOL_LINK_SIGNING_KEY": link_key.private_bytes_raw(),
        "FAIRPOOL_LINK_VERIFY_KEY": link_key.public_key().public_bytes_raw(),
        "FAIRPOOL_LINK_SUBJECT_KEY": os.urandom(64),
        "FAIRPOOL_OUTREACH_ID_KEY": os.urandom(32),
    }
    return (
        {name: encoding.encode(value) for name, value in raw.items()}
        | {SEAL_KEYS: seal_key(), TICK_KEY: tick_key()}
        | signing_keys()
    )


def signing_keys() -> dict[str, str]:
    """A new key for everybody who signs, by the name of its variable, and FAIRPOOL_VERIFY_KEYS with the public halves."""
    seeds = {name: os.urandom(32) for name in SIGNERS}
    public = ",".join(f"{name}={encoding.encode(public_half(seed))}" for name, seed in seeds.items())
    return {signing_key_of(name): encoding.encode(seed) for name, seed in seeds.items()} | {VERIFY_KEYS: public}


def seal_key() -> str:
    """A new key to seal with what only some readers of a consent need."""
    return encoding.encode(os.urandom(32))


def tick_key() -> str:
    """A new key to give each employer a moment at which it is told."""
    return encoding.encode(os.urandom(32))


def signing_key_of(signer: str) -> str:
    """The variable with the seed of this signer's key, where everybody's secrets are kept together."""
    return f"FAIRPOOL_{signer.upper()}_SIGNING_KEY"


def kafka_password_of(user: str) -> str:
    """The variable with the password of this user of Kafka, where everybody's secrets are kept together."""
    return f"{PREFIX}KAFKA_{user.upper()}_PASSWORD"


def password() -> str:
    """A new password that needs no escaping in a DSN."""
    return secrets.token_hex(16)


class LocalSecrets(BaseModel):
    """Everything secret that two starts of the same home share."""

    model_config = ConfigDict(frozen=True, extra="forbid", hide_input_in_errors=True)

    signatures: Signatures = "take"
    """`require`, unless the home is older than signatures: its topics hold records that nobody signed."""
    keys: dict[str, str] = Field(default_factory=fresh_keys, repr=False)
    """The services' secrets by the name of their environment variable, base64url."""
    postgres_password: str = Field(default_factory=password, repr=False)
    """The administrator's."""
    role_passwords: dict[str, str] = Field(repr=False)
    """By database role."""
    tenant_keys: dict[str, str] = Field(repr=False)
    """By demo tenant."""
    source_secrets: dict[str, str] = Field(repr=False)
    """By demo source."""


def load_or_create(
    home: Home, *, roles: tuple[str, ...], tenant_keys: Callable[[], dict[str, str]], sources: tuple[str, ...]
) -> LocalSecrets:
    """The secrets of this home; made on the first call, from then on always the same."""
    if not home.secrets_file.exists():
        made = LocalSecrets(
            signatures="require",
            role_passwords={role: password() for role in roles},
            tenant_keys=tenant_keys(),
            source_secrets={source: secrets.token_urlsafe(24) for source in sources},
        )
        write_whole(home.secrets_file, made.model_dump_json(indent=1), mode=0o600)
    return with_later_keys(home, read(home))


def with_later_keys(home: Home, kept: LocalSecrets) -> LocalSecrets:
    """The secrets, and keys to sign, to seal and for ticks if the home is older than those."""
    missing = {} if VERIFY_KEYS in kept.keys else signing_keys()
    if SEAL_KEYS not in kept.keys:
        missing |= {SEAL_KEYS: seal_key()}
    if TICK_KEY not in kept.keys:
        missing |= {TICK_KEY: tick_key()}
    if missing:
        kept = kept.model_copy(update={"keys": kept.keys | missing})
        write_whole(home.secrets_file, kept.model_dump_json(indent=1), mode=0o600)
    return kept


def read(home: Home) -> LocalSecrets:
    """The secrets that an earlier start made; StackError when they can't be read."""
    try:
        return LocalSecrets.model_validate_json(home.secrets_file.read_text())
    except (OSError, ValidationError) as error:
        raise StackError(
            f"expected the secrets of an earlier start in {home.secrets_file}, found a file that can't be read "
            f"({type(error).__name__}). Remove it, and what the stack kept is of no use any more."
        ) from error
