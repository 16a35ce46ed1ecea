import re
from collections.abc import Mapping

import pytest
from jinja2 import UndefinedError

from shared.imprint import Operator
from shared.web.pages import IMPRINT, SHARED, STYLESHEET, Pages, error_page
from shared.web.person import Navigation

_LIGHT, _DARK = (
    dict(re.findall(r"--([\w-]+): (#[0-9a-f]{6});", part))
    for part in STYLESHEET.read_text().split("@media (prefers-color-scheme: dark)")[:2]
)


def rendered(source: str, **values: object) -> str:
    template = Pages().environment.from_string('{% import "_form.html" as form %}' + source)
    return re.sub(r"\s*\n\s*", "\n", template.render(**values))


def test_values_are_escaped() -> None:
    page = bytes(error_page(503, "<b>", "<script>alert(1)</script>").body).decode()
    assert "<script" not in page
    assert "&lt;script&gt;" in page
    field = rendered('{{ form.text_input("a", "A", value=value) }}', value='"><script>')
    assert "<script" not in field


def test_a_name_that_was_not_given_is_an_error() -> None:
    with pytest.raises(UndefinedError):
        rendered("{{ nothing }}")


def test_an_error_is_in_the_summary_and_beside_its_field_and_tied_to_it() -> None:
    page = rendered(
        '{{ form.error_summary(errors) }}{{ form.text_input("mail", "Mail", hint="One link", errors=errors) }}',
        errors={"mail": "Enter your mail address"},
    )
    assert '<a href="#mail">Enter your mail address</a>' in page
    assert 'id="mail" name="mail"' in page
    assert 'value="" aria-describedby="mail-hint mail-error" aria-invalid="true">' in page
    assert 'id="mail-error"' in page and 'id="mail-hint"' in page


def test_a_field_without_hint_and_error_is_tied_to_nothing() -> None:
    page = rendered('{{ form.text_input("mail", "Mail") }}{{ form.error_summary({}) }}')
    assert "aria-" not in page
    assert "error" not in page


def test_the_error_of_a_group_leads_to_its_first_choice() -> None:
    page = rendered(
        '{{ form.error_summary(errors) }}{{ form.checkboxes("purposes", "What?", options, ["contact"], errors=errors) }}',
        errors={"purposes": "Choose one"},
        options=[("match", "Match me", ""), ("contact", "Write to me", "At most twice a week")],
    )
    assert '<a href="#purposes">Choose one</a>' in page
    assert '<input id="purposes" name="purposes" type="checkbox" value="match">' in page
    checked = '<input id="purposes-contact" name="purposes" type="checkbox" value="contact" checked'
    assert f'{checked} aria-describedby="purposes-contact-hint">' in page
    assert page.count("<label for=") == 2


def test_radios_and_selects_show_what_was_chosen() -> None:
    page = rendered(
        '{{ form.radios("pace", "How often?", [("1", "Once", ""), ("2", "Twice", "")], "2") }}'
        '{{ form.select("zone", "Zone", [("a", "A"), ("b", "B")], "b") }}'
    )
    assert '<input id="pace-2" name="pace" type="radio" value="2" checked>' in page
    assert '<option value="b" selected>B</option>' in page


def test_pages_need_no_script_no_style_of_their_own_and_no_other_host() -> None:
    page = bytes(error_page(404, "Not found", "There is nothing here.").body).decode()
    assert page.startswith('<!doctype html>\n<html lang="en">')
    assert "<script" not in page and "<style" not in page and "style=" not in page
    assert set(re.findall(r'(?:href|src)="([^"]*)"', page)) == {"/static/fairpool.css", "#main", "/"}
    assert "url(" not in STYLESHEET.read_text() and "@import" not in STYLESHEET.read_text()


def test_who_skips_to_the_content_has_passed_the_links_to_their_other_pages() -> None:
    entries = Navigation("https://signup.test", "https://consent.test").at("data")
    page = bytes(SHARED.render("error.html", heading="T", detail="D", code=500, navigation=entries).body).decode()
    before, content = page.split('<main id="main"')
    assert before.count("aria-current") == 1 and "<nav" in before and "<nav" not in content


@pytest.mark.parametrize("colours", [_LIGHT, {**_LIGHT, **_DARK}], ids=["light", "dark"])
def test_every_text_has_the_contrast_of_wcag_aa(colours: Mapping[str, str]) -> None:
    grounds = ("ground", "raised")
    pairs = [(text, ground) for ground in grounds for text in ("ink", "soft", "accent", "accent-strong")]
    pairs += [("wrong", "ground"), ("on-accent", "accent"), ("on-accent", "accent-strong"), ("on-focus", "focus")]
    for text, ground in pairs:
        assert contrast(colours[text], colours[ground]) >= 4.5, (text, ground)


def contrast(one: str, other: str) -> float:
    """The contrast ratio of WCAG 2.2."""
    light, dark = sorted((luminance(one), luminance(other)), reverse=True)
    return (light + 0.05) / (dark + 0.05)


def luminance(colour: str) -> float:
    parts = [int(colour[start : start + 2], 16) / 255 for start in (1, 3, 5)]
    red, green, blue = (part / 12.92 if part <= 0.04045 else ((part + 0.055) / 1.055) ** 2.4 for part in parts)
    return 0.2126 * red + 0.7152 * green + 0.0722 * blue


def test_each_page_leads_to_the_first_one_and_names_who_runs_the_network(monkeypatch: pytest.MonkeyPatch) -> None:
    monkeypatch.setattr(IMPRINT, "operator", Operator("The <Example> Pool", "1 Main Street", "help@pool.example"))
    page = bytes(error_page(404, "Not found", "There is nothing here.").body).decode()
    foot = page[page.index("<footer") :]
    assert "Run by The &lt;Example&gt; Pool." in foot
    assert 'href="/"' in foot
    assert '<a class="brand" href="/">' in page
    monkeypatch.setattr(IMPRINT, "operator", Operator())
    assert "Run by" not in bytes(error_page(404, "Not found", "There is nothing here.").body).decode()


@pytest.mark.parametrize("status", [400, 405, 413, 415, 500])
def test_people_are_spared_the_words_of_programs(status: int) -> None:
    page = bytes(error_page(status, "Unsupported media type", "Send the header Content-Type: text/x.").body).decode()
    assert "media type" not in page
    assert "Content-Type" not in page


@pytest.mark.parametrize("status", [404, 429, 503])
def test_what_is_said_of_a_page_itself_is_said(status: int) -> None:
    assert "Try again in an hour." in bytes(error_page(status, "Later", "Try again in an hour.").body).decode()
