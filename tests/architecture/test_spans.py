"""A span says of itself only what `shared.tracing` knows: one that says more raises, in the middle of the work that it is about."""

import ast
from collections.abc import Iterator
from pathlib import Path

import pytest

from shared.tracing import ATTRIBUTES

_ROOT = Path(__file__).parents[2]
_OWN = {"causes", "name", "kind"}


def unknown(source: str) -> list[str]:
    """The attributes of spans in this source that no span may have."""
    calls = [node for node in ast.walk(ast.parse(source)) if isinstance(node, ast.Call)]
    spans = [call for call in calls if ast.unparse(call.func) in ("tracing.span", "span")]
    return [word.arg or "**" for call in spans for word in call.keywords if word.arg not in {*ATTRIBUTES, *_OWN}]


def _files() -> Iterator[Path]:
    for room in ("services", "shared"):
        yield from sorted((_ROOT / room).rglob("*.py"))


def test_every_span_says_only_what_a_span_may_say() -> None:
    found = {str(file.relative_to(_ROOT)): unknown(file.read_text(encoding="utf-8")) for file in _files()}
    assert {file: words for file, words in found.items() if words} == {}


@pytest.mark.parametrize(
    ("source", "words"),
    [
        ('with tracing.span("redis book", "client", calls=3): pass', ["calls"]),
        ('with tracing.span("batch", "consumer", causes=[], records=3): pass', []),
        ('with tracing.span("batch", "consumer", **more): pass', ["**"]),
    ],
)
def test_it_can_fail(source: str, words: list[str]) -> None:
    assert unknown(source) == words
