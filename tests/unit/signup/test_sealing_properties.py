"""Of whatever is sealed: it opens in its own place alone, and a rotation changes nothing of it."""

import json
from collections.abc import Callable, Iterator
from dataclasses import replace
from datetime import date
from typing import Any

import pytest
from hypothesis import assume, given
from hypothesis import strategies as st

from services.signup.vault import sealing
from services.signup.vault.epochs import Epochs
from services.signup.vault.intake import open_told, seal_told, unwrap_day_key, wrap_day_key
from services.signup.vault.sealing import (
    Identity,
    SealedIdentity,
    ThreeBoxes,
    open_identity,
    open_key_pair,
    rewrapped,
    seal_identity,
)
from services.signup.vault.webhooks import seal_secret, unseal_secret
from shared.security import boxes
from shared.security.boxes import CannotOpenError
from shared.security.words import KeyPair

EPOCHS = Epochs({1: b"1" * 32, 2: b"2" * 32, 3: b"3" * 32})
PAIR = KeyPair.generate()
ONE_KEY = bytes(32)
IDENTITIES = st.builds(
    Identity,
    st.text(min_size=1),
    st.none() | st.text(),
    st.none() | st.text(),
    st.lists(st.text(max_size=16), max_size=3).map(tuple),
)
CANDIDATES = st.uuids().map(str)
VERSIONS = st.integers(1, 2**31 - 1)
VENDORS = st.from_regex(r"[a-z][a-z0-9_]{0,20}", fullmatch=True)  # as tenants are called
DAYS = st.dates()
OF_IDENTITY = {"identity_key", "identity"}
BOXES = st.sampled_from(["identity_key", "messages_key", "identity", "private_key"])


@pytest.fixture(autouse=True, scope="module")
def _one_key() -> Iterator[None]:
    """Every data key is the same: so a box that is moved is stopped by what it authenticates, and not by chance by its key."""
    with pytest.MonkeyPatch.context() as patch:
        patch.setattr(boxes, "new_key", lambda: ONE_KEY)
        yield


def at_epoch(epoch: int) -> Epochs:
    """As a process has them while this epoch is the newest."""
    return Epochs({one: EPOCHS.key(one) for one in range(1, epoch + 1)})


def sealed(candidate: str, identity: Identity, version: int = 1, *, epoch: int = 1) -> SealedIdentity:
    return seal_identity(candidate, identity, PAIR, at_epoch(epoch), version=version)


def with_box(row: SealedIdentity, box: str, content: bytes) -> SealedIdentity:
    changed: dict[str, Any] = {box: content}
    return replace(row, **changed)


def opener(box: str) -> Callable[[SealedIdentity, Epochs], object]:
    return open_identity if box in OF_IDENTITY else open_key_pair


@given(IDENTITIES, CANDIDATES, VERSIONS)
def test_what_is_sealed_comes_back(identity: Identity, candidate: str, version: int) -> None:
    row = sealed(candidate, identity, version)
    assert (open_identity(row, EPOCHS), open_key_pair(row, EPOCHS)) == (identity, PAIR)


@given(IDENTITIES, CANDIDATES, CANDIDATES, VERSIONS, BOXES)
def test_no_box_opens_in_another_persons_row(
    identity: Identity, candidate: str, other: str, version: int, box: str
) -> None:
    assume(candidate != other)
    theirs = sealed(other, identity, version)
    row = with_box(sealed(candidate, identity, version), box, getattr(theirs, box))
    with pytest.raises(CannotOpenError):
        opener(box)(row, EPOCHS)


@given(IDENTITIES, CANDIDATES, VERSIONS, VERSIONS, BOXES)
def test_no_box_opens_in_another_version_of_its_row(
    identity: Identity, candidate: str, version: int, other: int, box: str
) -> None:
    assume(version != other)
    before = sealed(candidate, identity, other)
    row = with_box(sealed(candidate, identity, version), box, getattr(before, box))
    with pytest.raises(CannotOpenError):
        opener(box)(row, EPOCHS)


@given(IDENTITIES, CANDIDATES, VERSIONS)
def test_the_key_of_a_purpose_does_not_open_for_the_other(identity: Identity, candidate: str, version: int) -> None:
    row = sealed(candidate, identity, version)
    exchanged = replace(row, identity_key=row.messages_key, messages_key=row.identity_key)
    for opens in (open_identity, open_key_pair):
        with pytest.raises(CannotOpenError):
            opens(exchanged, EPOCHS)


