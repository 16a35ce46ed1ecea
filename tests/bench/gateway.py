"""`make bench-gateway`: the sliding windows, and a request's way from topic to topic, beside what one would write first.

- **windows** (`tests/bench/windows.py`): decisions in a second beside `limits`, `pyrate-limiter` and Redis' own `EVAL "return 1"`,
  with one batch and with four on their way; what a person with full windows takes in Redis.
- **topics**: from `outreach-requests` to `outreach-decisions` in one worker, signatures of batches checked and made, the rows of the
  requests there as the edge writes them. Theirs: a bare loop of consume, one upsert a batch, produce.
- **two** (only where it is asked for): two such workers beside one, in turns.
- **idiomatic** (only where it is asked for): one worker beside FastStream's handler of one message, `limits`' moving window and a
  publisher (`tests/bench/idiomatic.py`), which store, sign and explain nothing.
- **growth** (only where it is asked for): windows of 10,000, 100,000 and 1,000,000 people, as many decisions of each.

Every round compares what was decided with what has to be.
"""

import asyncio
import os
import statistics
import sys

from shared.contracts.topics import OUTREACH_DECISIONS, OUTREACH_REQUESTS
from tests.bench import windows
from tests.bench.harness import ROUNDS, Figure, alone, compared, interleaved, tell
from tests.bench.intake import end
from tests.bench.topics import Topics, started


def topic_to_topic(bench: Topics) -> list[Figure]:
    """Requests in a second of one worker."""
    worker = bench.worker(bench.ports[0])
    bench.decided(worker)  # warm
    found = interleaved({"topic to topic": lambda: bench.decided(worker), "bare loop": bench.bare_loop})
    asyncio.run(bench.each_once())
    end(worker)
    return [
        compared(f"topics: {OUTREACH_REQUESTS.name} to {OUTREACH_DECISIONS.name}, one worker", found["topic to topic"],
                 found["bare loop"], unit="1/s", goal="ratio 0.7"),
    ]  # fmt: skip


def two_workers(bench: Topics) -> list[Figure]:
    """Two workers beside one: they share the partitions, PostgreSQL, and here the machine's cores."""
    one = bench.worker(bench.ports[0])
    bench.decided(one)  # warm
    found: dict[str, list[float]] = {"one": [], "two": []}
    for _ in range(ROUNDS):
        found["one"].append(bench.decided(one))
        other = bench.worker(bench.ports[1])
        bench.decided(one, other)  # until each has its partitions
        found["two"].append(bench.decided(one, other))
        end(other)
        bench.decided(one)
    asyncio.run(bench.each_once())
    end(one)
    name = f"topics: two workers, beside one, on {os.cpu_count()} cores that all else shares"
    return [compared(name, found["two"], found["one"], unit="1/s", goal="ratio 1.7 where two cores are free")]


def beside_the_idiomatic(bench: Topics) -> list[Figure]:
    """Requests in a second of one worker, and of what one would write first."""
    worker = bench.worker(bench.ports[0])
    bench.decided(worker)  # warm
    found = interleaved({"topic to topic": lambda: bench.decided(worker), "idiomatic": bench.idiomatic})
    asyncio.run(bench.each_once())
    end(worker)
    return [
        compared("topics: one worker, beside a handler of one message, limits and a publisher", found["topic to topic"],
                 found["idiomatic"], unit="1/s", goal="ratio 20"),
    ]  # fmt: skip


def of_windows(url: str) -> list[Figure]:
    """Decisions in a second of the windows."""
    full = windows.FullWindows(url)
    contenders = {
        "one batch": windows.run(windows.Ours(url, in_flight=1, reserves=False)),
        "four batches": windows.run(windows.Ours(url, in_flight=4, reserves=False)),
        "with reservations": windows.run(windows.Ours(url, in_flight=1, reserves=True)),
        "limits": windows.run(lambda: windows.limits(url)),
        "return 1": windows.run(lambda: windows.return_1(url)),
        "memory": windows.run(full),
    }
    if windows.has_pyrate():
        contenders["pyrate-limiter"] = windows.run(lambda: windows.pyrate(url))
    found = interleaved(contenders)
    figures = [
        compared("windows: admit or refuse, one batch at a time; limits", found["one batch"], found["limits"],
                 unit="1/s", goal="ratio 25, floor 12"),
        compared("windows: the same, four batches on their way; limits", found["four batches"], found["limits"],
                 unit="1/s", goal="said"),
        compared("windows: admit or refuse, one batch; EVAL return 1", found["one batch"], found["return 1"],
                 unit="1/s", goal="ratio 0.25"),
        alone("windows: with hours and reservations, one batch at a time", found["with reservations"], unit="1/s", goal="said"),
        alone("windows: Redis of a person with full windows", found["memory"], unit="bytes", goal="500"),
    ]  # fmt: skip
    if "pyrate-limiter" in found:
        figures.insert(2, compared("windows: admit or refuse, one batch; pyrate-limiter", found["one batch"],
                                   found["pyrate-limiter"], unit="1/s", goal="ratio 10, floor 5"))  # fmt: skip
    return figures


def growth(url: str) -> list[Figure]:
    """As many decisions of more and more people."""
    found = [
        (people, [windows.run(windows.Among(url, people))() for _ in range(3)])
        for people in (10_000, 100_000, 1_000_000)
    ]
    least = statistics.median(found[0][1])
    return [
        compared(
            f"windows: among {people:,} people, beside among 10,000",
            rates,
            [least] * len(rates),
            unit="1/s",
            goal="ratio 1",
        )
        for people, rates in found
    ]


def main() -> None:
    """`python -m tests.bench.gateway [windows] [topics] [two] [idiomatic] [growth]`; nothing: windows and topics."""
    asked = set(sys.argv[1:]) or {"windows", "topics"}
    figures: list[Figure] = []
    with started() as bench:
        if "topics" in asked:
            figures += topic_to_topic(bench)
        if "two" in asked:
            figures += two_workers(bench)
        if "idiomatic" in asked:
            figures += beside_the_idiomatic(bench)
        if "windows" in asked:
            figures += of_windows(bench.servers.redis)
        if "growth" in asked:
            figures += growth(bench.servers.redis)
    tell("gateway", figures)


if __name__ == "__main__":
    main()
