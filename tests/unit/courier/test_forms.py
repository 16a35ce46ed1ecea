"""A page that was rendered once and is filled reads as one that is rendered anew."""

import email
from email.message import EmailMessage
from email.policy import default

import pytest
from hypothesis import given
from hypothesis import strategies as st
from jinja2 import Environment

from services.signup.courier.adapters.envelope import in_quoted_printable, part
from services.signup.courier.adapters.letters import OUTREACH
from shared import i18n
from tests.unit.courier.test_letters import LETTERS

PAGES: Environment = LETTERS._pages
_TEXTS = st.one_of(
    st.text(st.characters(exclude_characters="\r", codec="utf-8"), max_size=40),
    st.text("ab .=\n\u0105", max_size=200),
    st.sampled_from(("", "%(employer)s", "{{ body }}", "<b>&\"'", "\ue000body\ue001", "\ue000", "line\nline", "\\1")),
)


@pytest.mark.parametrize("kind", ["txt", "html"])
@pytest.mark.parametrize("locale", i18n.LOCALES)
@given(values=st.fixed_dictionaries(dict.fromkeys(OUTREACH, _TEXTS)))
def test_an_outreach_page_that_is_filled_reads_as_one_that_is_rendered(
    kind: str, locale: i18n.Locale, values: dict[str, str]
) -> None:
    page = f"outreach.{kind}"
    with i18n.reading(locale):
        assert LETTERS._forms.form(page).fill(values) == PAGES.get_template(page).render(values)


def test_each_value_stands_on_at_least_one_of_the_two_pages() -> None:
    values = {name: f"VALUE-OF-{name}." for name in OUTREACH}
    both = "".join(LETTERS._forms.form(f"outreach.{kind}").fill(values) for kind in ("txt", "html"))
    assert [name for name, value in values.items() if value not in both] == []


@pytest.mark.parametrize("kind", ["txt", "html"])
@given(
    values=st.fixed_dictionaries(dict.fromkeys(OUTREACH, _TEXTS)),
    before=st.frozensets(st.sampled_from(OUTREACH)),
    locale=st.sampled_from(i18n.LOCALES),
)
def test_as_part_of_a_mail_a_page_reads_the_same_whatever_was_said_before(
    kind: str, locale: i18n.Locale, values: dict[str, str], before: frozenset[str]
) -> None:
    with i18n.reading(locale):
        form = LETTERS._forms.form(f"outreach.{kind}")
    said = form.about({name: values[name] for name in before})
    raw = said.part(values)
    lines = raw.split(b"\r\n")
    assert raw.isascii()
    assert not any(b"\r" in line or b"\n" in line for line in lines)
    assert max(map(len, lines)) <= 76
    assert not any(line.endswith((b" ", b"\t")) for line in lines), "RFC 2045, section 6.7: a relay may take them away"
    message = email.message_from_bytes(raw, policy=default)
    assert isinstance(message, EmailMessage)
    assert message.get_content(errors="strict").replace("\r\n", "\n") == form.fill(values)


@pytest.mark.parametrize("kind", ["txt", "html"])
@given(values=st.fixed_dictionaries(dict.fromkeys(OUTREACH, _TEXTS | st.text("\u0105\u4e00", min_size=300))))
def test_which_encoding_is_shorter_is_found_as_by_counting_the_whole_text(kind: str, values: dict[str, str]) -> None:
    form = LETTERS._forms.form(f"outreach.{kind}")
    put = [form.put(values[name]) for name in form.names]
    quoted = [in_quoted_printable(value, then=text[:1]) for value, text in zip(put, form.texts[1:], strict=True)]
    whole = b"".join(one for both in zip(form.encoded, [*quoted, b""], strict=True) for one in both)
    assert form.part(values) == part(form.subtype, form.fill(values), quoted=whole)
