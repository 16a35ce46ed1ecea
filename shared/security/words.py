"""Sealing an employer's words to one person's key (JWE, ECDH-ES over X25519 with A256GCM; RFC 7516, RFC 8037)."""

from dataclasses import dataclass

from cryptography.hazmat.primitives.asymmetric.x25519 import X25519PrivateKey
from joserfc import jwe
from joserfc.errors import JoseError
from joserfc.jwk import OKPKey

from shared.contracts.outreach_gateway import Words
from shared.security import encoding
from shared.security.boxes import CannotOpenError

_ALGORITHMS = ["ECDH-ES", "A256GCM"]
_HEADER = {"alg": "ECDH-ES", "enc": "A256GCM"}


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
    key = OKPKey.import_key({"kty": "OKP", "crv": "X25519", "x": pair.public, "d": pair.private})
    try:
        plain = jwe.decrypt_compact(sealed, key, algorithms=_ALGORITHMS).plaintext
        words = Words.model_validate_json(plain or b"")
    except (JoseError, ValueError) as error:
        raise CannotOpenError("these words do not open with this person's key") from error
    if words.outreach != outreach:
        raise CannotOpenError("these words belong to another outreach")
    return words
