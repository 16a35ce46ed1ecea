"""Employers' words: only the person's key opens them, and only for their own outreach."""

import json
from typing import get_args

import pytest
from cryptography.hazmat.primitives.asymmetric.x25519 import X25519PublicKey

from shared.contracts.outreach_gateway import Words
from shared.security import encoding
from shared.security.boxes import CannotOpenError
from shared.security.words import HPKE, HPKE_INFO, HPKE_MARK, KeyPair, WordsForm, open_words, seal_words

WORDS = Words.model_validate(
    {
        "outreach": "o_1",
        "subject": "Night-shift RN, Denver",
        "body": "A canary of the employer's words.",
        "job": {
            "title": "Registered nurse",
            "occupation": "29-1141",
            "organization": "Denver Health",
            "location": "Denver, CO",
            "remote": False,
            "pay": {"min": 82000, "max": 96000, "currency": "USD", "per": "year"},
            "url": "https://jobs.example.org/42",
            "valid_through": "2027-01-31",
        },
    }
)
PAIR = KeyPair.generate()
FORMS: tuple[WordsForm, ...] = get_args(WordsForm)
KEPT_FOR = KeyPair("j0DFrbaPJWJK5bIU6nZ6bslNgp09e14a0bpvPiE4KF8", "AAECAwQFBgcICQoLDA0ODxAREhMUFRYXGBkaGxwdHh8")
"""Of bytes 0 to 31."""
KEPT_AS_JWE = (
    "eyJhbGciOiJFQ0RILUVTIiwiZW5jIjoiQTI1NkdDTSIsImVwayI6eyJjcnYiOiJYMjU1MTkiLCJ4IjoiOXRMTWRZNE5qbm5IYzdP"
    "TFZ6MV94Tk1oOUg4UGdyaklVRWl4Q1lTV25WSSIsImt0eSI6Ik9LUCJ9fQ..g8UyOMFy-juRqzBM.STMMjXrnro_8sTtiVMKEshS"
    "-sNWdPNEGIIMjM9GcOJIOfcjlFy6jOq3Im4zi1vfbKGBlEyC_eJvGYE7441BPgD9rTLbNH6p4zpEgIuDzY8zjGBhbVTUw6QnU0ri"
    "m1pU-kIT6SK4O7eqOuNxZ_waLXhFzjc5pnD3tqMO5uu_1v4XJAXVVOzYdGSQp9Jl-GeaNscklPkhis60lnuEAWHLDlynNUkvSXSC"
    "kbVfQAaACr6XNiq-NqqWxGfWGX1Q9SUQImLy7JLwzUaOT23WVYrL390KiJ9NNbBZTBhKfB0d1ssDgwZLZ-OkbvUd2PSIkucndS8E"
    "AAZcyB-uL-OF-r9lBj0UtD-u23pG7ePx6a8fTY2TqSjJrzXeYlRJG6hzIbMmTtIORRczVaQDCUgQQUIkqd5tJNhRttcPfYNzj74o"
    "LlucGvZtUMwGI.ArGNReTac43sSz8fxmKhCg"
)
KEPT_AS_HPKE = (
    "h1.ucOlgEcSlR-XgEoKEjARbBsr6Xssn7QkmpKs25xCD2AsxVfOVFs3lck5sGlqmaKEuE4gi6FcS31_W8hwCCkSNqha-V92Q85qM"
    "VpyA5ODIiucNXJr4gxqtPu2hx4eks3Qvo-XmHadp2pz1AfLzelCt4T-GoUextpJ1dY0FLll0CyX8zU_JGNijm3gA7MRBP8gfpL_Q"
    "Ex1JObXxFfw1jkn0m7n_PEvGWoKAihB9fES-Tj1AlXxWlfyL4CDNlR-uzoCy8_bI_cZ62huauZDaRCAza2YGuUCfUZGt1n20nSlg"
    "2TSkVrcx_KEtEp74XelkEF6DpOTuX7mMjoQuMZsaF2L8MM0Thk6kC4bdGVOl1Gu55gdxN2ga3ePaYENq2f8GG5vw-QEPDAe2KcXp"
    "ioPEQFHHJCCGcMKw4wmPcRM2iuvTcHtXrQ6H2Uwkgl5EoBSTxfmS8V3q9aAdDvrEtwO_B9FrFTWzrpOdUoAhP5xzjli0zjkf_gkF"
    "9B6"
)
both = pytest.mark.parametrize("form", FORMS)


@both
def test_words_open_with_the_persons_key(form: WordsForm) -> None:
    assert open_words(seal_words(WORDS, PAIR.public, form), PAIR, outreach="o_1") == WORDS


@pytest.mark.parametrize("kept", [KEPT_AS_JWE, KEPT_AS_HPKE])
def test_what_was_sealed_on_the_day_of_this_test_still_opens(kept: str) -> None:
    assert open_words(kept, KEPT_FOR, outreach="o_1") == WORDS.model_copy(update={"body": "Kept."})


