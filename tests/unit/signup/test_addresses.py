"""What the door takes the courier mails, and one mailbox is one person however it is written."""

import string

import phonenumbers
import pytest
from email_validator import EmailNotValidError, validate_email
from hypothesis import example, given
from hypothesis import strategies as st

from services.signup.vault.addresses import blind_index, mailable, mailbox, parse_mail, slow_hash, without_unseen
from services.signup.vault.phones import parse_phone
from shared.security.boxes import new_key

KEY = bytes(range(32))
ANA = "Ana.Ruiz@example.org"
UNSEEN = ("\u200b", "\u200c", "\u200d", "\u200e", "\u200f", "\u2060", "\ufeff", "\u00ad", "\u202a", "\u202e", "\u2066",
          "\u2069", "\u061c")  # fmt: skip

local_parts = st.text(
    alphabet=string.ascii_letters + string.digits + "!#$%&'*+/=?^_`{|}~.-\u00e9\u200b\u0431 \"", max_size=70
)
domains = st.one_of(
    st.sampled_from(["example.org", "EXAMPLE.org", "m\u00fcnchen.example", "stra\u00dfe.example", "\u0440\u0444.example", "xn--mnchen-3ya.example"]),
    st.text(alphabet=string.ascii_letters + "-.\u00fc\u00df\u200d1_", max_size=30).map(lambda name: f"{name}.example"),
)  # fmt: skip


@given(local=local_parts, domain=domains)
@example(local="jos\u00e9", domain="example.org")
@example(local="ana", domain="stra\u00dfe.example")
def test_whatever_the_door_takes_the_courier_can_mail(local: str, domain: str) -> None:
    try:
        address = parse_mail(f"{local}@{domain}")
    except ValueError:
        return
    assert mailable(address) == address
    assert address.isascii()
    assert parse_mail(address) == address


plain_locals = st.from_regex(r"[A-Za-z0-9_+-]{1,4}(\.[A-Za-z0-9_+-]{1,4}){0,2}", fullmatch=True)
plain_domains = st.from_regex(
    r"[A-Za-z0-9-]{1,5}(\.[A-Za-z0-9-]{1,5}){0,2}\.(org|com|test|local|1|xn--p1ai)", fullmatch=True
)


@given(local=plain_locals, domain=plain_domains)
@example(local="POSTMASTER", domain="example.org")
@example(local="a", domain="xn--mnchen-3ya.example")
@example(local="a", domain=".".join(["a" * 60] * 4) + ".example")
@example(local="a" * 65, domain="example.org")
def test_what_is_read_by_a_pattern_is_what_the_library_makes_of_it(local: str, domain: str) -> None:
    try:
        found = validate_email(f"{local}@{domain}", check_deliverability=False)
        expected = mailable(f"{found.local_part}@{found.ascii_domain.lower()}")
    except EmailNotValidError:
        expected = None
    try:
        read: str | None = parse_mail(f"{local}@{domain}")
    except ValueError:
        read = None
    assert read == expected


@given(
    st.from_regex(
        r"(\+?1)?[ .-]?\(?[0-9]{3}\)?[ .-]?[0-9]{3}[ .-]?[0-9]{4}( x[0-9]{2})?",
        fullmatch=True,
        alphabet=st.characters(codec="ascii"),
    )
)
@example("(303 555-0100")
@example("1303555010")
@example("+1 103 555 0100")
@example("011 999 9999")  # dialed abroad, to a country that is none
def test_a_phone_number_is_what_the_library_makes_of_it(text: str) -> None:
    try:
        number = phonenumbers.parse(text, "US")
    except phonenumbers.NumberParseException:
        number = None
    if number is not None and phonenumbers.is_possible_number(number):
        assert parse_phone(text) == phonenumbers.format_number(number, phonenumbers.PhoneNumberFormat.E164)
    else:
        with pytest.raises(ValueError, match="must be a phone number"):
            parse_phone(text)


@pytest.mark.parametrize(
    "text", ["jos\u00e9@example.org", "j\u00f6rg@example.org", "jose\u0301@example.org", "\uff41na@example.org"]
)
def test_letters_that_not_every_relay_takes_are_refused_in_words(text: str) -> None:
    with pytest.raises(ValueError, match="only the letters a to z") as found:
        parse_mail(text)
    assert text not in str(found.value)


