"""Who says a record: one Ed25519 signature over the Merkle root of what was sent together, and in each record its path.

A signature for each record would cost more than all else that is done with it. So a batch is signed once, and whoever reads
a record of it checks the signature once and remembers the hashes that it vouches for (docs/decisions/0027).
"""

import marshal
import struct
from collections import OrderedDict
from collections.abc import Mapping, Sequence
from dataclasses import dataclass, field
from hashlib import sha256
from operator import itemgetter
from typing import Literal, Protocol

from cryptography.exceptions import InvalidSignature
from cryptography.hazmat.primitives.asymmetric.ed25519 import Ed25519PrivateKey, Ed25519PublicKey

from shared.metrics import SIGNATURES_REFUSED
from shared.security.merkle import LEAF, WIDE, bundled, way_of_bundle
from shared.security.seals import Seals
from shared.security.statements import StatementReader, key_id

Headers = tuple[tuple[str, bytes | None], ...]
"""As Kafka has them: a header may come without a value, and a name may come twice."""

HEADER = "fp_signature"
"""Version (1 byte), key id (8), root's signature (64), records in the batch and number of the bundle (4 each, big endian), the
hashes of the bundle's records, in one of which this one is found, and the bundle's path (32 each). A bundle shares its header."""
UNSIGNED, BAD_SIGNATURE = "unsigned", "bad_signature"
"""What the reason begins with for a record that nobody signed, and for one whose signature does not hold."""
UNKNOWN_KEY = f"{BAD_SIGNATURE}: a key that nobody has here"
"""Such a record may be good: whoever reads it has not been told of a new key."""
STATEMENTS = "statements"
"""Under this name stand keys that signup once had: what it stated with them of links holds, and no record that they sign."""
STATES_LINKS = ("signup", STATEMENTS)
REPLAYED = "replayed"
"""What the reason begins with for a yes whose link was made before a later no."""
Signatures = Literal["take", "require"]
"""`take`: unsigned records are read as well, for the time in which not everybody signs; `require`: they are refused."""

_OF_YESES = "consent-state"
_VERSION = 2
_FRONT, _PLACE = struct.Struct(">B8s64sI"), struct.Struct(">I")
_PATH_FROM = _FRONT.size + _PLACE.size
_ROOT = b"fairpool batch v2\x00"
BOUND = ("ce_id", "ce_source", "ce_type", "ce_time", "content-type")
"""The headers that say something of the event; any other may be added on the way."""
_bound_in = itemgetter(*BOUND)
_ROOTS = 1024
_NODES = 65_536


class Written(Protocol):
    """A record as it is written or read."""

    @property
    def topic(self) -> str: ...
    @property
    def key(self) -> bytes | None: ...
    @property
    def value(self) -> bytes | None: ...
    @property
    def headers(self) -> Headers: ...


@dataclass(frozen=True, slots=True)
class Refused:
    """Why a record is not believed; the reason says nothing of what it holds."""

    reason: str


def signed_with(record: Written) -> bytes | None:
    """The id of the key that the record says it is signed with; nothing of it was checked."""
    header = dict(record.headers).get(HEADER)
    return header[1:9] if header is not None and len(header) >= _PATH_FROM else None


def leaf_of(topic: str, key: bytes | None, value: bytes | None, headers: Mapping[str, bytes | None]) -> bytes:
    """The hash of all that a record says: topic, key, value and the headers that describe it, each with its length.

    `(`, the number of parts, then for each `s`, its length and its bytes, or `N` for one that is not there; numbers are
    4 bytes, little endian. Python's marshal writes just that in its version 2 (a test says so), at a third of what it costs here.
    """
    try:
        bound = _bound_in(headers)
    except KeyError:
        bound = tuple(map(headers.get, BOUND))
    return sha256(LEAF + marshal.dumps((topic.encode(), key, value, *bound), 2)).digest()


class Signer:
    """Signs in the name of one process."""

    def __init__(self, seed: bytes) -> None:
        self._key = Ed25519PrivateKey.from_private_bytes(seed)
        self.id = key_id(self._key.public_key().public_bytes_raw())
        """Which key it is."""

    def headers(self, records: Sequence[Written]) -> list[tuple[str, bytes]]:
        """For each record that is sent together with the others, the header that says who says it."""
        if not records:
            return []
        size = len(records)
        root, proofs = bundled([leaf_of(one.topic, one.key, one.value, dict(one.headers)) for one in records])
        front = _FRONT.pack(_VERSION, self.id, self._key.sign(_signed(root, size)), size)
        said: list[tuple[str, bytes]] = []
        for number, proof in enumerate(proofs):
            said += [(HEADER, front + _PLACE.pack(number) + proof)] * WIDE
        return said[:size]


