"""Sealing an employer's words to one person's key, in one of two forms that both open (docs/decisions/0004).

`hpke`: HPKE (RFC 9180), base mode, DHKEM(X25519), HKDF-SHA256, AES-256-GCM, as `h1.` and base64url, in two thirds of the
time. `jwe`: a compact JWE, ECDH-ES over X25519 with A256GCM (RFC 7516, RFC 8037), the only one that a version from before
December 2026 opens.
"""

from dataclasses import dataclass
from typing import Literal

from cryptography.hazmat.primitives.asymmetric.x25519 import X25519PrivateKey, X25519PublicKey
from cryptography.hazmat.primitives.hpke import AEAD, KDF, KEM, Suite
from joserfc import jwe
from joserfc.jwk import OKPKey

from shared.contracts.outreach_gateway import Words
from shared.security import encoding
from shared.security.boxes import NOT_OURS, CannotOpenError

WordsForm = Literal["jwe", "hpke"]

HPKE = Suite(KEM.X25519, KDF.HKDF_SHA256, AEAD.AES_256_GCM)
HPKE_MARK = "h1."
HPKE_INFO = b"fairpool words v1"
"""What is sealed to the same key for another use does not open as words."""
_HEADER = {"alg": "ECDH-ES", "enc": "A256GCM"}
_REGISTRY = jwe.JWERegistry(algorithms=list(_HEADER.values()))


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


def seal_words(words: Words, public_key: str, form: WordsForm) -> str:
    """The words as a text that only the person's private key opens."""
    plain = words.model_dump_json().encode()
    if form == "hpke":
        key = X25519PublicKey.from_public_bytes(encoding.decode(public_key))
        return HPKE_MARK + encoding.encode(HPKE.encrypt(plain, key, info=HPKE_INFO))
    # joserfc writes the sender's key into the header that it is given
    to = OKPKey.import_key({"kty": "OKP", "crv": "X25519", "x": public_key})
    return jwe.encrypt_compact(dict(_HEADER), plain, to, registry=_REGISTRY)


def seal_job(words: Words, public_key: str, form: WordsForm) -> str:
    """Of the words the job alone, and whose outreach it is; `open_words` opens it."""
    return seal_words(words.model_copy(update={"subject": "", "body": ""}), public_key, form)


def open_words(sealed: str, pair: KeyPair, *, outreach: str) -> Words:
    """The words of this outreach; CannotOpenError when they were sealed to another key or belong to another outreach."""
    try:
        words = Words.model_validate_json(_opened(sealed, pair))
    except NOT_OURS as error:
        raise CannotOpenError("these words do not open with this person's key") from error
    if words.outreach != outreach:
        raise CannotOpenError("these words belong to another outreach")
    return words


def _opened(sealed: str, pair: KeyPair) -> bytes:
    if sealed.startswith(HPKE_MARK):
        key = X25519PrivateKey.from_private_bytes(encoding.decode(pair.private))
        return HPKE.decrypt(encoding.decode(sealed.removeprefix(HPKE_MARK)), key, info=HPKE_INFO)
    both = OKPKey.import_key({"kty": "OKP", "crv": "X25519", "x": pair.public, "d": pair.private})
    return jwe.decrypt_compact(sealed, both, registry=_REGISTRY).plaintext or b""
