"""What a service keeps of people, declared table by table: how each row ends with its person, or why an id stays."""

from collections.abc import Collection, Mapping
from dataclasses import dataclass
from typing import assert_never

from shared.contracts.base import State
from shared.contracts.signup import SweptStore
from shared.postgres.pool import Connection


@dataclass(frozen=True, slots=True)
class Deletes:
    """The rows go, by the named statement, which takes the ids of people as `$1`."""

    statement: str


@dataclass(frozen=True, slots=True)
class Blanks:
    """The named statement takes out what the rows say of people, whose ids it takes as `$1`; the id itself stays."""

    statement: str
    stays: str
    """Why, and until when."""


@dataclass(frozen=True, slots=True)
class Follows:
    """The rows go by themselves once others have gone."""

    how: str


@dataclass(frozen=True, slots=True)
class Stays:
    """Nothing of the row goes."""

    why: str
    """And until when."""


Eraser = Deletes | Blanks | Follows | Stays


@dataclass(frozen=True, slots=True)
class Table:
    """A table that can hold the id of a candidate; there is none without an eraser."""

    name: str
    columns: tuple[str, ...]
    """Where the id can stand."""
    eraser: Eraser


@dataclass(frozen=True, slots=True)
class Projection(Table):
    """A service's own copy of facts that another one tells, built by a statement that a lower version passes by."""

    of: type[State]
    version: str
    """The column that says how new the copy is."""
    statement: str
    """What writes it: only over a version below the one that comes."""


@dataclass(frozen=True, slots=True)
class Keys:
    """Keys of Redis that hold the id of a candidate."""

    pattern: str
    ends: str
    """How they end, and when."""


@dataclass(frozen=True, slots=True)
class Kept:
    """All that one process keeps of people."""

    service: str
    tables: tuple[Table, ...]
    queries: Mapping[str, str]
    """Where the named statements are."""
    nobody: Mapping[str, str]
    """The tables of this service that can't hold the id of a candidate, and what they are about."""
    keys: tuple[Keys, ...] = ()

    def __post_init__(self) -> None:
        for table in self.tables:
            for name in self._statements_of(table):
                if name not in self.queries:
                    raise ValueError(f"{self.service}, {table.name}: there is no statement {name}")

    @property
    def erasers(self) -> tuple[str, ...]:
        """The named statements that erase, each once, in the order of their tables."""
        erasers = [table.eraser for table in self.tables]
        return tuple(dict.fromkeys(one.statement for one in erasers if isinstance(one, Deletes | Blanks)))

    @property
    def swept(self) -> tuple[SweptStore, ...]:
        """What an erasure does in each place, each once, for whoever is told that it was done."""
        stores = {table.name: _swept(table) for table in self.tables}
        keys = (SweptStore(store=keys.pattern, ends="follows", how=keys.ends) for keys in self.keys)
        return (*stores.values(), *keys)

    async def erase(self, connection: Connection, candidates: Collection[str]) -> None:
        """Runs every eraser for these people, inside the caller's transaction: once more changes nothing."""
        for name in self.erasers:
            await connection.execute(self.queries[name], list(candidates))

    @property
    def all(self) -> frozenset[str]:
        """Every table that is spoken of."""
        return frozenset(table.name for table in self.tables) | self.nobody.keys()

    @staticmethod
    def _statements_of(table: Table) -> list[str]:
        found = [table.statement] if isinstance(table, Projection) else []
        return [*found, table.eraser.statement] if isinstance(table.eraser, Deletes | Blanks) else found


def _swept(table: Table) -> SweptStore:
    match table.eraser:
        case Deletes():
            return SweptStore(store=table.name, ends="deleted", how="the rows of the person are deleted")
        case Blanks(stays=stays):
            return SweptStore(store=table.name, ends="emptied", how=f"what stays: {stays}")
        case Follows(how):
            return SweptStore(store=table.name, ends="follows", how=how)
        case Stays(why):
            return SweptStore(store=table.name, ends="stays", how=why)
        case _:
            assert_never(table.eraser)


PLUMBING = Kept(
    "plumbing",
    (
        Table("outbox", ("key", "value"), Follows("gone once Kafka has the record, in a second as a rule")),
        Table("inbox", ("event_id",), Stays("ids of events, which name nobody (0003_inbox_names_nobody); 110 days")),
        Table(
            "work",
            ("key", "payload"),
            Follows("an erasure cancels what is named by the person; other work of theirs finds nobody, and is done"),
        ),
        Table("feed_incoming", ("body",), Follows("numbered and moved into `feed_rows`, in a second as a rule")),
        Table(
            "feed_rows",
            ("body",),
            Stays(
                "what an employer was told, by member refs and ids of its messages; as long as the feed keeps (30, 100 days)"
            ),
        ),
        Table("read_back_seen", ("key",), Stays("what a topic was found to hold; until that pass is over, in minutes")),
    ),
    {},
    nobody={
        "feeds": "how far each feed was numbered",
        "feeds_forgotten": "how far each reader's feed has forgotten",
        "migrations": "files that were applied",
        "restored": "which process has yet to replay who was erased, after a restore",
    },
)
"""What every service's database has beside its own."""
