"""A look-up costs 15 ms only for a mailbox that may be kept; a pepper is exchanged with overlap."""

from collections.abc import Iterator, Sequence
from dataclasses import replace
from datetime import timedelta
from unittest.mock import Mock

import pytest

from services.signup.mailboxes import look_up_mailboxes
from services.signup.model.invitations import PastInvitations
from services.signup.vault import hashing
from services.signup.vault.addresses import slow_hash
from services.signup.vault.hashing import Prefix, SlowHashes, Suspected
from tests.fakes.clock import NOON
from tests.fakes.signup import FakeStore

OLD, NEW = b"o" * 32, b"n" * 32
ANA, BEN = "ana@example.org", "ben@example.org"


@pytest.fixture
def slow(monkeypatch: pytest.MonkeyPatch) -> Iterator[Mock]:
    """Counts what is computed slowly."""
    counted = Mock(side_effect=slow_hash)
    monkeypatch.setattr(hashing, "slow_hash", counted)
    yield counted


class OfBefore(FakeStore):
    """Has a hash of before there were prefixes."""

    async def suspected(self, prefixes: Sequence[Prefix]) -> Suspected:
        return replace(await super().suspected(prefixes), unmarked=True)


async def invite(store: FakeStore, mail: str, hashes: SlowHashes) -> PastInvitations:
    (found,) = await look_up_mailboxes(store, [mail], hashes)
    await store.note_invitations([await found.to_note(hashes)])
    return found.past


async def test_nobody_new_costs_a_slow_hash_at_the_look_up_and_one_when_they_are_written(slow: Mock) -> None:
    store, hashes = FakeStore(), SlowHashes(NEW, OLD)
    found = await look_up_mailboxes(store, [f"person{number}@example.org" for number in range(50)], hashes)
    assert (slow.call_count, {one.past for one in found}) == (0, {PastInvitations(0)})
    await invite(store, ANA, hashes)
    assert slow.call_count == 1
    await look_up_mailboxes(store, [f"person{number}@example.org" for number in range(50)], hashes)
    assert slow.call_count == 1, "50 strangers beside one who is kept: their 24 bits are others"


async def test_at_a_registration_hashes_of_before_there_were_prefixes_cost_nothing(slow: Mock) -> None:
    store, hashes = OfBefore(), SlowHashes(NEW)
    (found,) = await look_up_mailboxes(store, [BEN], hashes, marked_alone=True)
    assert (slow.call_count, found.past) == (0, PastInvitations(0))
    await look_up_mailboxes(store, [BEN], hashes)
    assert slow.call_count == 1


async def test_who_is_kept_costs_one_and_is_noted_where_they_are(slow: Mock) -> None:
    store, hashes = FakeStore(), SlowHashes(NEW, OLD)
    await invite(store, ANA, SlowHashes(OLD))
    slow.reset_mock()
    assert await invite(store, ANA, hashes) == PastInvitations(1, NOON)
    assert slow.call_count == 1
    assert await invite(store, "ana+other@example.org", hashes) == PastInvitations(2, NOON)


async def test_what_the_old_pepper_made_is_found_under_both_and_not_under_the_new_alone() -> None:
    store = FakeStore()
    await invite(store, ANA, SlowHashes(OLD))
    for hashes, past in ((SlowHashes(NEW, OLD), PastInvitations(1, NOON)), (SlowHashes(NEW), PastInvitations(0))):
        (found,) = await look_up_mailboxes(store, [ANA], hashes)
        assert found.past == past


async def test_a_mailbox_that_two_peppers_know_has_both_pasts() -> None:
    store = FakeStore()
    await invite(store, ANA, SlowHashes(OLD))
    store.at += timedelta(days=1)
    await invite(store, ANA, SlowHashes(NEW))
    (found,) = await look_up_mailboxes(store, [ANA], SlowHashes(NEW, OLD))
    assert (found.past, len(found.kept)) == (PastInvitations(2, NOON + timedelta(days=1)), 2)


def test_a_no_that_either_pepper_knows_counts() -> None:
    early, late = PastInvitations(1, NOON), PastInvitations(0, NOON, NOON - timedelta(days=1), refused=True)
    assert early.and_(late) == late.and_(early) == PastInvitations(1, NOON, NOON - timedelta(days=1), refused=True)


async def test_a_stranger_with_the_same_prefix_is_told_apart_by_the_slow_hash(slow: Mock) -> None:
    store, hashes = FakeStore(), SlowHashes(NEW)
    await invite(store, ANA, hashes)
    (kept,) = store._prefixes
    store._prefixes[kept] = hashes.prefixes(BEN)[0]
    slow.reset_mock()
    assert await invite(store, BEN, hashes) == PastInvitations(0)
    assert slow.call_count == 1, "what the look-up computed is not computed again to be written"


async def test_while_there_are_hashes_without_a_prefix_anybody_may_be_among_them(slow: Mock) -> None:
    hashes = SlowHashes(NEW, OLD)
    made = await hashes.suspects(ANA, Suspected(frozenset(), unmarked=True))
    assert [one.value for one in made] == [slow_hash(ANA, NEW), slow_hash(ANA, OLD)]
    assert slow.call_count == 2


def test_a_prefix_has_24_bits_and_is_of_the_mailbox_under_the_pepper() -> None:
    ((prefix,), (other,)) = (SlowHashes(pepper).prefixes("Ana+jobs@example.org") for pepper in (NEW, OLD))
    assert prefix == SlowHashes(NEW).prefixes(ANA)[0] != other
    assert isinstance(prefix, Prefix) and prefix.bits < 2**24
    assert len({SlowHashes(NEW).prefixes(f"{n}@example.org")[0].bits for n in range(500)}) > 490
