"""What a grant means stands in shared/contracts/grants.py, and nowhere else: the checker alone judges by rules of its own."""

import ast
from collections.abc import Iterator
from pathlib import Path

import pytest

PROJECT = Path(__file__).parents[2]
TIMES = {"paused_until", "ends_at"}
OTHERWISE = {
    "services/consent/api/views.py": "which box is ticked, and when an answer that was given now would end",
    "services/signup/decisions/exports.py": "when an export is over: no grant has a part in it",
}
"""Files that ask something else of fields of these names."""


def names(node: ast.AST) -> Iterator[str]:
    for part in ast.walk(node):
        if isinstance(part, ast.Attribute):
            yield part.attr
        elif isinstance(part, ast.Name):
            yield part.id
        elif isinstance(part, ast.Subscript) and isinstance(part.slice, ast.Constant):
            yield str(part.slice.value)


def judgements(source: str) -> list[int]:
    """Lines that compare one of the times with another, ask for a purpose, or look for an employer among the blocked."""
    found = []
    for node in ast.walk(ast.parse(source)):
        if not isinstance(node, ast.Compare):
            continue
        orders = any(isinstance(op, ast.Lt | ast.LtE | ast.Gt | ast.GtE) for op in node.ops)
        holds = any(isinstance(op, ast.In | ast.NotIn) for op in node.ops)
        left = node.left.value if isinstance(node.left, ast.Constant) else None
        if (
            (orders and TIMES & set(names(node)))
            or (holds and left in ("match", "contact"))
            or (holds and "blocked_employers" in {name for part in node.comparators for name in names(part)})
        ):
            found.append(node.lineno)
    return found


@pytest.mark.parametrize(
    "line",
    [
        "now < consent.paused_until",
        "consent.ends_at <= now",
        "row['ends_at'] > now",
        "'contact' in event.purposes",
        "'match' not in purposes",
        "employer not in consent.blocked_employers",
    ],
)
def test_a_judgement_of_ones_own_is_seen(line: str) -> None:
    assert judgements(line) == [1]


@pytest.mark.parametrize("line", ["consent.ends_at is None", "ends_at == before.ends_at"])
def test_what_only_carries_the_fields_is_none(line: str) -> None:
    assert judgements(line) == []


def test_no_service_judges_a_grant_by_itself() -> None:
    found = {}
    for file in sorted((PROJECT / "services").rglob("*.py")):
        if lines := judgements(file.read_text("utf-8")):
            found[str(file.relative_to(PROJECT))] = lines
    assert found.keys() - OTHERWISE.keys() == set(), f"ask shared/contracts/grants.py instead: {found}"
    assert OTHERWISE.keys() - found.keys() == set(), "what judges nothing needs no reason"
