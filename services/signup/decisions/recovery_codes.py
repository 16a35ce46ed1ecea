"""The recovery code: 120 random bits, written so that somebody can copy it from paper."""

import hashlib
import hmac
import secrets
import unicodedata

_LETTERS = "0123456789ABCDEFGHJKMNPQRSTVWXYZ"  # Crockford's base32: no I, L, O, U
_LENGTH = 24
_GROUP = 4
_READ_AS = str.maketrans("ILOU", "110V")
"""No code has these letters: they are what somebody read for the others."""


def new_code() -> str:
    """Six groups of four letters, five bits each."""
    code = "".join(secrets.choice(_LETTERS) for _ in range(_LENGTH))
    return "-".join(code[at : at + _GROUP] for at in range(0, _LENGTH, _GROUP))


def read_code(typed: str) -> str | None:
    """The code as it was made, however it was typed, also in the full-width letters of some keyboards; None where it can be none."""
    plain = "".join(mark for mark in unicodedata.normalize("NFKC", typed).upper() if mark.isalnum()).translate(_READ_AS)
    return plain if len(plain) == _LENGTH and set(plain) <= set(_LETTERS) else None


def code_hash(code: str, key: bytes) -> bytes:
    """Under the person's own data key. No slow hash is needed: nobody guesses 120 bits."""
    return hmac.digest(key, b"fairpool recovery code\x00" + (read_code(code) or "").encode(), hashlib.sha256)
