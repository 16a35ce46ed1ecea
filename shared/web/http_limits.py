"""How much a process takes on at a time over HTTP, and how long it waits for a caller."""

from dataclasses import dataclass
from datetime import timedelta

HEALTH_REQUESTS = 32
"""Of `/health` and `/metrics` at a time: whoever watches a process is answered while others flood it."""


@dataclass(frozen=True, slots=True)
class HttpLimits:
    """The budgets of one process; the defaults are those of the settings.

    The connections are more than all budgets together, so that one of them always waits for its caller and can make room.
    """

    api_requests: int = 256
    """Requests of `/v1/` in hand, each with a body of at most 1 MiB in memory (`gates`)."""
    page_requests: int = 256
    """Requests of everything else, which is what people open."""
    origin_requests: int = 64
    """Requests in hand from one address (an IPv4 address, an IPv6 /64), of each of the two kinds, and of one tenant."""
    streams: int = 512
    tenant_streams: int = 4
    connections: int = 2048
    head_bytes: int = 32 * 1024
    """Request line and header lines, with what comes behind a body in chunks; nginx takes as much."""
    head_within: timedelta = timedelta(seconds=15)
    body_within: timedelta = timedelta(seconds=10)
    write_within: timedelta = timedelta(seconds=20)
    """For how long a caller may take nothing of an answer."""

    @property
    def in_hand(self) -> int:
        """What all budgets together allow."""
        return self.api_requests + self.page_requests + self.streams + HEALTH_REQUESTS
