"""The invented vendors, employers and webhook sources of a local stack."""

from dataclasses import dataclass

import httpx

from deploy.local import services
from deploy.local.devfile import DevEmployer, DevFile, DevOperator, DevSource, DevVendor, ServiceUrls
from deploy.local.endpoints import Endpoints
from deploy.local.errors import PartDidNotStartError
from deploy.local.ports import Ports
from deploy.local.secrets import LocalSecrets
from deploy.tenants import Tenant
from shared.security.tenant_keys import new_key

OPERATOR = Tenant("operator", "operator", "Fairpool operations")
VENDORS = (
    Tenant("acme-ats", "vendor", "Acme ATS"),
    Tenant("brightgate-crm", "vendor", "Brightgate CRM"),
    Tenant("lumen-ats", "vendor", "Lumen ATS"),
)
EMPLOYERS = (
    Tenant("emp_denverhealth", "employer", "Denver Health", vendor="acme-ats", domain="denverhealth.example"),
    Tenant("emp_frontrange", "employer", "Front Range Logistics", vendor="acme-ats", domain="frontrange.example"),
    Tenant("emp_lakeshore", "employer", "Lakeshore Schools", vendor="acme-ats", domain="lakeshore.example"),
    Tenant("emp_harborworks", "employer", "Harborworks Marine", vendor="brightgate-crm", domain="harborworks.example"),
    Tenant("emp_pinecrest", "employer", "Pinecrest Care Homes", vendor="brightgate-crm", domain="pinecrest.example"),
    Tenant("emp_copperline", "employer", "Copperline Power", vendor="brightgate-crm", domain="copperline.example"),
    Tenant("emp_tidewater", "employer", "Tidewater Software", vendor="lumen-ats", domain="tidewater.example"),
    Tenant("emp_juniper", "employer", "Juniper Kitchens", vendor="lumen-ats", domain="juniperkitchens.example"),
)
TENANTS = (OPERATOR, *VENDORS, *EMPLOYERS)


@dataclass(frozen=True, slots=True)
class Source:
    """A webhook that an employer's ATS posts to."""

    source: str
    employer: str
    vendor: str
    format: str = "greenhouse"


SOURCES = (
    Source("denverhealth", "emp_denverhealth", "acme-ats"),
    Source("frontrange", "emp_frontrange", "acme-ats"),
    Source("harborworks", "emp_harborworks", "brightgate-crm"),
    Source("tidewater", "emp_tidewater", "lumen-ats"),
)


def fresh_keys() -> dict[str, str]:
    """A new key for each tenant."""
    return {tenant.id: new_key(tenant.id) for tenant in TENANTS}


async def add_sources(dev: DevFile) -> None:
    """Tell signup each demo source's secret; PartDidNotStartError when it does not take one."""
    vendors = {source.source: source.vendor for source in SOURCES}
    try:
        async with httpx.AsyncClient(timeout=10, trust_env=False) as client:
            for source in dev.sources:
                body = {
                    "format": source.format,
                    "source": source.source,
                    "vendor": vendors[source.source],
                    "employer": source.employer,
                    "secret": source.secret,
                }
                answer = await client.post(
                    f"{dev.services.signup}/v1/sources",
                    headers={"Authorization": f"Bearer {dev.operator.key}"},
                    json=body,
                )
                answer.raise_for_status()
    except httpx.HTTPError as error:
        raise PartDidNotStartError(f"expected that signup takes the demo sources, found: {error}") from error


def dev_file(ports: Ports, where: Endpoints, kept: LocalSecrets) -> DevFile:
    """What a script needs to know of this stack."""
    signup = services.url(ports.signup)
    return DevFile(
        services=ServiceUrls(
            signup=signup,
            consent=services.url(ports.consent),
            pool_matching=services.url(ports.pool_matching),
            outreach_gateway=services.url(ports.outreach_gateway),
        ),
        mail=services.url(ports.mail) if "mail" in where.local else "",
        kafka=where.kafka,
        postgres=where.administrator,
        redis=where.redis,
        vendors=tuple(DevVendor(id=vendor.id, key=kept.tenant_keys[vendor.id]) for vendor in VENDORS),
        employers=tuple(
            DevEmployer(id=employer.id, key=kept.tenant_keys[employer.id], vendor=employer.vendor or "")
            for employer in EMPLOYERS
        ),
        sources=tuple(
            DevSource(
                format=source.format,
                source=source.source,
                employer=source.employer,
                secret=kept.source_secrets[source.source],
                url=f"{signup}/v1/hooks/{source.format}/{source.source}",
            )
            for source in SOURCES
        ),
        operator=DevOperator(key=kept.tenant_keys[OPERATOR.id]),
    )
