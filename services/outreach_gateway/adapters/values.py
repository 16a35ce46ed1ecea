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
    Person,
    State,
)
from shared.facts import UNKNOWN, Fact, Known, fact

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


def person_of(row: asyncpg.Record, *, is_locked: bool) -> Person:
    """The row of `people` as a value, by its columns' order; what is not locked of a consent is not known."""
    (
        candidate,
        reachable,
        version,
        contact,
        blocked_employers,
        first_contacts_per_week,
        min_gap_hours,
        quiet_start,
        quiet_end,
        time_zone,
        paused_until,
        ends_at,
        employers,
        pools,
        generation,
        erased,
    ) = row
    consent: Fact[Consent] = UNKNOWN
    if is_locked and version is not None:
        consent = Known(
            Consent(
                candidate, version, contact, frozenset(blocked_employers), first_contacts_per_week, min_gap_hours,
                quiet_start, quiet_end, time_zone, paused_until, ends_at,
            )
        )  # fmt: skip
    memberships: Fact[Memberships] = UNKNOWN
    if employers is not None:
        memberships = Known(Memberships(frozenset(employers), None if pools is None else frozenset(pools), generation))
    return Person(consent, memberships, fact(reachable), erased)


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
