"""What a restore of signup takes along from the database it replaces: what was noted there after the dump and can't be told again.

Only what destroys nothing and brings nobody back: each "no" as its slow hash, the keys of days whose reports are read again and the
epochs they are sealed under, and the certificates of who erased themself. It ends with the erasures, as the rest does.
"""

import tempfile
from collections.abc import Mapping
from dataclasses import dataclass, field

from shared.postgres.pool import Connection

_COLUMNS = """
    SELECT attname::text AS name FROM pg_attribute
    WHERE attrelid = to_regclass($1) AND attnum > 0 AND NOT attisdropped ORDER BY attnum
"""
_EMPTY = "CREATE TEMPORARY TABLE newer ON COMMIT DROP AS SELECT {columns} FROM {table} WITH NO DATA"
_MERGE = """
    INSERT INTO {table} AS old ({columns}) SELECT {columns} FROM newer AS new ORDER BY {key}
    ON CONFLICT ({key}) DO {otherwise}
"""
_DONE = "DROP TABLE newer"


@dataclass(frozen=True, slots=True)
class Table:
    """One table whose newer rows are taken along."""

    name: str
    key: tuple[str, ...]
    what: str
    """For people."""
    merged: Mapping[str, str] = field(default_factory=dict)
    """Of a row that the dump has as well, by column what it becomes of `old` and `excluded`; the other columns stay."""
    needs: frozenset[str] = frozenset()
    """Columns without which a dump of an older release can't take it."""


TAKEN_ALONG = (
    Table(
        "epochs",
        ("epoch",),
        "epoch keys",
        {
            "reference": "coalesce(old.reference, excluded.reference)",
            "made_at": "coalesce(old.made_at, excluded.made_at)",
        },
    ),
    Table("intake_keys", ("day",), "keys of days", needs=frozenset({"epoch"})),
    Table(
        "invitations",
        ("slow_hash",),
        "slow hashes",
        {
            "count": "greatest(old.count, excluded.count)",
            "last_at": "greatest(old.last_at, excluded.last_at)",
            "refused_at": "greatest(old.refused_at, excluded.refused_at)",
            "said_no_at": "greatest(old.said_no_at, excluded.said_no_at)",
            "pepper": "coalesce(excluded.pepper, old.pepper)",
            "prefix": "coalesce(excluded.prefix, old.prefix)",
        },
    ),
    Table("refusals", ("candidate",), "refusals", {"never_again": "old.never_again OR excluded.never_again"}),
    Table("erasure_requests", ("candidate",), "erasures that have a certificate"),
    Table("certificates", ("id_hash",), "certificates"),
    Table("erasure_sweeps", ("candidate", "service"), "sweeps"),
    Table("erasures_outstanding", ("candidate", "service"), "confirmations that are owed"),
)  # what a row of another names comes after that one
"""Of `erased` nothing: whoever is in it is erased by `erasures`, which has everybody, with all that the dump has of them."""


async def carry_over(replaced: Connection, fresh: Connection) -> Mapping[str, int]:
    """By what it is, how many rows came along that the dump did not have, or not as they are now. All of it, or an error and nothing."""
    carried = {}
    async with replaced.transaction(isolation="repeatable_read", readonly=True), fresh.transaction():
        for table in TAKEN_ALONG:
            if count := await _carry(table, replaced, fresh):
                carried[table.what] = count
    return carried


async def _carry(table: Table, replaced: Connection, fresh: Connection) -> int:
    """Whatever the dump's release knows: a column that one of both lacks is left out, as a default or as it was."""
    theirs = {row["name"] for row in await replaced.fetch(_COLUMNS, table.name)}
    both = [row["name"] for row in await fresh.fetch(_COLUMNS, table.name) if row["name"] in theirs]
    if not table.needs | set(table.key) <= set(both):
        return 0
    columns = ", ".join(both)
    await fresh.execute(_EMPTY.format(table=table.name, columns=columns))
    with tempfile.TemporaryFile() as rows:  # of no name: nobody else ever reads it
        await replaced.copy_from_query(f"SELECT {columns} FROM {table.name}", output=rows, format="binary")
        rows.seek(0)
        await fresh.copy_to_table("newer", source=rows, columns=both, format="binary")
    merge = _MERGE.format(
        table=table.name, columns=columns, key=", ".join(table.key), otherwise=_otherwise(table, both)
    )
    said = await fresh.execute(merge)
    await fresh.execute(_DONE)
    return int(said.rpartition(" ")[2])


def _otherwise(table: Table, both: list[str]) -> str:
    merged = {name: made for name, made in table.merged.items() if name in both}
    if not merged:
        return "NOTHING"
    before, after = (", ".join(each) for each in ((f"old.{name}" for name in merged), merged.values()))
    return f"UPDATE SET ({', '.join(merged)}) = ROW({after}) WHERE ({before}) IS DISTINCT FROM ({after})"
