"""What a process of a service is there for: one image, and as many processes as their loads want to be apart."""

import enum
from collections.abc import Mapping
from types import MappingProxyType


class Role(enum.StrEnum):
    """Whichever it is, a process answers `/health` and `/metrics` and sends what it commits to Kafka itself."""

    ALL = "all"
    """Everything in one process: on a laptop, and where one container of each service is enough."""
    EDGE = "edge"
    """What programs call."""
    WORKER = "worker"
    """Consumers, jobs, reconciliation and slow hashes: nobody waits for it at the other end of a connection."""
    PAGES = "pages"
    """What people open; the way out is here, and no employer's traffic beside it."""

    def has(self, other: "Role") -> bool:
        """Whether a process of this role does what one of the other is there for."""
        return self in (Role.ALL, other)


CONNECTIONS: Mapping[Role, int] = MappingProxyType({Role.ALL: 10, Role.EDGE: 8, Role.WORKER: 10, Role.PAGES: 8})
"""PostgreSQL connections of a process, where its settings say nothing else: two may be with the outbox relay for the first
20 s of an outage of Kafka, one or two while it answers and takes nothing, and the others are left for the work."""
FEWEST_CONNECTIONS = 6
