"""Rows of the gateway as values, and values as rows."""

from datetime import datetime
from typing import Any, Literal, assert_never

import asyncpg

from services.outreach_gateway.model import (
    Admit,
    Cancel,
    Consent,
    Decision,
    Delay,
    Drop,
    Hold,
    Memberships,
    Outreach,
    State,
)

_STATES = {state.value: state for state in State}


def state_after(
    decision: Decision,
) -> tuple[State, Literal["admit", "delay", "drop", "cancel"], datetime | None, datetime | None]:
    """State, word, slot and the time to look again: what a decision makes of a row."""
    match decision:
        case Admit():
            return State.ADMITTED, "admit", decision.slot_at, None
        case Delay():
            return State.DELAYED, "delay", decision.slot_at, decision.due_at or decision.slot_at
        case Drop():
            return State.DROPPED, "drop", None, None
        case Cancel():
            return State.CANCELLED, "cancel", None, None
        case Hold():
            raise AssertionError("a hold is not written as a decision")
        case _:
            assert_never(decision)


def outreach_of(row: asyncpg.Record) -> Outreach:
    """The row as a value: its columns are the fields, in their order, in each statement that reads rows."""
    (
        id,
        version,
        state,
        employer,
        candidate,
        submitted_at,
        expires_at,
        slot_at,
        valid_through,
        tag,
        generation,
        *rest,
    ) = row
    return Outreach(
        id, version, _STATES[state], employer, candidate, submitted_at, expires_at, slot_at, valid_through, tag,
        generation or 0, *rest,
    )  # fmt: skip


def memberships_of(row: asyncpg.Record) -> Memberships | None:
    """None where none has arrived."""
    if row["employers"] is None:
        return None
    pools = None if row["pools"] is None else frozenset(row["pools"])
    return Memberships(frozenset(row["employers"]), pools, row["generation"])


def consent_of(row: asyncpg.Record) -> Consent | None:
    """None where none has arrived."""
    if row["version"] is None:
        return None
    return Consent(
        candidate=row["candidate"],
        version=row["version"],
        contact=row["contact"],
        blocked_employers=frozenset(row["blocked_employers"]),
        first_contacts_per_week=row["first_contacts_per_week"],
        min_gap_hours=row["min_gap_hours"],
        quiet_start=row["quiet_start"],
        quiet_end=row["quiet_end"],
        time_zone=row["time_zone"],
        paused_until=row["paused_until"],
        ends_at=row["ends_at"],
    )


def row_of(consent: Consent) -> dict[str, Any]:
    """What is kept of a consent, as JSON takes it."""

    def text(moment: object) -> str | None:
        return moment.isoformat() if hasattr(moment, "isoformat") else None

    return {
        "candidate": consent.candidate,
        "version": consent.version,
        "contact": consent.contact,
        "blocked_employers": sorted(consent.blocked_employers),
        "first_contacts_per_week": consent.first_contacts_per_week,
        "min_gap_hours": consent.min_gap_hours,
        "quiet_start": text(consent.quiet_start),
        "quiet_end": text(consent.quiet_end),
        "time_zone": consent.time_zone,
        "paused_until": text(consent.paused_until),
        "ends_at": text(consent.ends_at),
        "lifts_no_until": text(consent.lifts_no_until),
        "no_at": text(consent.no_at),
    }
