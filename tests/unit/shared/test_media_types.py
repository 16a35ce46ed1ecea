import pytest

from shared.media_types import media_type


@pytest.mark.parametrize(
    ("text", "name", "charset"),
    [
        ("application/json", "application/json", None),
        (" Application/JSON ; Charset=UTF-8", "application/json", "utf-8"),
        ('application/json; a=b; charset="utf-16"', "application/json", "utf-16"),
        ("application/json;;charset", "application/json", ""),
        ("", "", None),
    ],
)
def test_a_media_type_is_read_in_any_case_and_apart_from_its_parameters(
    text: str, name: str, charset: str | None
) -> None:
    found = media_type(text)
    assert (found.name, found.charset) == (name, charset)


@pytest.mark.parametrize(
    ("text", "is_json"),
    [("application/json", True), ("text/json", True), ("application/vnd.acme+json; v=1", True), ("json", False),
     ("application/jsonp", False), ("application/xml", False), ("", False)],
)  # fmt: skip
def test_json_is_what_is_named_so(text: str, is_json: bool) -> None:
    assert media_type(text).is_json is is_json


@pytest.mark.parametrize(
    ("text", "is_utf8"),
    [("a/b", True), ("a/b; charset=utf8", True), ("a/b; charset=US-ASCII", True), ("a/b; charset=latin-1", False),
     ("a/b; charset=", False)],
)  # fmt: skip
def test_a_charset_is_utf8_or_it_is_not(text: str, is_utf8: bool) -> None:
    assert media_type(text).is_in_utf8 is is_utf8
