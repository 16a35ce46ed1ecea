"""A row becomes a value by the order of its columns: so each statement that reads rows has them in the order of the fields."""

from pathlib import Path

import pytest

from services.outreach_gateway.adapters.kept import SQL
from services.outreach_gateway.model import Outreach
from shared.postgres.pool import Pool
from tests.databases import MIGRATIONS_OF

FIELDS = [*Outreach._fields]
READ_AS_VALUES = {
    "earlier_to_people", "lock_live", "lock_reported", "lock_waiting_of", "places", "take_due", "take_waiting_of_senders",
}  # fmt: skip
PERSON = [
    "candidate", "reachable", "version", "contact", "blocked_employers", "first_contacts_per_week", "min_gap_hours",
    "quiet_start", "quiet_end", "time_zone", "paused_until", "ends_at", "employers", "pools", "generation", "erased",
]  # fmt: skip
"""As `person_of` takes them."""


@pytest.fixture
def migrations() -> tuple[Path, ...]:
    return MIGRATIONS_OF["outreach_gateway"]


async def test_each_statement_that_reads_whole_rows_has_the_columns_in_the_order_of_the_fields(pool: Pool) -> None:
    found = {}
    async with pool.acquire() as connection:
        for name in READ_AS_VALUES:
            found[name] = [one.name for one in (await connection.prepare(SQL[name])).get_attributes()]
        of_person = [one.name for one in (await connection.prepare(SQL["people"])).get_attributes()]
    assert of_person == PERSON
    assert found == dict.fromkeys(READ_AS_VALUES, FIELDS)


def test_no_other_statement_is_read_so() -> None:
    source = (Path(__file__).parents[3] / "services/outreach_gateway/adapters/postgres.py").read_text("utf-8")
    assert source.count("outreach_of") == len(READ_AS_VALUES) + 1, (
        "one import, and one for each: name the new one above"
    )
