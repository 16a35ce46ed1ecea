"""Keys for tests: each signer's is made of its name, so that whoever knows a name signs as it."""

from collections.abc import Sequence
from dataclasses import replace
from datetime import datetime, timedelta
from hashlib import sha256
from typing import Any

from shared.contracts.consent import ConsentChangedV2, Limits, LinkStatement
from shared.contracts.topics import SIGNERS, TOPICS, signer_of
from shared.messaging.envelope import Outgoing
from shared.messaging.producer import said_by
from shared.messaging.signatures import Signatures, Signer, Verifier, Written
from shared.security import encoding
from shared.security.links import public_half
from shared.security.seals import Seals
from shared.security.statements import StatementSigner

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
    return Verifier(PUBLIC, signatures, SEALS)


SEAL_KEYS = (sha256(b"only for tests: what is sealed in a consent").digest(),)
SEALS = Seals(SEAL_KEYS)
TICK_KEY = sha256(b"only for tests: when employers are told").digest()
TELL_EMPLOYERS = frozenset({"pool_matching", "outreach_gateway"})
"""The processes that have this key."""
READ_LIMITS = frozenset({"consent", "courier", "pool_matching", "outreach_gateway"})
"""The processes that have these keys."""


def statement(
    candidate: str,
    at: datetime,
    *,
    lasts: timedelta = timedelta(days=14),
    link: str = "a-link",
    by: str = "signup",
    seed: bytes | None = None,
) -> LinkStatement:
    """Of a link that was made for this person then."""
    made = at.replace(microsecond=0)
    return LinkStatement.of(StatementSigner(seed or seed_of(by)).state(candidate, link, made, made + lasts))


def consented(seals: Seals = SEALS, seed: bytes | None = None, /, **given: Any) -> ConsentChangedV2:
    """As consent says it: with what is limited sealed, and a yes with the statement of a link that was made just then.

    On a stack that has keys of its own: `seals`, and the seed of signup's.
    """
    limits = Limits.model_validate({name: given.pop(name) for name in list(given) if name in Limits.model_fields})
    if given["purposes"]:
        given = {"statement": statement(given["candidate"], given["at"], seed=seed), "said_at": given["at"]} | given
    else:
        given = {"stopped_at": given["at"]} | given
    return ConsentChangedV2.within(limits, seals, **given)


def with_signatures(records: Sequence[Outgoing], signer: Signer) -> list[Outgoing]:
    """The records as a producer with this signer sends them."""
    said = said_by(signer, records)
    return [replace(record, headers=(*record.headers, *more)) for record, more in zip(records, said, strict=True)]


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
    own: dict[str, Any] = {"consent_seal_keys": SEAL_KEYS} if name in READ_LIMITS else {}
    ticks: dict[str, Any] = {"tick_key": TICK_KEY} if name in TELL_EMPLOYERS else {}
    return {"signing_key": seed_of(signer_of(name)), "verify_keys": PUBLIC} | own | ticks


def environment_of(name: str) -> dict[str, str]:
    """The same in the environment of a process."""
    own = {"FAIRPOOL_CONSENT_SEAL_KEYS": ",".join(map(encoding.encode, SEAL_KEYS))} if name in READ_LIMITS else {}
    ticks = {"FAIRPOOL_TICK_KEY": encoding.encode(TICK_KEY)} if name in TELL_EMPLOYERS else {}
    keys = {"FAIRPOOL_SIGNING_KEY": encoding.encode(seed_of(signer_of(name))), "FAIRPOOL_VERIFY_KEYS": VERIFY_KEYS}
    return keys | own | ticks


OPERATOR = {
    "FAIRPOOL_OPERATOR_SIGNING_KEY": encoding.encode(seed_of("operator")),
    "FAIRPOOL_VERIFY_KEYS": VERIFY_KEYS,
}
"""In the environment of an operator's commands."""
