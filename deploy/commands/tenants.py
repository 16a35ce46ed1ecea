"""`fairpool tenants`: vendors, employers and operators, by way of the topic `tenants`."""

import json
import re
from collections.abc import Sequence
from typing import Annotated, get_args

import typer

from deploy import tenants
from deploy.commands import kafka
from deploy.commands.terminal import HomeOption, JsonOption, fails_plainly, out, table
from deploy.local.errors import StackError
from deploy.local.home import Home
from shared.contracts.operator import TenantChangedV1, TenantKind
from shared.security.tenant_keys import new_key

app = typer.Typer(help="Vendors, employers and operators: list or add them.", no_args_is_help=True)

_ID = re.compile(r"[a-z][a-z0-9_-]{1,62}")


@app.command("list")
@fails_plainly
def list_tenants(home: HomeOption = None, *, as_json: JsonOption = False) -> None:
    """Each tenant as it is now; keys are never shown, only their number."""
    found = kafka.speak(tenants.read(kafka.find(Home.at(home))))
    if as_json:
        out.print(json.dumps([event.model_dump(exclude={"key_hashes"}) for event in found]))
        return
    rows = [("TENANT", "KIND", "NAME", "VENDOR", "STANDING", "KEYS")]
    rows += [(e.tenant, e.kind, e.name, e.vendor or "-", e.standing, str(len(e.key_hashes))) for e in found]
    out.print(table(rows))


@app.command()
@fails_plainly
def add(
    tenant: Annotated[str, typer.Argument(help="Its id: lower case, such as emp_riverside.")],
    kind: Annotated[str, typer.Option(help="vendor, employer or operator.")],
    name: Annotated[str, typer.Option(help="As people read it.")],
    vendor: Annotated[str | None, typer.Option(help="An employer's present vendor.")] = None,
    domain: Annotated[str | None, typer.Option(help="Its verified mail domain.")] = None,
    home: HomeOption = None,
) -> None:
    """Add a tenant and print its key, which is shown this once. The embedded broker forgets it when it stops."""
    brokers = kafka.find(Home.at(home))
    _check(tenant, kind, vendor, kafka.speak(tenants.read(brokers)))
    key = new_key(tenant)
    added = tenants.Tenant(tenant, _kind(kind), name, vendor=vendor, domain=domain)
    kafka.speak(tenants.publish(brokers, [added], {tenant: key}))
    out.print(key)


def _check(tenant: str, kind: str, vendor: str | None, there: Sequence[TenantChangedV1]) -> None:
    known = {event.tenant: event.kind for event in there}
    if not _ID.fullmatch(tenant):
        raise StackError(
            f"expected an id of 2 to 63 characters such as emp_riverside (a-z, 0-9, _ and -), found {tenant!r}."
        )
    if tenant in known:
        raise StackError(f"expected a new id, found that {tenant} is a tenant already (`fairpool tenants list`).")
    if kind == "employer" and (vendor is None or known.get(vendor) != "vendor"):
        raise StackError(f"expected --vendor with the id of a vendor (`fairpool tenants list`), found {vendor!r}.")


def _kind(text: str) -> TenantKind:
    for kind in get_args(TenantKind):
        if kind == text:
            return kind  # type: ignore[no-any-return]  # get_args is untyped
    raise StackError(f"expected --kind vendor, employer or operator, found {text!r}.")
