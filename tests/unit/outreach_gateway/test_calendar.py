"""When a person may be written to."""

from datetime import UTC, datetime, time, timedelta
from zoneinfo import ZoneInfo

from hypothesis import given
from hypothesis import strategies as st

from services.outreach_gateway.adapters.policy_file import read_policy
from services.outreach_gateway.calendar import open_hours
from services.outreach_gateway.model import Consent

POLICY = read_policy("2026-12")
AT = datetime(2026, 11, 24, 12, 0, tzinfo=UTC)


def is_open(consent: Consent, moment: datetime, *, at: datetime = AT) -> bool:
    milliseconds = int(moment.timestamp() * 1000)
    return any(start <= milliseconds < end for start, end in open_hours(POLICY, consent, at=at))


def consent(zone: str | None, quiet: tuple[time, time] | None = None) -> Consent:
    start, end = quiet or (None, None)
    return Consent("c", 1, contact=True, time_zone=zone, quiet_start=start, quiet_end=end)


moments = st.integers(0, 14 * 24 * 60).map(lambda minutes: AT + timedelta(minutes=minutes))
zones = st.sampled_from(["America/Denver", "America/New_York", "Pacific/Honolulu", "America/Phoenix", "Asia/Kolkata"])
clock_times = st.times(min_value=time(0, 0), max_value=time(23, 59)).map(lambda t: t.replace(second=0, microsecond=0))


@given(moments, zones)
def test_open_means_8_to_21_in_the_persons_zone_less_ten_minutes(moment: datetime, zone: str) -> None:
    local = moment.astimezone(ZoneInfo(zone)).time()
    assert is_open(consent(zone), moment) == (time(8) <= local < time(20, 50))


@given(moments, zones, clock_times, clock_times)
def test_quiet_hours_are_never_open(moment: datetime, zone: str, start: time, end: time) -> None:
    local = moment.astimezone(ZoneInfo(zone)).time()
    quiet = (start <= local < end) if start < end else (local >= start or local < end) if start != end else False
    if quiet:
        assert not is_open(consent(zone, (start, end)), moment)


@given(moments)
def test_an_unknown_zone_is_open_only_when_every_state_is(moment: datetime) -> None:
    everywhere = all(is_open(consent(zone), moment) for zone in POLICY.unknown_zone)
    assert is_open(consent(None), moment) == everywhere


def test_an_unknown_zone_has_open_hours_every_day() -> None:
    days = {datetime.fromtimestamp(start / 1000, UTC).date() for start, _ in open_hours(POLICY, consent(None), at=AT)}
    assert {AT.date() + timedelta(days=offset) for offset in range(14)} <= days


def test_hours_follow_daylight_saving_time() -> None:
    sunday = datetime(2027, 3, 14, 12, 0, tzinfo=UTC)  # clocks in Denver go forward this morning
    starts = [
        datetime.fromtimestamp(start / 1000, UTC).time()
        for start, _ in open_hours(POLICY, consent("America/Denver"), at=sunday)
    ]
    assert starts[0] == time(15)
    assert starts[1:] == [time(14)] * len(starts[1:])
