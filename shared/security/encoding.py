"""base64url without padding: how every key, seal and token is written."""

import binascii

_URL_SAFE = bytes.maketrans(b"+/", b"-_")
_STANDARD = bytes.maketrans(b"-_+/=", b"+/???")
"""What standard base64 is written with and this is not becomes what neither is."""


def encode(raw: bytes) -> str:
    """The bytes as base64url without `=`."""
    return binascii.b2a_base64(raw, newline=False).translate(_URL_SAFE, b"=").decode("ascii")


def decode(text: str) -> bytes:
    """The bytes behind base64url without `=`; ValueError when it is anything else."""
    try:
        raw = binascii.a2b_base64(text.encode().translate(_STANDARD) + b"=" * (-len(text) % 4), strict_mode=True)
    except ValueError as error:  # of the decoder, or of what has no bytes
        raise ValueError("not base64url") from error
    odd = len(raw) % 3  # only the last characters have bits that say nothing
    if odd and encode(raw[-odd:]) != text[-odd - 1 :]:
        raise ValueError("not base64url in its one canonical form")
    return raw
