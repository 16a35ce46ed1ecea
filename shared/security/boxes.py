"""AES-256-GCM boxes: what is put in comes out only with the same key and the same context."""

import contextlib
import os
from collections.abc import Sequence

from cryptography.exceptions import InvalidTag
from cryptography.hazmat.primitives.ciphers.aead import AESGCM
from joserfc.errors import JoseError

_NONCE_BYTES = 12  # NIST SP 800-38D, 8.2.2: random nonces of 96 bits, at most 2^32 boxes a key
KEY_BYTES = 32


NOT_OURS = (JoseError, InvalidTag, ValueError, KeyError, TypeError, OverflowError, AttributeError, RecursionError)
"""What the libraries raise of reading something sealed or signed that nobody here made."""


class CannotOpenError(Exception):
    """The box was sealed with another key or for another context, or was changed."""


def new_key() -> bytes:
    """32 random bytes."""
    return os.urandom(KEY_BYTES)


def seal(key: bytes, plain: bytes, *, context: str) -> bytes:
    """A box with a fresh nonce in front; `context` (whose, which field, which version) is authenticated."""
    nonce = os.urandom(_NONCE_BYTES)
    return nonce + AESGCM(key).encrypt(nonce, plain, context.encode())


def unseal(key: bytes, box: bytes, *, context: str) -> bytes:
    """What is in the box; CannotOpenError when key or context differ or a byte was changed."""
    try:
        return AESGCM(key).decrypt(box[:_NONCE_BYTES], box[_NONCE_BYTES:], context.encode())
    except (InvalidTag, ValueError) as error:
        raise CannotOpenError(f"a box for {context.split(':', 1)[0]} does not open") from error


def unseal_any(keys: Sequence[bytes], box: bytes, *, context: str) -> bytes:
    """As `unseal`, with whichever of the keys it was sealed with."""
    for key in keys[:-1]:
        with contextlib.suppress(CannotOpenError):
            return unseal(key, box, context=context)
    return unseal(keys[-1], box, context=context)
