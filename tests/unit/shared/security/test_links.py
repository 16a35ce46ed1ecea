"""Links in mails: genuine, in time and for their purpose, or nothing."""

import base64
import json
from dataclasses import replace
from datetime import UTC, datetime, timedelta
from typing import get_args

import pytest
from cryptography.hazmat.primitives.asymmetric.ed25519 import Ed25519PrivateKey
from hypothesis import given
from hypothesis import strategies as st
from joserfc import jws
from joserfc.jwk import OKPKey

from shared.security import encoding
from shared.security.links import (
    WIDENS,
    BadLink,
    JobLink,
    Link,
    LinkPurpose,
    LinkReader,
    LinkSigner,
    public_half,
    trimmed,
)
from shared.security.statements import StatementReader, StatementSigner

SEED = bytes.fromhex("9d61b19deffd5a60ba844af492ec2cc44449c5697b326919703bac031cae7f60")  # RFC 8032, 7.1, test 1
NOW = datetime(2026, 11, 22, 10, tzinfo=UTC)
LINK = Link("01945f2e-7c1a-7d3b-9a51-3f0c5b2d8e10", "confirm", NOW + timedelta(hours=1))
SUBJECT_KEY = bytes(range(64))
SIGNER = LinkSigner(SEED, SUBJECT_KEY)
READER = LinkReader([public_half(SEED)], [SUBJECT_KEY])


def _signed(claims: object, *, header: dict[str, str] | None = None, seed: bytes = SEED) -> str:
    parts = [encoding.encode(json.dumps(part).encode()) for part in (header or {"alg": "Ed25519"}, claims)]
    text = ".".join(parts)
    return text + "." + encoding.encode(Ed25519PrivateKey.from_private_bytes(seed).sign(text.encode()))


def test_the_public_half_is_that_of_rfc_8032() -> None:
    assert public_half(SEED).hex() == "d75a980182b10ab7d54bfed3c964073a0ee172f3daa62325af021a68f707511a"


def test_a_link_is_read_back_as_it_was_signed() -> None:
    unsubscribe = Link(LINK.candidate, "unsubscribe", LINK.expires_at, employer="emp_a", issued_at=NOW)
    assert READER.read(SIGNER.sign(LINK), "confirm", at=NOW) == LINK
    assert READER.read(SIGNER.sign(unsubscribe), "me", "unsubscribe", at=NOW) == unsubscribe


@given(
    st.sampled_from(get_args(LinkPurpose)),
    st.text("0123456789abcdef-", max_size=40),
    st.none() | st.from_regex(r"emp_[a-z0-9]{1,20}", fullmatch=True),
    st.none() | st.datetimes(datetime(2020, 1, 1), datetime(2040, 1, 1), timezones=st.just(UTC)),  # noqa: DTZ001 - hypothesis wants naive bounds
)
def test_a_token_is_to_the_byte_what_the_library_writes(
    purpose: LinkPurpose, candidate: str, employer: str | None, at: datetime | None
) -> None:
    token = SIGNER.sign(Link(candidate, purpose, NOW, employer, at))
    payload = encoding.decode(token.split(".")[1])
    key = OKPKey.import_key(
        {"kty": "OKP", "crv": "Ed25519", "d": encoding.encode(SEED), "x": encoding.encode(public_half(SEED))}
    )
    assert token == jws.serialize_compact({"alg": "Ed25519"}, payload, key, algorithms=["Ed25519"])
    assert payload == json.dumps(json.loads(payload), separators=(",", ":")).encode(), "as the versions before wrote it"


@pytest.mark.parametrize(
    "end", [".", ">", ")", ",", "=", "==", "...", ").", ";", "!", '"', "'", "]", "*", " ", "\n", "\u201d", "\u00bb."]
)
def test_what_a_mail_program_took_into_the_link_is_no_part_of_it(end: str) -> None:
    assert READER.read(SIGNER.sign(LINK) + end, "confirm", at=NOW) == LINK
    assert READER.read(end, "confirm", at=NOW) == BadLink("forged")


@pytest.mark.parametrize(
    "inside", [" ", "\n", "\r\n", "=\r\n", "\t", "\u00ad", "\u200b", "\u2060", "\ufeff", "\u00a0", "> ", "\u2028"]
)
def test_what_a_mail_program_put_inside_a_link_is_no_part_of_it(inside: str) -> None:
    token = SIGNER.sign(LINK)
    for at in (1, 70, token.index("."), len(token) - 1):
        assert READER.read(token[:at] + inside + token[at:], "confirm", at=NOW) == LINK


