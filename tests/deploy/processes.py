"""The five processes and what their settings ask of the environment."""

from collections.abc import Mapping
from types import MappingProxyType

from services.consent.settings import Settings as ConsentSettings
from services.outreach_gateway.settings import GatewaySettings
from services.pool_matching.settings import PoolMatchingSettings
from services.signup.courier.settings import CourierSettings
from services.signup.settings import Settings as SignupSettings
from shared.settings import PREFIX, ServiceSettings

PROCESSES: Mapping[str, tuple[str, type[ServiceSettings]]] = MappingProxyType(
    {
        "signup": ("services.signup", SignupSettings),
        "consent": ("services.consent", ConsentSettings),
        "pool-matching": ("services.pool_matching", PoolMatchingSettings),
        "outreach-gateway": ("services.outreach_gateway", GatewaySettings),
        "courier": ("services.signup.courier", CourierSettings),
    }
)
"""By the name of the container: the module and its settings."""
SECRETS = frozenset(
    {
        "VAULT_KEY",
        "BLIND_INDEX_KEY",
        "MEMBER_REF_KEY",
        "LINK_SIGNING_KEY",
        "LINK_VERIFY_KEY",
        "LINK_SUBJECT_KEY",
        "OUTREACH_ID_KEY",
    }
)


def required(settings: type[ServiceSettings]) -> set[str]:
    """The variables without which the process does not start."""
    return {PREFIX + name.upper() for name, field in settings.model_fields.items() if field.is_required()}


def known(settings: type[ServiceSettings]) -> set[str]:
    """Every variable that the process reads."""
    return {PREFIX + name.upper() for name in settings.model_fields}


def keys(variables: set[str]) -> set[str]:
    """The secrets among these variables."""
    return variables & {PREFIX + name for name in SECRETS}
