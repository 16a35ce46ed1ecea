"""Every knob of pool_matching."""

from datetime import timedelta
from typing import Annotated

from pydantic import Field

from shared.setting_forms import Duration, Keys64, PostgresUrl
from shared.settings import TellsEmployersSettings


class PoolMatchingSettings(TellsEmployersSettings):
    """Read once, in `app.py`."""

    pool_matching_database: PostgresUrl
    member_ref_key: Keys64
    """The first makes member refs; the gateway reads them, and has the same."""
    pool_changes_per_minute: Annotated[int, Field(ge=1, le=10_000)] = 120
    """How often one employer may make, change or delete a pool within a minute; more is answered with 429."""
    pools_asked_per_day: Annotated[int, Field(ge=1, le=10_000)] = 40
    """How many pools one employer may make, or have ask for something else, in a day: sizes of pools that overlap can be subtracted."""
    pool_matching_heartbeat: Duration = timedelta(seconds=15)
    """After how long a silent stream of updates sends a comment, so that proxies keep it open."""
