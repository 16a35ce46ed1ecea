"""What the routes stand on."""

from collections.abc import Callable
from contextlib import AbstractAsyncContextManager
from dataclasses import dataclass

from services.outreach_gateway.model import Policy
from services.outreach_gateway.ports import RequestStore
from shared.clock import Clock
from shared.feed.web import FeedFace
from shared.security.member_refs import MemberRefs
from shared.web.tenants import Tenants


@dataclass(frozen=True, slots=True)
class Edge:
    """Who calls, the time, the rules, the rows, and the keys that name members and outreach."""

    tenants: Tenants
    clock: Clock
    policy: Policy
    store: Callable[[], AbstractAsyncContextManager[RequestStore]]
    refs: MemberRefs
    feed: FeedFace
    outreach_id_key: bytes
