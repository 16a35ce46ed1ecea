"""A day's intake key is destroyed in time."""

from datetime import UTC, datetime, timedelta

from services.signup import jobs
from tests.fakes.clock import NOON
from tests.fakes.signup import FakeStore

DAY = timedelta(days=1)


async def test_no_intake_key_is_there_fifteen_days_after_what_it_sealed_first() -> None:
    midnight = datetime(NOON.year, NOON.month, NOON.day, tzinfo=UTC)
    store = FakeStore(keys={(midnight + n * DAY).date(): bytes(32) for n in range(-20, 1)})
    for later in (timedelta(0), DAY - timedelta(seconds=1), DAY):
        store.at = midnight + later
        await jobs.forget(store)
        assert min(store.keys) == (store.at - jobs.INTAKE_KEPT).date()
        assert store.at - datetime.combine(min(store.keys), datetime.min.time(), UTC) < timedelta(days=15)
