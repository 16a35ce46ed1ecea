"""The processes, in the roles in which they are deployed, and what their settings ask of the environment."""

from collections.abc import Mapping
from types import MappingProxyType

from services.consent.settings import Settings as ConsentSettings
from services.outreach_gateway.settings import GatewaySettings
from services.pool_matching.settings import PoolMatchingSettings
from services.signup.courier.settings import CourierSettings
from services.signup.settings import Settings as SignupSettings
from shared.roles import Role
from shared.setting_forms import is_needed
from shared.settings import PREFIX, ServiceSettings

_SERVICES: Mapping[str, tuple[str, type[ServiceSettings]]] = MappingProxyType(
    {
        "signup": ("services.signup", SignupSettings),
        "consent": ("services.consent", ConsentSettings),
        "pool-matching": ("services.pool_matching", PoolMatchingSettings),
        "outreach-gateway": ("services.outreach_gateway", GatewaySettings),
        "courier": ("services.signup.courier", CourierSettings),
    }
)


def _name(service: str, settings: type[ServiceSettings], role: Role) -> str:
    return service if role is Role.EDGE or Role.EDGE not in settings.ROLES else f"{service}-{role}"


ROLES: Mapping[str, tuple[str, Role]] = MappingProxyType(
    {
        _name(service, settings, role): (service, role)
        for service, (_, settings) in _SERVICES.items()
        for role in Role
        if role in settings.ROLES - {Role.ALL}
    }
)
"""By the name of the container: the service, and which of its roles."""
PROCESSES: Mapping[str, tuple[str, type[ServiceSettings]]] = MappingProxyType(
    {name: _SERVICES[service] for name, (service, _) in ROLES.items()}
)
"""By the name of the container: the module and its settings."""
SECRETS = frozenset(
    {
        "BLIND_INDEX_KEY",
        "MEMBER_REF_KEY",
        "LINK_SIGNING_KEY",
        "LINK_VERIFY_KEY",
        "LINK_SUBJECT_KEY",
        "OUTREACH_ID_KEY",
        "TICK_KEY",
        "SIGNING_KEY",
        "CONSENT_SEAL_KEYS",
    }
)


def required(settings: type[ServiceSettings], role: Role) -> set[str]:
    """The variables without which a process of this role does not start: what it is told, and no secret more."""
    return {PREFIX + name.upper() for name, field in settings.model_fields.items() if is_needed(field, role)}


def user_of(name: str) -> str:
    """As whom the container of this name logs in to Kafka."""
    return ROLES[name][0].replace("-", "_")


def known(settings: type[ServiceSettings]) -> set[str]:
    """Every variable that the process reads."""
    return {PREFIX + name.upper() for name in settings.model_fields}


def keys(variables: set[str]) -> set[str]:
    """The secrets among these variables."""
    return variables & {PREFIX + name for name in SECRETS}
