"""A file in a form: in memory, whatever stands around it."""

import logging

import pytest
from hypothesis import given
from hypothesis import strategies as st

from shared.web.problems import Problem
from shared.web.uploads import file_of

KIND = "multipart/form-data; boundary=bound"


def form(*parts: tuple[str, bytes]) -> bytes:
    made = b"".join(
        b"--bound\r\nContent-Disposition: form-data; %s\r\nContent-Type: application/zip\r\n\r\n%s\r\n"
        % (head.encode(), content)
        for head, content in parts
    )
    return made + b"--bound--\r\n"


FILE = 'name="file"; filename="../../etc/passwd"'


@given(st.binary(max_size=2000).filter(lambda content: b"--bound" not in content))
def test_a_file_is_what_it_was(content: bytes) -> None:
    assert file_of(KIND, form(('name="other"', b"x"), (FILE, content), ('name="last"', b"y")), "file") == content


def test_nothing_chosen_is_an_empty_file() -> None:
    assert file_of(KIND, form(('name="file"; filename=""', b"")), "file") == b""
    assert file_of(KIND, form(('name="other"', b"x")), "file") == b""


@pytest.mark.parametrize(
    ("kind", "raw"),
    [
        (KIND, b""),
        (KIND, b"file=x"),
        (KIND, form((FILE, b"x"))[:-12]),
        (KIND, b"--bound\r\n" + b"A: b\r\n" * 10_000),
        (KIND, form(*[('name="a"', b"x")] * 21)),
        ("multipart/form-data", form((FILE, b"x"))),
        ("multipart/form-data; boundary=", form((FILE, b"x"))),
        ("multipart/form-data; boundary=other", form((FILE, b"x"))),
        ("multipart/form-data; boundary=" + "x" * 300, form((FILE, b"x"))),
        ("multipart/form-data; boundary=\u00e9", form((FILE, b"x"))),
    ],
)
def test_what_is_no_whole_form_is_a_400(kind: str, raw: bytes) -> None:
    with pytest.raises(Problem) as raised:
        file_of(kind, raw, "file")
    assert raised.value.status == 400


@given(st.binary(max_size=300), st.integers(0, 200))
def test_a_form_that_was_damaged_anywhere_is_read_or_refused(noise: bytes, at: int) -> None:
    whole = form((FILE, b"content"))
    try:
        assert isinstance(file_of(KIND, whole[:at] + noise + whole[at + len(noise) :], "file"), bytes)
    except Problem as problem:
        assert problem.status == 400


def test_no_word_of_a_form_is_logged(caplog: pytest.LogCaptureFixture) -> None:
    with caplog.at_level(logging.DEBUG):
        file_of(KIND, form((FILE, b"annabellarita")), "file")
        with pytest.raises(Problem):
            file_of(KIND, b"annabellarita" + form((FILE, b"annabellarita")), "file")
    assert "annabellarita" not in caplog.text
