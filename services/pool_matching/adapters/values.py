"""Rows of matching as values, and values as rows."""

from collections.abc import Iterable, Sequence
from datetime import datetime
from functools import lru_cache
from typing import NamedTuple, TypeVar

from services.pool_matching.adapters.sql import joined
from services.pool_matching.model import Consent, Member
from shared.contracts.signup import CoarseProfile
from shared.facts import UNKNOWN, Fact, Known

T = TypeVar("T")


class PersonRow(NamedTuple):
    """Of `persons`, as `read_persons` gives it."""

    candidate: str
    profile_version: int
    profile: str | None
    consent_version: int
    consent: str | None
    version: int
    due_at: datetime | None
    generation: int


def profile_of(row: PersonRow) -> Fact[CoarseProfile | None]:
    """Unknown where none has come yet; None of whoever took theirs back or was erased."""
    if row.profile_version == 0:
        return UNKNOWN
    return Known(None if row.profile is None else CoarseProfile.model_validate_json(row.profile))


def consent_of(row: PersonRow) -> Fact[Consent]:
    """Unknown where none has come yet; none of whoever was erased."""
    if row.consent_version == 0:
        return UNKNOWN
    return Known(Consent.none() if row.consent is None else _consent(row.consent))


_consent = lru_cache(maxsize=4096)(Consent.model_validate_json)
"""Most people have said the same."""


def standing(who: str, version: int, due_at: datetime | None) -> tuple[str, str, str]:
    """The version of somebody's list and when they are due, as PostgreSQL reads it of texts; empty is never."""
    return who, str(version), due_at.isoformat() if due_at else ""


def flat(of: Iterable[tuple[str, Sequence[Member]]]) -> tuple[list[str], list[Member]]:
    """Whose each is, and all of them."""
    some = [*of]
    return [who for who, members in some for _ in members], [one for _, members in some for one in members]


def columns(rows: Sequence[Sequence[T]], width: int) -> list[list[T]]:
    """The rows by their columns, so many also where there is no row."""
    return [list(column) for column in zip(*rows, strict=True)] if rows else [[] for _ in range(width)]


def texts(rows: Sequence[Sequence[str]], width: int) -> list[str]:
    """The same columns, each as one text."""
    return [joined(column) for column in columns(rows, width)]
