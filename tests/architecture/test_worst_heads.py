"""What an address and headers can cost: counts, for each route of each service; `test_worst_bodies` has the rest of a request."""

from collections import Counter
from collections.abc import Callable, Iterator
from typing import Any

import httpx
import pytest
from starlette.types import Message, Scope
from structlog.testing import capture_logs

from shared.messaging import asyncapi
from shared.web import docs, problems
from tests.architecture.test_worst_bodies import Counts, Route, counted, known, routes
from tests.worst_heads import WorstHead, headers, queries

__all__ = ["counted", "known", "routes"]  # fixtures

_LONGEST_ERROR = 16 * 1024
"""Of an answer that is no success: twenty mistakes and a page around them."""

_NO_PARAMETER = "nothing but separators"
_NEEDS_SERVERS = frozenset({"GET /health/ready"})


async def ask(route: Route, head: WorstHead, path: str, let_in: dict[str, str]) -> Counts:
    """One request without a body."""
    counts, address = Counts(), httpx.URL("http://fairpool.example" + path)
    own = {name.lower().encode(): value.encode() for name, value in let_in.items()}
    sent = {name for name, _ in head.lines}
    asked = False

    async def receive() -> Message:
        nonlocal asked
        if asked:
            return {"type": "http.disconnect"}
        asked = True
        return {"type": "http.request", "body": b"", "more_body": False}

    async def send(message: Message) -> None:
        counts.status = message.get("status", counts.status)
        counts.answer += message.get("body", b"")
        counts.read += sum(len(name) + len(value) for name, value in message.get("headers", ()))

    query = b"&".join(part for part in (address.query, head.query) if part)
    scope: Scope = {
        "type": "http", "http_version": "1.1", "scheme": "http", "method": route.operation.method, "path": address.path, "raw_path": address.raw_path,
        "query_string": query, "root_path": "", "client": ("127.0.0.1", 1), "server": ("fairpool.example", 80),
        "headers": [(name, value) for name, value in own.items() if name not in sent] + list(head.lines),
    }  # fmt: skip
    await route.app(scope, receive, send)
    return counts


def _parameters(route: Route) -> tuple[str, ...]:
    described = route.operation.described.get("parameters", ())
    return tuple(one["name"] for one in described if one["in"] == "query")


def _of_queries(route: Route) -> Iterator[tuple[str, WorstHead, str, dict[str, str]]]:
    """A stranger's, and, where a program's query is judged before anything is done, of whoever is let in."""
    path, let_in = route.opened(b"")
    judged = route.operation.path.startswith("/v1/")
    for head in queries():
        yield "stranger", head, route.path("x"), {}
        if judged and head.what != _NO_PARAMETER:
            yield "let in", head, path, let_in
    for head in queries(_parameters(route)):
        if head.what.partition(" ")[0] in _parameters(route):
            yield "stranger", head, route.path("x"), {}


def _of_headers(route: Route) -> Iterator[tuple[str, WorstHead, str, dict[str, str]]]:
    for head in headers():
        yield "stranger", head, route.path("x"), {}


@pytest.mark.slow
@pytest.mark.parametrize("cases", [_of_queries, _of_headers], ids=["queries", "headers"])
async def test_the_worst_heads_are_answered_in_few_words_on_every_route(
    routes: list[Route], counted: Counts, cases: Callable[[Route], Iterator[tuple[str, WorstHead, str, dict[str, str]]]]
) -> None:
    found, asked = {}, 0
    for route in routes:
        for who, head, path, let_in in cases(route):
            counted.built = counted.judged = 0
            with capture_logs():
                answer = await ask(route, head, path, let_in)
            asked += 1
            if route.operation.name in _NEEDS_SERVERS:
                answer.status = answer.status if answer.status != 503 else 200
            if why := _wrong(answer, counted):
                found[f"{route.operation.name}, {who}: {head.what}"] = why
    assert asked > 1000, "the heads were not made"
    assert found == {}


def _wrong(answer: Counts, counted: Counts) -> str:
    wrong = []
    if answer.status >= 500 or answer.status == 0:
        wrong.append(f"answered with {answer.status}")
    if counted.built > problems.MOST_ERRORS:
        wrong.append(f"{counted.built} mistakes told")
    if counted.judged > 500:
        wrong.append(f"{counted.judged} mistakes found")
    if answer.status >= 400 and len(answer.answer) > _LONGEST_ERROR:
        wrong.append(f"{len(answer.answer)} bytes answered")
    if answer.read > 4096:
        wrong.append(f"{answer.read} bytes of headers answered")
    return ", ".join(wrong)


async def test_what_anybody_may_read_of_the_documentation_is_made_once(
    routes: list[Route], monkeypatch: pytest.MonkeyPatch
) -> None:
    made: Counter[str] = Counter()

    def counting(name: str, plain: Callable[..., Any]) -> Callable[..., Any]:
        def count(*given: object) -> Any:
            made[name] += 1
            return plain(*given)

        return count

    monkeypatch.setattr(asyncapi, "describe", counting("/asyncapi", asyncapi.describe))
    monkeypatch.setattr(docs, "operations", counting("/docs", docs.operations))
    apps = {id(route.app): route.app for route in routes}
    for app in apps.values():
        async with httpx.AsyncClient(transport=httpx.ASGITransport(app), base_url="http://fairpool.example") as client:
            for path in ("/asyncapi", "/docs"):
                one, other = await client.get(path), await client.get(path)
                assert (one.status_code, one.content) == (200, other.content)
    assert all(count <= len(apps) for count in made.values()), made
