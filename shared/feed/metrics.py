"""What feeds count; the label is the feed's name."""

from prometheus_client import Gauge

HEAD = Gauge(
    "fairpool_feed_head", "The last number that a feed has given; it rises as long as anything is told.", ["feed"]
)
UNSEQUENCED_ROWS = Gauge(
    "fairpool_feed_unsequenced_rows",
    "Rows that were committed to a feed and have no number yet, so nobody reads them; at most 10,000 are counted.",
    ["feed"],
)
UNSEQUENCED_AGE_SECONDS = Gauge(
    "fairpool_feed_unsequenced_age_seconds", "Since when the oldest of them was written.", ["feed"]
)
