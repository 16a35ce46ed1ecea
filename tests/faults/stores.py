"""Everything that a running stack holds, store by store, and what somebody with every key that is left finds there."""

import re
import subprocess
from collections import defaultdict
from collections.abc import AsyncIterator, Iterable, Mapping, Sequence
from pathlib import Path
from urllib.parse import urlsplit, urlunsplit

import asyncpg
from redis.asyncio import Redis

from deploy.backup import programs
from deploy.checks import collect
from deploy.checks.encodings import ZIP
from deploy.checks.privacy import Canary, Scanner
from deploy.checks.unlocking import Loot
from deploy.local.devfile import DevFile
from deploy.local.endpoints import ROLES
from deploy.local.home import Home
from shared.messaging.kafka import Kafka
from shared.security import encoding

Stores = Mapping[str, Sequence[bytes]]
"""By store, what lies there: `topic erasures`, `table signup.identities`, `redis`, `log signup.log`, `backup signup`."""
_TABLES = "SELECT tablename FROM pg_tables WHERE schemaname = 'public' ORDER BY tablename"
_KEY = re.compile(rb"[\w-]{43,86}")
_LARGEST_KEY_FILE = 4096


async def everything(dev: DevFile, home: Home, *backups: Path) -> Stores:
    """All of it as it is now, and these backups as they would be restored."""
    found: dict[str, list[bytes]] = defaultdict(list)
    for record in await collect.read_topics(Kafka.plain(dev.kafka)):
        found[f"topic {record.topic}"].append(collect.scannable(record))
    for service in ROLES:
        async for table, value in _values(urlunsplit(urlsplit(dev.postgres)._replace(path=f"/{service}"))):
            found[f"table {service}.{table}"].append(value)
    found["redis"] = [value async for value in _of_redis(dev.redis)]
    for name, content in collect.logs(home.logs).items():
        found[f"log {name}"].append(content)
    for folder in backups:
        for path in sorted(folder.iterdir()):
            found[f"{folder.name} {path.name}"] = [path.read_bytes(), *_lines_of(path)]
    return found


def keys_that_are_left(home: Home) -> set[bytes]:
    """Whatever may be a key in a file of the stack that is neither data nor a log: its secrets, and the vault's keys."""
    found = set[bytes]()
    for path in home.root.rglob("*"):
        if {home.logs, home.mail, home.data / "postgres"} & set(path.parents) or not path.is_file():
            continue
        content = path.read_bytes()
        if len(content) <= _LARGEST_KEY_FILE or path == home.secrets_file:
            found |= {content, *(key for text in _KEY.findall(content) if (key := _decoded(text)) is not None)}
    return {part for key in found for part in (key, key[:32], key[32:]) if len(part) == 32}


def hits(stores: Stores, canaries: Iterable[Canary], keys: Iterable[bytes]) -> dict[str, set[str]]:
    """By store what is found in it, in any encoding, or under any key that is left or comes out with one."""
    canaries = list(canaries)
    scanner = Scanner(canaries)
    plain = re.compile(b"|".join(re.escape(canary.text.encode()) for canary in canaries), re.IGNORECASE)
    loots = {store: Loot() for store in stores}
    for store, values in stores.items():
        for value in values:
            loots[store].add(value)
    known = Loot({box for loot in loots.values() for box in loot.boxes}).keys(keys)
    found: dict[str, set[str]] = defaultdict(set)
    for store, values in stores.items():
        found[store] |= set(scanner.find(b"\x00".join(values)))
        for opened in loots[store].read(known):
            if plain.search(opened) or opened.startswith(ZIP):
                found[store] |= {f"{what} under a key" for what in scanner.find(opened)}
    return {store: what for store, what in found.items() if what}


async def _values(dsn: str) -> AsyncIterator[tuple[str, bytes]]:
    connection = await asyncpg.connect(dsn)
    try:
        for (table,) in await connection.fetch(_TABLES):
            for row in await connection.fetch(f'SELECT * FROM "{table}"'):
                for value in row.values():
                    yield table, value if isinstance(value, bytes) else str(value).encode()
    finally:
        await connection.close()


async def _of_redis(url: str) -> AsyncIterator[bytes]:
    client = Redis.from_url(url)
    try:
        async for key in client.scan_iter():
            yield key
            for read in (client.get, client.hgetall, client.smembers):
                try:
                    yield repr(await read(key)).encode()
                except Exception:  # noqa: BLE001, S112 - it is of another type
                    continue
            try:
                yield repr(await client.zrange(key, 0, -1, withscores=True)).encode()
            except Exception:  # noqa: BLE001, S112 - it is of another type
                continue
    finally:
        await client.aclose()


def _lines_of(path: Path) -> list[bytes]:
    """A dump as the statements that it would restore; nothing for another file."""
    if path.suffix != ".dump":
        return []
    program = programs.find("pg_restore", local=True)
    done = subprocess.run([program, "--file=-", path], check=True, capture_output=True)
    return done.stdout.splitlines()


def _decoded(text: bytes) -> bytes | None:
    try:
        return encoding.decode(text.decode())
    except ValueError:
        return None
