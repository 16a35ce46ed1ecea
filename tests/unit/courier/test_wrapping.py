"""Lines of a text mail: as `textwrap` makes them, which is what one would write first."""

import textwrap

from hypothesis import example, given
from hypothesis import strategies as st

from services.signup.courier.adapters.letters import quoted, wrapped

LINES = st.one_of(
    st.text(st.characters(exclude_characters="\n", codec="utf-8"), max_size=200),
    st.lists(
        st.one_of(
            st.text("abc-", max_size=12),
            st.integers(60, 90).map(lambda length: "w" * length),
            st.integers(1, 90).map(lambda length: " " * length),
            st.sampled_from([" ", "\t", "\u00a0", "\u2014", "a-b", "https://jobs.example.org/a-b-c"]),
        ),
        max_size=30,
    ).map("".join),
    st.lists(st.text("ab-", min_size=1, max_size=12), max_size=40).map(" ".join),
)


@given(LINES)
@example("  begins with blanks, and has  two")
@example("a\u00a0 b " + "w" * 80 + " \u00a0")
def test_a_line_is_wrapped_as_textwrap_does(line: str) -> None:
    assert list(wrapped(line)) == textwrap.wrap(line, 72, break_long_words=False, break_on_hyphens=False)


def test_no_word_is_broken_so_that_an_address_still_works() -> None:
    address = "https://jobs.example.org/" + "night-shift-" * 8
    assert f"> {address}" in quoted(f"See {address} for more").split("\n")
