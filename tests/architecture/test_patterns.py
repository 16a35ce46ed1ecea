"""No regular expression of the project can take more than a linear time: none has two repeats that may share a text."""

import ast
import importlib
import re
from collections.abc import Iterator
from pathlib import Path
from typing import Any

import pytest

ops: Any = importlib.import_module("re._constants")
parser: Any = importlib.import_module("re._parser")
PROJECT = Path(__file__).parents[2]
CALLS = {"compile", "match", "fullmatch", "search", "sub", "split", "findall", "finditer", "subn", "Form"}
MANY = 1000
"""A repeat up to here is short, however often it is tried."""
SAMPLE = [chr(number) for number in range(0x180)] + list("\u2003\u2028\u2014\u0661\u212a\uff21")


def patterns(path: Path) -> Iterator[tuple[int, str]]:
    """The literals of a file that are regular expressions, with their lines."""
    for node in ast.walk(ast.parse(path.read_text("utf-8"))):
        if not isinstance(node, ast.Call) or not node.args or not isinstance(node.args[0], ast.Constant):
            continue
        name = node.func.attr if isinstance(node.func, ast.Attribute) else getattr(node.func, "id", "")
        is_re = isinstance(node.func, ast.Name) or (
            isinstance(node.func, ast.Attribute)
            and isinstance(node.func.value, ast.Name)
            and node.func.value.id == "re"
        )
        if name in CALLS and is_re and isinstance(node.args[0].value, str):
            yield node.lineno, node.args[0].value


def _first(items: Any) -> tuple[set[str], bool]:
    """What a sequence can begin with, and whether it can be empty."""
    begins: set[str] = set()
    for op, argument in items:
        marks, empty = _one(op, argument)
        begins |= marks
        if not empty:
            return begins, False
    return begins, True


def _one(op: Any, argument: Any) -> tuple[set[str], bool]:
    if op in (ops.MAX_REPEAT, ops.MIN_REPEAT, ops.POSSESSIVE_REPEAT):
        marks, empty = _first(argument[2])
        return marks, empty or argument[0] == 0
    if op is ops.SUBPATTERN:
        return _first(argument[3])
    if op is ops.BRANCH:
        found = [_first(branch) for branch in argument[1]]
        return set().union(*(marks for marks, _ in found)), any(empty for _, empty in found)
    if op in (ops.AT, ops.ASSERT, ops.ASSERT_NOT, ops.GROUPREF):
        return set(), True
    return {mark for mark in SAMPLE if _matches(op, argument, mark)}, False


def _matches(op: Any, argument: Any, mark: str) -> bool:
    code = ord(mark)
    if op is ops.LITERAL:
        return bool(code == argument)
    if op is ops.NOT_LITERAL:
        return bool(code != argument)
    if op is ops.RANGE:
        return bool(argument[0] <= code <= argument[1])
    if op is ops.CATEGORY:
        name = str(argument)
        kinds = {"DIGIT": r"\d", "SPACE": r"\s", "WORD": r"\w"}
        found = re.match(next(kind for word, kind in kinds.items() if name.endswith(word)), mark) is not None
        return found != ("_NOT_" in name)
    if op is ops.IN:
        negated = argument[0][0] is ops.NEGATE
        return any(_matches(part[0], part[1], mark) for part in argument[negated:]) != negated
    return True


def is_linear(pattern: str) -> bool:
    """Whether no repeat without an end stands beside, or around, another that takes the same characters."""
    return _linear(parser.parse(pattern))


def _linear(items: Any) -> bool:
    running: set[str] = set()
    for op, argument in items:
        inner = [argument[2]] if op in (ops.MAX_REPEAT, ops.MIN_REPEAT) else []
        inner += [argument[3]] if op is ops.SUBPATTERN else argument[1] if op is ops.BRANCH else []
        if not all(map(_linear, inner)):
            return False
        marks, empty = _one(op, argument)
        is_repeat = op in (ops.MAX_REPEAT, ops.MIN_REPEAT) and argument[1] > MANY
        held = marks if is_repeat else _repeats_in(op, argument)
        if running & held or (is_repeat and _repeats_within(argument[2])):
            return False
        running = held if not empty else running | held
        if not held and not empty:
            running = set()
    return True


def _repeats_in(op: Any, argument: Any) -> set[str]:
    """What repeats inside a group, and so stands beside what follows the group."""
    inner = [argument[3]] if op is ops.SUBPATTERN else argument[1] if op is ops.BRANCH else []
    inner += [argument[2]] if op in (ops.MAX_REPEAT, ops.MIN_REPEAT) else []
    found: set[str] = set()
    for items in inner:
        for op_, argument_ in items:
            if op_ in (ops.MAX_REPEAT, ops.MIN_REPEAT) and argument_[1] > MANY:
                found |= _one(op_, argument_)[0]
            found |= _repeats_in(op_, argument_)
    return found


def _repeats_within(items: Any) -> bool:
    """A repeat inside a repeat is harmless only if something of its own stands before it each time."""
    marks: set[str] = set()
    for op, argument in items:
        held = _one(op, argument)[0] if op in (ops.MAX_REPEAT, ops.MIN_REPEAT) and argument[1] > MANY else set()
        held |= _repeats_in(op, argument)
        if held and (not marks or marks & held):
            return True
        marks |= _one(op, argument)[0]
    return False


@pytest.mark.parametrize(
    ("pattern", "linear"),
    [
        (r",\s*([A-Z]{2})\.?\s*(?:,?\s*(?:USA?|United States))?\s*$", False), (r"\s*\s*", False), (r"(a+)+b", False), (r"\w+\d+", False),
        (r"[A-Z]+[a-z]*[A-Z]*x", False), (r"(?:a|b+)*c", False), (r"a*?a*", False),
        (r"[0-9]{5}(-[0-9]{4})?", True), (r"\s+(?:i{1,3}|iv)$", True), (r"[a-z]+(?:-[a-z]+)*", True), (r"a+b+", True), (r"a*x", True),
    ],
)  # fmt: skip
def test_the_rule_can_fail(pattern: str, linear: bool) -> None:
    assert is_linear(pattern) is linear


def test_every_pattern_of_services_and_shared_is_linear() -> None:
    found = [
        (f"{path.relative_to(PROJECT)}:{line}", pattern)
        for folder in ("services", "shared")
        for path in sorted((PROJECT / folder).rglob("*.py"))
        for line, pattern in patterns(path)
    ]
    assert len(found) > 20, "the patterns were not found"
    assert [(where, pattern) for where, pattern in found if not is_linear(pattern)] == []
