"""Which function handles which event is declared one by one, and becomes one consumer group a topic."""

from collections.abc import Sequence
from typing import Any, cast

import pytest

from shared.contracts.consent import ConsentChangedV1
from shared.contracts.signup import (
    CandidateErasedV1,
    CandidateKeyPublishedV1,
    CandidateLapsedV1,
    CandidateRegisteredV1,
    NoticeRequestedV1,
)
from shared.contracts.topics import CANDIDATE_KEYS
from shared.messaging.envelope import Received, Record
from shared.messaging.unit import Unit
from shared.service.wiring import MAX_RECORDS, Guard, Wiring
from tests.fakes.clock import NOON

UNIT = cast(Unit, object())
RECORD = Record("t", 0, 0, None, b"", ())
ERASED = CandidateErasedV1(candidate="11111111-1111-4111-8111-111111111111", at=NOON)
LAPSED = CandidateLapsedV1(candidate="11111111-1111-4111-8111-111111111111", at=NOON, reason="expired")


class Seen:
    """A store that was made of a unit, and what a handler was given."""

    def __init__(self) -> None:
        self.calls: list[tuple[str, list[str]]] = []

    def store(self, unit: Unit) -> "Seen":
        assert unit is UNIT
        return self

    async def first(self, store: Any, received: Sequence[Received[Any]], word: str = "first") -> None:
        store.calls.append((word, [item.id for item in received]))

    async def second(self, store: Any, received: Sequence[Received[Any]]) -> None:
        store.calls.append(("second", [item.id for item in received]))


def declare(wiring: Wiring, *kinds: Any, seen: Seen, **options: Any) -> None:
    chosen: dict[str, Any] = {"guard": Guard.VERSION, "group": None, "max_records": MAX_RECORDS, **options}
    wiring.on(kinds, seen.first, seen.store, "given", **chosen)


async def test_each_handler_of_a_topic_gets_its_own_kinds_in_their_order_and_what_it_was_given() -> None:
    wiring, seen = Wiring("svc"), Seen()
    declare(wiring, CandidateLapsedV1, seen=seen)
    wiring.on(
        (CandidateRegisteredV1,), seen.second, seen.store, guard=Guard.VERSION, group=None, max_records=MAX_RECORDS
    )
    (subscription,) = wiring.subscriptions()
    assert subscription.group == "svc.candidate-events"
    assert subscription.takes == (CandidateLapsedV1, CandidateRegisteredV1)
    received = [Received(id, "s", NOON, LAPSED, RECORD) for id in ("1", "2")]
    await subscription.handle(UNIT, received)
    assert seen.calls == [("given", ["1", "2"])], "nobody is called for nothing"


def test_one_group_reads_several_topics_only_by_a_name_of_its_own() -> None:
    wiring, seen = Wiring("svc"), Seen()
    with pytest.raises(ValueError, match="name the group"):
        declare(wiring, CandidateErasedV1, ConsentChangedV1, seen=seen)
    declare(wiring, CandidateErasedV1, ConsentChangedV1, seen=seen, group="people")
    (subscription,) = wiring.subscriptions()
    assert subscription.group == "svc.people"
    assert [topic.name for topic in subscription.topics] == ["erasures", "consent-state"]


def test_a_kind_has_one_handler_in_a_group_and_a_group_one_guard() -> None:
    wiring, seen = Wiring("svc"), Seen()
    declare(wiring, CandidateLapsedV1, seen=seen)
    with pytest.raises(ValueError, match="has a handler of CandidateLapsedV1"):
        declare(wiring, CandidateLapsedV1, seen=seen)
    with pytest.raises(ValueError, match="the guard"):
        declare(wiring, CandidateRegisteredV1, seen=seen, guard=Guard.INBOX)


def test_only_what_the_inbox_guards_is_deduplicated() -> None:
    wiring, seen = Wiring("svc"), Seen()
    declare(wiring, NoticeRequestedV1, seen=seen, guard=Guard.INBOX, max_records=7)
    declare(wiring, CandidateErasedV1, seen=seen)
    by_inbox, by_version = wiring.subscriptions()
    assert (by_inbox.deduplicate, by_inbox.max_records) == (True, 7)
    assert (by_version.deduplicate, by_version.max_records) == (False, MAX_RECORDS)


async def test_removals_of_a_topic_go_to_their_own_handler() -> None:
    wiring, seen = Wiring("svc"), Seen()

    async def removed(store: Any, keys: Sequence[str]) -> None:
        store.calls.append(("removed", list(keys)))

    declare(wiring, CandidateKeyPublishedV1, seen=seen)
    wiring.on_removed(CANDIDATE_KEYS, removed, seen.store)
    (subscription,) = wiring.subscriptions()
    await subscription.handle_removed[CANDIDATE_KEYS](UNIT, ["a"])
    assert seen.calls == [("removed", ["a"])]