@pytest.mark.parametrize("text", ["m\u00fcnchen.example", "mu\u0308nchen.example", "M\u00dcNCHEN.example"])
def test_a_domain_in_any_script_is_kept_in_ascii(text: str) -> None:
    assert parse_mail(f"Ana@{text}") == "Ana@xn--mnchen-3ya.example"


@pytest.mark.parametrize(
    "text", ["Nia Quill <Nia@example.org>", "mailto:Nia@example.org", "MAILTO:Nia@example.org", "Nia@example.org.", " <Nia@example.org> "]
)  # fmt: skip
def test_what_copying_brings_along_is_left_out(text: str) -> None:
    assert parse_mail(text) == "Nia@example.org"


def test_a_name_before_the_at_has_at_most_64_characters() -> None:
    assert parse_mail("n" * 64 + "@example.org")
    with pytest.raises(ValueError, match="must be an email"):
        parse_mail("n" * 65 + "@example.org")


@pytest.mark.parametrize("mark", UNSEEN)
def test_invisible_marks_around_an_address_are_left_out(mark: str) -> None:
    assert parse_mail(f" {mark}Zoe@example.org{mark}{mark} ") == "Zoe@example.org"


@pytest.mark.parametrize("mark", UNSEEN)
def test_an_invisible_mark_within_an_address_is_named(mark: str) -> None:
    for text in (f"zo{mark}e@example.org", f"zoe@{mark}example.org", f"zoe@exam{mark}ple.org"):
        with pytest.raises(ValueError, match="invisible character"):
            parse_mail(text)


@pytest.mark.parametrize("text", ["", "\u200b", "ana", "ana@", "@nowhere.example", "ana@localhost", "a b@example.org", "x" * 400,
                                  '"ana"@example.org', "ana@[192.0.2.1]", "a@x.example,b@x.example"])  # fmt: skip
def test_what_is_no_address_is_refused_without_being_shown(text: str) -> None:
    with pytest.raises(ValueError, match="must be an email") as found:
        parse_mail(text)
    assert not text or text not in str(found.value)


@pytest.mark.parametrize(
    "other",
    ["ana.ruiz@example.org", "ANA.RUIZ@EXAMPLE.ORG", " Ana.Ruiz@Example.org ", "ana.ruiz+jobs@example.org", "ana.ruiz+a+b@EXAMPLE.org"],
)  # fmt: skip
def test_a_mailbox_is_found_again_however_it_is_written(other: str) -> None:
    assert blind_index(parse_mail(other), KEY) == blind_index(ANA, KEY)
    assert slow_hash(parse_mail(other), KEY) == slow_hash(ANA, KEY)


@pytest.mark.parametrize(
    "other",
    ["firstlast@gmail.com", "First.Last@gmail.com", "f.i.r.s.t.last+x@googlemail.com", "firstlast@GoogleMail.com"],
)
def test_dots_do_not_count_where_the_provider_ignores_them(other: str) -> None:
    assert mailbox(parse_mail(other)) == "firstlast@gmail.com"


@pytest.mark.parametrize(("one", "two"), [("ana.ruiz@example.org", "anaruiz@example.org"), ("a@example.org", "a@example.com"),
                                          ("+x@example.org", "+y@example.org"), ("a-x@example.org", "a@example.org")])  # fmt: skip
def test_what_may_be_two_mailboxes_is_two(one: str, two: str) -> None:
    assert mailbox(one) != mailbox(two)


def test_the_address_itself_stays_as_it_was_written() -> None:
    assert parse_mail("First.Last+Jobs@GMail.com") == "First.Last+Jobs@gmail.com"


def test_another_key_finds_nobody() -> None:
    assert blind_index(ANA, KEY) != blind_index(ANA, new_key())


def test_the_slow_hash_is_not_the_blind_index() -> None:
    assert slow_hash(ANA, KEY) != blind_index(ANA, KEY)


@pytest.mark.timeout(60)
@pytest.mark.parametrize("hostile", [" " * 100_000, "a" + " " * 100_000 + "a", "\u200b" * 100_000 + "a"])
def test_a_long_text_is_no_email_and_is_not_looked_at(hostile: str) -> None:
    with pytest.raises(ValueError, match="must be an email"):
        parse_mail(hostile)
    assert without_unseen(f"x{hostile}x") == f"x{hostile}x"
