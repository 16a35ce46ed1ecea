"""Tenants' keys: `fp_<tenant>_<secret>`, the secret in base62, so that the last underscore splits them."""

import hashlib
import secrets
import string

_ALPHABET = string.ascii_letters + string.digits
_SECRET_LENGTH = 32  # 190 bits: a plain SHA-256 of it can be kept, there is nothing to guess


def new_key(tenant: str) -> str:
    """A fresh key; it is shown once and only its hash is kept."""
    return f"fp_{tenant}_" + "".join(secrets.choice(_ALPHABET) for _ in range(_SECRET_LENGTH))


def hash_key(key: str) -> str:
    """SHA-256 of the whole key, in hex."""
    return hashlib.sha256(key.encode()).hexdigest()


def tenant_of(key: str) -> str | None:
    """The tenant that a key says it is of, or None when it is no key."""
    prefix, _, rest = key.partition("_")
    tenant, _, secret = rest.rpartition("_")
    return tenant if prefix == "fp" and tenant and secret.isalnum() and secret.isascii() else None
