"""The links in mails: signed by the courier, short-lived, one purpose each (JWS with Ed25519; RFC 7515, RFC 8037).

Mails are forwarded, and links land in logs of mail scanners. So a link names nobody: its subject is the candidate and the
employer, encrypted for those who read links (AES-SIV, RFC 5297), bound to purpose and times, and another in each mail.
The same link is the same token whenever it is made.

The link to a job's page is of no person: it holds, encrypted in the same way, where the employer's own page is, and is the same
token in each mail about that job.

A link by which something can be switched on brings signup's statement of it, encrypted beside the subject: whoever takes the
yes passes the statement on (docs/decisions/0029), and nobody can make a link of it.
"""

import contextlib
import hmac
import json
import re
import string
from collections.abc import Mapping, Sequence
from dataclasses import dataclass
from datetime import UTC, datetime
from typing import Any, Literal, cast, get_args

from cryptography.exceptions import InvalidTag
from cryptography.hazmat.primitives.asymmetric.ed25519 import Ed25519PrivateKey
from cryptography.hazmat.primitives.ciphers.aead import AESSIV
from joserfc import jws
from joserfc.errors import BadSignatureError
from joserfc.jwk import OKPKey
from pydantic_core import to_json

from shared.security import encoding
from shared.security.boxes import NOT_OURS
from shared.security.statements import KEY_ID_BYTES, SIGNATURE_BYTES, Statement, StatementSigner

LinkPurpose = Literal["confirm", "me", "unsubscribe", "refuse", "email_new", "email_old"]
"""`confirm`: the invitation's page; `me`: the preference center; `unsubscribe`: may only stop; `refuse`: the invitation's
way out for somebody who never answered; `email_new`, `email_old`: what the two mailboxes of a change of one's email say to it."""
WIDENS: frozenset[LinkPurpose] = frozenset({"confirm", "me"})
"""By these something can be switched on."""
_JOB = "job"
"""The purpose of a `JobLink`: no person's link is for it, and it is for nothing of a person's."""
_HEADER = {"alg": "Ed25519"}
_SIGNED = jws.JWSRegistry(algorithms=["Ed25519"])
_STATED = b"\x00"
"""Between the subject, which is JSON, and what is stated of the link."""
_LONGEST_NAME = 100
_MARKS = frozenset(string.ascii_letters + string.digits + "-_.")
"""What a token is written with: base64url, in three parts."""
_OF_BASE64 = "=+/"
"""What base64 is padded and, elsewhere, written with."""
_SOFT_BREAK = re.compile(r"=\r?\n")
"""Of quoted-printable (RFC 2045, section 6.7), where a mail program left it in."""


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
    change: str | None = None
    """Of `email_new` and `email_old`: the change's id."""
    statement: Statement | None = None
    """Signup's, of a link by which something can be switched on; made with the token, and read from it."""


@dataclass(frozen=True, slots=True)
class JobLink:
    """Where a job's page is, and what the job is called, until when (whole seconds)."""

    url: str
    """At most 2,000 characters; longer ones make a request line that proxies refuse."""
    title: str
    organization: str
    expires_at: datetime


@dataclass(frozen=True, slots=True)
class BadLink:
    """Why a token is no good: `forged` (or cut short by a mail program), `expired`, for `another_purpose`, or `void`: of before
    its person's email changed. That last one no token says; whoever opens something by it has to look (`is_void`).
    """

    reason: Literal["forged", "expired", "another_purpose", "void"]


class LinkSigner:
    """Makes tokens; only the courier has one. `subject_key`: 64 bytes, the first of the readers'; `statements` states in signup's name."""

    def __init__(self, seed: bytes, subject_key: bytes, statements: StatementSigner | None = None) -> None:
        self._subjects = AESSIV(subject_key)
        self._name_key = subject_key
        self._statements = statements
        private = Ed25519PrivateKey.from_private_bytes(seed)
        key = OKPKey.import_key(
            {
                "kty": "OKP",
                "crv": "Ed25519",
                "d": encoding.encode(seed),
                "x": encoding.encode(private.public_key().public_bytes_raw()),
            }
        )
        self._key = cast(Ed25519PrivateKey, key.get_op_key("sign"))
        # The first of a token's three parts is the same in all, and checked once, with the key, where this one is made.
        self._head, _, _ = jws.serialize_compact(dict(_HEADER), b"", key, registry=_SIGNED).partition(".")

    def sign(self, link: Link) -> str:
        """The token, safe in a URL."""
        claims: dict[str, str | int] = {"prp": link.purpose, "exp": int(link.expires_at.timestamp())}
        if link.issued_at is not None:
            claims["iat"] = int(link.issued_at.timestamp())
        whose = [link.candidate, link.employer, *([] if link.change is None else [link.change])]
        subject = to_json(whose)
        if self._statements is not None and link.purpose in WIDENS and link.issued_at is not None:
            name = _name(self._name_key, link.candidate, claims)
            stated = self._statements.state(link.candidate, name, link.issued_at, link.expires_at)
            subject += _STATED + stated.key + stated.signature
        return self._token(claims, subject)

    def sign_job(self, link: JobLink) -> str:
        """The token, safe in a URL; title and organization are cut to `_LONGEST_NAME`."""
        said = [link.url, link.title[:_LONGEST_NAME], link.organization[:_LONGEST_NAME]]
        subject = json.dumps(said, separators=(",", ":"), ensure_ascii=False).encode()
        return self._token({"prp": _JOB, "exp": int(link.expires_at.timestamp())}, subject)

    def _token(self, claims: dict[str, str | int], subject: bytes) -> str:
        claims["sub"] = encoding.encode(self._subjects.encrypt(subject, _bound_to(claims)))
        said = f"{self._head}.{encoding.encode(to_json(claims))}"  # RFC 7515, section 5.1
        return f"{said}.{encoding.encode(self._key.sign(said.encode()))}"


