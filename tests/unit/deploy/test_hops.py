"""The demo's way from request to mail, hop by hop: read off times that are there already."""

from dataclasses import replace
from datetime import UTC, date, datetime, timedelta
from io import StringIO
from types import SimpleNamespace
from typing import Any

import pytest
from rich.console import Console

from deploy.checks.collect import CaughtMail
from deploy.demo import hops
from deploy.demo.world import Pace, Sent
from shared.contracts.base import Event
from shared.contracts.outreach_gateway import OutreachDecidedV1, OutreachRequestedV1
from shared.messaging.envelope import Record, encode
from shared.security.seals import Seals

CANDIDATE = "0f7c2a52-8d3e-4b53-9a8c-3a4b7c1d2e3f"
POSTED = datetime(2026, 11, 29, 1, 0, tzinfo=UTC)
AHEAD = timedelta(days=2, hours=5)
"""Of the stack's clock."""
ID = "o_00000000000000a1"
MARK = "ABCDEF012345"


def after(ms: int) -> datetime:
    return POSTED + timedelta(milliseconds=ms)


def record(event: Event, *, said: int, written: int) -> Record:
    """Said by a process on the stack's clock and written to Kafka so many ms after the request."""
    out = encode(event, source="outreach_gateway", at=after(said) + AHEAD)
    return Record(out.topic, 0, 0, out.key, out.value, out.headers, int(after(written).timestamp() * 1000))


def decided(version: int, outcome: Any = "admitted") -> OutreachDecidedV1:
    return OutreachDecidedV1(
        outreach=ID, version=version, candidate=CANDIDATE, employer="emp_a", outcome=outcome, policy="2026-12",
        at=POSTED + AHEAD, good_until=POSTED + AHEAD, sealed="eyJ.a.b.c.d",
    )  # fmt: skip


REQUESTED = OutreachRequestedV1(
    outreach=ID, employer="emp_a", candidate=CANDIDATE, at=POSTED + AHEAD, expires_at=POSTED + AHEAD
)
RECORDS = [
    record(decided(2), said=9_000, written=9_000),
    record(REQUESTED, said=5, written=20),
    record(decided(1), said=50, written=70),
]
MAIL = CaughtMail("1", "ana@example.org", f"Nurse wanted (ref {MARK})", after(100), after(90))


def world(*, outcome: Any = "admitted", mail: CaughtMail = MAIL) -> Any:
    sent = Sent(ID, "emp_a", "k", MARK, (), POSTED, date(2026, 12, 13), after(12))
    return SimpleNamespace(
        pace=Pace(20.0, 10.0, AHEAD, frozenset({ID, "o_never_decided"})),
        seals=Seals(),
        sent={ID: sent},
        mails=SimpleNamespace(references=lambda: {MARK: mail}),
        topics=SimpleNamespace(first={ID: decided(1, outcome)}),
    )


def test_each_hop_ends_where_the_next_one_begins_whatever_the_stacks_clock_says() -> None:
    found = hops.measured(world(), RECORDS)
    assert {hop: seconds[0] for hop, seconds in found.seconds.items()} == pytest.approx(
        {
            hops.EDGE: 0.012,
            hops.OUTBOX: 0.015,
            hops.REQUEST: 0.030,
            hops.DECISION: 0.020,
            hops.COURIER: 0.020,
            hops.RELAY: 0.010,
            hops.WHOLE: 0.100,
        }
    )
    assert (found.requests, found.carried, found.a_second) == (2, 20.0, 10.0)


def test_what_was_not_admitted_at_once_is_no_measure_of_the_way() -> None:
    assert hops.measured(world(outcome="delayed"), RECORDS).seconds == {}


def test_a_catcher_that_does_not_say_when_it_began_gives_one_hop_for_two() -> None:
    found = hops.measured(world(mail=replace(MAIL, began=None)), RECORDS)
    assert hops.COURIER not in found.seconds
    assert list(found.seconds[hops._COURIER_AND_RELAY]) == pytest.approx([0.030])


def test_a_burst_carried_what_it_had_sent_until_most_of_its_emails_had_come() -> None:
    one = world(mail=replace(MAIL, created=after(5_000)))
    one.sent |= {f"o_{number}": replace(one.sent[ID], id=f"o_{number}", reference=str(number)) for number in range(19)}
    assert hops.carried_by(one) == pytest.approx(0.95 * 20 / 5)


def test_the_histogram_counts_each_once_and_its_bounds_are_within() -> None:
    assert hops.histogram([0.0, 0.025, 0.0251, 0.1, 0.5, 0.6, 9.0]) == [2, 1, 1, 0, 1, 2]


def test_the_table_has_a_line_for_each_hop() -> None:
    console = Console(width=80, file=(out := StringIO()))
    found = hops.measured(world(), RECORDS)
    console.print(hops.table(found))
    shown = out.getvalue()
    assert all(hop in shown for hop in found.seconds)
    assert "10.0 requests/s; the burst: 20.0/s" in shown
    assert [len(line) for line in shown.splitlines() if len(line) > 80] == []
    assert "…" not in shown and " more" in shown, "nothing is cut off"


def test_scripts_get_the_same_figures() -> None:
    told: Any = hops.measured(world(), RECORDS).as_json()
    assert told["hops"][hops.WHOLE]["p99"] == pytest.approx(0.1)
    assert told["hops"][hops.WHOLE]["histogram"]["100"] == 1
    assert hops.Hops().as_json()["hops"] == {}
