"""base64url without padding: how every key, seal and token is written."""

import base64
import binascii


def encode(raw: bytes) -> str:
    """The bytes as base64url without `=`."""
    return base64.urlsafe_b64encode(raw).rstrip(b"=").decode("ascii")


def decode(text: str) -> bytes:
    """The bytes behind base64url without `=`; ValueError when it is anything else."""
    try:
        raw = base64.b64decode(text.encode("ascii") + b"=" * (-len(text) % 4), altchars=b"-_", validate=True)
    except (binascii.Error, UnicodeEncodeError) as error:
        raise ValueError("not base64url") from error
    if encode(raw) != text:
        raise ValueError("not base64url in its one canonical form")
    return raw
