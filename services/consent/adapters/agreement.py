"""The agreement's file as a value."""

import hashlib
import tomllib
from pathlib import Path

from services.consent.model import PURPOSES, AgreedPurpose, Agreement

PRESENT = Path(__file__).parents[1] / "pages" / "agreement-2026-11.toml"
"""A change of a word is a new file: receipts name the version and hash the bytes."""


def read(path: Path = PRESENT) -> Agreement:
    """The agreement; ValueError when it lacks a purpose or its version is not the one in the file's name."""
    raw = path.read_bytes()
    parts = tomllib.loads(raw.decode("utf-8"))
    purposes = tuple(
        AgreedPurpose(
            id=purpose["id"],
            label=purpose["label"],
            points=tuple((lead, text) for lead, text in purpose["points"]),
            data=tuple(purpose["data"]),
            recipients=purpose["recipients"],
        )
        for purpose in parts["purposes"]
    )
    if tuple(purpose.id for purpose in purposes) != PURPOSES or path.stem != f"agreement-{parts['version']}":
        raise ValueError(f"{path.name} does not hold the purposes {PURPOSES}, or another version than its name says")
    return Agreement(
        version=parts["version"],
        language=parts["language"],
        title=parts["title"],
        always=tuple(parts["always"]),
        withdraw=parts["withdraw"],
        purposes=purposes,
        text=raw.decode("utf-8"),
        sha256=hashlib.sha256(raw).hexdigest(),
    )
