"""A secret is exchanged with overlap: what was made under the old one is read under NEW,OLD, and under NEW alone no more."""

from dataclasses import replace
from datetime import UTC, datetime, timedelta

import pytest

from shared.security import boxes
from shared.security.cursors import FeedCursors
from shared.security.links import BadLink, JobLink, Link, LinkReader, LinkSigner, public_half
from shared.security.member_refs import MemberRefs, Referred, tag_of
from shared.security.statements import StatementReader, StatementSigner

NOW = datetime(2026, 11, 28, 10, tzinfo=UTC)
CANDIDATE = "01945f2e-7c1a-7d3b-9a51-3f0c5b2d8e10"
OLD_SEED, NEW_SEED = bytes(32), bytes(31) + b"n"
OLD, NEW = bytes(64), bytes(63) + b"n"
LINK = Link(CANDIDATE, "unsubscribe", NOW + timedelta(days=60), employer="emp_a", issued_at=NOW)
JOB = JobLink("https://jobs.example.org/1", "Nurse", "Denver Health", NOW + timedelta(days=1))


def test_a_member_ref_of_the_old_key_is_read_and_new_ones_are_made_with_the_new() -> None:
    old, both, new = MemberRefs(OLD), MemberRefs(NEW, OLD), MemberRefs(NEW)
    ref = old.make(CANDIDATE, "emp_a", "p_one", 3)
    referred = Referred(CANDIDATE, tag_of("p_one"), 3)
    assert both.read(ref, "emp_a") == referred
    assert both.read(ref, "emp_b") is None
    assert new.read(ref, "emp_a") is None
    made = both.make(CANDIDATE, "emp_a", "p_one", 3)
    assert made == new.make(CANDIDATE, "emp_a", "p_one", 3) != ref
    assert both.all_of(referred, "emp_a") == [made, ref]
    assert both.key_id == new.key_id != old.key_id


def test_a_cursor_of_the_old_key_is_read_and_new_ones_are_made_with_the_new() -> None:
    old, both, new = (FeedCursors(*keys, feed="told") for keys in ((OLD,), (NEW, OLD), (NEW,)))
    cursor = old.make((1, 7, NOW), "emp_a")
    assert both.read(cursor, "emp_a") == (1, 7, NOW)
    assert both.read(cursor, "emp_b") is None
    assert new.read(cursor, "emp_a") is None
    assert new.read(both.make((1, 7, NOW), "emp_a"), "emp_a") == (1, 7, NOW)


@pytest.mark.parametrize(("seed", "subject"), [(OLD_SEED, OLD), (NEW_SEED, OLD), (OLD_SEED, NEW), (NEW_SEED, NEW)])
def test_a_link_of_the_old_keys_works_until_they_are_taken_away(seed: bytes, subject: bytes) -> None:
    signer = LinkSigner(seed, subject)
    token, job = signer.sign(LINK), signer.sign_job(JOB)
    both = LinkReader([public_half(NEW_SEED), public_half(OLD_SEED)], [NEW, OLD])
    assert both.read(token, "unsubscribe", at=NOW) == LINK
    assert both.read_job(job, at=NOW) == JOB
    assert both.read(token, "unsubscribe", at=LINK.expires_at) == BadLink("expired")
    new = LinkReader([public_half(NEW_SEED)], [NEW])
    is_new = (seed, subject) == (NEW_SEED, NEW)
    assert new.read(token, "unsubscribe", at=NOW) == (LINK if is_new else BadLink("forged"))
    assert new.read_job(job, at=NOW) == (JOB if is_new else BadLink("forged"))
    assert both.read(LinkSigner(bytes(31) + b"x", NEW).sign(LINK), "unsubscribe", at=NOW) == BadLink("forged")
    assert both.read(LinkSigner(NEW_SEED, bytes(63) + b"x").sign(LINK), "unsubscribe", at=NOW) == BadLink("forged")


def test_what_signup_stated_of_a_link_of_the_old_subject_key_still_holds() -> None:
    seed = bytes(31) + b"s"
    token = LinkSigner(OLD_SEED, OLD, StatementSigner(seed)).sign(replace(LINK, purpose="me"))
    link = LinkReader([public_half(OLD_SEED)], [NEW, OLD]).read(token, "me", at=NOW)
    assert isinstance(link, Link) and link.statement is not None
    assert StatementReader((public_half(seed),)).holds(CANDIDATE, link.statement)


def test_a_box_opens_with_any_of_the_keys_and_with_no_other() -> None:
    old, new = boxes.new_key(), boxes.new_key()
    box = boxes.seal(old, b"words", context="of one")
    assert boxes.unseal_any([new, old], box, context="of one") == b"words"
    for keys, context in (([new], "of one"), ([new, old], "of another")):
        with pytest.raises(boxes.CannotOpenError):
            boxes.unseal_any(keys, box, context=context)
