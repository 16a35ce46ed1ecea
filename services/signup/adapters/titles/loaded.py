"""Titles that an operator loaded: in signup's database, and in the memory of each process."""

import asyncio
from collections.abc import Callable, Mapping
from dataclasses import dataclass
from datetime import datetime
from functools import lru_cache
from pathlib import Path

from services.signup.adapters.titles.files import TitleFile
from services.signup.adapters.titles.folding import LONGEST, key, words
from services.signup.adapters.titles.reading import NOTHING, Codes, several
from shared.postgres.pool import Connection, Pool
from shared.postgres.queries import load

SQL = load(Path(__file__).parent / "queries.sql")
_A_PAGE = 2_000
_MOST_READ = 10_000
"""Titles whose codes are kept in memory."""


@dataclass(frozen=True, slots=True)
class ListedFile:
    """What is loaded of one list."""

    source: str
    version: int
    loaded_at: datetime
    titles: int
    notice: str


async def save(connection: Connection, file: TitleFile, at: datetime) -> int:
    """Put the list in the place of what was loaded of it before, whole or not at all; its new version."""
    async with connection.transaction():
        await connection.execute("LOCK TABLE title_files IN SHARE ROW EXCLUSIVE MODE")
        await connection.execute(SQL["forget_file"], file.source)
        version: int = await connection.fetchval(SQL["note_file"], file.source, at, len(file.titles), file.notice)
        await connection.copy_records_to_table(
            "loaded_titles",
            records=[(file.source, title, " ".join(codes)) for title, codes in file.titles.items()],
            columns=["source", "title", "socs"],
        )
    return version


async def remove(connection: Connection, source: str) -> int | None:
    """Forget a list; how many titles it had, None when there is none of this name."""
    removed: int | None = await connection.fetchval(SQL["forget_file"], source)
    return removed


async def listed(connection: Connection | Pool) -> list[ListedFile]:
    """The lists that are loaded."""
    return [ListedFile(**dict(row)) for row in await connection.fetch(SQL["list_files"])]


def _reader(codes: Mapping[str, Codes]) -> Callable[[str], Codes]:
    """Reads titles with these beside the project's own; the same titles come again and again, so what was read is kept."""

    @lru_cache(_MOST_READ)
    def read(title: str) -> Codes:
        return several(title, codes)

    return read


class LoadedTitles:
    """What was loaded, beside the tables of the project, which go before it; `refresh` from time to time."""

    def __init__(self) -> None:
        self._versions: tuple[int, ...] = ()
        self._read = _reader({})
        self.notices: tuple[str, ...] = ()

    def occupations_of(self, title: str) -> Codes:
        """As `titles.occupations_of`, with what was loaded for what the tables of the project do not have."""
        return self._read(title) if len(title) <= LONGEST else NOTHING

    def present_notices(self) -> tuple[str, ...]:
        """What must be said beside occupations that were found in what is loaded."""
        return self.notices

    async def refresh_from(self, pool: Callable[[], Pool]) -> None:
        """`refresh`, from the pool that there is once the service has started."""
        await self.refresh(pool())

    async def refresh(self, pool: Pool) -> None:
        """Read everything anew if a version is new; until it is read whole, what was there before holds."""
        files = await listed(pool)
        versions = tuple(file.version for file in files)
        if versions == self._versions:
            return
        found: dict[str, dict[str, None]] = {}
        async with pool.acquire() as connection, connection.transaction(isolation="repeatable_read", readonly=True):
            files = await listed(connection)
            after = ("", "")
            while rows := await connection.fetch(SQL["read_titles"], *after, _A_PAGE):
                for row in rows:
                    codes = found.setdefault(key(words(row["title"])), {})
                    codes.update(dict.fromkeys(row["socs"].split()))
                after = (rows[-1]["source"], rows[-1]["title"])
                await asyncio.sleep(0)  # others are served between two pages
        self._read = _reader({folded: tuple(codes) for folded, codes in found.items()})
        self._versions = tuple(file.version for file in files)
        self.notices = tuple(file.notice for file in files)
