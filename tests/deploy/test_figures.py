"""What `fairpool status` reads at /metrics."""

import re
from pathlib import Path

import pytest
from prometheus_client import generate_latest

from deploy import figures
from deploy.commands import status
from services.outreach_gateway.adapters.metrics import OLDEST_DUE_SECONDS, REBUILD_SLOTS, WINDOWS_SHARDS
from shared.messaging.errors import TransientError
from shared.messaging.holding import Holding
from shared.metrics import LAG_RECORDS, OUTBOX_AGE_SECONDS, OUTBOX_ROWS, PROCESS_ROLE, TOPIC_AHEAD


async def test_figures_are_read_from_what_a_process_really_shows() -> None:
    LAG_RECORDS.labels("figures.one", "a").set(3)
    LAG_RECORDS.labels("figures.one", "b").set(4)
    PROCESS_ROLE.clear()
    PROCESS_ROLE.labels("worker").set(1)
    OUTBOX_ROWS.set(2)
    OUTBOX_AGE_SECONDS.set(90.5)
    OLDEST_DUE_SECONDS.set(12)
    holding = Holding("figures")
    holding.note(TransientError())
    found = figures.parse(generate_latest().decode())
    assert found.lag["figures.one"] == 7
    assert (found.outbox_rows, found.outbox_age, found.oldest_due) == (2, 90.5, 12)
    assert "figures waits for other" in found.holds
    assert found.role == "worker"
    holding.over()
    assert "figures waits for other" not in figures.parse(generate_latest().decode()).holds


def test_how_far_the_windows_are_being_built_is_told_while_something_of_them_is_held() -> None:
    try:
        for state, shards in (("open", 50), ("building", 12), ("away", 2)):
            WINDOWS_SHARDS.labels(state).set(shards)
        for what, slots in (("placed", 1200), ("total", 5000)):
            REBUILD_SLOTS.labels(what).set(slots)
        found = figures.parse(generate_latest().decode())
        assert found.windows == "shards held: 2 away, 12 building (1,200 of 5,000 slots placed)"
    finally:
        for state, shards in (("open", 64), ("building", 0), ("away", 0)):
            WINDOWS_SHARDS.labels(state).set(shards)
    assert figures.parse(generate_latest().decode()).windows is None


def test_a_topic_that_is_ahead_of_its_rows_is_named_with_what_to_do_and_one_that_is_not_is_not() -> None:
    TOPIC_AHEAD.clear()
    TOPIC_AHEAD.labels("pools").set(0)
    TOPIC_AHEAD.labels("consent-state").set(3)
    try:
        found = figures.parse(generate_latest().decode())
    finally:
        TOPIC_AHEAD.clear()
    assert found.ahead == {"consent-state": 3}
    [line] = status._ahead({"consent": found, "courier": None})
    assert line.startswith("consent: the topic consent-state is ahead of its rows (3 of its keys")
    (runbook,) = re.findall(r"docs/watching\.md#(\w+)", line)
    assert f"### {runbook}" in Path("docs/watching.md").read_text().lower()


def test_what_is_no_metrics_page_is_an_error_and_not_an_empty_one() -> None:
    with pytest.raises(ValueError):
        figures.parse("<html>")