@pytest.mark.parametrize(
    ("before", "behind"), ["<>", "()", "[]", "\u00ab\u00bb", "\u201c\u201d", "**", "  ", "\u2066\u2069"]
)
def test_what_stands_around_a_link_is_no_part_of_it(before: str, behind: str) -> None:
    token = SIGNER.sign(LINK)
    assert READER.read(before + token + behind, "confirm", at=NOW) == LINK
    assert trimmed(before + token + behind) == trimmed(token) == token, "one link, however it was written"


@pytest.mark.parametrize("place", [0, 70, -1])
def test_a_mark_of_a_token_that_is_another_makes_it_none(place: int) -> None:
    token = SIGNER.sign(LINK)
    at = range(len(token))[place] if place != -1 else token.rindex(".") + 3
    other = token[:at] + ("A" if token[at] != "A" else "B") + token[at + 1 :]
    assert READER.read(other, "confirm", at=NOW) == BadLink("forged")


@pytest.mark.parametrize("end", ["a", "-", "_", ".a", ").a", "\u00e9a"])
def test_what_a_token_could_end_with_is_part_of_it(end: str) -> None:
    assert READER.read(SIGNER.sign(LINK) + end, "confirm", at=NOW) == BadLink("forged")


def test_a_token_is_safe_in_a_url_and_names_nobody() -> None:
    token = SIGNER.sign(LINK)
    assert set(token) <= set("ABCDEFGHIJKLMNOPQRSTUVWXYZabcdefghijklmnopqrstuvwxyz0123456789-_.")
    claims = json.loads(encoding.decode(token.split(".")[1]))
    subject = claims.pop("sub")
    assert claims == {"prp": "confirm", "exp": int(LINK.expires_at.timestamp())}
    assert LINK.candidate not in encoding.decode(subject).decode("latin-1")


def test_no_employer_is_named_either() -> None:
    token = SIGNER.sign(Link(LINK.candidate, "unsubscribe", LINK.expires_at, "emp_denverhealth", NOW))
    assert "emp_denverhealth" not in encoding.decode(token.split(".")[1]).decode()
    assert "denver" not in encoding.decode(json.loads(encoding.decode(token.split(".")[1]))["sub"]).decode("latin-1")


def test_the_same_link_is_the_same_token_and_two_links_share_no_subject() -> None:
    def subject(link: Link) -> str:
        found: str = json.loads(encoding.decode(SIGNER.sign(link).split(".")[1]))["sub"]
        return found

    later = NOW + timedelta(hours=2)
    others = [
        replace(LINK, purpose="me"),
        replace(LINK, employer="emp_a"),
        replace(LINK, employer="emp_b"),
        replace(LINK, expires_at=later),
        replace(LINK, issued_at=NOW),
    ]
    assert SIGNER.sign(LINK) == LinkSigner(SEED, SUBJECT_KEY).sign(LINK)
    assert len({subject(link) for link in [LINK, *others]}) == len(others) + 1


def test_a_subject_moved_to_another_token_is_forged() -> None:
    claims = json.loads(encoding.decode(SIGNER.sign(LINK).split(".")[1]))
    assert READER.read(_signed(claims), "confirm", at=NOW) == LINK
    assert READER.read(_signed({**claims, "prp": "me"}), "me", at=NOW) == BadLink("forged")
    assert READER.read(_signed({**claims, "exp": claims["exp"] + 1}), "confirm", at=NOW) == BadLink("forged")


def test_who_lacks_the_subject_key_cannot_tell_whose_a_link_is() -> None:
    stranger = LinkReader([public_half(SEED)], [bytes(64 * [1])])
    assert stranger.read(SIGNER.sign(LINK), "confirm", at=NOW) == BadLink("forged")


def test_a_link_is_good_until_its_last_moment_and_not_a_moment_longer() -> None:
    token = SIGNER.sign(LINK)
    assert READER.read(token, "confirm", at=LINK.expires_at - timedelta(microseconds=1)) == LINK
    assert READER.read(token, "confirm", at=LINK.expires_at) == BadLink("expired")


