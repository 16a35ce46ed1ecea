"""A person's session: signed by signup, for some hours, in a cookie or as a bearer token (JWS with Ed25519; RFC 7515, RFC 8037).

Who has a link from an email spends it at signup and gets a session for it. A session names nobody: whose it is stands in it
encrypted for those who read links (AES-SIV, RFC 5297), bound to its times. It brings signup's statement of itself, by which a
yes is believed (docs/decisions/0029). That says it was made when its *link* was: what an email could not say any more after a no,
no session that was opened by it can say.
"""

import hmac
import json
import secrets
from collections.abc import Sequence
from dataclasses import dataclass
from datetime import UTC, datetime, timedelta
from hashlib import sha256
from typing import Any, Literal

from cryptography.exceptions import InvalidTag
from cryptography.hazmat.primitives.ciphers.aead import AESSIV

from shared.security import encoding
from shared.security.boxes import NOT_OURS
from shared.security.documents import DocumentReader, DocumentSigner
from shared.security.statements import KEY_ID_BYTES, SIGNATURE_BYTES, Statement, StatementSigner

WORKS_FOR = timedelta(hours=4)
_KIND = "fairpool-session"
"""In the header of the token: no other document that signup signs is taken for one."""
_STATED = b"\x00"
_LONGEST = 2_000
"""Characters of a token; ours have about 550."""


@dataclass(frozen=True, slots=True)
class Session:
    """Whose session it is, and until when it works (whole seconds)."""

    candidate: str
    name: str
    """By what tables, topics and pages call it: a hash, of which no session can be made."""
    started_at: datetime
    expires_at: datetime
    statement: Statement | None = None
    """Signup's; none where the link that was spent had none that holds: then nothing can be switched on."""


@dataclass(frozen=True, slots=True)
class BadSession:
    """Why a token is no good: `forged`, or `expired`."""

    reason: Literal["forged", "expired"]


@dataclass(frozen=True, slots=True)
class Started:
    """A new session, and the token that is it: a secret of its person."""

    session: Session
    token: str

    def __repr__(self) -> str:
        return f"Started({self.session.name})"


class SessionSigner:
    """Starts sessions in signup's name. `subject_key`: 64 bytes, the first of those who read links."""

    def __init__(self, seed: bytes, subject_key: bytes, works_for: timedelta = WORKS_FOR) -> None:
        self._documents = DocumentSigner(seed)
        self._statements = StatementSigner(seed)
        self._subjects = AESSIV(subject_key)
        self._name_key = subject_key
        self._works_for = works_for

    def start(self, candidate: str, *, at: datetime, said_by: datetime | None) -> Started:
        """A new session of this person from then on.

        `said_by`: when the link was made that is spent for it, if signup stated that link; else the session says no yes.
        """
        begins = at.replace(microsecond=0)
        times = {"iat": int(begins.timestamp()), "exp": int((begins + self._works_for).timestamp())}
        ends, id = _moment(times["exp"]), secrets.token_urlsafe(24)
        made = int(said_by.timestamp()) if said_by is not None else None
        subject, statement = json.dumps([candidate, id, made], separators=(",", ":")).encode(), None
        if made is not None:
            statement = self._statements.state(
                candidate, _stated_name(self._name_key, candidate, id), _moment(made), ends
            )
            subject += _STATED + statement.key + statement.signature
        sealed = encoding.encode(self._subjects.encrypt(subject, _bound_to(times)))
        token = self._documents.sign(_KIND, {**times, "sub": sealed})
        return Started(Session(candidate, name_of(id), _moment(times["iat"]), ends, statement), token)


class SessionReader:
    """Checks tokens with signup's public keys, and finds out whose they are with the subject keys: any of them will do."""

    def __init__(self, public_keys: Sequence[bytes], subject_keys: Sequence[bytes]) -> None:
        self._documents = DocumentReader(public_keys)
        self._subjects = [(AESSIV(key), key) for key in subject_keys]

    def read(self, token: str, *, at: datetime) -> Session | BadSession:
        """The session behind the token if it is genuine and not over at that time; whether it was ended, the tables know."""
        if len(token) > _LONGEST or not token.isascii():
            return BadSession("forged")
        document = self._documents.read(_KIND, token)
        if document is None:
            return BadSession("forged")
        try:
            session = self._opened(document)
        except NOT_OURS:
            return BadSession("forged")
        return BadSession("expired") if session.expires_at <= at else session

    def _opened(self, document: dict[str, Any]) -> Session:
        times = {name: int(document[name]) for name in ("iat", "exp")}
        subject, key = self._subject(encoding.decode(document["sub"]), _bound_to(times))
        whose, _, stated = subject.partition(_STATED)
        candidate, id, made = json.loads(whose)
        ends, statement = _moment(times["exp"]), None
        if made is not None and len(stated) == KEY_ID_BYTES + SIGNATURE_BYTES:
            name = _stated_name(key, candidate, id)
            statement = Statement(name, _moment(made), ends, stated[:KEY_ID_BYTES], stated[KEY_ID_BYTES:])
        return Session(candidate, name_of(id), _moment(times["iat"]), ends, statement)

    def _subject(self, sealed: bytes, context: list[bytes]) -> tuple[bytes, bytes]:
        for siv, key in self._subjects:
            try:
                return siv.decrypt(sealed, context), key
            except InvalidTag:
                continue
        raise InvalidTag


def name_of(id: str) -> str:
    """The name of the session with this id."""
    return encoding.encode(sha256(b"fairpool session\x00" + id.encode()).digest())


def _stated_name(key: bytes, candidate: str, id: str) -> str:
    """What the statement calls the session: made by nobody who does not read links."""
    said = b"fairpool session name v1\x00" + candidate.encode() + b"\x00" + id.encode()
    return encoding.encode(hmac.digest(key, said, "sha256")[:16])


def _bound_to(times: dict[str, int]) -> list[bytes]:
    return [_KIND.encode(), *(str(times[name]).encode() for name in ("iat", "exp"))]


def _moment(seconds: int) -> datetime:
    return datetime.fromtimestamp(seconds, UTC)