class LinkReader:
    """Checks tokens with the public keys, and finds out whose they are with the subject keys: any of them will do.

    A token does not say which: links of before there were several are in mailboxes for a year, and a look with a second key
    takes a tenth of a millisecond.
    """

    def __init__(self, public_keys: Sequence[bytes], subject_keys: Sequence[bytes]) -> None:
        self._subjects = [(AESSIV(key), key) for key in subject_keys]
        self._keys = [
            OKPKey.import_key({"kty": "OKP", "crv": "Ed25519", "x": encoding.encode(key)}) for key in public_keys
        ]

    def read(self, token: str, *purposes: LinkPurpose, at: datetime) -> Link | BadLink:
        """The link behind the token if it is genuine, for one of these purposes and not expired at that time.

        What no token is written with is no part of it (`trimmed`).
        """
        try:
            claims, subject, name_key = self._opened(token)
            if claims["prp"] == _JOB:
                return BadLink("another_purpose")
            whose, _, stated = subject.partition(_STATED)
            candidate, employer, *more = json.loads(whose)
            expires_at = datetime.fromtimestamp(claims["exp"], UTC)
            issued_at = datetime.fromtimestamp(claims["iat"], UTC) if "iat" in claims else None
            statement = None
            if issued_at is not None and len(stated) == KEY_ID_BYTES + SIGNATURE_BYTES:
                name = _name(name_key, candidate, claims)
                key, signature = stated[:KEY_ID_BYTES], stated[KEY_ID_BYTES:]
                statement = Statement(name, issued_at, expires_at, key, signature)
            link = Link(candidate, claims["prp"], expires_at, employer, issued_at, more[0] if more else None, statement)
        except NOT_OURS:
            return BadLink("forged")
        if link.purpose not in get_args(LinkPurpose) or link.purpose not in purposes:
            return BadLink("another_purpose")
        if link.expires_at <= at:
            return BadLink("expired")
        return link

    def read_job(self, token: str, *, at: datetime) -> JobLink | BadLink:
        """The job behind the token, as `read` does."""
        try:
            claims, subject, _ = self._opened(token)
            if claims["prp"] != _JOB:
                return BadLink("another_purpose")
            url, title, organization = json.loads(subject)
            link = JobLink(url, title, organization, datetime.fromtimestamp(claims["exp"], UTC))
        except NOT_OURS:
            return BadLink("forged")
        return BadLink("expired") if link.expires_at <= at else link

    def _opened(self, token: str) -> tuple[Mapping[str, Any], bytes, bytes]:
        """What a genuine token says, its subject, and the key that this is under; raises one of `NOT_OURS`."""
        claims = json.loads(self._checked(trimmed(token)))
        sealed, context = encoding.decode(claims["sub"]), _bound_to(claims)
        for siv, key in self._subjects:
            with contextlib.suppress(InvalidTag):
                return claims, siv.decrypt(sealed, context), key
        raise InvalidTag

    def _checked(self, token: str) -> bytes:
        """What a genuine token says."""
        for key in self._keys[:-1]:
            with contextlib.suppress(BadSignatureError):
                return jws.deserialize_compact(token, key, registry=_SIGNED).payload
        return jws.deserialize_compact(token, self._keys[-1], registry=_SIGNED).payload


def _bound_to(claims: Mapping[str, str | int]) -> list[bytes]:
    """All that a token says but its subject, so that no subject fits another token."""
    return [str(claims.get(name, "")).encode() for name in ("prp", "exp", "iat")]


def _name(key: bytes, candidate: str, claims: Mapping[str, str | int]) -> str:
    """What a statement calls the link: the same for the same link, and made by nobody who does not read links."""
    said = b"\x00".join((candidate.encode(), *_bound_to(claims)))
    return encoding.encode(hmac.digest(key, b"fairpool link name v1\x00" + said, "sha256")[:16])


def is_void(issued_at: datetime | None, since: datetime | None) -> bool:
    """Whether a link was made before those moments from which its person's links count; none: all count. One that does not say
    when it was made counts as old. Links are dated to the second, so one of the very same second is void too.
    """
    return since is not None and (issued_at is None or issued_at < since)


def trimmed(token: str) -> str:
    """The token without what mail programs put into it and around it: blanks, line ends, soft hyphens, brackets, the sentence's
    period; the same for each way in which one was written. The signature says whether what is left is one: what stands for something
    in base64 stays within, so that padding makes no second token of one.
    """
    whole = _SOFT_BREAK.sub("", token)
    return "".join(mark for mark in whole if mark in _MARKS or mark in _OF_BASE64).strip(f".{_OF_BASE64}")


def public_half(seed: bytes) -> bytes:
    """The 32 public bytes that go with a signing seed."""
    return Ed25519PrivateKey.from_private_bytes(seed).public_key().public_bytes_raw()
