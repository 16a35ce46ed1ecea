"""Proposals in PostgreSQL."""

import json
from collections.abc import Sequence
from datetime import datetime
from pathlib import Path

from pydantic import TypeAdapter

from services.signup.model.people import Record
from services.signup.model.provenance import Origin, ValueOrigin
from services.signup.model.records import Proposal, Proposed
from services.signup.ports.store import MOST_PROPOSALS
from shared.contracts.signup import CoarseProfile
from shared.postgres.pool import Connection
from shared.postgres.queries import load

SQL = load(Path(__file__).parent / "proposals.sql")
_ORIGINS = TypeAdapter(tuple[ValueOrigin, ...])


async def save_proposals(connection: Connection, proposals: Sequence[Proposal], *, at: datetime) -> None:
    """One for each claim, in place of an earlier one, of whoever has spoken or not; no person has too many."""
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
        [one.origin.event_id for one in proposals],
        [one.origin.proof for one in proposals],
        [one.origin.received_at for one in proposals],
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
                Origin(row["event_id"], row["proof"], row["received_at"]),
            ),
            row["employer"],
            row["told_at"],
            row["answered_at"],
        )
        for row in await connection.fetch(SQL["read_proposals"], candidate)
    ]


async def answer_proposals(connection: Connection, candidate: str, told_until: datetime, *, at: datetime) -> None:
    """Whatever was told of this person by then counts as answered."""
    await connection.execute(SQL["answer_proposals"], candidate, told_until, at)


async def answer_proposal(connection: Connection, candidate: str, record: Record, *, at: datetime) -> None:
    """What this record tells of the person counts as answered."""
    await connection.execute(SQL["answer_proposal"], candidate, *record, at)


async def deny(connection: Connection, candidate: str, record: Record, *, at: datetime) -> None:
    """The record's claim on this person ends, with what it proposes, and is remembered as not theirs."""
    await connection.execute(SQL["deny"], candidate, *record, at)


async def read_origins(connection: Connection, candidate: str) -> Sequence[ValueOrigin]:
    """Of each value of the profile as it was saved last."""
    kept = await connection.fetchval(SQL["read_origins"], candidate)
    return () if kept is None else _ORIGINS.validate_json(kept)


async def save_origins(connection: Connection, candidate: str, origins: Sequence[ValueOrigin]) -> None:
    """In place of those before."""
    await connection.execute(SQL["save_origins"], candidate, _ORIGINS.dump_json(tuple(origins)).decode())
