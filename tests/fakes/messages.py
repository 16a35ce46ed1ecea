"""What employers wrote to people, in memory."""

from collections.abc import Sequence
from dataclasses import dataclass, field, replace
from datetime import UTC, datetime

from services.consent.model import Decided, Message, Reported
from shared.contracts.outreach_gateway import OutreachDecidedV1, PolicyNumbers
from shared.contracts.signup import OutreachOutcomeReportedV1
from shared.facts import Fact, fact
from tests.fakes.clock import NOON


@dataclass
class FakeMessages:
    """The port `Messages`."""

    at: datetime = NOON
    kept: dict[str, Message] = field(default_factory=dict)
    policies: dict[str, PolicyNumbers] = field(default_factory=dict)
    closed: set[str] = field(default_factory=set)
    wished: list[str] = field(default_factory=list)
    """As it was said, in order."""

    async def hold_erasures(self) -> None:
        """Nobody else is here."""

    async def keep_decisions(self, decisions: Sequence[OutreachDecidedV1]) -> None:
        for one in decisions:
            slot = (one.slot_at or one.at) if one.outcome == "admitted" else one.until
            new = Decided(one.version, one.outcome, one.rule, one.policy, one.at, slot)
            if one.numbers is not None:
                self.policies.setdefault(one.policy, one.numbers)
            began_at = one.asked_at or one.at
            kept = self._kept(one.outreach, one.candidate, one.employer, began_at)
            if kept is not None and (kept.decided is None or kept.decided.version < one.version):
                self.kept[one.outreach] = replace(
                    kept,
                    decided=new,
                    began_at=min(kept.began_at, began_at),
                    ends_at=one.ends_at or kept.ends_at,
                    sealed_job=one.sealed_job,
                )

    async def keep_reports(self, reports: Sequence[OutreachOutcomeReportedV1]) -> None:
        for one in reports:
            kept = self._kept(one.outreach, one.candidate, one.employer, one.at)
            if kept is not None and (kept.reported is None or kept.reported.version < one.decision_version):
                new = Reported(one.decision_version, one.outcome, one.at, one.sender_suspended)
                self.kept[one.outreach] = replace(kept, reported=new)

    def _kept(self, outreach: str, candidate: str, employer: str, began_at: datetime) -> Message | None:
        if candidate in self.closed:
            return None
        new = Message(outreach, candidate, employer, began_at, ends_at=None, decided=None, reported=None)
        return self.kept.get(outreach, new)

    async def page(self, candidate: str, most: int, after: tuple[datetime, str] | None) -> Sequence[Message]:
        before = after or (datetime.max.replace(tzinfo=UTC), "")
        return [one for one in self._of(candidate) if (one.began_at, one.outreach) < before][:most]

    async def since(self, candidate: str, since: datetime, most: int) -> Sequence[Message]:
        return [one for one in self._of(candidate) if one.began_at > since][:most]

    def _of(self, candidate: str) -> list[Message]:
        found = [one for one in self.kept.values() if one.candidate == candidate]
        return sorted(found, key=lambda one: (one.began_at, one.outreach), reverse=True)

    async def lock(self, candidate: str, outreach: str) -> Fact[Message]:
        found = self.kept.get(outreach)
        return fact(found if found is not None and found.candidate == candidate else None)

    async def wish(self, message: Message) -> None:
        self.kept[message.outreach] = replace(message, wished_at=self.at)
        self.wished.append(message.outreach)

    async def numbers(self, policy: str) -> Fact[PolicyNumbers]:
        return fact(self.policies.get(policy))

    async def forget(self, until: datetime, most: int) -> int:
        old = sorted((one for one in self.kept.values() if one.began_at <= until), key=lambda one: one.began_at)[:most]
        for one in old:
            del self.kept[one.outreach]
        return len(old)
