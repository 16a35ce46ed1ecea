"""Reads a seat with the employer's key: what its own API answers, as of one place in each of its two feeds.

Lists are read page by page into files of lines, so that memory is small whatever their length. A list is as of a cursor where the
cursor behind all that was told is the same before and after it was read; else something was told meanwhile, and it is read again.
"""

import asyncio
import hashlib
import json
from collections.abc import Awaitable, Callable
from dataclasses import dataclass
from datetime import timedelta
from pathlib import Path
from types import TracebackType
from typing import Any, Self

import httpx

from deploy.local.errors import StackError

POOLS, MEMBERS, OUTREACH, JOBS = "pools.jsonl", "members.jsonl", "outreach.jsonl", "jobs.jsonl"
FILES = (POOLS, MEMBERS, OUTREACH, JOBS)
_PAUSE = timedelta(seconds=1)
_TRIES = 30
_AGAIN = frozenset({401, 429, 502, 503, 504})
"""A replica that has not heard of the key yet, or that is busy; whatever else is no success stays so."""


@dataclass(frozen=True, slots=True)
class Addresses:
    """Where the two services are that an employer reads."""

    pool_matching: str
    outreach_gateway: str


@dataclass(frozen=True, slots=True)
class Told:
    """What one file holds."""

    sha256: str
    lines: int
    bytes: int


@dataclass(frozen=True, slots=True)
class Seat:
    """What was read: the places in the feeds that the files are as of, the rules in force, and what each file holds."""

    updates: str
    outreach: str
    policy: str
    files: dict[str, Told]


class Lines:
    """A file with one JSON object a line, hashed as it is written."""

    def __init__(self, path: Path) -> None:
        self._file = path.open("wb")
        self._hash = hashlib.sha256()
        self._lines = self._bytes = 0

    def write(self, item: object) -> None:
        """One line more."""
        line = json.dumps(item, separators=(",", ":"), ensure_ascii=False).encode() + b"\n"
        self._file.write(line)
        self._hash.update(line)
        self._lines += 1
        self._bytes += len(line)

    @property
    def told(self) -> Told:
        """What it holds by now."""
        return Told(self._hash.hexdigest(), self._lines, self._bytes)

    def __enter__(self) -> Self:
        return self

    def __exit__(self, kind: type[BaseException] | None, error: BaseException | None, at: TracebackType | None) -> None:
        self._file.close()


class SeatReader:
    """Asks both services with the employer's key."""

    def __init__(self, http: httpx.AsyncClient, at: Addresses, key: str, *, pause: timedelta = _PAUSE) -> None:
        self._http = http
        self._at = at
        self._headers = {"Authorization": f"Bearer {key}"}
        self._pause = pause.total_seconds()

    async def read(self, folder: Path) -> Seat:
        """Writes the four files into the folder; StackError where a service does not answer, or goes on telling."""
        updates, lists = await self.pools(folder)
        outreach, policy, messages = await self.messages(folder)
        return Seat(updates, outreach, policy, {**lists, **messages})

    async def pools(self, folder: Path) -> tuple[str, dict[str, Told]]:
        """Pools and members, and the cursor of the updates that they are as of."""
        files: dict[str, Told] = {}
        cursor, _ = await self._still(self._where_pools_stand, lambda: self._read_pools(folder, files))
        return cursor, files

    async def messages(self, folder: Path) -> tuple[str, str, dict[str, Told]]:
        """Messages and jobs, the cursor of the feed that they are as of, and the rules in force."""
        files: dict[str, Told] = {}
        cursor, policy = await self._still(self._where_messages_stand, lambda: self._read_messages(folder, files))
        return cursor, policy, files

    async def _still(
        self, place: Callable[[], Awaitable[tuple[str | None, str]]], read: Callable[[], Awaitable[None]]
    ) -> tuple[str, str]:
        for _ in range(_TRIES):
            before = cursor, also = await place()
            if cursor is not None:
                await read()
                if await place() == before:
                    return cursor, also
            await asyncio.sleep(self._pause)
        raise StackError(
            "expected a moment in which this employer is told nothing and changes nothing, found none: try again in some minutes."
        )

    async def _where_pools_stand(self) -> tuple[str | None, str]:
        seat = await self._get(f"{self._at.pool_matching}/v1/seat")
        pools = await self._get(f"{self._at.pool_matching}/v1/pools")
        return seat["updates"], json.dumps([_asked(pool) for pool in pools["items"]])

    async def _read_pools(self, folder: Path, files: dict[str, Told]) -> None:
        with Lines(folder / POOLS) as pools, Lines(folder / MEMBERS) as members:
            for pool in (await self._get(f"{self._at.pool_matching}/v1/pools"))["items"]:
                pools.write(_asked(pool))
                await self._pages(
                    f"{self._at.pool_matching}/v1/pools/{pool['id']}/members", 500, members, pool=pool["id"]
                )
            files |= {POOLS: pools.told, MEMBERS: members.told}

    async def _where_messages_stand(self) -> tuple[str | None, str]:
        seat = await self._get(f"{self._at.outreach_gateway}/v1/seat")
        return seat["outreach"], seat["policy"]

    async def _read_messages(self, folder: Path, files: dict[str, Told]) -> None:
        with Lines(folder / OUTREACH) as outreach, Lines(folder / JOBS) as jobs:
            await self._pages(f"{self._at.outreach_gateway}/v1/seat/outreach", 200, outreach)
            await self._pages(f"{self._at.outreach_gateway}/v1/jobs", 200, jobs)
            files |= {OUTREACH: outreach.told, JOBS: jobs.told}

    async def _pages(self, url: str, size: int, into: Lines, **also: str) -> None:
        after: str | None = ""
        while after is not None:
            page = await self._get(url, limit=str(size), **({"after": after} if after else {}))
            for item in page["items"]:
                into.write({**also, **item})
            after = page["next"]

    async def _get(self, url: str, **params: str) -> Any:  # noqa: ANN401 - as JSON has it
        found = "nothing"
        for _ in range(_TRIES):
            try:
                answer = await self._http.get(url, params=params, headers=self._headers)
            except httpx.TransportError as error:
                found = type(error).__name__
            else:
                if answer.is_success:
                    return answer.json()
                found = f"the status {answer.status_code}"
                if answer.status_code not in _AGAIN:
                    break
            await asyncio.sleep(self._pause)
        raise StackError(f"expected an answer from {url}, found: {found}.")


async def until_heard(http: httpx.AsyncClient, urls: tuple[str, ...], key: str, *, within: timedelta) -> list[str]:
    """Asks each until it knows the key, which came with the record that ended those before; the addresses that did not in time."""
    left = list(urls)
    try:
        async with asyncio.timeout(within.total_seconds()):
            while left:
                left = [url for url in left if not await _knows(http, url, key)]
                if left:
                    await asyncio.sleep(0.1)
    except TimeoutError:
        pass
    return left


async def _knows(http: httpx.AsyncClient, url: str, key: str) -> bool:
    try:
        answer = await http.get(url, headers={"Authorization": f"Bearer {key}"})
    except httpx.TransportError:
        return False
    return answer.status_code in (200, 403)


def _asked(pool: dict[str, Any]) -> dict[str, Any]:
    """The pool as its employer made it: how many are listed changes with whoever leaves."""
    return {name: value for name, value in pool.items() if name not in ("members", "state")}
