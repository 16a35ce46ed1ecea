"""What the gateway counts; labels are outcomes and rules of the policy, never ids."""

from prometheus_client import Counter, Gauge, Histogram

from services.outreach_gateway.model import Rule
from services.outreach_gateway.ports.windows import Found

DECISIONS = Counter(
    "fairpool_decisions_total",
    "Decisions that were committed, by outcome (admit, delay, drop, cancel, hold) and rule.",
    ["outcome", "rule"],
)
for _outcome, _rules in (("admit", ()), ("hold", ()), ("delay", Rule), ("drop", Rule), ("cancel", Rule)):
    for _rule in _rules or ("none",):
        DECISIONS.labels(_outcome, _rule)  # a series that is there from the start, with 0
REBUILD_SECONDS = Histogram(
    "fairpool_windows_rebuild_seconds",
    "Time from finding the windows of a shard lost to having built them anew: so long its outreach was held.",
    buckets=(0.1, 0.25, 0.5, 1, 2.5, 5, 10, 30, 60, 120, 300, 600),
)
WINDOWS_SHARDS = Gauge(
    "fairpool_windows_shards",
    "Shards of the windows as this process last found them: open, lost, building, or away (Redis does not answer, or can't "
    "now). The outreach of people whose shard is not open is held.",
    ["state"],
)
for _found in Found:
    WINDOWS_SHARDS.labels(_found)
REBUILD_SLOTS = Gauge(
    "fairpool_windows_rebuild_slots",
    "Of the shards that are being built anew, by all processes together: slots that there are (total), and those that are "
    "placed already (placed).",
    ["state"],
)
for _what in ("placed", "total"):
    REBUILD_SLOTS.labels(_what)
WINDOWS_DIFFERED = Counter(
    "fairpool_windows_differed_total",
    "People whose windows in Redis lacked a slot of their rows, or had it elsewhere; they were set right before anything was decided.",
)
DUE_ROWS = Gauge(
    "fairpool_due_rows", "Outreach whose time to be decided has come (all processes together), counted up to 10,000."
)
OLDEST_DUE_SECONDS = Gauge(
    "fairpool_oldest_due_seconds", "How long the oldest of them has waited, by the services' clock."
)
