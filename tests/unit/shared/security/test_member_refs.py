"""Member refs: stable for one employer, and nothing in common with another's."""

from hashlib import sha256
from itertools import combinations
from typing import Any
from uuid import UUID

import pytest
from cryptography.hazmat.primitives.ciphers.aead import AESSIV

from shared.security import encoding
from shared.security.member_refs import MemberRefs, Referred, tag_of

KEY = bytes(range(64))
CANDIDATE = "01945f2e-7c1a-7d3b-9a51-3f0c5b2d8e10"
REFS = MemberRefs(KEY)


def test_the_library_does_aes_siv_as_rfc_5297_has_it_in_appendix_a_1() -> None:
    key = bytes.fromhex("fffefdfcfbfaf9f8f7f6f5f4f3f2f1f0f0f1f2f3f4f5f6f7f8f9fafbfcfdfeff")
    associated = bytes.fromhex("101112131415161718191a1b1c1d1e1f2021222324252627")
    plain = bytes.fromhex("112233445566778899aabbccddee")
    sealed = AESSIV(key).encrypt(plain, [associated])
    assert sealed.hex() == "85632d07c6e8f37f950acd320a2ecc9340c02b9690c4dc04daef7f6afe5c"


def ref_of(employer: str = "emp_a", pool: str = "p_one", generation: int = 0) -> str:
    return REFS.make(CANDIDATE, employer, pool, generation)


def test_a_ref_is_aes_siv_over_uuid_pool_and_generation_with_the_employer_as_associated_data() -> None:
    raw = encoding.decode(ref_of(generation=258).removeprefix("m_"))
    pool = sha256(b"p_one").hexdigest()[:16]
    assert AESSIV(KEY).decrypt(raw, [b"emp_a"]).hex() == CANDIDATE.replace("-", "") + pool + "00000102"


def test_a_ref_is_the_same_each_time_and_can_be_read() -> None:
    ref = ref_of(generation=2**32 - 1)
    assert ref == MemberRefs(KEY).make(CANDIDATE, "emp_a", "p_one", 2**32 - 1)
    assert ref.startswith("m_")
    assert REFS.read(ref, "emp_a") == Referred(CANDIDATE, tag_of("p_one"), 2**32 - 1)


@pytest.mark.parametrize("differ", ["employer", "pool", "generation"])
def test_refs_of_different_employers_or_pools_or_generations_share_nothing(differ: str) -> None:
    others: list[dict[str, Any]] = [
        {differ: number if differ == "generation" else f"another_{number}"} for number in range(50)
    ]
    refs = [ref_of(**other)[2:] for other in others]
    longest = max(_longest_common_run(one, other) for one, other in combinations(refs, 2))
    assert len(set(refs)) == 50
    assert longest <= 5  # of 59 characters: what chance gives


def _longest_common_run(one: str, other: str) -> int:
    longest, run = 0, 0
    for a, b in zip(one, other, strict=True):
        run = run + 1 if a == b else 0
        longest = max(longest, run)
    return longest


def test_another_employers_ref_says_nothing() -> None:
    assert REFS.read(ref_of(), "emp_b") is None


def test_a_ref_under_another_key_says_nothing() -> None:
    assert MemberRefs(bytes(64)[:-1] + b"\x01").read(ref_of(), "emp_a") is None


@pytest.mark.parametrize("ref", ["", "m_", "x_", "m_####", "m_AAAA", CANDIDATE, "m_" + "A" * 10_000, "m_é"])
def test_what_is_no_ref_is_none(ref: str) -> None:
    assert REFS.read(ref, "emp_a") is None


def test_a_ref_of_before_there_were_pools_in_them_is_none() -> None:
    old = "m_" + encoding.encode(AESSIV(KEY).encrypt(UUID(CANDIDATE).bytes, [b"emp_a"]))
    assert REFS.read(old, "emp_a") is None


def test_a_ref_with_another_prefix_is_none() -> None:
    assert REFS.read("x_" + ref_of()[2:], "emp_a") is None
    assert REFS.read(ref_of()[2:], "emp_a") is None


def test_no_single_changed_character_is_taken() -> None:
    ref = ref_of()
    changed = [ref[:place] + ("A" if ref[place] != "A" else "B") + ref[place + 1 :] for place in range(len(ref))]
    assert [REFS.read(one, "emp_a") for one in changed] == [None] * len(ref)
