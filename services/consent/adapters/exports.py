"""All that consent keeps of people who take it along, in PostgreSQL."""

from collections.abc import Sequence

from services.consent.adapters.messages import PostgresMessages
from services.consent.adapters.postgres import PostgresConsents
from services.consent.adapters.postgres_told import PostgresTold
from services.consent.ports import EXPORTS
from shared.contracts.base import rfc3339
from shared.contracts.consent import ExportAnsweredV1
from shared.contracts.signup import ExportRequestedV1
from shared.messaging.unit import Unit
from shared.security.seals import Seals


class PostgresExports:
    """The port `Exports` on a unit of work."""

    def __init__(self, unit: Unit, seals: Seals) -> None:
        self._unit = unit
        self.at = unit.at
        self.consents = PostgresConsents(unit, seals)
        self.messages = PostgresMessages(unit)
        self.tellings = PostgresTold(unit)

    def answer_later(self, requests: Sequence[ExportRequestedV1]) -> None:
        """A row each, by the export's name: whoever is asked twice meanwhile answers once."""
        for one in requests:
            asked = {"candidate": one.candidate, "public_key": one.public_key, "until": rfc3339(one.expires_at)}
            self._unit.work.add(EXPORTS, [one.export], at=self.at, payload=asked)

    def answer(self, parts: Sequence[ExportAnsweredV1]) -> None:
        """By the outbox."""
        self._unit.publish(*parts)
