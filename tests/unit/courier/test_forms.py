"""A page that was rendered once and is filled reads as one that is rendered anew."""

import pytest
from hypothesis import given
from hypothesis import strategies as st
from jinja2 import Environment

from services.signup.courier.adapters.letters import OUTREACH
from shared import i18n
from tests.unit.courier.test_letters import LETTERS

PAGES: Environment = LETTERS._pages
_TEXTS = st.one_of(
    st.text(max_size=40),
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
        assert LETTERS._forms.fill(page, values) == PAGES.get_template(page).render(values)


def test_each_value_stands_on_at_least_one_of_the_two_pages() -> None:
    values = {name: f"VALUE-OF-{name}." for name in OUTREACH}
    both = "".join(LETTERS._forms.fill(f"outreach.{kind}", values) for kind in ("txt", "html"))
    assert [name for name, value in values.items() if value not in both] == []
