"""A slash behind a link is no part of it, and any other path stays as it was asked for."""

from typing import Any

import pytest

from shared.web.token_paths import TokenPaths

TOKEN = f"{'a' * 30}.{'b' * 200}.{'c' * 86}"


async def passed_on(path: str, kind: str = "http") -> Any:
    seen: list[Any] = []

    async def app(scope: Any, receive: Any, send: Any) -> None:
        seen.append(scope["path"])

    async def nothing(*_: Any) -> Any:
        return {}

    await TokenPaths(app)({"type": kind, "path": path, "raw_path": path.encode()}, nothing, nothing)
    return seen[0]


@pytest.mark.parametrize("path", ["/u/", "/sign-in/", "/confirm/", "/email/"])
async def test_slashes_behind_a_token_are_taken_off(path: str) -> None:
    assert await passed_on(f"{path}{TOKEN}/") == await passed_on(f"{path}{TOKEN}//") == f"{path}{TOKEN}"


@pytest.mark.parametrize("path", ["/", "/me/", "/v1/me/email/", f"/u/{TOKEN}", f"/{'a' * 200}/", f"/x/{TOKEN}/more"])
async def test_any_other_path_stays(path: str) -> None:
    assert await passed_on(path) == path
