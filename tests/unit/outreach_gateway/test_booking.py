"""What the booking script is sent."""

from datetime import UTC, datetime, timedelta, timezone

import pytest
from hypothesis import example, given
from hypothesis import strategies as st

from services.outreach_gateway.adapters.booking import in_ms, ms
from services.outreach_gateway.adapters.redis_servers import Call, packed

moments = st.datetimes(
    datetime(1970, 1, 1),  # noqa: DTZ001 - the strategy adds the zone
    datetime(2105, 1, 1),  # noqa: DTZ001 - as above
    timezones=st.sampled_from([UTC, timezone(timedelta(hours=-7))]),
)


@given(found=st.lists(moments))
@example(found=[datetime(2026, 11, 29, 12, 0, 0, 999_999, UTC), datetime(2026, 11, 29, 12, 0, 0, 1000, UTC)])
def test_a_column_of_moments_has_each_to_the_millisecond(found: list[datetime]) -> None:
    assert in_ms(found) == [ms(moment) for moment in found]


def test_a_command_is_packed_as_the_protocol_has_it_with_its_lengths_in_bytes() -> None:
    assert (
        packed("EVALSHA", 2, "é", b"\x00\r\n", "")
        == b"*5\r\n$7\r\nEVALSHA\r\n$1\r\n2\r\n$2\r\n\xc3\xa9\r\n$3\r\n\x00\r\n\r\n$0\r\n\r\n"
    )


@pytest.mark.parametrize("keys", [("fp:{s1}:c", "fp:{s12}:cd"), ("fp:{s1}:é", "d"), ()])
def test_a_call_is_packed_as_each_of_its_parts_is(keys: tuple[str, ...]) -> None:
    arguments = ("[1]", b"\x00\xff\r\n", "é", 7)
    packed_call = Call(keys, arguments).packed("EVALSHA", "sha")
    assert packed_call == packed("EVALSHA", "sha", len(keys), *keys, *arguments)
