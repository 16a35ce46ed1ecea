"""What the routes stand on."""

from collections.abc import Callable
from contextlib import AbstractAsyncContextManager
from dataclasses import dataclass

from services.outreach_gateway.api.ids import OutreachIds
from services.outreach_gateway.model import Policy
from services.outreach_gateway.ports.jobs import History, Jobs, PoolMessages
from services.outreach_gateway.ports.requests import RequestStore
from shared.clock import Clock
from shared.feed.web import FeedFace
from shared.security.member_refs import MemberRefs
from shared.security.words import WordsForm
from shared.ticks import Ticks
from shared.web.tenants import Tenants


@dataclass(frozen=True, slots=True)
class Edge:
    """Who calls, the time, the rules, the rows, the keys that name members and outreach, and when employers are told."""

    tenants: Tenants
    clock: Clock
    policy: Policy
    store: Callable[[], AbstractAsyncContextManager[RequestStore]]
    refs: MemberRefs
    ids: OutreachIds
    ticks: Ticks
    told: FeedFace
    """The feed that employers read: what they are told."""
    changes: FeedFace
    """The operator's: each change of state as it was."""
    jobs: Callable[[], AbstractAsyncContextManager[Jobs]]
    look_at_jobs: Callable[[], AbstractAsyncContextManager[Jobs]]
    """Each statement for itself."""
    pool_messages: Callable[[], AbstractAsyncContextManager[PoolMessages]]
    history: Callable[[], AbstractAsyncContextManager[History]]
    """Each statement for itself."""
    words_form: WordsForm
    """How words are sealed to people."""
