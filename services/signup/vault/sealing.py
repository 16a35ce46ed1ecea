"""How an identity and a key pair are sealed: a data key per person and purpose, wrapped under the vault key."""

import json
from dataclasses import dataclass

from shared.security import boxes
from shared.security.words import KeyPair


@dataclass(frozen=True, slots=True)
class Identity:
    """Who a person is. It shows nothing of itself, so that no log can."""

    mail: str
    given_name: str | None = None
    family_name: str | None = None
    phones: tuple[str, ...] = ()
    """E.164."""

    def __repr__(self) -> str:
        return "Identity(hidden)"


@dataclass(frozen=True, slots=True)
class SealedIdentity:
    """One row of `identities`."""

    candidate: str
    version: int
    identity_key: bytes
    messages_key: bytes
    mail: bytes
    name: bytes
    phones: bytes
    public_key: str
    private_key: bytes


def seal_identity(
    candidate: str, identity: Identity, pair: KeyPair, vault_key: bytes, *, version: int = 1
) -> SealedIdentity:
    """The row for this person, under two fresh data keys; `open_identity` and `open_key_pair` read it."""
    identity_key, messages_key = boxes.new_key(), boxes.new_key()

    def sealed(key: bytes, field: str, plain: str) -> bytes:
        return boxes.seal(key, plain.encode(), context=_context(candidate, field, version))

    def wrapped(key: bytes, purpose: str) -> bytes:
        return boxes.seal(vault_key, key, context=_context(candidate, purpose, version))

    return SealedIdentity(
        candidate=candidate,
        version=version,
        identity_key=wrapped(identity_key, "identity_key"),
        messages_key=wrapped(messages_key, "messages_key"),
        mail=sealed(identity_key, "mail", identity.mail),
        name=sealed(identity_key, "name", json.dumps({"given": identity.given_name, "family": identity.family_name})),
        phones=sealed(identity_key, "phones", json.dumps(identity.phones)),
        public_key=pair.public,
        private_key=sealed(messages_key, "private_key", pair.private),
    )


def open_identity(row: SealedIdentity, vault_key: bytes) -> Identity:
    """Who the person is; CannotOpenError when the row was changed, moved to another person or sealed by another vault."""
    key = _unwrapped(row, row.identity_key, "identity_key", vault_key)
    name = json.loads(_opened(row, key, "name", row.name))
    return Identity(
        mail=_opened(row, key, "mail", row.mail),
        given_name=name["given"],
        family_name=name["family"],
        phones=tuple(json.loads(_opened(row, key, "phones", row.phones))),
    )


def open_key_pair(row: SealedIdentity, vault_key: bytes) -> KeyPair:
    """The pair that opens employers' words to this person; CannotOpenError as for `open_identity`."""
    key = _unwrapped(row, row.messages_key, "messages_key", vault_key)
    return KeyPair(public=row.public_key, private=_opened(row, key, "private_key", row.private_key))


def _unwrapped(row: SealedIdentity, box: bytes, purpose: str, vault_key: bytes) -> bytes:
    return boxes.unseal(vault_key, box, context=_context(row.candidate, purpose, row.version))


def _opened(row: SealedIdentity, key: bytes, field: str, box: bytes) -> str:
    return boxes.unseal(key, box, context=_context(row.candidate, field, row.version)).decode()


def _context(candidate: str, field: str, version: int) -> str:
    return f"{candidate}:{field}:{version}"
