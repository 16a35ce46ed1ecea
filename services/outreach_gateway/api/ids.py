"""What outreach is called: keyed, so that nobody finds out a name, and the same request always has the same."""

import hashlib
import hmac
from typing import Literal

from shared.security import encoding
from shared.web.idempotency import canonical


class OutreachIds:
    """Names outreach with the first key; what the older ones named is found as well, so that a repeated request stays one."""

    def __init__(self, key: bytes, *older: bytes) -> None:
        self._keys = (key, *older)

    def of(self, tenant: str, idempotency_key: str, *, kind: Literal["id", "pool"] = "id") -> tuple[str, ...]:
        """What this request is called now, and then what it was called by each older key."""
        return tuple(_name(key, f"{kind}\0{tenant}\0{idempotency_key}") for key in self._keys)

    def child(self, message: str, candidate: str) -> str:
        """What the message to a pool is called that goes to this person; no employer can find it out."""
        return _name(self._keys[0], f"child\0{message}\0{candidate}")

    def digests(self, sent: object) -> tuple[bytes, ...]:
        """Of what was sent, not of how it is read: no later rule can make the same request another one. The first is kept;
        a kept one that is any of these is of the same request."""
        body = b"body\0" + canonical(sent)
        return tuple(hmac.digest(key, body, hashlib.sha256) for key in self._keys)


def _name(key: bytes, said: str) -> str:
    return "o_" + encoding.encode(hmac.digest(key, said.encode(), hashlib.sha256)[:16])
