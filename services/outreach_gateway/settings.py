"""The gateway's knobs."""

from datetime import timedelta

from pydantic import Field

from shared.settings import PostgresUrl, RedisUrl, Secret32, Secret64, ServiceSettings


class GatewaySettings(ServiceSettings):
    """From the environment; see `.env.example`."""

    outreach_gateway_database: PostgresUrl
    redis: RedisUrl
    member_ref_key: Secret64
    outreach_id_key: Secret32
    policy: str = "2026-12"
    """The version of the policy file to decide by."""
    due_every: timedelta = Field(default=timedelta(milliseconds=200), gt=timedelta(0))
    """How often due slots are looked for."""
    batch: int = Field(default=500, ge=1, le=5000)
    """Messages decided in one transaction and one script call."""
