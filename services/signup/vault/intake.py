"""The seal on what vendors told, for its way over the bus: one key a day, destroyed when the topic has forgotten it."""

from datetime import date

from shared.security import boxes, encoding


def seal_told(key: bytes, plain: bytes, *, vendor: str, record: str) -> str:
    """base64url of a box that opens only for this vendor's record."""
    return encoding.encode(boxes.seal(key, plain, context=_context(vendor, record)))


def open_told(key: bytes, sealed: str, *, vendor: str, record: str) -> bytes:
    """What was told; CannotOpenError when key or record differ, ValueError when it is no base64url."""
    return boxes.unseal(key, encoding.decode(sealed), context=_context(vendor, record))


def wrap_day_key(vault_key: bytes, key: bytes, day: date) -> bytes:
    """A day's key as the database keeps it."""
    return boxes.seal(vault_key, key, context=f"intake:{day.isoformat()}")


def unwrap_day_key(vault_key: bytes, box: bytes, day: date) -> bytes:
    """A day's key; CannotOpenError when the box is another day's or another vault's."""
    return boxes.unseal(vault_key, box, context=f"intake:{day.isoformat()}")


def _context(vendor: str, record: str) -> str:
    return f"{vendor}:{record}:told"
