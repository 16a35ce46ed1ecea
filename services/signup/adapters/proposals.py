"""Proposals in PostgreSQL."""

import json
from collections.abc import Sequence
from datetime import datetime
from pathlib import Path

from services.signup.model import Proposal, Proposed
from services.signup.ports import MOST_PROPOSALS
from shared.contracts.signup import CoarseProfile
from shared.postgres.pool import Connection
from shared.postgres.queries import load

SQL = load(Path(__file__).parent / "proposals.sql")


async def save_proposals(connection: Connection, proposals: Sequence[Proposal], *, at: datetime) -> None:
    """One for each claim, in place of an earlier one, of people who have not spoken; no person has too many."""
    if not proposals:
        return
    await connection.execute(
        SQL["save_proposals"],
        at,
        [one.candidate for one in proposals],
        [one.vendor for one in proposals],
        [one.record for one in proposals],
        [one.profile.model_dump_json() for one in proposals],
        [json.dumps(one.titles) for one in proposals],
    )
    await connection.execute(SQL["trim_proposals"], sorted({one.candidate for one in proposals}), MOST_PROPOSALS)


async def read_proposals(connection: Connection, candidate: str) -> Sequence[Proposed]:
    """The newest first."""
    return [
        Proposed(
            Proposal(
                row["candidate"],
                row["vendor"],
                row["record"],
                CoarseProfile.model_validate_json(row["profile"]),
                tuple(json.loads(row["titles"])),
            ),
            row["employer"],
            row["told_at"],
        )
        for row in await connection.fetch(SQL["read_proposals"], candidate)
    ]
