"""Lists that an operator loads, on a real database and by the command line."""

import asyncio
import os
import subprocess
import sys
from collections.abc import AsyncIterator, Callable, Sequence
from contextlib import AbstractAsyncContextManager, asynccontextmanager
from datetime import timedelta
from functools import partial
from pathlib import Path
from types import SimpleNamespace
from typing import Any

import httpx
import pytest

import services.signup
from services.signup.adapters.postgres import PostgresStore
from services.signup.adapters.titles import occupations_of
from services.signup.adapters.titles.files import TitleFile, read_file
from services.signup.adapters.titles.loaded import LoadedTitles, listed, remove, save
from services.signup.api import profile
from services.signup.app import profile_edge
from shared.ids import new_candidate_id
from shared.messaging.unit import Unit
from shared.postgres.pool import Pool
from shared.security.links import LinkReader, public_half
from shared.security.sessions import SessionReader
from shared.web.app import create_app
from tests.fakes.clock import NOON
from tests.fakes.consent_pages import SEED, SUBJECT_KEY, link
from tests.integration.signup.conftest import Edge
from tests.signing import PUBLIC

MIGRATIONS = Path(services.signup.__file__).parent / "migrations"
LIST = (
    "O*NET-SOC Code\tAlternate Title\tShort Title\tSource(s)\n29-1141.00\tWard Angel\tn/a\t09\n29-1141.00\tShift Whisperer\tSW9\t09\n"
    "29-2061.00\tShift Whisperer\tn/a\t02\n43-6014.00\tRegistered Nurse\tn/a\t02\n"
)


@pytest.fixture
def dsn(database: str) -> str:
    return database


async def fairpool(dsn: str, *words: str, given: str | None = None) -> tuple[int, str]:
    """The command as an operator runs it, with signup's database in its environment."""

    def run(arguments: Sequence[str]) -> subprocess.CompletedProcess[str]:
        environment = {**os.environ, "FAIRPOOL_SIGNUP_DATABASE": dsn}
        return subprocess.run(
            [sys.executable, "-m", "deploy", "titles", *arguments],
            capture_output=True, text=True, input=given, env=environment, check=False, timeout=120,
        )  # fmt: skip

    done = await asyncio.to_thread(run, words)
    return done.returncode, done.stdout + done.stderr


async def test_an_operator_loads_lists_and_removes_a_list(dsn: str, pool: Pool, tmp_path: Path) -> None:
    path = tmp_path / "Alternate Titles.txt"
    path.write_text(LIST)
    code, said = await fairpool(dsn, "load", str(path))
    assert (code, "loaded 4 titles of onet (1 of several occupations)" in said, "CC BY 4.0" in said) == (0, True, True)
    code, said = await fairpool(dsn, "list")
    assert code == 0
    assert "onet" in said
    assert "CC BY 4.0" in said
    found = LoadedTitles()
    await found.refresh(pool)
    assert found.occupations_of("Sr. Ward Angels (nights)") == ("29-1141",)
    assert found.occupations_of("shift-whisperer") == ("29-1141", "29-2061")
    assert found.occupations_of("SW9") == ("29-1141",)
    code, said = await fairpool(dsn, "remove", "onet")
    assert (code, said.strip()) == (0, "removed 4 titles of onet")
    await found.refresh(pool)
    assert found.occupations_of("Ward Angel") == ()
    assert found.notices == ()
    code, said = await fairpool(dsn, "remove", "onet")
    assert (code, "`fairpool titles list`" in said) == (1, True)


async def test_a_bad_file_loads_nothing_and_leaves_what_was_there(dsn: str, pool: Pool, tmp_path: Path) -> None:
    path = tmp_path / "titles.csv"
    path.write_text("soc,title\n29-1141,Ward Angel\n")
    assert (await fairpool(dsn, "load", "-", given=path.read_text()))[0] == 0
    path.write_text("soc,title\n29-1141,Other\n99-9999,Wizard\n")
    code, said = await fairpool(dsn, "load", str(path))
    assert (code, "line 3" in said, "Nothing was loaded" in said, "Traceback" in said) == (1, True, True, False)
    found = LoadedTitles()
    await found.refresh(pool)
    assert (found.occupations_of("Ward Angel"), found.occupations_of("Other")) == (("29-1141",), ())


