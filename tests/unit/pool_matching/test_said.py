"""What is said without a model is what the model says, byte for byte."""

from datetime import UTC, datetime, timedelta, timezone
from typing import Any

import pytest
from hypothesis import given
from hypothesis import strategies as st

from services.pool_matching.adapters import said
from services.pool_matching.decisions import MOST_POOLS, settle
from services.pool_matching.model import LISTED, Change, KeptPerson, Member, Person, Settled, Shown, Update
from shared.contracts.bounds import MOST
from shared.contracts.pool_matching import DisclosedV1, DisclosureEndedV1, MembershipsChangedV1
from shared.facts import UNKNOWN
from shared.ids import new_candidate_id, new_id
from shared.messaging.envelope import encode, encode_written
from tests.fakes.listings import event_of
from tests.fakes.pool_matching import SOC, list_of

ZONES = st.sampled_from([UTC, timezone(timedelta(hours=-7)), timezone(timedelta(hours=5, minutes=45))])
MOMENTS = st.datetimes(datetime(1971, 1, 1), datetime(9000, 1, 1), timezones=ZONES)  # noqa: DTZ001 - the strategy adds the zone
TICKS = MOMENTS.map(lambda at: at.astimezone(UTC))
IDS = st.text(st.characters(codec="utf-8"), min_size=1, max_size=128)
PERSON = st.uuids().map(str)
MEMBERS = st.builds(Member, IDS, IDS, MOMENTS, st.just("{}"))
NUMBERS = st.integers(0, 2**31 - 1)


def settled(candidate: str, version: int, members: list[Member], generation: int) -> Settled:
    return Settled(candidate, version, None, Change(), tuple(members), generation)


@given(st.builds(settled, PERSON, NUMBERS, st.lists(MEMBERS, max_size=5), NUMBERS), MOMENTS)
def test_a_list_of_pools_is_written_as_its_model_would_write_it(one: Settled, at: datetime) -> None:
    model, found = list_of(one), said.memberships(one)
    assert found == model.model_dump_json().encode()
    assert encode_written(type(model), [("e_1", one.candidate, found)], source="pool_matching", at=at) == [
        encode(model, source="pool_matching", at=at, id="e_1")
    ]


def test_no_list_is_longer_than_its_readers_take() -> None:
    many = [Member(f"p_{number}", "emp", datetime(2026, 12, 1, tzinfo=UTC), "{}") for number in range(MOST + 1)]
    said.memberships(settled("c", 1, many[:-1], 0))
    with pytest.raises(ValueError, match="readers"):
        said.memberships(settled("c", 1, many, 0))


@pytest.mark.parametrize("is_in", [0, MOST_POOLS, MOST])
def test_of_who_is_in_as_many_pools_as_there_may_be_all_is_said_whatever_their_ids(is_in: int) -> None:
    """Who joins, and who leaves one of them; also who was in more before there was the limit."""
    at, employer = datetime(2026, 12, 1, 19, tzinfo=UTC), "e" * 128
    ids = [new_id("p") for _ in range(MOST + 1)]
    assert len(ids[0]) == 24
    members = tuple(Member(id_, employer, at, "{}", 2**32 - 1) for id_ in ids)
    nobody = Person.of(new_candidate_id(), UNKNOWN, UNKNOWN, SOC, 2**32 - 1)
    for change in (Change(joined=members[is_in:]), Change(left=members[:1] if is_in else ())):
        one = settle(KeptPerson(nobody, 2**31 - 2, None, members[:is_in]), change, at)
        if one is not None:
            assert len(one.members) == MOST_POOLS - (is_in == MOST_POOLS and bool(change.left))
            written = said.memberships(one)
            assert written == list_of(one).model_dump_json().encode()
            encode_written(MembershipsChangedV1, [("e_1", one.candidate, written)], source="pool_matching", at=at)


@given(
    st.builds(
        Update, id=IDS, change=st.sampled_from(["joined", "left", "changed"]), pool=IDS, member_ref=IDS, at=MOMENTS
    ),
    IDS,
    MOMENTS,
)
def test_an_update_is_written_as_its_model_would_write_it_at_its_tick(
    update: Update, employer: str, now: datetime
) -> None:
    model, found = event_of(employer, update), said.told(employer, update)
    assert found == model.model_dump_json().encode()
    assert encode_written(type(model), [(update.id, employer, found)], source="pool_matching", at=update.at) == [
        encode(model, source="pool_matching", at=now, id=update.id)
    ]


@given(st.builds(Update, id=IDS, change=st.just("closed"), pool=IDS, member_ref=st.none() | IDS, at=TICKS))
def test_the_feed_is_written_as_its_model_would_write_it(update: Update) -> None:
    assert said.in_feed(update) == update.model_dump_json(exclude_none=True)


ROWS = st.fixed_dictionaries(
    {"candidate": PERSON, "employer": IDS, "pool": IDS, "at": MOMENTS, "member_since": MOMENTS, "memberships": NUMBERS,
     "fields": st.lists(st.sampled_from(sorted(Shown.model_fields)), max_size=8)}
)  # fmt: skip


@given(ROWS)
def test_a_disclosure_is_written_as_its_model_would_write_it(row: Any) -> None:
    assert said.disclosed(row) == DisclosedV1(**row, way=LISTED).model_dump_json().encode()
    whose = {name: row[name] for name in ("candidate", "employer", "pool", "at")}
    assert said.ended(**whose) == DisclosureEndedV1(**whose).model_dump_json().encode()
