"""What is said of many people at once, as its topic carries it: the bytes of the model, without one."""

from collections.abc import Iterable, Iterator, Sequence
from datetime import datetime
from functools import lru_cache
from itertools import groupby
from json.encoder import encode_basestring as text
from operator import itemgetter

import asyncpg

from services.pool_matching.model import LISTED, Settled, Update
from shared.contracts.base import Event, rfc3339
from shared.contracts.bounds import MOST
from shared.contracts.pool_matching import DisclosedV1, DisclosureEndedV1
from shared.ids import event_id

_moment = lru_cache(maxsize=1024)(rfc3339)
"""Hours, and ticks: many have the same."""


def memberships(settled: Settled) -> bytes:
    """What `MembershipsChangedV1.model_dump_json()` would write, in the order of the pools, as a read-back says it again: one version
    is one value. ValueError where they are more than its readers take, as of the model."""
    members = sorted(settled.members, key=itemgetter(0))  # by pool
    if len(members) > MOST:
        raise ValueError(f"a person in {len(members)} pools: the readers of `memberships` take {MOST}")
    pools = ",".join([f'{_of(pool, employer)}{_moment(since)}"}}' for pool, employer, since, *_ in members])
    return (
        f'{{"version":{settled.version},"candidate":{text(settled.candidate)},"pools":[{pools}],"generation":{settled.generation}}}'
    ).encode()


@lru_cache(maxsize=20_000)
def _of(pool: str, employer: str) -> str:
    """What is said of everybody who is in a pool."""
    return f'{{"pool":{text(pool)},"employer":{text(employer)},"since":"'


def told(employer: str, update: Update) -> bytes:
    """What `PoolUpdatedV1.model_dump_json()` would write; not of a listing that closed."""
    return (
        f'{{"employer":{text(employer)},"pool":{text(update.pool)},"member_ref":{text(update.member_ref or "")},'
        f'"change":"{update.change}","at":"{_moment(update.at)}"}}'
    ).encode()


def in_feed(update: Update) -> str:
    """What `Update.model_dump_json(exclude_none=True)` would write."""
    ref = "" if update.member_ref is None else f'"member_ref":{text(update.member_ref)},'
    return f'{{"id":{text(update.id)},"change":"{update.change}","pool":{text(update.pool)},{ref}"at":"{_moment(update.at)}"}}'


def disclosures(rows: Iterable[asyncpg.Record]) -> Iterator[tuple[type[Event], list[tuple[str, str, bytes]]]]:
    """What these rows of `disclosures` say, in their order: kind by kind (id, key, value), and nothing of whom nobody knows."""
    for is_over, some in groupby((row for row in rows if row["is_known"]), key=lambda row: row["fields"] is None):
        if is_over:
            yield DisclosureEndedV1, [(event_id(), row["candidate"], ended(*row[1:5])) for row in some]
        else:
            yield DisclosedV1, [(event_id(), row["candidate"], disclosed(row)) for row in some]


def disclosed(row: asyncpg.Record) -> bytes:
    """What `DisclosedV1.model_dump_json()` would write of a row of `disclosures` that has fields."""
    return (
        f'{{"candidate":{text(row["candidate"])},"employer":{text(row["employer"])},"pool":{text(row["pool"])},'
        f'"at":"{_moment(row["at"])}","fields":{_fields(tuple(row["fields"]))},"way":"{LISTED}",'
        f'"member_since":"{_moment(row["member_since"])}","memberships":{row["memberships"]}}}'
    ).encode()


def ended(candidate: str, employer: str, pool: str, at: datetime) -> bytes:
    """What `DisclosureEndedV1.model_dump_json()` would write."""
    return (
        f'{{"candidate":{text(candidate)},"employer":{text(employer)},"pool":{text(pool)},"at":"{_moment(at)}"}}'
    ).encode()


@lru_cache(maxsize=1024)
def _fields(names: Sequence[str]) -> str:
    return f"[{','.join(map(text, names))}]"