@given(IDENTITIES, CANDIDATES, VERSIONS)
def test_a_box_does_not_open_as_another_field(identity: Identity, candidate: str, version: int) -> None:
    row = sealed(candidate, identity, version)
    exchanged = replace(row, identity=row.private_key, private_key=row.identity or b"")
    for opens in (open_identity, open_key_pair):
        with pytest.raises(CannotOpenError):
            opens(exchanged, EPOCHS)


@given(IDENTITIES, CANDIDATES, st.sampled_from([2, 3]))
def test_a_row_does_not_open_under_another_epoch(identity: Identity, candidate: str, epoch: int) -> None:
    row = replace(sealed(candidate, identity), epoch=epoch)
    for opens in (open_identity, open_key_pair):
        with pytest.raises(CannotOpenError):
            opens(row, EPOCHS)


@given(IDENTITIES, CANDIDATES, VERSIONS, BOXES, st.data())
def test_a_box_of_which_a_bit_was_changed_does_not_open(
    identity: Identity, candidate: str, version: int, box: str, data: st.DataObject
) -> None:
    row = sealed(candidate, identity, version)
    content = bytearray(getattr(row, box))
    content[data.draw(st.integers(0, len(content) - 1))] ^= 1 << data.draw(st.integers(0, 7))
    with pytest.raises(CannotOpenError):
        opener(box)(with_box(row, box, bytes(content)), EPOCHS)


@given(st.binary(), st.tuples(VENDORS, st.text()), st.tuples(VENDORS, st.text()))
def test_what_a_vendor_told_opens_for_its_own_record_alone(
    told: bytes, own: tuple[str, str], other: tuple[str, str]
) -> None:
    assume(own != other)
    box = seal_told(ONE_KEY, told, vendor=own[0], record=own[1])
    assert open_told(ONE_KEY, box, vendor=own[0], record=own[1]) == told
    with pytest.raises(CannotOpenError):
        open_told(ONE_KEY, box, vendor=other[0], record=other[1])


@given(st.binary(min_size=32, max_size=32), DAYS, DAYS, st.text(min_size=1), VENDORS, VENDORS)
def test_neither_a_days_key_nor_a_secret_opens_in_another_place(
    key: bytes, day: date, other_day: date, secret: str, source: str, other: str
) -> None:
    assume(day != other_day and source != other)
    of_day, of_source = wrap_day_key(EPOCHS, 1, key, day), seal_secret(EPOCHS, 1, secret, "greenhouse", source)
    assert unwrap_day_key(EPOCHS, 1, of_day, day) == key
    assert unseal_secret(EPOCHS, 1, of_source, "greenhouse", source) == secret
    for moved in (
        lambda: unwrap_day_key(EPOCHS, 1, of_day, other_day),
        lambda: unwrap_day_key(EPOCHS, 2, of_day, day),
        lambda: unseal_secret(EPOCHS, 1, of_source, "greenhouse", other),
        lambda: unseal_secret(EPOCHS, 1, of_source, source, "greenhouse"),
        lambda: unseal_secret(EPOCHS, 2, of_source, "greenhouse", source),
    ):
        with pytest.raises(CannotOpenError):
            moved()


@given(IDENTITIES, CANDIDATES, VERSIONS)
def test_rotations_keep_every_value_and_need_no_key_of_before(identity: Identity, candidate: str, version: int) -> None:
    row = sealed(candidate, identity, version)
    twice = rewrapped(rewrapped(row, at_epoch(2), 2), at_epoch(3), 3)
    newest = Epochs({3: EPOCHS.key(3)})
    assert (open_identity(twice, newest), open_key_pair(twice, newest)) == (identity, PAIR)
    assert (twice.identity, twice.private_key, twice.public_key) == (row.identity, row.private_key, row.public_key)
    assert not sealing.opens(twice.identity_key, EPOCHS.key(1), candidate=candidate, version=version)


@given(IDENTITIES, CANDIDATES, VERSIONS)
def test_the_three_boxes_of_an_older_row_become_one_that_says_the_same(
    identity: Identity, candidate: str, version: int
) -> None:
    def box(field: str, content: object) -> bytes:
        plain = content if isinstance(content, str) else json.dumps(content)
        return boxes.seal(ONE_KEY, plain.encode(), context=f"{candidate}:{field}:{version}")

    name = {"given": identity.given_name, "family": identity.family_name}
    before = ThreeBoxes(box("mail", identity.mail), box("name", name), box("phones", identity.phones))
    row = replace(sealed(candidate, identity, version), identity=None, before=before)
    assert open_identity(row, EPOCHS) == identity
    after = rewrapped(row, EPOCHS, 2)
    assert (open_identity(after, Epochs({2: EPOCHS.key(2)})), after.before) == (identity, None)
