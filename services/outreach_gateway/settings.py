"""The gateway's knobs."""

from typing import Annotated

from pydantic import Field

from shared.roles import Role
from shared.security.words import WordsForm
from shared.setting_forms import NOT_TOLD, Keys32, OnlyFor, OwnFolder, PostgresUrl, RedisUrl, RoleKeys64
from shared.settings import TellsEmployersSettings


class GatewaySettings(TellsEmployersSettings):
    """From the environment; see `.env.example`."""

    outreach_gateway_database: PostgresUrl
    redis: RedisUrl
    redis_cluster: bool = False
    """Whether `redis` is a node of a Redis Cluster: the others are found through it."""
    member_ref_key: Annotated[RoleKeys64, OnlyFor(frozenset({Role.EDGE}))] = NOT_TOLD
    outreach_id_key: Keys32
    words_form: WordsForm = "jwe"
    """How words are sealed to people: `hpke` once no process runs that opens only `jwe`, nor will again."""
    policy: str = "2026-12"
    """What to decide by: the version of a policy file, or its path."""
    policies: OwnFolder = None
    """A directory with policy files of the operator's own, beside those that are shipped."""
    agreements: OwnFolder = None
    """A directory with agreements of the operator's own: no policy may allow more than any of them promises."""
    """How often due slots are looked for."""
    batch: int = Field(default=500, ge=1, le=5000)
    """Messages decided in one transaction and one script call."""
