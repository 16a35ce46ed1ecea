"""Sessions: genuine and in time, or nothing; what they say of their person only who reads links can read."""

import json
from dataclasses import replace
from datetime import UTC, datetime, timedelta

import pytest

from shared.contracts.consent import LinkStatement
from shared.security import encoding
from shared.security.documents import DocumentSigner
from shared.security.links import public_half
from shared.security.sessions import BadSession, Session, SessionReader, SessionSigner
from shared.security.statements import StatementReader

SEED, OTHER_SEED = bytes(range(32)), bytes(range(1, 33))
KEY, OTHER_KEY = bytes(range(64)), bytes(range(1, 65))
NOW = datetime(2026, 11, 28, 10, 0, 0, 700_000, tzinfo=UTC)
WHO = "01945f2e-7c1a-7d3b-9a51-3f0c5b2d8e10"
LINK_MADE = datetime(2026, 11, 28, 9, 50, tzinfo=UTC)
SIGNER = SessionSigner(SEED, KEY)
READER = SessionReader([public_half(SEED)], [KEY])


def test_a_session_is_read_back_as_it_was_started_and_works_for_four_hours() -> None:
    started = SIGNER.start(WHO, at=NOW, said_by=LINK_MADE)
    assert READER.read(started.token, at=NOW) == started.session
    assert started.session.candidate == WHO
    assert started.session.expires_at == NOW.replace(microsecond=0) + timedelta(hours=4)
    assert READER.read(started.token, at=started.session.expires_at - timedelta(seconds=1)) == started.session
    assert READER.read(started.token, at=started.session.expires_at) == BadSession("expired")


def test_two_sessions_of_a_person_in_the_same_second_are_two() -> None:
    one, other = SIGNER.start(WHO, at=NOW, said_by=LINK_MADE), SIGNER.start(WHO, at=NOW, said_by=LINK_MADE)
    assert one.session.name != other.session.name
    assert one.token != other.token


def test_its_statement_says_when_the_link_was_made_and_holds_for_its_person_alone() -> None:
    started = SIGNER.start(WHO, at=NOW, said_by=LINK_MADE)
    read = READER.read(started.token, at=NOW)
    assert isinstance(read, Session) and read.statement is not None
    assert (read.statement.issued_at, read.statement.expires_at) == (LINK_MADE, started.session.expires_at)
    statements = StatementReader([public_half(SEED)])
    assert statements.holds(WHO, read.statement)
    assert not statements.holds(WHO.replace("10", "11"), read.statement)
    assert not statements.holds(WHO, replace(read.statement, issued_at=NOW.replace(microsecond=0)))
    assert LinkStatement.of(read.statement).value == read.statement


def test_a_session_by_a_link_that_nobody_stated_has_no_statement() -> None:
    started = SIGNER.start(WHO, at=NOW, said_by=None)
    assert READER.read(started.token, at=NOW) == started.session
    assert started.session.statement is None


def test_a_token_names_nobody_and_its_name_is_not_in_it() -> None:
    started = SIGNER.start(WHO, at=NOW, said_by=LINK_MADE)
    parts = [encoding.decode(part).decode("latin-1") for part in started.token.split(".")]
    assert all(WHO not in part and started.session.name not in part for part in (*parts, started.token))
    assert set(json.loads(parts[1])) == {"iat", "exp", "sub"}
    assert started.token not in repr(started)


@pytest.mark.parametrize("token", ["", ".", "..", "a.b.c", "\u00e9.a.b", "x" * 10_000, "e30.e30.e30"])
def test_what_is_no_token_is_no_session(token: str) -> None:
    assert READER.read(token, at=NOW) == BadSession("forged")


def test_another_signer_another_subject_key_and_another_kind_of_document_make_no_session() -> None:
    started = SIGNER.start(WHO, at=NOW, said_by=LINK_MADE)
    assert READER.read(SessionSigner(OTHER_SEED, KEY).start(WHO, at=NOW, said_by=None).token, at=NOW) == BadSession("forged")  # fmt: skip
    assert READER.read(SessionSigner(SEED, OTHER_KEY).start(WHO, at=NOW, said_by=None).token, at=NOW) == BadSession("forged")  # fmt: skip
    document = json.loads(encoding.decode(started.token.split(".")[1]))
    assert READER.read(DocumentSigner(SEED).sign("erasure-certificate", document), at=NOW) == BadSession("forged")


def test_a_time_can_not_be_put_off_even_by_who_signs() -> None:
    """What is encrypted is bound to the times, so that no subject fits another token."""
    started = SIGNER.start(WHO, at=NOW, said_by=LINK_MADE)
    document = json.loads(encoding.decode(started.token.split(".")[1]))
    later = {**document, "exp": document["exp"] + 3600}
    assert READER.read(DocumentSigner(SEED).sign("fairpool-session", later), at=NOW) == BadSession("forged")


@pytest.mark.parametrize("document", [{}, {"iat": 1, "exp": 2, "sub": "AA"}, {"iat": "x", "exp": 2, "sub": 3}])
def test_a_document_of_ours_that_says_nothing_is_no_session(document: dict[str, object]) -> None:
    assert READER.read(DocumentSigner(SEED).sign("fairpool-session", document), at=NOW) == BadSession("forged")


def test_sessions_work_on_while_the_keys_are_exchanged() -> None:
    old = SIGNER.start(WHO, at=NOW, said_by=LINK_MADE)
    new = SessionSigner(OTHER_SEED, OTHER_KEY).start(WHO, at=NOW, said_by=LINK_MADE)
    both = SessionReader([public_half(OTHER_SEED), public_half(SEED)], [OTHER_KEY, KEY])
    assert both.read(old.token, at=NOW) == old.session
    assert both.read(new.token, at=NOW) == new.session
