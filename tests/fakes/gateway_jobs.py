"""The jobs of employers, in a dict."""

import json
from collections.abc import Sequence
from dataclasses import dataclass, field, replace
from datetime import date, datetime

from services.outreach_gateway.model import JOBS_PER_EMPLOYER, DeclaredJob
from tests.fakes.clock import NOON


@dataclass
class FakeJobs:
    at: datetime = NOON
    kept: dict[tuple[str, str], DeclaredJob] = field(default_factory=dict)

    async def put(self, employer: str, job: DeclaredJob) -> int | None:
        before = self.kept.get((employer, job.id))
        if before is None and self._is_full(employer):
            return None
        changed = before is not None and json.loads(before.body) != json.loads(job.body)
        version = 1 if before is None else before.version + changed
        self.kept[employer, job.id] = replace(job, version=version)
        return version

    async def declare(self, employer: str, job: DeclaredJob) -> bool:
        before = self.kept.get((employer, job.id))
        if before is None and self._is_full(employer):
            return False
        if before is None or before.valid_through < job.valid_through:
            self.kept[employer, job.id] = replace(job, version=before.version + 1 if before else 1)
        return True

    async def get(self, employer: str, id: str) -> DeclaredJob | None:
        return self.kept.get((employer, id))

    async def of(self, employer: str, *, after: str, limit: int) -> Sequence[DeclaredJob]:
        return [self.kept[key] for key in sorted(self.kept) if key[0] == employer and key[1] > after][:limit]

    async def delete(self, employer: str, id: str) -> bool:
        return self.kept.pop((employer, id), None) is not None

    async def forget(self, limit: int, *, ended_before: date) -> int:
        old = [key for key, job in self.kept.items() if job.valid_through < ended_before][:limit]
        for key in old:
            del self.kept[key]
        return len(old)

    def _is_full(self, employer: str) -> bool:
        today = self.at.date()
        return (
            sum(job.valid_through >= today for (owner, _), job in self.kept.items() if owner == employer)
            >= JOBS_PER_EMPLOYER
        )
