"""What people take along, in memory, at both ends."""

from collections.abc import Sequence
from dataclasses import dataclass, field, replace
from datetime import datetime, timedelta

from services.consent.ports import Consents
from services.signup.model.exports import Export, Waiting
from services.signup.model.held import Held
from shared.contracts.consent import ExportAnsweredV1
from shared.contracts.signup import ExportReadyV1, ExportRequestedV1
from shared.security.boxes import CannotOpenError
from shared.security.parts import open_part, unpack
from shared.security.words import KeyPair
from tests.fakes.clock import NOON
from tests.fakes.messages import FakeMessages
from tests.fakes.told import FakeTellings


@dataclass
class FakeAnswers:
    """Consent's port `Exports`."""

    consents: Consents
    messages: FakeMessages = field(default_factory=FakeMessages)
    tellings: FakeTellings = field(default_factory=FakeTellings)
    at: datetime = NOON
    asked: dict[str, ExportRequestedV1] = field(default_factory=dict)
    said: list[ExportAnsweredV1] = field(default_factory=list)

    def answer_later(self, requests: Sequence[ExportRequestedV1]) -> None:
        self.asked |= {one.export: one for one in requests}

    def answer(self, parts: Sequence[ExportAnsweredV1]) -> None:
        self.said += parts


@dataclass
class _Row:
    candidate: str
    export: Export
    pair: KeyPair | None
    consent_asked_at: datetime
    zipped: bytes | None = None
    parts: dict[tuple[str, int], ExportAnsweredV1] = field(default_factory=dict)

    @property
    def whole(self) -> list[ExportAnsweredV1] | None:
        for answer in sorted({answer for answer, _ in self.parts}):
            found = [one for (of, _), one in sorted(self.parts.items()) if of == answer]
            if {one.parts for one in found} == {len(found)}:
                return found
        return None


@dataclass
class FakeExports:
    """Signup's port `Exports`."""

    at: datetime = NOON
    people: dict[str, Held | None] = field(default_factory=dict)
    rows: dict[str, _Row] = field(default_factory=dict)
    queue: set[str] = field(default_factory=set)
    asked: list[ExportRequestedV1] = field(default_factory=list)
    said: list[ExportReadyV1] = field(default_factory=list)

    def erase(self, candidate: str) -> None:
        """With everything of theirs."""
        del self.people[candidate]
        self.rows = {name: row for name, row in self.rows.items() if row.candidate != candidate}

    async def hold(self, candidate: str) -> Sequence[Export] | None:
        return self._of(candidate) if candidate in self.people else None

    async def start(self, candidate: str, export: Export) -> None:
        for row in self.rows.values():
            if row.candidate == candidate and row.export.state != "replaced":
                row.export = replace(row.export, state="replaced", ends_at=row.export.asked_at + timedelta(days=1))
                row.pair, row.zipped = None, None
                row.parts.clear()
        self.rows[export.name] = _Row(candidate, export, KeyPair.generate(), export.asked_at)
        self._ask(self.rows[export.name])

    async def latest(self, candidate: str) -> Export | None:
        return next((one for one in self._of(candidate) if one.state != "replaced"), None)

    async def fetch(self, candidate: str) -> tuple[Export, bytes] | None:
        for one in self._of(candidate):
            if one.state == "ready" and (zipped := self.rows[one.name].zipped) is not None:
                return one, zipped
        return None

    async def held(self, candidate: str) -> Held | None:
        return self.people.get(candidate)

    async def take(self, parts: Sequence[ExportAnsweredV1]) -> None:
        for one in parts:
            row = self._waiting(one.export)
            if row is not None and row.candidate == one.candidate:
                row.parts.setdefault((one.answer, one.part), one)
                if row.whole:
                    self.queue.add(one.export)

    async def waiting(self, export: str) -> Waiting | None:
        row = self._waiting(export)
        if row is None or row.pair is None or row.whole is None:
            return None
        try:
            answered = unpack([open_part(one.sealed, row.pair, context=one.context) for one in row.whole])
        except (CannotOpenError, ValueError):
            return Waiting(row.export, row.candidate, None)
        return Waiting(row.export, row.candidate, answered)

    async def finish(self, candidate: str, export: str, zipped: bytes, *, until: datetime) -> None:
        row = self.rows[export]
        row.export = replace(row.export, state="ready", ready_at=self.at, ends_at=until, size=len(zipped))
        row.zipped, row.pair = zipped, None
        row.parts.clear()

    def say(self, event: ExportReadyV1) -> None:
        self.said.append(event)

    async def drop_parts(self, export: str) -> None:
        self.rows[export].parts.clear()

    async def ask_again(self, before: datetime, *, limit: int) -> int:
        late = [
            one
            for one in self.rows.values()
            if self._waiting(one.export.name) and one.consent_asked_at < before and one.whole is None
        ]
        for row in late[:limit]:
            row.parts.clear()
            row.consent_asked_at = self.at
            self._ask(row)
        return len(late[:limit])

    async def forget(self, *, limit: int) -> int:
        over = [name for name, row in self.rows.items() if row.export.ends_at <= self.at][:limit]
        for name in over:
            del self.rows[name]
        return len(over)

    def _of(self, candidate: str) -> list[Export]:
        rows = [one.export for one in self.rows.values() if one.candidate == candidate and one.export.ends_at > self.at]
        return sorted(rows, key=lambda one: one.asked_at, reverse=True)

    def _waiting(self, export: str) -> _Row | None:
        row = self.rows.get(export)
        return row if row is not None and row.export.state == "waiting" and row.export.ends_at > self.at else None

    def _ask(self, row: _Row) -> None:
        assert row.pair is not None
        one = row.export
        self.asked.append(
            ExportRequestedV1(
                candidate=row.candidate,
                export=one.name,
                at=one.asked_at,
                expires_at=one.ends_at,
                public_key=row.pair.public,
            )
        )
