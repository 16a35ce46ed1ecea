"""No pattern of the project stands still on 100,000 characters of its own alphabet, by the method that it is used with."""

import ast
import importlib
import re
import subprocess
import sys
from collections.abc import Iterator
from typing import Any

import pytest

from tests.architecture.test_patterns import PROJECT, SAMPLE, _matches, ops, parser

LENGTH = 100_000
HANGS_AFTER = 300
"""Seconds for all patterns together, which take a few: this finds what never ends, and measures nothing."""
METHODS = {"match", "fullmatch", "search", "sub", "split", "findall", "finditer", "subn"}
MOST_MARKS = 12
BOUNDED = {"services/signup/courier/adapters/answers.py": 2000}
"""Files that cut what they read before any pattern sees it, and at how many characters."""


def uses() -> Iterator[tuple[str, re.Pattern[str], set[str]]]:
    """Where a pattern is written, the pattern as it is compiled, and what is called on it."""
    for folder in ("services", "shared", "deploy"):
        for path in sorted((PROJECT / folder).rglob("*.py")):
            text = path.read_text("utf-8")
            if any(sign in text for sign in ("re.", "Form(", "pattern=")):
                yield from _uses_in(str(path.relative_to(PROJECT)), ast.parse(text))


def _uses_in(name: str, tree: ast.Module) -> Iterator[tuple[str, re.Pattern[str], set[str]]]:
    called: dict[str, set[str]] = {}
    for node in ast.walk(tree):
        if isinstance(node, ast.Attribute) and isinstance(node.value, ast.Name) and node.attr in METHODS:
            called.setdefault(node.value.id, set()).add(node.attr)
    for node in tree.body:
        target = node.targets[0] if isinstance(node, ast.Assign) else None
        if isinstance(target, ast.Name) and ast.unparse(node).startswith(f"{target.id} = re.compile("):
            module = importlib.import_module(name.removesuffix(".py").replace("/", "."))
            yield f"{name}:{node.lineno}", in_text(getattr(module, target.id)), called.get(target.id, METHODS)
    for node in ast.walk(tree):
        if isinstance(node, ast.Call) and node.args and isinstance(node.args[0], ast.Constant):
            function, literal = ast.unparse(node.func), node.args[0].value
            method = "fullmatch" if function == "Form" else function.removeprefix("re.")
            if isinstance(literal, str) and method in METHODS and (function == "Form" or function.startswith("re.")):
                yield f"{name}:{node.lineno}", re.compile(literal), {method}
        if isinstance(node, ast.Call):
            for keyword in node.keywords:
                literal = keyword.value.value if isinstance(keyword.value, ast.Constant) else None
                if keyword.arg == "pattern" and isinstance(literal, str):  # pydantic's, which searches
                    yield f"{name}:{node.lineno}", re.compile(literal), {"search"}


def in_text(pattern: re.Pattern[Any]) -> re.Pattern[str]:
    """The same for text, where it is one for bytes."""
    if isinstance(pattern.pattern, str):
        return pattern
    return re.compile(pattern.pattern.decode("latin-1"), pattern.flags | re.ASCII)


MADE = {
    "shared/setting_forms.py": "re.fullmatch(f\"({'|'.join(map(re.escape, schemes))})://\\\\S+\", value)",
    "shared/web/types.py": "re.fullmatch(self.pattern, value)",
}
"""Patterns that are put together when they are used: a list of fixed words before one repeat, and those of `Form`, which are
found where they are written."""


def all_calls(name: str, tree: ast.Module) -> Iterator[tuple[int, str]]:
    """Every call that could hold a pattern, wherever it stands and whatever its name was imported as."""
    own = {
        alias.asname or alias.name
        for node in ast.walk(tree)
        if isinstance(node, ast.ImportFrom) and node.module in ("re", "regex")
        for alias in node.names
    }
    for node in ast.walk(tree):
        if isinstance(node, ast.Call):
            function = ast.unparse(node.func)
            is_re = function.startswith("re.") and function.removeprefix("re.") in METHODS | {"compile"}
            has_one = any(keyword.arg in ("pattern", "regex") for keyword in node.keywords)
            if (is_re or function in own | {"Form"} or has_one) and MADE.get(name) != ast.unparse(node):
                yield node.lineno, ast.unparse(node)


