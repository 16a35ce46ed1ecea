"""Sealing an employer's words to one person's key (JWE, ECDH-ES over X25519 with A256GCM; RFC 7516, RFC 8037)."""

import re
from dataclasses import dataclass
from hashlib import sha256

from cryptography.exceptions import InvalidTag
from cryptography.hazmat.primitives.asymmetric.x25519 import X25519PrivateKey, X25519PublicKey
from cryptography.hazmat.primitives.ciphers.aead import AESGCM
from joserfc import jwe
from joserfc.errors import JoseError
from joserfc.jwk import OKPKey

from shared.contracts.outreach_gateway import Words
from shared.security import encoding
from shared.security.boxes import CannotOpenError

_ALGORITHMS = ["ECDH-ES", "A256GCM"]
_HEADER = {"alg": "ECDH-ES", "enc": "A256GCM"}
_AS_SEALED = re.compile(
    rb'\{"alg":"ECDH-ES","enc":"A256GCM","epk":\{"crv":"X25519","x":"([A-Za-z0-9_-]{43})","kty":"OKP"\}\}'
)
_NONCE, _TAG = 16, 22
"""Characters of 96 and 128 bits (RFC 7518, section 5.3)."""
_ROUND = (1).to_bytes(4, "big")
_FOR = b"\x00\x00\x00\x07A256GCM" + bytes(8) + (256).to_bytes(4, "big")
"""With the agreed secret between them what is hashed to the key (RFC 7518, section 4.6.2): for which algorithm, nobody named, its bits."""


@dataclass(frozen=True, slots=True)
class KeyPair:
    """A person's pair: the public half travels, the private half stays in the vault. base64url, 32 bytes each."""

    public: str
    private: str

    def __repr__(self) -> str:
        return "KeyPair(hidden)"

    @classmethod
    def generate(cls) -> "KeyPair":
        """A fresh X25519 pair."""
        private = X25519PrivateKey.generate()
        return cls(
            public=encoding.encode(private.public_key().public_bytes_raw()),
            private=encoding.encode(private.private_bytes_raw()),
        )


def seal_words(words: Words, public_key: str) -> str:
    """The words as a compact JWE that only the person's private key opens."""
    key = OKPKey.import_key({"kty": "OKP", "crv": "X25519", "x": public_key})
    # joserfc writes the sender's key into the header that it is given
    return jwe.encrypt_compact(dict(_HEADER), words.model_dump_json().encode(), key, algorithms=_ALGORITHMS)


def seal_job(words: Words, public_key: str) -> str:
    """Of the words the job alone, and whose outreach it is; `open_words` opens it."""
    return seal_words(words.model_copy(update={"subject": "", "body": ""}), public_key)


def open_words(sealed: str, pair: KeyPair, *, outreach: str) -> Words:
    """The words of this outreach; CannotOpenError when they were sealed to another key or belong to another outreach."""
    try:
        words = Words.model_validate_json(_opened(sealed, pair))
    except (InvalidTag, JoseError, ValueError) as error:
        raise CannotOpenError("these words do not open with this person's key") from error
    if words.outreach != outreach:
        raise CannotOpenError("these words belong to another outreach")
    return words


def _opened(sealed: str, pair: KeyPair) -> bytes:
    """What is in a compact JWE: one as `seal_words` makes them is opened here, any other by joserfc, which takes twice as long.

    InvalidTag, JoseError or ValueError where the key does not fit, or it is none.
    """
    parts = sealed.split(".")
    theirs = _sender_key(parts[0]) if len(parts) == 5 and not parts[1] else None
    if theirs is None:
        key = OKPKey.import_key({"kty": "OKP", "crv": "X25519", "x": pair.public, "d": pair.private})
        return jwe.decrypt_compact(sealed, key, algorithms=_ALGORITHMS).plaintext or b""
    head, _, nonce, text, tag = parts
    agreed = X25519PrivateKey.from_private_bytes(encoding.decode(pair.private)).exchange(theirs)
    if len(nonce) != _NONCE or len(tag) != _TAG:
        raise ValueError("no nonce and tag of AES-GCM")
    return AESGCM(sha256(_ROUND + agreed + _FOR).digest()).decrypt(
        encoding.decode(nonce), encoding.decode(text) + encoding.decode(tag), head.encode()
    )


def _sender_key(head: str) -> X25519PublicKey | None:
    """Of a header as joserfc writes it for `seal_words`, byte for byte; None for any other."""
    found = _AS_SEALED.fullmatch(encoding.decode(head))
    return X25519PublicKey.from_public_bytes(encoding.decode(found[1].decode())) if found else None
