"""What a restore of signup takes along from the database it replaces: what was noted there after the dump and can't be told again.

Only what destroys nothing and brings nobody back: each "no" as its slow hash, the keys of days whose reports are read again and the
epochs they are sealed under, the certificates of who erased themself; and, of people whom the dump has too, which mailbox is theirs
by now: else whatever was for them would go to one that they left. It ends with the erasures, as the rest does.
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
    INSERT INTO {table} AS old ({columns}) SELECT {columns} FROM newer AS new WHERE {whose} ORDER BY {key}
    ON CONFLICT ({key}) DO {otherwise}
"""
_UPDATE = "UPDATE {table} AS old {set} FROM newer AS excluded WHERE ({key}) = ({newer_key}) AND {differs}"
_REMOVE = "DELETE FROM {table} WHERE ({key}) NOT IN (SELECT {key} FROM newer)"
_FREE_MAILBOXES = """
    UPDATE candidates SET blind_index = sha256(convert_to(gen_random_uuid()::text, 'UTF8'))
    WHERE candidate IN (SELECT old.candidate FROM candidates AS old JOIN newer USING (candidate) WHERE old.blind_index <> newer.blind_index)
        OR EXISTS (SELECT FROM newer WHERE newer.blind_index = candidates.blind_index AND newer.candidate <> candidates.candidate)
"""
"""An index is one person's at any moment. Who has one in the dump that is another's by now is erased, or an unanswered row of before."""
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
    of: str = ""
    """The table that `needs` is about, where it is another."""
    rows: str = "true"
    """Which rows of the replaced one: a condition."""
    whose: str = "true"
    """Which of those have a place in the dump: a condition on `new`."""
    only_known: bool = False
    """Rows that the dump doesn't have stay away."""
    is_whole: bool = False
    """Rows of the dump that the replaced one has no more go."""
    first: str = ""
    """A statement that makes room, once the rows are in `newer`."""


_MOVED = frozenset({"email_since", "links_from"})
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
    Table(
        "identities",
        ("candidate",),
        "emails of people who changed theirs",
        {name: f"excluded.{name}" for name in ("identity", "mail", "name", "phones")},
        needs=_MOVED,
        of="candidates",
        rows="candidate IN (SELECT candidate FROM candidates WHERE email_since IS NOT NULL)",
        only_known=True,
    ),
    Table(
        "candidates",
        ("candidate",),
        "mailboxes that people are found by",
        {
            name: f"excluded.{name}"
            for name in ("blind_index", "index_key", "email_since", "mailbox_gone_at", "mailbox_version")
        }
        | {"links_from": "greatest(old.links_from, excluded.links_from)"},
        needs=_MOVED,
        rows="email_since IS NOT NULL OR links_from IS NOT NULL",
        only_known=True,
        first=_FREE_MAILBOXES,
    ),
    Table(
        "email_changes",
        ("candidate",),
        "changes of an email that were under way",
        {name: f"excluded.{name}" for name in ("id", "state", "new_said", "old_said", "until", "sealed", "old_since")},
        whose="candidate IN (SELECT candidate FROM candidates)",
        is_whole=True,
    ),
    Table(
        "former_mailboxes",
        ("blind_index",),
        "mailboxes that were given up days ago",
        {"candidate": "excluded.candidate"},
        whose="candidate IN (SELECT candidate FROM email_changes)",
        is_whole=True,
    ),
    Table(
        "recovery_codes",
        ("candidate",),
        "recovery codes",
        {name: f"excluded.{name}" for name in ("code_hash", "made_at", "spent_at")},
        whose="candidate IN (SELECT candidate FROM candidates)",
        is_whole=True,
    ),
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


async def _columns(table: str, replaced: Connection, fresh: Connection) -> list[str]:
    theirs = {row["name"] for row in await replaced.fetch(_COLUMNS, table)}
    return [row["name"] for row in await fresh.fetch(_COLUMNS, table) if row["name"] in theirs]


async def _carry(table: Table, replaced: Connection, fresh: Connection) -> int:
    """Whatever the dump's release knows: a column that one of both lacks is left out, as a default or as it was."""
    both = await _columns(table.name, replaced, fresh)
    known = await _columns(table.of, replaced, fresh) if table.of else both
    if not (table.needs <= set(known) and set(table.key) <= set(both)):
        return 0
    columns, key = ", ".join(both), ", ".join(table.key)
    await fresh.execute(_EMPTY.format(table=table.name, columns=columns))
    with tempfile.TemporaryFile() as rows:  # of no name: nobody else ever reads it
        await replaced.copy_from_query(
            f"SELECT {columns} FROM {table.name} WHERE {table.rows}", output=rows, format="binary"
        )
        rows.seek(0)
        await fresh.copy_to_table("newer", source=rows, columns=both, format="binary")
    if table.first:
        await fresh.execute(table.first)
    if table.is_whole:
        await fresh.execute(_REMOVE.format(table=table.name, key=key))
    said = await fresh.execute(_put(table, both, columns=columns, key=key))
    await fresh.execute(_DONE)
    return int(said.rpartition(" ")[2])


def _put(table: Table, both: list[str], *, columns: str, key: str) -> str:
    """The statement that takes the rows of `newer` in, as many as differ."""
    merged = {name: made for name, made in table.merged.items() if name in both}
    before, after = (", ".join(each) for each in ((f"old.{name}" for name in merged), merged.values()))
    into, differs = f"SET ({', '.join(merged)}) = ROW({after})", f"({before}) IS DISTINCT FROM ({after})"
    if table.only_known:
        ours, theirs = (", ".join(f"{of}.{name}" for name in table.key) for of in ("old", "excluded"))
        return _UPDATE.format(table=table.name, set=into, key=ours, newer_key=theirs, differs=differs)
    otherwise = f"UPDATE {into} WHERE {differs}" if merged else "NOTHING"
    return _MERGE.format(table=table.name, columns=columns, key=key, whose=table.whose, otherwise=otherwise)
