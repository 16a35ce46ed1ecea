"""In whose name commands sign, and whom they believe: as the environment says, else as the local stack's secrets do."""

import os
from collections.abc import Iterable, Mapping, Sequence
from dataclasses import replace

from pydantic import ValidationError
from pydantic_settings import BaseSettings, SettingsConfigDict

from deploy.local import secrets
from deploy.local.errors import StackError
from deploy.local.home import Home
from deploy.local.secrets import VERIFY_KEYS, LocalSecrets, signing_key_of
from shared.messaging.kafka import Kafka
from shared.messaging.signatures import Signatures, Signer, Verifier
from shared.security import encoding
from shared.security.documents import DocumentReader, DocumentSigner
from shared.setting_forms import PublicKeys, Secret32
from shared.settings import PREFIX

OPERATOR = "operator"
_KEY_BYTES = 32


class _Believed(BaseSettings):
    model_config = SettingsConfigDict(env_prefix=PREFIX, frozen=True, extra="ignore", hide_input_in_errors=True)

    verify_keys: PublicKeys


class _Keys(_Believed):
    operator_signing_key: Secret32
    signatures: Signatures = "require"


def of_stack(kept: LocalSecrets) -> tuple[Signer, Verifier]:
    """The operator's signer of a local stack, and who is believed there."""
    return _made(_keys(kept.keys, kept.signatures))


def of_commands(home: Home) -> tuple[Signer, Verifier]:
    """The same for a command; StackError that says which settings are missing."""
    return _made(_keys_of_commands(home))


def documents_of_commands(home: Home) -> tuple[DocumentSigner, DocumentReader]:
    """In whose name commands sign documents, the operator's, and whom they believe of that name."""
    keys = _keys_of_commands(home)
    return DocumentSigner(keys.operator_signing_key), DocumentReader(keys.verify_keys.get(OPERATOR, ()))


def believed_by_commands(home: Home, name: str) -> Sequence[bytes]:
    """The public keys that are believed of this name; StackError that says which setting is missing. No key that signs is needed."""
    if VERIFY_KEYS not in os.environ and not home.secrets_file.exists():
        raise StackError(
            f"expected the public key of {name} (--key), or {VERIFY_KEYS} in the environment, found neither: whoever runs the network "
            "publishes it."
        )
    if VERIFY_KEYS not in os.environ:
        return _keys_of_commands(home).verify_keys.get(name, ())
    try:
        return _Believed.model_validate({"verify_keys": os.environ[VERIFY_KEYS]}).verify_keys.get(name, ())
    except ValidationError as error:
        raise StackError(
            f"expected {VERIFY_KEYS} as docs/running.md (Keys that sign) says, found something else."
        ) from error


def public_keys(given: Iterable[str]) -> list[bytes]:
    """Keys that were given to a command; StackError for what is none."""
    try:
        keys = [encoding.decode(one) for one in given]
    except ValueError:
        keys = []
    if not keys or {len(one) for one in keys} != {_KEY_BYTES}:
        raise StackError("expected a public key of 32 bytes in base64url, found something else.")
    return keys


def believing(kafka: Kafka, verifier: Verifier) -> Kafka:
    """The cluster, where whoever reads believes these."""
    return replace(kafka, verifier=verifier)


def _keys_of_commands(home: Home) -> _Keys:
    if signing_key_of(OPERATOR) in os.environ or VERIFY_KEYS in os.environ:
        return _keys(os.environ, os.environ.get(PREFIX + "SIGNATURES") or "require")
    if home.secrets_file.exists():
        kept = secrets.with_later_keys(home, secrets.read(home))
        return _keys(kept.keys, kept.signatures)
    raise StackError(
        f"expected {signing_key_of(OPERATOR)} and {VERIFY_KEYS} in the environment, found neither: what an operator says of "
        "tenants is signed (docs/running.md, Keys that sign)."
    )


def _keys(values: Mapping[str, str], signatures: str) -> _Keys:
    named = {"operator_signing_key": values.get(signing_key_of(OPERATOR)), "verify_keys": values.get(VERIFY_KEYS)}
    try:
        return _Keys.model_validate({**named, "signatures": signatures})
    except ValidationError as error:
        wrong = ", ".join(sorted({PREFIX + str(item["loc"][0]).upper() for item in error.errors() if item["loc"]}))
        raise StackError(f"expected {wrong} as docs/running.md (Keys that sign) says, found something else.") from error


def _made(keys: _Keys) -> tuple[Signer, Verifier]:
    return Signer(keys.operator_signing_key), Verifier(keys.verify_keys, keys.signatures)
