"""The agreement's file as a value."""

from pathlib import Path

from services.consent.model import LIMITS, PURPOSES, AgreedPurpose, Agreement, Agreements
from shared.contracts import agreements
from shared.contracts.agreements import SignedText


def found(version: str = "", *, own: Path | None = None) -> Agreements:
    """The agreement of this version, else the newest, shipped or the operator's own, and each that may have been signed
    before; ValueError when it can't be shown.

    The page offers what `LIMITS` say, so words that promise other numbers are not shown beside it. What is told of a person is
    the same whichever text they signed, so one that tells more of them than an earlier one said is not shown either.
    """
    loaded = agreements.load(own)
    signed = agreements.present(loaded, version or None)
    if signed.limits != LIMITS:
        shipped = agreements.present(agreements.load()).version
        raise ValueError(
            f"agreement {signed.version} promises other limits than the pages offer: write the [limits] of {shipped} "
            "(a policy may be stricter than an agreement)"
        )
    texts = [text for one in loaded.values() for text in (one, *one.translations.values())]
    readable = {(text.version, text.language): read(text) for text in texts if text.version <= signed.version}
    in_force = {text.language: read(text) for text in (signed, *signed.translations.values())}
    for earlier in readable.values():
        if more := _told_beyond(in_force.get(earlier.language), earlier):
            raise ValueError(
                f"agreement {signed.version} lets more be told than {earlier.version}, which people may have signed: "
                f"{', '.join(more)}. Nothing here keeps the two apart"
            )
    return Agreements(in_force, readable)


def _told_beyond(newer: Agreement | None, earlier: Agreement) -> list[str]:
    """What the newer text names and the earlier one, in the same language, did not."""
    if newer is None:
        return []
    return [
        kind
        for purpose, before in zip(newer.purposes, earlier.purposes, strict=True)
        for kind in purpose.data
        if kind not in before.data
    ]


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
