"""The agreement's file as a value."""

from pathlib import Path

from services.consent.model import LIMITS, PURPOSES, AgreedPurpose, Agreement
from shared.contracts import agreements
from shared.contracts.agreements import SignedText


def in_force(version: str = "", *, own: Path | None = None) -> Agreement:
    """The agreement of this version, else the newest, shipped or the operator's own; ValueError when it can't be shown.

    The page offers what `LIMITS` say, so words that promise other numbers are not shown beside it.
    """
    signed = agreements.present(agreements.load(own), version or None)
    if signed.limits != LIMITS:
        shipped = agreements.present(agreements.load()).version
        raise ValueError(
            f"agreement {signed.version} promises other limits than the pages offer: write the [limits] of {shipped} "
            "(a policy may be stricter than an agreement)"
        )
    return read(signed)


def read(signed: SignedText | None = None) -> Agreement:
    """The agreement, the newest that is shipped unless one is given; ValueError when it lacks a purpose."""
    signed = signed or agreements.present(agreements.load())
    parts = signed.parts
    try:
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
        if tuple(purpose.id for purpose in purposes) != PURPOSES:
            raise ValueError(f"the purposes must be {', '.join(PURPOSES)}, in this order")
        return Agreement(
            version=signed.version,
            language=parts["language"],
            title=parts["title"],
            always=tuple(parts["always"]),
            withdraw=parts["withdraw"],
            purposes=purposes,
            text=signed.text,
            sha256=signed.sha256,
        )
    except KeyError as error:
        raise ValueError(f"agreement {signed.version} lacks {error}") from error
    except ValueError as error:
        raise ValueError(f"agreement {signed.version}: {error}") from error