def marks(items: Any) -> list[str]:
    """One character for each place in a pattern, in its order."""
    found: list[str] = []
    for op, argument in items:
        if op in (ops.MAX_REPEAT, ops.MIN_REPEAT, ops.POSSESSIVE_REPEAT):
            found += marks(argument[2])
        elif op is ops.SUBPATTERN:
            found += marks(argument[3])
        elif op is ops.BRANCH:
            for branch in argument[1]:
                found += marks(branch)
        elif op in (ops.ASSERT, ops.ASSERT_NOT):
            found += marks(argument[1])
        elif op not in (ops.AT, ops.GROUPREF):
            plain = [mark for mark in SAMPLE if _matches(op, argument, mark)]
            found += [next((mark for mark in plain if mark.isalnum()), plain[0])] if plain else []
    return found


def run(pattern: re.Pattern[str], methods: set[str], length: int = LENGTH) -> None:
    """Every method on texts of each character, and of each beginning of the pattern, again and again."""
    places = marks(parser.parse(pattern.pattern, pattern.flags))[:MOST_MARKS]
    pieces = dict.fromkeys([*places, *("".join(places[: size + 1]) for size in range(len(places)))])
    for piece in pieces:
        for end in ("\x00", "~"):
            text = piece * (length // len(piece)) + end
            for method in sorted(methods):
                if method in ("sub", "subn"):
                    getattr(pattern, method)("", text)
                else:
                    found = getattr(pattern, method)(text)
                    if method == "finditer":
                        list(found)


def in_a_process_of_its_own(code: str, seconds: float) -> str | None:
    """None when it ends within these seconds from its first line; else what it said last."""
    words = [sys.executable, "-c", code]
    with subprocess.Popen(words, cwd=PROJECT, stdout=subprocess.PIPE, text=True) as process:
        assert process.stdout
        first = process.stdout.readline()
        try:
            process.communicate(timeout=seconds)
        except subprocess.TimeoutExpired:
            process.kill()
            rest, _ = process.communicate()
            return (first + rest).splitlines()[-1]
    assert process.returncode == 0, first
    return None


def main() -> None:
    """Run every pattern, and say which before it begins."""
    for where, pattern, methods in uses():
        sys.stdout.write(f"{where} {sorted(methods)}\n")
        sys.stdout.flush()
        run(pattern, methods, BOUNDED.get(where.partition(":")[0], LENGTH))


def test_every_pattern_ends_on_a_hundred_thousand_characters_of_its_own() -> None:
    assert len(list(uses())) > 40, "the patterns were not found"
    code = "from tests.architecture.test_patterns_end import main; main()"
    assert in_a_process_of_its_own(code, HANGS_AFTER) is None


def test_no_pattern_is_passed_over() -> None:
    """Also one that is compiled inside of a function, put together, for bytes, or pydantic's: none of them hides."""
    found, missing = {where for where, _, _ in uses()}, []
    for folder in ("services", "shared", "deploy"):
        for path in sorted((PROJECT / folder).rglob("*.py")):
            name = str(path.relative_to(PROJECT))
            calls = all_calls(name, ast.parse(path.read_text("utf-8")))
            missing += [f"{name}:{line} {call}" for line, call in calls if f"{name}:{line}" not in found]
    assert missing == [], "compile these at the top of their module, or give them as a literal"


@pytest.mark.parametrize("pattern", ["(a|a)*b", "(a+)+b"])
def test_what_never_ends_is_found(pattern: str) -> None:
    code = (
        "import re; from tests.architecture.test_patterns_end import run; "
        f"print('begun', flush=True); run(re.compile({pattern!r}), {{'match'}})"
    )
    assert in_a_process_of_its_own(code, 2) == "begun"
