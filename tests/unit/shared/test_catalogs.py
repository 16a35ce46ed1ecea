"""Everything that people read has its Spanish, with the same places to fill and the same marks."""

import ast
import re
import warnings
from collections.abc import Mapping

import pytest
import textstat  # type: ignore[import-untyped]  # it ships none

from shared import i18n
from tests.catalogs import OWNERS, ROOT, Said, said

_TO_FILL = re.compile(r"%\((\w+)\)s")
_MARKS = re.compile(r"<[^>]*>")


def _catalog(owner: str) -> Mapping[str, tuple[str, ...]]:
    found = {}
    for path in (ROOT / owner / "locale" / "es" / "LC_MESSAGES").glob("*.po"):
        for message in i18n.read(path, "es"):
            one, *_ = (message.id,) if isinstance(message.id, str) else message.id
            if one:
                found[one] = (message.string,) if isinstance(message.string, str) else tuple(message.string or ())
    return found


CATALOGS = {owner: _catalog(owner) for owner in OWNERS}


@pytest.fixture(scope="module")
def everything() -> list[Said]:
    with warnings.catch_warnings():
        warnings.simplefilter("ignore")
        return list(said())


def _spanish(one: Said) -> tuple[str, ...]:
    return CATALOGS[one.owner].get(one.sentence) or CATALOGS["shared"].get(one.sentence) or ()


def test_every_sentence_that_is_said_to_people_has_its_spanish(everything: list[Said]) -> None:
    missing = [f"{one.place}: {one.sentence}" for one in everything if not all(_spanish(one) or ("",))]
    assert missing == []


def test_a_number_has_both_of_its_spanish_forms(everything: list[Said]) -> None:
    assert [one.place for one in everything if len(_spanish(one)) != (2 if one.several else 1)] == []


def test_the_spanish_has_the_same_places_to_fill_and_the_same_marks(everything: list[Said]) -> None:
    for one in everything:
        for form in _spanish(one):
            assert set(_TO_FILL.findall(form)) == set(_TO_FILL.findall(one.sentence)), one.place
            assert sorted(_MARKS.findall(form)) == sorted(_MARKS.findall(one.sentence)), one.place
            assert form.startswith(" ") == one.sentence.startswith(" "), one.place


def test_no_catalog_holds_what_nobody_says_any_more(everything: list[Said]) -> None:
    said_by = {(one.owner, one.sentence) for one in everything} | {("shared", one.sentence) for one in everything}
    assert [(owner, key) for owner, found in CATALOGS.items() for key in found if (owner, key) not in said_by] == []


def test_the_same_english_is_the_same_spanish_in_every_catalog() -> None:
    seen: dict[str, tuple[str, ...]] = {}
    for found in CATALOGS.values():
        for key, forms in found.items():
            assert seen.setdefault(key, forms) == forms


def test_a_sentence_without_spanish_is_found_with_its_place(everything: list[Said]) -> None:
    """The search itself: a sentence is found in a template, in code, in a constant and with its plural."""
    places = {one.sentence: one.place for one in everything}
    assert places["Enter it again"].startswith("services/signup/pages/check_your_email.html:")
    assert re.fullmatch(r"services/consent/api/views\.py:\d+", places["midnight"])
    assert re.fullmatch(r"services/consent/decisions/messages\.py:\d+", places["You blocked this employer."])
    assert any(one.several for one in everything)


_SAYS = frozenset({"gettext", "ngettext", "marked"})
_FOR_PROGRAMS = frozenset({"Problem", "ValueError", "RuntimeError"})
_NOTES = frozenset({"PassedOver", "Notes", "UnreadableError"})
"""What carries a sentence from code to people."""
_SENTENCE = re.compile(r"\w+ \w+.*[.!?]$|^ (?:is|was|and) ", re.DOTALL)


