"""Tests wait for what they assert, never for a time: on a busy machine nothing is done in time."""

import ast
from collections.abc import Iterator
from pathlib import Path

import hypothesis
import pytest

TESTS = Path(__file__).parents[1]
SLEEPS = frozenset({"asyncio.sleep", "time.sleep", "trio.sleep", "anyio.sleep"})
MAY = {
    "bench/rebuild.py": "a load at its pace, and gateways that look again",
    "waiting.py": "the one loop that looks again, and gives way to others",
    "bench/backfill.py": "changes profiles at a rate, and measures how long something takes; no test",
    "bench/matched.py": "measures how long something takes; no test",
    "bench/load.py": "posts at a rate, and measures how late the answers are",
    "bench/apart.py": "starts processes, and measures; no test",
    "bench/flood.py": "people withdraw at a steady rate, and ask again when they are told to",
    "bench/flooding.py": "an adversary whose connections are refused tries again",
    "bench/topics.py": "measures how long something takes; no test",
    "bench/idiomatic.py": "waits for a client that has no event for it; no test",
    "bench/intake.py": "measures how long something takes; no test",
    "bench/timings.py": "an attacker who keeps to the limit of requests, and lets the service work between its questions",
    "faults/crowd.py": "a client that asks twenty times a second, as a load",
    "faults/balancer.py": "looks at its replicas again and again, as a balancer does",
    "faults/test_replicas.py": "an outage of so many seconds is what it tries",
    "integration/courier/faulty.py": "a relay that is far away or slow, which is what its tests are about",
}
"""Files that may let time pass, and why."""


def sleeps_in(source: str) -> list[int]:
    """The lines that wait for a time, also in programs that are written in a string."""
    found = []
    for node in ast.walk(ast.parse(source)):
        if isinstance(node, ast.Call) and ast.unparse(node.func) in SLEEPS:
            found.append(node.lineno)
        if isinstance(node, ast.ImportFrom) and any(f"{node.module}.{name.name}" in SLEEPS for name in node.names):
            found.append(node.lineno)
        if isinstance(node, ast.Constant) and isinstance(node.value, str) and "time.sleep(" in node.value:
            found.append(node.lineno)
    return found


@pytest.mark.parametrize(
    ("source", "lines"),
    [
        ("import asyncio\nasync def f():\n    await asyncio.sleep(0.1)\n", [3]),
        ("import time\ntime.sleep(1)\n", [2]),
        ("from time import sleep\n", [1]),
        ("run('import time; time.sleep(60)')\n", [1]),
        ("async def f():\n    await event.wait()\n", []),
    ],
)
def test_the_rule_about_sleeps_can_fail(source: str, lines: list[int]) -> None:
    assert sleeps_in(source) == lines


def _others() -> Iterator[Path]:
    for path in sorted(TESTS.rglob("*.py")):
        if path != Path(__file__) and str(path.relative_to(TESTS)) not in MAY:
            yield path


def test_no_test_waits_for_a_time() -> None:
    bad = [f"{path.relative_to(TESTS)}:{line}" for path in _others() for line in sleeps_in(path.read_text())]
    assert bad == [], "wait for a condition (tests/waiting.py), or for a later thing that must come after"


@pytest.mark.parametrize("name", MAY)
def test_what_may_let_time_pass_does(name: str) -> None:
    assert sleeps_in((TESTS / name).read_text()), "take it off the list"


def test_no_example_that_is_tried_has_a_deadline() -> None:
    assert hypothesis.settings().deadline is None