@both
def test_sealed_words_show_nothing_and_are_never_the_same_twice(form: WordsForm) -> None:
    first, second = seal_words(WORDS, PAIR.public, form), seal_words(WORDS, PAIR.public, form)
    assert first != second
    for part in first.removeprefix(HPKE_MARK).split("."):
        assert b"canary" not in encoding.decode(part)


def test_the_header_names_the_algorithms_and_nobody() -> None:
    header = json.loads(encoding.decode(seal_words(WORDS, PAIR.public, "jwe").split(".")[0]))
    assert set(header) == {"alg", "enc", "epk"}
    assert (header["alg"], header["enc"], header["epk"]["crv"]) == ("ECDH-ES", "A256GCM", "X25519")


@pytest.mark.parametrize("info", [b"", b"fairpool parts v1"])
def test_what_was_sealed_to_the_same_key_for_another_use_is_no_words(info: bytes) -> None:
    to = X25519PublicKey.from_public_bytes(encoding.decode(PAIR.public))
    as_words, other = (
        HPKE_MARK + encoding.encode(HPKE.encrypt(WORDS.model_dump_json().encode(), to, info=use))
        for use in (HPKE_INFO, info)
    )
    assert open_words(as_words, PAIR, outreach="o_1") == WORDS
    with pytest.raises(CannotOpenError):
        open_words(other, PAIR, outreach="o_1")


@both
def test_words_sealed_to_another_key_do_not_open(form: WordsForm) -> None:
    with pytest.raises(CannotOpenError, match="do not open"):
        open_words(seal_words(WORDS, KeyPair.generate().public, form), PAIR, outreach="o_1")


@both
def test_words_of_another_outreach_are_refused(form: WordsForm) -> None:
    with pytest.raises(CannotOpenError, match="another outreach"):
        open_words(seal_words(WORDS, PAIR.public, form), PAIR, outreach="o_2")


def test_words_that_were_changed_do_not_open() -> None:
    parts = [bytearray(encoding.decode(part)) for part in seal_words(WORDS, PAIR.public, "jwe").split(".")]
    for place in (3, 4):
        parts[place][0] ^= 1
        with pytest.raises(CannotOpenError):
            open_words(".".join(encoding.encode(bytes(part)) for part in parts), PAIR, outreach="o_1")
        parts[place][0] ^= 1
    raw = bytearray(encoding.decode(seal_words(WORDS, PAIR.public, "hpke").removeprefix(HPKE_MARK)))
    for place in (0, 31, 32, 200, -1):
        raw[place] ^= 1
        with pytest.raises(CannotOpenError):
            open_words(HPKE_MARK + encoding.encode(bytes(raw)), PAIR, outreach="o_1")
        raw[place] ^= 1
    assert open_words(HPKE_MARK + encoding.encode(bytes(raw)), PAIR, outreach="o_1") == WORDS


FOREIGN_KEYS: list[object] = [
    None,
    [],
    {},
    "x",
    {"kty": 1},
    {"kty": "OKP", "crv": "X25519", "x": 1},
    {"kty": "OKP", "crv": "Ed25519", "x": "A" * 43},
    {"kty": "EC", "crv": "P-256", "x": "AA", "y": "AA"},
    {"kty": "EC", "crv": "none", "x": "AA", "y": "AA"},
    {"kty": "oct", "k": "AA"},
]


def foreign(*, alg: str = "ECDH-ES", **head: object) -> str:
    """A compact JWE with a header that we never write."""
    header = encoding.encode(json.dumps({"alg": alg, "enc": "A256GCM", **head}).encode())
    return f"{header}..AAAAAAAAAAAAAAAA.AA.AAAAAAAAAAAAAAAAAAAAAA"


@pytest.mark.parametrize(
    "sealed",
    [
        *("", "....", "a.b.c.d.e", "é", "x" * 1000, "h1.", "h1.é", "h1.AAAA", "h1." + "A" * 43, "h1." + "A" * 200),
        *(foreign(epk=key) for key in FOREIGN_KEYS),
        foreign(alg="dir"), foreign(alg="PBES2-HS256+A128KW", p2s="AA", p2c=10**9), foreign(zip="DEF"), foreign(crit=["b64"]),
    ],
)  # fmt: skip
def test_what_is_no_seal_does_not_open_and_shows_nothing(sealed: str) -> None:
    with pytest.raises(CannotOpenError) as raised:
        open_words(sealed, PAIR, outreach="o_1")
    assert str(raised.value) == "these words do not open with this person's key"


def test_a_pair_hides_itself() -> None:
    assert repr(PAIR) == "KeyPair(hidden)"
    assert PAIR.private not in f"{PAIR} {PAIR!r}"
