"""base64url without padding: how every key, seal and token is written."""

import base64
import binascii
import re

_WRITTEN = re.compile(r"[A-Za-z0-9_-]*")
_STANDARD = bytes.maketrans(b"-_", b"+/")


def encode(raw: bytes) -> str:
    """The bytes as base64url without `=`."""
    return base64.urlsafe_b64encode(raw).rstrip(b"=").decode("ascii")


def decode(text: str) -> bytes:
    """The bytes behind base64url without `=`; ValueError when it is anything else."""
    if not _WRITTEN.fullmatch(text):
        raise ValueError("not base64url")
    try:
        raw = binascii.a2b_base64(text.encode().translate(_STANDARD) + b"=" * (-len(text) % 4))
    except binascii.Error as error:
        raise ValueError("not base64url") from error
    odd = len(raw) % 3  # only the last characters have bits that say nothing
    if odd and encode(raw[-odd:]) != text[-odd - 1 :]:
        raise ValueError("not base64url in its one canonical form")
    return raw
