"""What signup states of a link: that it made this one, for this person, then and until then (Ed25519).

A link is a secret of its person; the statement of it is none. It travels with the yes that was said by the link, so that
whoever reads of a yes sees that its person could say it. It opens no page, and says nothing but what a reader of the topic
knows: the link's name is made of what only those who read links can compute.
"""

from collections import OrderedDict
from collections.abc import Iterable
from dataclasses import dataclass, field
from datetime import datetime
from hashlib import sha256

from cryptography.exceptions import InvalidSignature
from cryptography.hazmat.primitives.asymmetric.ed25519 import Ed25519PrivateKey, Ed25519PublicKey

SIGNATURE_BYTES = 64
KEY_ID_BYTES = 8
_DOMAIN = b"fairpool link statement v1\x00"
_REMEMBERED = 65_536


def key_id(public: bytes) -> bytes:
    """How a record or a statement names a key: the first 8 bytes of the SHA-256 of its public half."""
    return sha256(public).digest()[:KEY_ID_BYTES]


@dataclass(frozen=True, slots=True)
class Statement:
    """A link of a person by its name, when it was made and when it ends (whole seconds), and who states it."""

    link: str
    issued_at: datetime
    expires_at: datetime
    key: bytes
    """The id of the key."""
    signature: bytes


class StatementSigner:
    """States links in signup's name."""

    def __init__(self, seed: bytes) -> None:
        self._key = Ed25519PrivateKey.from_private_bytes(seed)
        self._id = key_id(self._key.public_key().public_bytes_raw())

    def state(self, candidate: str, link: str, issued_at: datetime, expires_at: datetime) -> Statement:
        """The statement; the same one of the same link."""
        signature = self._key.sign(_message(candidate, link, issued_at, expires_at))
        return Statement(link, issued_at, expires_at, self._id, signature)


@dataclass(slots=True)
class StatementReader:
    """Tells whether a statement holds; remembers those that do."""

    keys: Iterable[bytes]
    """The public halves of whoever may state links, and of those who might once."""
    _by_id: dict[bytes, Ed25519PublicKey] = field(init=False, repr=False)
    _held: OrderedDict[tuple[bytes, bytes], None] = field(init=False, repr=False, default_factory=OrderedDict)

    def __post_init__(self) -> None:
        self._by_id = {key_id(public): Ed25519PublicKey.from_public_bytes(public) for public in self.keys}

    def holds(self, candidate: str, statement: Statement) -> bool:
        """Whether one who may state links states this one of this person."""
        public = self._by_id.get(statement.key)
        if public is None:
            return False
        message = _message(candidate, statement.link, statement.issued_at, statement.expires_at)
        known = (sha256(message).digest(), statement.signature)
        if known in self._held:
            self._held.move_to_end(known)
            return True
        try:
            public.verify(statement.signature, message)
        except InvalidSignature:
            return False
        self._held[known] = None
        if len(self._held) > _REMEMBERED:
            self._held.popitem(last=False)
        return True


def _message(candidate: str, link: str, issued_at: datetime, expires_at: datetime) -> bytes:
    said = (candidate, link, str(int(issued_at.timestamp())), str(int(expires_at.timestamp())))
    return _DOMAIN + b"\x00".join(part.encode() for part in said)
