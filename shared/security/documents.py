"""Signed documents that whoever holds one verifies offline: JWS in its compact form, Ed25519 (RFC 7515, RFC 9864)."""

import binascii
import json
from collections.abc import Iterable, Mapping
from typing import Any

from cryptography.exceptions import InvalidSignature
from cryptography.hazmat.primitives.asymmetric.ed25519 import Ed25519PrivateKey, Ed25519PublicKey

from shared.security import encoding
from shared.security.statements import key_id

_ALGORITHM = "Ed25519"


class DocumentSigner:
    """Signs in the name of whoever has the seed."""

    def __init__(self, seed: bytes) -> None:
        self._key = Ed25519PrivateKey.from_private_bytes(seed)
        self.public = self._key.public_key().public_bytes_raw()
        """What verifies it, 32 bytes."""

    def sign(self, kind: str, document: Mapping[str, object]) -> str:
        """The document of this kind (`typ`), as three parts in base64url with dots between; `kid` says which key it was."""
        header = {"alg": _ALGORITHM, "kid": key_id(self.public).hex(), "typ": kind}
        said = f"{_part(header)}.{_part(document)}"
        return f"{said}.{encoding.encode(self._key.sign(said.encode()))}"


def key_of(text: str) -> str | None:
    """By which key a document says that it was signed, as `kid` has it; it is true of one that a reader has read."""
    try:
        kid = json.loads(encoding.decode(text.strip().partition(".")[0]))["kid"]
    except (ValueError, KeyError, TypeError, RecursionError, binascii.Error):
        return None
    return kid if isinstance(kid, str) else None


class DocumentReader:
    """Tells whether one of these keys (32 bytes each) signed a document."""

    def __init__(self, keys: Iterable[bytes]) -> None:
        self._keys = {key_id(key).hex(): Ed25519PublicKey.from_public_bytes(key) for key in keys}

    def read(self, kind: str, text: str) -> dict[str, Any] | None:
        """What the document says; None for one that is of another kind, was changed, or was signed by nobody of them."""
        said, _, signature = text.strip().rpartition(".")
        first, _, second = said.partition(".")
        try:
            header = json.loads(encoding.decode(first))
            key = self._keys.get(header["kid"])
            if key is None or (header["alg"], header["typ"]) != (_ALGORITHM, kind):
                return None
            key.verify(encoding.decode(signature), said.encode())
            document = json.loads(encoding.decode(second))
        except (InvalidSignature, ValueError, KeyError, TypeError, RecursionError, binascii.Error):
            return None
        return document if isinstance(document, dict) else None


def _part(content: Mapping[str, object]) -> str:
    return encoding.encode(json.dumps(content, separators=(",", ":"), ensure_ascii=False).encode())
