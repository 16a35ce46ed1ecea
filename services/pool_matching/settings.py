"""Every knob of pool_matching."""

from datetime import timedelta
from typing import Annotated

from pydantic import Field

from shared.setting_forms import Duration, PostgresUrl, Secret64
from shared.settings import ReadsLimitsSettings


class PoolMatchingSettings(ReadsLimitsSettings):
    """Read once, in `app.py`."""

    pool_matching_database: PostgresUrl
    member_ref_key: Secret64
    """Makes member refs; the gateway has the same."""
    pool_changes_per_minute: Annotated[int, Field(ge=1, le=10_000)] = 120
    """How often one employer may make, change or delete a pool within a minute; more is answered with 429."""
    pool_matching_heartbeat: Duration = timedelta(seconds=15)
    """After how long a silent stream of updates sends a comment, so that proxies keep it open."""
