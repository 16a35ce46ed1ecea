"""Turns by tenant: rows of a queue say whose they are by a number, and a claim gives each the same share."""

import hashlib
import secrets


def flow_of(name: str) -> int:
    """A number for each name, so that rows name no tenant; 0 for none."""
    return int.from_bytes(hashlib.sha256(name.encode()).digest()[:4], signed=True) if name else 0


def any_flow() -> int:
    """Where a claim begins to go round."""
    return flow_of(secrets.token_hex(4))