@dataclass(slots=True)
class _Root:
    """A root that somebody signed, and every hash below it that was seen."""

    by: str
    known: set[bytes]


@dataclass(slots=True)
class Verifier:
    """Tells who says a record, with the public halves of everybody; one for a process.

    Several keys of one name work at the same time, so that one can be exchanged.
    """

    keys: Mapping[str, Sequence[bytes]]
    """By the name of a process, 32 bytes each."""
    signatures: Signatures = "require"
    seals: Seals = field(default_factory=Seals, repr=False)
    """Opens what is sealed to this process."""
    statements: StatementReader = field(init=False, repr=False)
    """Tells which links signup has made."""
    _by_id: dict[bytes, tuple[str, Ed25519PublicKey]] = field(init=False, repr=False)
    _roots: OrderedDict[bytes, _Root] = field(init=False, repr=False, default_factory=OrderedDict)
    _nodes: int = field(init=False, repr=False, default=0)

    def __post_init__(self) -> None:
        self.statements = StatementReader([key for name in STATES_LINKS for key in self.keys.get(name, ())])
        self._by_id = {
            key_id(public): (name, Ed25519PublicKey.from_public_bytes(public))
            for name, several in self.keys.items()
            for public in several
        }

    def signer_of(self, record: Written, headers: Mapping[str, bytes | None]) -> str | Refused | None:
        """Who says the record with these headers; None for one that nobody signed, where that is taken; else why it is refused."""
        header = headers.get(HEADER)
        if header is None:
            return None if self.signatures == "take" else Refused(f"{UNSIGNED}: the record has no signature")
        leaf = leaf_of(record.topic, record.key, record.value, headers)
        root = self._roots.get(header[: _FRONT.size])
        if root is not None and leaf in root.known:
            return root.by
        return self._prove(leaf, header, root)

    def _prove(self, leaf: bytes, header: bytes, root: "_Root | None") -> str | Refused:
        if len(header) < _PATH_FROM:
            return _bad("no signature of this form")
        version, id, signature, size = _FRONT.unpack_from(header)
        if version != _VERSION:
            return _bad("a form of signature that this version does not know")
        (number,) = _PLACE.unpack_from(header, _FRONT.size)
        way = way_of_bundle(leaf, number, size, header[_PATH_FROM:], root.known if root else ())
        if way is None:
            return _bad("no path from this record")
        if root is None:
            signer = self._by_id.get(id)
            if signer is None:
                return Refused(UNKNOWN_KEY)
            try:
                signer[1].verify(signature, _signed(way[-1], size))
            except InvalidSignature:
                return _bad("it does not belong to this record")
            root = self._roots[header[: _FRONT.size]] = _Root(signer[0], set())
        elif way[-1] not in root.known:
            return _bad("it does not belong to this record")
        before = len(root.known)
        root.known.update(way)
        self._nodes += len(root.known) - before
        while len(self._roots) > _ROOTS or (self._nodes > _NODES and len(self._roots) > 1):
            self._nodes -= len(self._roots.popitem(last=False)[1].known)
        return root.by


def note_refused(topic: str, reason: str) -> None:
    """Counts a record that a reader passed over or set aside, if that was for its signature."""
    kind = reason.partition(":")[0]
    if kind in (UNSIGNED, BAD_SIGNATURE, REPLAYED):
        SIGNATURES_REFUSED.labels(topic, kind).inc()


def watch_refused(topic: str) -> None:
    """Series that are there from the start, with 0, for a topic that this process reads."""
    for kind in (UNSIGNED, BAD_SIGNATURE, *((REPLAYED,) if topic == _OF_YESES else ())):
        SIGNATURES_REFUSED.labels(topic, kind)


def _signed(root: bytes, size: int) -> bytes:
    return _ROOT + size.to_bytes(4, "big") + root


def _bad(why: str) -> Refused:
    return Refused(f"{BAD_SIGNATURE}: {why}")
