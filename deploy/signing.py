"""In whose name commands sign, and whom they believe: as the environment says, else as the local stack's secrets do."""

import os
from collections.abc import Mapping
from dataclasses import replace

from pydantic import ValidationError
from pydantic_settings import BaseSettings, SettingsConfigDict

from deploy.local import secrets
from deploy.local.errors import StackError
from deploy.local.home import Home
from deploy.local.secrets import VERIFY_KEYS, LocalSecrets, signing_key_of
from shared.messaging.kafka import Kafka
from shared.messaging.signatures import Signatures, Signer, Verifier
from shared.setting_forms import PublicKeys, Secret32
from shared.settings import PREFIX

OPERATOR = "operator"


class _Keys(BaseSettings):
    model_config = SettingsConfigDict(env_prefix=PREFIX, frozen=True, extra="ignore", hide_input_in_errors=True)

    operator_signing_key: Secret32
    verify_keys: PublicKeys
    signatures: Signatures = "require"


def of_stack(kept: LocalSecrets) -> tuple[Signer, Verifier]:
    """The operator's signer of a local stack, and who is believed there."""
    return _made(kept.keys, kept.signatures)


def of_commands(home: Home) -> tuple[Signer, Verifier]:
    """The same for a command; StackError that says which settings are missing."""
    if signing_key_of(OPERATOR) in os.environ or VERIFY_KEYS in os.environ:
        return _made(os.environ, os.environ.get(PREFIX + "SIGNATURES") or "require")
    if home.secrets_file.exists():
        return of_stack(secrets.with_signing_keys(home, secrets.read(home)))
    raise StackError(
        f"expected {signing_key_of(OPERATOR)} and {VERIFY_KEYS} in the environment, found neither: what an operator says of "
        "tenants is signed (docs/running.md, Keys that sign)."
    )


def believing(kafka: Kafka, verifier: Verifier) -> Kafka:
    """The cluster, where whoever reads believes these."""
    return replace(kafka, verifier=verifier)


def _made(values: Mapping[str, str], signatures: str) -> tuple[Signer, Verifier]:
    named = {"operator_signing_key": values.get(signing_key_of(OPERATOR)), "verify_keys": values.get(VERIFY_KEYS)}
    try:
        keys = _Keys.model_validate({**named, "signatures": signatures})
    except ValidationError as error:
        wrong = ", ".join(sorted({PREFIX + str(item["loc"][0]).upper() for item in error.errors() if item["loc"]}))
        raise StackError(f"expected {wrong} as docs/running.md (Keys that sign) says, found something else.") from error
    return Signer(keys.operator_signing_key), Verifier(keys.verify_keys, keys.signatures)