async def test_a_database_that_is_away_is_said_in_words(tmp_path: Path) -> None:
    code, said = await fairpool("postgresql://nobody@127.0.0.1:9/none", "list")
    assert (code, "signup's database" in said, "Traceback" in said) == (1, True, False)


async def test_the_titles_of_the_project_go_before_what_was_loaded(pool: Pool) -> None:
    async with pool.acquire() as connection:
        await save(connection, TitleFile("onet", {"Registered nurse": ("43-6014",)}, "", 0), NOON)
    found = LoadedTitles()
    await found.refresh(pool)
    assert found.occupations_of("Registered Nurse") == occupations_of("Registered Nurse") == ("29-1141",)


@pytest.mark.slow
async def test_sixty_thousand_titles_are_read_in_pages_and_only_when_a_version_is_new(pool: Pool) -> None:
    many = {f"Trade {number:06d} maker": ("51-9199",) for number in range(60_000)}
    async with pool.acquire() as connection:
        first = await save(connection, TitleFile("onet", many, "notice", 0), NOON)
        second = await save(connection, TitleFile("onet", many, "notice", 0), NOON)
    assert second > first
    found = LoadedTitles()
    await found.refresh(pool)
    assert found.occupations_of("trade 059999 makers") == ("51-9199",)
    await pool.execute("DELETE FROM loaded_titles")  # the version is the same: what was read holds
    await found.refresh(pool)
    assert found.occupations_of("trade 059999 makers") == ("51-9199",)
    assert [(file.source, file.titles) for file in await listed(pool)] == [("onet", 60_000)]


async def test_a_list_that_is_loaded_while_another_process_reads_is_seen_whole(pool: Pool) -> None:
    found = LoadedTitles()
    for number in range(3):
        titles = {f"Trade {number} {place:05d} maker": ("51-9199",) for place in range(5_000)}
        async with pool.acquire() as connection:
            _, version = await asyncio.gather(
                found.refresh(pool), save(connection, TitleFile("onet", titles, "", 0), NOON)
            )
        assert version > 0
        await found.refresh(pool)
        assert found.occupations_of(f"Trade {number} 04999 maker") == ("51-9199",)
        assert found.occupations_of(f"Trade {number - 1} 04999 maker") == ()


async def test_the_profile_page_shows_onets_notice_as_long_as_its_list_is_loaded(edge: Edge, tmp_path: Path) -> None:
    path = tmp_path / "Alternate Titles.txt"
    path.write_text(LIST)
    file, loaded = read_file(path), LoadedTitles()
    candidate = new_candidate_id()
    await edge.pool.execute(
        "INSERT INTO candidates (candidate, blind_index, registered_at, stub_until) VALUES ($1, $2, now(), now())",
        candidate,
        b"x" * 32,
    )

    def opened(store: Callable[[Unit], PostgresStore]) -> Callable[[], AbstractAsyncContextManager[PostgresStore]]:
        @asynccontextmanager
        async def open_one() -> AsyncIterator[PostgresStore]:
            async with edge.work() as unit:
                yield store(unit)

        return open_one

    service: Any = SimpleNamespace(
        stores=opened, looks=opened, has_published=opened, clock=edge.clock, tenants=edge.tenants
    )
    settings: Any = SimpleNamespace(
        links=LinkReader([public_half(SEED)], [SUBJECT_KEY]),
        sessions=SessionReader(PUBLIC["signup"], [SUBJECT_KEY]),
        signup_url="https://signup.example",
        consent_url="https://consent.example",
        publish_within=timedelta(seconds=1),
    )

    async def ready() -> dict[str, Any]:
        return {}

    app = create_app("signup", "signup", ready=ready)
    app.include_router(profile.router(profile_edge(service, settings, partial(PostgresStore, keys=edge.keys), loaded)))
    address = f"/profile/{link(candidate, 'confirm', expires_at=NOON + timedelta(days=1))}"
    async with httpx.AsyncClient(transport=httpx.ASGITransport(app=app), base_url="http://signup.test") as client:

        async def page() -> str:
            await loaded.refresh(edge.pool)
            answer = await client.get(address, headers={"Accept": "text/html"})
            assert answer.status_code == 200
            return answer.text

        assert "O*NET" not in await page()
        async with edge.pool.acquire() as connection:
            await save(connection, file, NOON)
        assert file.notice in await page()
        async with edge.pool.acquire() as connection:
            await remove(connection, "onet")
        assert "O*NET" not in await page()
