"""Keys for tests: each signer's is made of its name, so that whoever knows a name signs as it."""

from collections.abc import Sequence
from hashlib import sha256
from typing import Any

from shared.contracts.topics import SIGNERS, TOPICS, signer_of
from shared.messaging.signatures import Signatures, Signer, Verifier, Written
from shared.security import encoding
from shared.security.links import public_half

_SIGNER_OF = {topic.name: topic.signers[0] for topic in TOPICS}


def seed_of(name: str) -> bytes:
    """The secret half of this signer's key."""
    return sha256(b"only for tests: " + name.encode()).digest()


PUBLIC = {name: (public_half(seed_of(name)),) for name in (*SIGNERS, "operator")}
VERIFY_KEYS = ",".join(f"{name}={encoding.encode(key)}" for name, (key,) in PUBLIC.items())
"""As FAIRPOOL_VERIFY_KEYS has it."""


def signed_by(name: str) -> Signer:
    """Signs as this one."""
    return Signer(seed_of(name))


def verifier(signatures: Signatures = "require") -> Verifier:
    """Knows everybody's keys."""
    return Verifier(PUBLIC, signatures)


class Owners(Signer):
    """Signs each record as an owner of its topic: for tests that speak as several services."""

    def __init__(self) -> None:
        super().__init__(seed_of("operator"))
        self._signers = {name: signed_by(name) for name in PUBLIC}

    def headers(self, records: Sequence[Written]) -> list[tuple[str, bytes]]:
        """As `Signer.headers`."""
        return [self._signers[_SIGNER_OF.get(record.topic, "operator")].headers([record])[0] for record in records]


def settings_of(name: str) -> dict[str, Any]:
    """What the settings of this process are given."""
    return {"signing_key": seed_of(signer_of(name)), "verify_keys": PUBLIC}


def environment_of(name: str) -> dict[str, str]:
    """The same in the environment of a process."""
    return {"FAIRPOOL_SIGNING_KEY": encoding.encode(seed_of(signer_of(name))), "FAIRPOOL_VERIFY_KEYS": VERIFY_KEYS}


OPERATOR = {
    "FAIRPOOL_OPERATOR_SIGNING_KEY": encoding.encode(seed_of("operator")),
    "FAIRPOOL_VERIFY_KEYS": VERIFY_KEYS,
}
"""In the environment of an operator's commands."""
