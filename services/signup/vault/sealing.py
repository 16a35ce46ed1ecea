"""How an identity and a key pair are sealed: a data key per person and purpose, wrapped under an epoch key."""

import json
from dataclasses import dataclass, replace

from services.signup.vault.epochs import Epochs
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
class ThreeBoxes:
    """How an identity was sealed before it had one box: each under the same data key."""

    mail: bytes
    name: bytes
    phones: bytes


@dataclass(frozen=True, slots=True)
class SealedIdentity:
    """One row of `identities`."""

    candidate: str
    version: int
    epoch: int
    """Under whose key the two data keys are."""
    identity_key: bytes
    messages_key: bytes
    identity: bytes | None
    """The box; None in a row of before, which has `before`."""
    public_key: str
    private_key: bytes
    before: ThreeBoxes | None = None
    locale: str | None = None
    """In which language they read; not sealed, since it is one of two words."""


def seal_identity(
    candidate: str, identity: Identity, pair: KeyPair, epochs: Epochs, *, version: int = 1
) -> SealedIdentity:
    """The row for this person, under two fresh data keys; `open_identity` and `open_key_pair` read it."""
    identity_key, messages_key, epoch = boxes.new_key(), boxes.new_key(), epochs.current

    def wrapped(key: bytes, purpose: str) -> bytes:
        return epochs.seal(epoch, key, context=_context(candidate, purpose, version))

    return SealedIdentity(
        candidate=candidate,
        version=version,
        epoch=epoch,
        identity_key=wrapped(identity_key, "identity_key"),
        messages_key=wrapped(messages_key, "messages_key"),
        identity=boxes.seal(identity_key, _plain(identity), context=_context(candidate, "identity", version)),
        public_key=pair.public,
        private_key=boxes.seal(
            messages_key, pair.private.encode(), context=_context(candidate, "private_key", version)
        ),
    )


def open_identity(row: SealedIdentity, epochs: Epochs) -> Identity:
    """Who the person is; CannotOpenError when the row was changed, moved to another person or sealed by another vault.

    UnknownEpochError when the key of its epoch is not in memory: `EpochRows.know` has it there.
    """
    return _opened(row, _unwrapped(row, row.identity_key, "identity_key", epochs))


def open_key_pair(row: SealedIdentity, epochs: Epochs) -> KeyPair:
    """The pair that opens employers' words to this person; errors as of `open_identity`."""
    key = _unwrapped(row, row.messages_key, "messages_key", epochs)
    return KeyPair(public=row.public_key, private=_text(row, key, "private_key", row.private_key))


def seal_beside(row: SealedIdentity, plain: bytes, epochs: Epochs, *, what: str) -> bytes:
    """A box under the person's data key of messages: it opens as long as their row does, and a rotation leaves it as it is.

    `what`: what is in it, of which no two boxes of a person may be alike. Errors as of `open_identity`.
    """
    key = _unwrapped(row, row.messages_key, "messages_key", epochs)
    return boxes.seal(key, plain, context=f"{row.candidate}:beside:{what}")


def open_beside(row: SealedIdentity, box: bytes, epochs: Epochs, *, what: str) -> bytes:
    """What `seal_beside` has sealed; errors as of `open_identity`."""
    key = _unwrapped(row, row.messages_key, "messages_key", epochs)
    return boxes.unseal(key, box, context=f"{row.candidate}:beside:{what}")


def opens(row_key: bytes, key: bytes, *, candidate: str, version: int) -> bool:
    """Whether a person's identity key is sealed under this epoch key."""
    try:
        boxes.unseal(key, row_key, context=_context(candidate, "identity_key", version))
    except boxes.CannotOpenError:
        return False
    return True


def rewrapped(row: SealedIdentity, epochs: Epochs, epoch: int) -> SealedIdentity:
    """The same row under this epoch; its boxes stay as they are, but for three of before, which become one."""
    identity_key = _unwrapped(row, row.identity_key, "identity_key", epochs)
    messages_key = _unwrapped(row, row.messages_key, "messages_key", epochs)
    identity = row.identity
    if identity is None:
        plain = _plain(_opened(row, identity_key))
        identity = boxes.seal(identity_key, plain, context=_context(row.candidate, "identity", row.version))

    def wrapped(key: bytes, purpose: str) -> bytes:
        return epochs.seal(epoch, key, context=_context(row.candidate, purpose, row.version))

    return replace(
        row,
        epoch=epoch,
        identity_key=wrapped(identity_key, "identity_key"),
        messages_key=wrapped(messages_key, "messages_key"),
        identity=identity,
        before=None,
    )


def _plain(identity: Identity) -> bytes:
    return json.dumps(
        {
            "mail": identity.mail,
            "given": identity.given_name,
            "family": identity.family_name,
            "phones": identity.phones,
        }
    ).encode()


def _opened(row: SealedIdentity, key: bytes) -> Identity:
    if row.identity is not None:
        told = json.loads(_text(row, key, "identity", row.identity))
    elif row.before is not None:
        told = {
            "mail": _text(row, key, "mail", row.before.mail),
            **json.loads(_text(row, key, "name", row.before.name)),
            "phones": json.loads(_text(row, key, "phones", row.before.phones)),
        }
    else:
        raise boxes.CannotOpenError(f"there is no box of {row.candidate}")
    return Identity(told["mail"], told["given"], told["family"], tuple(told["phones"]))


def _unwrapped(row: SealedIdentity, box: bytes, purpose: str, epochs: Epochs) -> bytes:
    return epochs.unseal(row.epoch, box, context=_context(row.candidate, purpose, row.version))


def _text(row: SealedIdentity, key: bytes, field: str, box: bytes) -> str:
    return boxes.unseal(key, box, context=_context(row.candidate, field, row.version)).decode()


def _context(candidate: str, field: str, version: int) -> str:
    return f"{candidate}:{field}:{version}"


def with_mail(row: SealedIdentity, mail: str, epochs: Epochs) -> bytes:
    """The box of the same person with another email, under the same data key: what is wrapped stays as it is."""
    key = _unwrapped(row, row.identity_key, "identity_key", epochs)
    plain = _plain(replace(_opened(row, key), mail=mail))
    return boxes.seal(key, plain, context=_context(row.candidate, "identity", row.version))


def seal_with_identity(row: SealedIdentity, field: str, text: str, epochs: Epochs) -> bytes:
    """Something more of this person under the data key of their identity: a rotation re-wraps the key alone."""
    key = _unwrapped(row, row.identity_key, "identity_key", epochs)
    return boxes.seal(key, text.encode(), context=_context(row.candidate, field, row.version))


def open_with_identity(row: SealedIdentity, field: str, box: bytes, epochs: Epochs) -> str:
    """What `seal_with_identity` sealed; errors as of `open_identity`."""
    return _text(row, _unwrapped(row, row.identity_key, "identity_key", epochs), field, box)


def own_key(row: SealedIdentity, epochs: Epochs) -> bytes:
    """The data key of the identity, for what is hashed under it and ends with it."""
    return _unwrapped(row, row.identity_key, "identity_key", epochs)
