"""Which texts are public keys of X25519 that something can be sealed to."""

from cryptography.hazmat.primitives.asymmetric.x25519 import X25519PrivateKey, X25519PublicKey

from shared.security import encoding

_ANY = X25519PrivateKey.generate()


def is_public_key(text: str) -> bool:
    """Whether it is base64url of 32 bytes, and no point of low order: with one of those everybody shares the same secret."""
    try:
        _ANY.exchange(X25519PublicKey.from_public_bytes(encoding.decode(text)))
    except ValueError:
        return False
    return True
