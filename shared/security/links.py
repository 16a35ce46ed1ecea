"""The links in mails: signed by the courier, short-lived, one purpose each (JWS with Ed25519; RFC 7515, RFC 8037)."""

import json
from dataclasses import dataclass
from datetime import UTC, datetime
from typing import Literal, get_args

from cryptography.hazmat.primitives.asymmetric.ed25519 import Ed25519PrivateKey
from joserfc import jws
from joserfc.errors import JoseError
from joserfc.jwk import OKPKey

from shared.security import encoding

LinkPurpose = Literal["confirm", "me", "unsubscribe"]
_ALGORITHMS = ["Ed25519"]


@dataclass(frozen=True, slots=True)
class Link:
    """What a link says: whose it is, what it is for, until when, and, for an unsubscribe link, which employer wrote."""

    candidate: str
    purpose: LinkPurpose
    expires_at: datetime
    employer: str | None = None


@dataclass(frozen=True, slots=True)
class BadLink:
    """Why a token is no good: `forged` (or cut short by a mail program), `expired`, or for `another_purpose`."""

    reason: Literal["forged", "expired", "another_purpose"]


class LinkSigner:
    """Makes tokens; only the courier has one."""

    def __init__(self, seed: bytes) -> None:
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
        claims: dict[str, str | int] = {
            "sub": link.candidate,
            "prp": link.purpose,
            "exp": int(link.expires_at.timestamp()),
        }
        if link.employer is not None:
            claims["emp"] = link.employer
        payload = json.dumps(claims, separators=(",", ":"))
        return jws.serialize_compact({"alg": "Ed25519"}, payload, self._key, algorithms=_ALGORITHMS)


class LinkReader:
    """Checks tokens with the public key."""

    def __init__(self, public_key: bytes) -> None:
        self._key = OKPKey.import_key({"kty": "OKP", "crv": "Ed25519", "x": encoding.encode(public_key)})

    def read(self, token: str, *purposes: LinkPurpose, at: datetime) -> Link | BadLink:
        """The link behind the token if it is genuine, for one of these purposes and not expired at that time."""
        try:
            claims = json.loads(jws.deserialize_compact(token, self._key, algorithms=_ALGORITHMS).payload)
            link = Link(
                candidate=str(claims["sub"]),
                purpose=claims["prp"],
                expires_at=datetime.fromtimestamp(claims["exp"], UTC),
                employer=claims.get("emp"),
            )
        except (JoseError, ValueError, KeyError, TypeError, OverflowError):
            return BadLink("forged")
        if link.purpose not in get_args(LinkPurpose) or link.purpose not in purposes:
            return BadLink("another_purpose")
        if link.expires_at <= at:
            return BadLink("expired")
        return link


def public_half(seed: bytes) -> bytes:
    """The 32 public bytes that go with a signing seed."""
    return Ed25519PrivateKey.from_private_bytes(seed).public_key().public_bytes_raw()
