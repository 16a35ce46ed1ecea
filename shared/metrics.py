"""What the plumbing counts; labels are names of parts and outcomes, never ids of people, tenants or messages.

Whoever counts what an alert asks for makes its series with 0 when it starts: one that appears with 1 has not risen.
"""

from bisect import bisect_left
from collections import Counter as Counted
from collections.abc import Sequence

from prometheus_client import Counter, Gauge, Histogram, disable_created_metrics

disable_created_metrics()  # type: ignore[no-untyped-call]  # untyped in the library; a second series for each tells nobody anything

_BATCH_BUCKETS = (0.005, 0.01, 0.025, 0.05, 0.1, 0.25, 0.5, 1, 2.5, 5, 10, 30)
_REQUEST_BUCKETS = (0.001, 0.0025, 0.005, 0.01, 0.025, 0.05, 0.1, 0.25, 0.5, 1, 2.5, 5, 10)

BATCH_SECONDS = Histogram(
    "fairpool_batch_seconds",
    "Time from taking a batch of records to its commit.",
    ["subscription"],
    buckets=_BATCH_BUCKETS,
)
RECORDS = Counter(
    "fairpool_records_total",
    "Records taken from a topic, by what became of them.",
    ["subscription", "outcome"],
)
RECORD_SECONDS = Histogram(
    "fairpool_record_seconds",
    "Time from a record being written to a topic until its reader takes it in hand.",
    ["subscription"],
    buckets=_BATCH_BUCKETS,
)
OUTBOX_SECONDS = Histogram(
    "fairpool_outbox_seconds",
    "Time from the beginning of the transaction that writes a record to the outbox until Kafka has it.",
    buckets=_BATCH_BUCKETS,
)
LAG_RECORDS = Gauge(
    "fairpool_lag_records",
    "Records on a topic that this process has yet to handle, by reader (a subscription, or the follower of a projection).",
    ["reader", "topic"],
)
HOLDS = Counter(
    "fairpool_holds_total",
    "Attempts that were put off because something outside was away or behind, by part and by what it waits for.",
    ["part", "waits_for"],
)
HOLDING = Gauge(
    "fairpool_holding",
    "1 while a part holds its work because of what it waits for, else 0.",
    ["part", "waits_for"],
)
PROCESS_ROLE = Gauge("fairpool_process_role", "1, by what this process of its service is there for.", ["role"])
OUTBOX_ROWS = Gauge("fairpool_outbox_rows", "Rows of the outbox that Kafka does not have yet, counted up to 10,000.")
OUTBOX_AGE_SECONDS = Gauge("fairpool_outbox_age_seconds", "Age of the oldest row of the outbox.")
REPUBLISHED = Counter(
    "fairpool_republished_records_total",
    "Records of a compacted topic that its owner had to republish, because Kafka did not have the row's version last.",
    ["topic"],
)
TOPIC_AHEAD = Gauge(
    "fairpool_topic_ahead_records",
    "Keys of a compacted topic that the last read-back found newer than their rows, or without a row that nothing says is gone.",
    ["topic"],
)
READ_BACK_FAILURES = Counter(
    "fairpool_read_back_failures_total",
    "Rows or keys of a compacted topic that its owner's read-back could not handle and passed over, and passes that failed.",
    ["topic"],
)
DEAD_LETTERS = Counter(
    "fairpool_dead_letters_total",
    "Records that could not be handled, by topic and reason.",
    ["topic", "reason"],
)
SIGNATURES_REFUSED = Counter(
    "fairpool_signatures_refused_total",
    "Records that were refused because nobody who may say them had signed them, by topic and reason.",
    ["topic", "reason"],
)
TOPICS_DIFFER = Gauge(
    "fairpool_topics_differ",
    "1 while a topic is not as it is described (missing, other partitions), else 0.",
    ["topic"],
)
HTTP_REQUESTS = Counter(
    "fairpool_http_requests_total",
    "Answers given, by route template.",
    ["method", "route", "status"],
)
HTTP_REQUEST_SECONDS = Histogram(
    "fairpool_http_request_seconds",
    "Time from a request's first byte to its answer's last, by route template.",
    ["method", "route", "status"],
    buckets=_REQUEST_BUCKETS,
)
HTTP_CONNECTIONS = Gauge("fairpool_http_connections", "Connections that callers have open to this process.")
HTTP_IN_HAND = Gauge(
    "fairpool_http_in_hand",
    "Requests that are being answered, by kind (api, page, health), and streams that are open (stream).",
    ["kind"],
)
HTTP_REFUSED = Counter(
    "fairpool_http_refused_total",
    "Requests, streams and connections that were refused or ended because of a limit, by reason.",
    ["reason"],
)


def observe_all(histogram: Histogram, seconds: Sequence[float]) -> None:
    """What `observe` does of each, at once: it takes two locks and a dozen steps each time, and a batch has five hundred."""
    histogram._sum.inc(sum(seconds))
    for bucket, many in Counted([bisect_left(histogram._upper_bounds, one) for one in seconds]).items():
        histogram._buckets[bucket].inc(many)