def test_a_link_for_another_purpose_is_refused() -> None:
    assert READER.read(SIGNER.sign(LINK), "me", "unsubscribe", at=NOW) == BadLink("another_purpose")
    assert READER.read(SIGNER.sign(LINK), at=NOW) == BadLink("another_purpose")


def test_a_purpose_that_does_not_exist_is_refused() -> None:
    token = SIGNER.sign(replace(LINK, purpose="administer"))  # type: ignore[arg-type]  # that is the point
    assert READER.read(token, "confirm", at=NOW) == BadLink("another_purpose")


def test_a_link_signed_with_another_key_is_forged() -> None:
    assert READER.read(LinkSigner(bytes(32), SUBJECT_KEY).sign(LINK), "confirm", at=NOW) == BadLink("forged")


def test_no_flipped_bit_is_taken() -> None:
    header, claims, signature = (bytearray(encoding.decode(part)) for part in SIGNER.sign(LINK).split("."))
    for part in (header, claims, signature):
        for bit in range(len(part) * 8):
            part[bit // 8] ^= 1 << bit % 8
            token = ".".join(encoding.encode(bytes(one)) for one in (header, claims, signature))
            assert READER.read(token, "confirm", at=NOW) == BadLink("forged")
            part[bit // 8] ^= 1 << bit % 8


@pytest.mark.parametrize("algorithm", ["none", "HS256", "ES256"])
def test_a_token_that_names_another_algorithm_is_forged(algorithm: str) -> None:
    claims = {"sub": LINK.candidate, "prp": "confirm", "exp": int(NOW.timestamp()) + 60}
    assert READER.read(_signed(claims, header={"alg": algorithm}), "confirm", at=NOW) == BadLink("forged")


@pytest.mark.parametrize(
    "claims",
    [
        {},
        [],
        "text",
        None,
        {"sub": "c", "prp": "confirm"},
        {"sub": "c", "prp": "confirm", "exp": "soon"},
        {"sub": "c", "prp": "confirm", "exp": 10**20},
        {"sub": "c", "prp": "confirm", "exp": float("inf")},
        {"sub": "c", "prp": ["confirm"], "exp": 1},
    ],
)
def test_claims_that_the_courier_never_wrote_are_not_a_link(claims: object) -> None:
    assert isinstance(READER.read(_signed(claims), "confirm", at=NOW), BadLink)


@pytest.mark.parametrize("token", ["", ".", "..", "a.b.c", "é.é.é", "x" * 10_000, SIGNER.sign(LINK)[:-4]])
def test_what_a_mail_program_cut_short_is_forged(token: str) -> None:
    assert READER.read(token, "confirm", at=NOW) == BadLink("forged")


def test_padding_within_and_other_alphabets_make_no_second_token() -> None:
    header, claims, signature = SIGNER.sign(LINK).split(".")
    raw = encoding.decode(signature)
    other = base64.b64encode(raw, altchars=b"+/").decode().rstrip("=")
    assert other != signature
    for token in (f"{header}=.{claims}.{signature}", f"{header}.{claims}=.{signature}", f"{header}.{claims}.{other}"):
        assert READER.read(token, "confirm", at=NOW) == BadLink("forged")


STATES = LinkSigner(SEED, SUBJECT_KEY, StatementSigner(bytes(31) + b"s"))
STATED_BY = StatementReader([public_half(bytes(31) + b"s")])


@pytest.mark.parametrize("purpose", ["confirm", "me"])
def test_a_link_by_which_something_can_be_switched_on_brings_what_signup_states_of_it(purpose: LinkPurpose) -> None:
    link = Link(LINK.candidate, purpose, LINK.expires_at, issued_at=NOW)
    token = STATES.sign(link)
    assert token == STATES.sign(link), "the same link is the same token"
    found = READER.read(token, purpose, at=NOW)
    assert isinstance(found, Link)
    assert found.statement is not None
    assert replace(found, statement=None) == link
    assert STATED_BY.holds(LINK.candidate, found.statement)
    assert (found.statement.issued_at, found.statement.expires_at) == (NOW, LINK.expires_at)
    assert READER.read(encoding.encode(found.statement.signature), purpose, at=NOW) == BadLink("forged"), (
        "it opens no page"
    )


@pytest.mark.parametrize("purpose", ["unsubscribe", "refuse", "email_new", "email_old"])
def test_a_link_that_can_switch_nothing_on_brings_none(purpose: LinkPurpose) -> None:
    found = READER.read(STATES.sign(Link(LINK.candidate, purpose, LINK.expires_at, issued_at=NOW)), purpose, at=NOW)
    assert isinstance(found, Link)
    assert found.statement is None


def test_every_purpose_of_a_link_is_said_to_widen_or_not() -> None:
    assert set(get_args(LinkPurpose)) == {"unsubscribe", "refuse", "email_new", "email_old"} | WIDENS


def test_a_link_from_before_there_were_statements_opens_as_before() -> None:
    old = SIGNER.sign(replace(LINK, issued_at=NOW))
    assert READER.read(old, "confirm", at=NOW) == replace(LINK, issued_at=NOW)


def test_a_statement_says_nothing_by_which_a_link_could_be_found_and_is_in_no_token_to_be_read() -> None:
    first, second = (
        READER.read(STATES.sign(Link(LINK.candidate, "me", LINK.expires_at, issued_at=NOW + timedelta(minutes=later))), "me", at=NOW)
        for later in range(2)
    )  # fmt: skip
    assert isinstance(first, Link)
    assert isinstance(second, Link)
    assert first.statement is not None
    assert second.statement is not None
    assert first.statement.link != second.statement.link
    token = STATES.sign(Link(LINK.candidate, "me", LINK.expires_at, issued_at=NOW))
    readings = [encoding.decode(part) for part in token.split(".")]
    readings.append(encoding.decode(json.loads(readings[1])["sub"]))
    assert not any(first.statement.signature in reading for reading in readings)


def test_a_token_with_its_statement_stays_far_below_what_a_line_of_a_mail_may_hold() -> None:
    assert (
        len(STATES.sign(Link(LINK.candidate, "confirm", LINK.expires_at, issued_at=NOW))) < 600
    )  # RFC 5322, 2.1.1: 998


JOB = JobLink("https://jobs.example.org/42?a=b", "Registered nurse", "Denver Health", NOW + timedelta(days=9))


def test_a_link_to_a_job_is_read_back_and_shows_nothing_of_it() -> None:
    token = SIGNER.sign_job(JOB)
    assert READER.read_job(token, at=NOW) == JOB
    assert token == SIGNER.sign_job(JOB)
    claims = json.loads(encoding.decode(token.split(".")[1]))
    assert set(claims) == {"prp", "exp", "sub"}
    for secret in (b"example", b"nurse", b"Denver"):
        assert secret not in encoding.decode(token.split(".")[1])
        assert secret not in encoding.decode(claims["sub"])


def test_a_job_link_opens_nothing_of_a_person_and_a_persons_link_no_job() -> None:
    for purpose in get_args(LinkPurpose):
        assert READER.read(SIGNER.sign_job(JOB), purpose, at=NOW) == BadLink("another_purpose")
        persons = SIGNER.sign(replace(LINK, purpose=purpose))
        assert READER.read_job(persons, at=NOW) == BadLink("another_purpose")


def test_a_job_link_ends_with_its_time_and_is_nobody_elses_to_make() -> None:
    token = SIGNER.sign_job(JOB)
    assert READER.read_job(token, at=JOB.expires_at) == BadLink("expired")
    header, claims, signature = token.split(".")
    other = json.loads(encoding.decode(claims)) | {"exp": int(JOB.expires_at.timestamp()) + 9}
    forged = [
        f"{header}.{encoding.encode(json.dumps(other).encode())}.{signature}",
        LinkSigner(bytes(32), SUBJECT_KEY).sign_job(JOB),
        _signed(other),
        "",
        "a.b.c",
    ]
    for text in forged:
        assert READER.read_job(text, at=NOW) == BadLink("forged")


def test_the_longest_job_link_fits_a_request_line_of_eight_kilobytes() -> None:
    longest = JobLink(
        "https://jobs.example.org/" + "x" * 1975, "\U0001f469" * 200, "\u6c42" * 200, NOW + timedelta(days=9)
    )
    token = SIGNER.sign_job(longest)
    assert len(token) < 5_500
    read = READER.read_job(token, at=NOW)
    assert isinstance(read, JobLink)
    assert (read.url, len(read.title), len(read.organization)) == (longest.url, 100, 100)