def _unmarked(code: str) -> list[str]:
    """Sentences in code, also ones that are put together, that are given to none of the functions that translate."""
    tree = ast.parse(code)
    known: set[ast.AST] = set()
    for node in ast.walk(tree):
        match node:
            case ast.Call(func=ast.Name(id=name)) if name in _SAYS | _FOR_PROGRAMS:
                known.update(ast.walk(node))
            case (
                ast.Expr(value=ast.Constant() as text)
                | ast.keyword(arg="description" | "summary", value=text)
                | ast.Assign(targets=[ast.Name(id="detail")], value=text)  # of a problem, by the habit of the house
            ):
                known.update(ast.walk(text))
            case ast.Dict(keys=keys, values=values):
                described = [isinstance(key, ast.Constant) and key.value == "description" for key in keys]
                known.update(one for one, is_so in zip(values, described, strict=True) if is_so)
    return [
        ast.unparse(node)
        for node in ast.walk(tree)
        if node not in known
        and isinstance(node, ast.Constant)
        and isinstance(node.value, str)
        and _SENTENCE.search(node.value)
    ]


def test_what_is_noted_of_a_file_goes_through_the_catalogs() -> None:
    """Each module that notes what was passed over in somebody's file, or makes one for them."""
    modules = [ROOT / "services/signup/decisions/exports.py"]
    for path in sorted((ROOT / "services/signup").rglob("*.py")):
        tree = ast.parse(path.read_text(encoding="utf-8"))
        names = {alias.name for node in ast.walk(tree) if isinstance(node, ast.ImportFrom) for alias in node.names}
        names |= {node.name for node in ast.walk(tree) if isinstance(node, ast.ClassDef)}
        modules += [path] if names & _NOTES else []
    assert len(modules) >= 7
    found = {str(path.relative_to(ROOT)): _unmarked(path.read_text(encoding="utf-8")) for path in modules}
    assert {path: sentences for path, sentences in found.items() if sentences} == {}


@pytest.mark.parametrize(
    "code",
    [
        'notes.add(part.pointer, "This is no text.")', 'notes.add("#", f"{quoted(word)} is no title that we know.")',
        'raise UnreadableError("This file is empty. Choose another one.")', 'FIELDS = {"years": (take, "This must be a number.")}',
        'more = f" and {count} more"', 'PassedOver("#", "Some names are twice; " "the last counts.")',
    ],
)  # fmt: skip
def test_a_sentence_of_code_that_goes_around_the_catalogs_is_found(code: str) -> None:
    assert _unmarked(code)
    assert (
        _unmarked('"""A module of sentences."""\nnotes.add("#", gettext("This is no text."))\nat("endDate", "end")')
        == []
    )


_LEAST_EASE = 70  # Fernández-Huerta: "normal" begins there, as for the agreement
_MEASURABLE = 60
"""Words of running text; of fewer the formula says nothing."""


def _running_text(place: str, everything: list[Said]) -> str:
    """The Spanish of one template: its stretches of five words and more, each a sentence at the least."""
    plain = [
        re.sub(r"<[^>]*>|%\(\w+\)s", "", form).strip()
        for one in everything
        if one.place.split(":")[0] == place
        for form in _spanish(one)
    ]
    return "\n".join(text if text.endswith((".", ":", "?")) else f"{text}." for text in plain if len(text.split()) >= 5)


def test_the_running_text_of_each_page_and_email_reads_easily(everything: list[Said]) -> None:
    textstat.set_lang("es")
    try:
        places = {one.place.split(":")[0] for one in everything if not one.place.split(":")[0].endswith(".py")}
        texts = {place: _running_text(place, everything) for place in places}
        measured = {place: text for place, text in texts.items() if len(text.split()) >= _MEASURABLE}
        assert len(measured) > 30
        hard = {
            place: ease for place, text in measured.items() if (ease := textstat.fernandez_huerta(text)) < _LEAST_EASE
        }
        assert hard == {}
        assert textstat.fernandez_huerta("La implementación del procedimiento administrativo correspondiente. " * 3) < _LEAST_EASE  # fmt: skip
    finally:
        textstat.set_lang("en_US")
