"""The seal on what vendors told, for its way over the bus: one key a day, destroyed when the topic has forgotten it."""

import hmac
from datetime import date

from services.signup.vault.epochs import Epochs
from shared.security import boxes, encoding


def seal_told(key: bytes, plain: bytes, *, vendor: str, record: str) -> str:
    """base64url of a box that opens only for this vendor's record."""
    return encoding.encode(boxes.seal(key, plain, context=_context(vendor, record)))


def open_told(key: bytes, sealed: str, *, vendor: str, record: str) -> bytes:
    """What was told; CannotOpenError when key or record differ, ValueError when it is no base64url."""
    return boxes.unseal(key, encoding.decode(sealed), context=_context(vendor, record))


def wrap_day_key(epochs: Epochs, epoch: int, key: bytes, day: date) -> bytes:
    """A day's key as the database keeps it, under this epoch's."""
    return epochs.seal(epoch, key, context=f"intake:{day.isoformat()}")


def unwrap_day_key(epochs: Epochs, epoch: int, box: bytes, day: date) -> bytes:
    """A day's key; CannotOpenError when the box is another day's or another vault's."""
    return epochs.unseal(epoch, box, context=f"intake:{day.isoformat()}")


def intake_content_key(blind_index_key: bytes) -> bytes:
    """What recognizes content that came before: of no epoch, since it must be the same over a rotation."""
    return hmac.digest(blind_index_key, b"fairpool intake content", "sha256")


def _context(vendor: str, record: str) -> str:
    return f"{vendor}:{record}:told"
