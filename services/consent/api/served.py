"""Which text a page showed, and when: its form carries that back, sealed, so that what is recorded is what was served."""

import json
from dataclasses import dataclass
from datetime import datetime

from services.consent.model import Agreement
from shared.contracts.base import rfc3339
from shared.security.seals import Seals


@dataclass(frozen=True, slots=True)
class Served:
    """What a page showed of the agreement."""

    version: str
    language: str
    at: datetime


class Labels:
    """What forms carry of the text that their page shows; one holds for its person alone."""

    def __init__(self, seals: Seals) -> None:
        self._seals = seals

    def of(self, candidate: str, agreement: Agreement, at: datetime) -> str:
        """For a page of this person's that shows this text now."""
        served = {"version": agreement.version, "language": agreement.language, "at": rfc3339(at)}
        return self._seals.seal(json.dumps(served), context=_context(candidate))

    def read(self, candidate: str, label: str | None) -> Served | None:
        """What the page showed; None where it is not told, or not by us for this person."""
        if not label:
            return None
        try:
            served = json.loads(self._seals.open(label, context=_context(candidate)))
        except ValueError:
            return None
        return Served(served["version"], served["language"], datetime.fromisoformat(served["at"]))


def _context(candidate: str) -> str:
    return f"fairpool served agreement v1:{candidate}"
