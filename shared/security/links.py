"""The links in mails: signed by the courier, short-lived, one purpose each (JWS with Ed25519; RFC 7515, RFC 8037).

Mails are forwarded, and links land in logs of mail scanners. So a link names nobody: its subject is the candidate and the
employer, encrypted for those who read links (AES-SIV, RFC 5297), bound to purpose and times, and another in each mail.
The same link is the same token whenever it is made.

A link by which something can be switched on brings signup's statement of it, encrypted beside the subject: whoever takes the
yes passes the statement on (docs/decisions/0029), and nobody can make a link of it.
"""

import hmac
import json
import string
from collections.abc import Mapping
from dataclasses import dataclass
from datetime import UTC, datetime
from typing import Literal, get_args

from cryptography.exceptions import InvalidTag
from cryptography.hazmat.primitives.asymmetric.ed25519 import Ed25519PrivateKey
from cryptography.hazmat.primitives.ciphers.aead import AESSIV
from joserfc import jws
from joserfc.errors import JoseError
from joserfc.jwk import OKPKey

from shared.security import encoding
from shared.security.statements import KEY_ID_BYTES, SIGNATURE_BYTES, Statement, StatementSigner

LinkPurpose = Literal["confirm", "me", "unsubscribe", "refuse"]
"""`confirm`: the invitation's page; `me`: the preference center; `unsubscribe`: may only stop; `refuse`: the invitation's
way out for somebody who never answered."""
WIDENS: frozenset[LinkPurpose] = frozenset({"confirm", "me"})
"""By these something can be switched on."""
_ALGORITHMS = ["Ed25519"]
_STATED = b"\x00"
"""Between the subject, which is JSON, and what is stated of the link."""
_ENDS = string.ascii_letters + string.digits + "-_"
"""What a token can end with: base64url."""


@dataclass(frozen=True, slots=True)
class Link:
    """What a link says: whose it is, what it is for, when it was made and until when it works (whole seconds); an unsubscribe
    link also which employer wrote.
    """

    candidate: str
    purpose: LinkPurpose
    expires_at: datetime
    employer: str | None = None
    issued_at: datetime | None = None
    statement: Statement | None = None
    """Signup's, of a link by which something can be switched on; made with the token, and read from it."""


@dataclass(frozen=True, slots=True)
class BadLink:
    """Why a token is no good: `forged` (or cut short by a mail program), `expired`, or for `another_purpose`."""

    reason: Literal["forged", "expired", "another_purpose"]


class LinkSigner:
    """Makes tokens; only the courier has one. `subject_key`: 64 bytes, the readers' too; `statements` states in signup's name."""

    def __init__(self, seed: bytes, subject_key: bytes, statements: StatementSigner | None = None) -> None:
        self._subjects = AESSIV(subject_key)
        self._name_key = subject_key
        self._statements = statements
        private = Ed25519PrivateKey.from_private_bytes(seed)
        self._key = OKPKey.import_key(
            {
                "kty": "OKP",
                "crv": "Ed25519",
                "d": encoding.encode(seed),
                "x": encoding.encode(private.public_key().public_bytes_raw()),
            }
        )

    def sign(self, link: Link) -> str:
        """The token, safe in a URL."""
        claims: dict[str, str | int] = {"prp": link.purpose, "exp": int(link.expires_at.timestamp())}
        if link.issued_at is not None:
            claims["iat"] = int(link.issued_at.timestamp())
        subject = json.dumps([link.candidate, link.employer], separators=(",", ":")).encode()
        if self._statements is not None and link.purpose in WIDENS and link.issued_at is not None:
            name = _name(self._name_key, link.candidate, claims)
            stated = self._statements.state(link.candidate, name, link.issued_at, link.expires_at)
            subject += _STATED + stated.key + stated.signature
        claims["sub"] = encoding.encode(self._subjects.encrypt(subject, _bound_to(claims)))
        payload = json.dumps(claims, separators=(",", ":"))
        return jws.serialize_compact({"alg": "Ed25519"}, payload, self._key, algorithms=_ALGORITHMS)


class LinkReader:
    """Checks tokens with the public key, and finds out whose they are with the subject key."""

    def __init__(self, public_key: bytes, subject_key: bytes) -> None:
        self._subjects = AESSIV(subject_key)
        self._name_key = subject_key
        self._key = OKPKey.import_key({"kty": "OKP", "crv": "Ed25519", "x": encoding.encode(public_key)})

    def read(self, token: str, *purposes: LinkPurpose, at: datetime) -> Link | BadLink:
        """The link behind the token if it is genuine, for one of these purposes and not expired at that time.

        What no token ends with is no part of it: mail programs take the sentence's period or bracket into a link.
        """
        try:
            claims = json.loads(jws.deserialize_compact(trimmed(token), self._key, algorithms=_ALGORITHMS).payload)
            subject = self._subjects.decrypt(encoding.decode(claims["sub"]), _bound_to(claims))
            whose, _, stated = subject.partition(_STATED)
            candidate, employer = json.loads(whose)
            expires_at = datetime.fromtimestamp(claims["exp"], UTC)
            issued_at = datetime.fromtimestamp(claims["iat"], UTC) if "iat" in claims else None
            statement = None
            if issued_at is not None and len(stated) == KEY_ID_BYTES + SIGNATURE_BYTES:
                name = _name(self._name_key, candidate, claims)
                key, signature = stated[:KEY_ID_BYTES], stated[KEY_ID_BYTES:]
                statement = Statement(name, issued_at, expires_at, key, signature)
            link = Link(candidate, claims["prp"], expires_at, employer, issued_at, statement)
        except (JoseError, InvalidTag, ValueError, KeyError, TypeError, OverflowError, AttributeError):
            return BadLink("forged")
        if link.purpose not in get_args(LinkPurpose) or link.purpose not in purposes:
            return BadLink("another_purpose")
        if link.expires_at <= at:
            return BadLink("expired")
        return link


def _bound_to(claims: Mapping[str, str | int]) -> list[bytes]:
    """All that a token says but its subject, so that no subject fits another token."""
    return [str(claims.get(name, "")).encode() for name in ("prp", "exp", "iat")]


def _name(key: bytes, candidate: str, claims: Mapping[str, str | int]) -> str:
    """What a statement calls the link: the same for the same link, and made by nobody who does not read links."""
    said = b"\x00".join((candidate.encode(), *_bound_to(claims)))
    return encoding.encode(hmac.digest(key, b"fairpool link name v1\x00" + said, "sha256")[:16])


def trimmed(token: str) -> str:
    """The token without what stuck to its end; the same for each way in which a mail program wrote it."""
    return token[: max(map(token.rfind, _ENDS)) + 1]


def public_half(seed: bytes) -> bytes:
    """The 32 public bytes that go with a signing seed."""
    return Ed25519PrivateKey.from_private_bytes(seed).public_key().public_bytes_raw()
