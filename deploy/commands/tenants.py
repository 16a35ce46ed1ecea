"""`fairpool tenants`: vendors, employers and operators, by way of the topic `tenants`."""

import json
from typing import Annotated, get_args

import typer

from deploy import tenants
from deploy.commands import kafka
from deploy.commands.acting import Reason, act, by, trusted
from deploy.commands.terminal import (
    HomeOption,
    JsonOption,
    YesOption,
    err,
    fails_plainly,
    must_be_sure,
    out,
    plain,
    table,
)
from deploy.local.errors import StackError
from services.signup.decisions import tenants as decisions
from services.signup.decisions.tenants import About, fingerprints
from shared.contracts.operator import TenantChangedV1, TenantKind
from shared.security.tenant_keys import hash_key, new_key

app = typer.Typer(
    help="Vendors, employers and operators: list, add, change, suspend or remove them.", no_args_is_help=True
)
keys = typer.Typer(help="A tenant's keys: list, add or revoke one.", no_args_is_help=True)
app.add_typer(keys, name="keys")

Id = Annotated[str, typer.Argument(help="The tenant's id.")]
MaybeReason = Annotated[str | None, typer.Option("--reason", help="Why; it is written down.")]


@app.command("list")
@fails_plainly
def list_tenants(home: HomeOption = None, *, as_json: JsonOption = False) -> None:
    """Each tenant as it is now; keys are never shown, only their number."""
    found = kafka.speak(tenants.read(trusted(home)[1]))
    if as_json:
        shown = [
            {**event.model_dump(mode="json", exclude={"key_hashes"}), "keys": fingerprints(event)} for event in found
        ]
        out.print(json.dumps(shown))
        return
    rows: list[tuple[str, ...]] = [("TENANT", "KIND", "NAME", "DOMAIN", "VENDOR", "STANDING", "KEYS", "LAST", "WHY")]
    rows += [
        (
            event.tenant,
            event.kind,
            plain(event.name),
            event.domain or "-",
            event.vendor or "-",
            "removed" if event.removed else event.standing,
            str(len(event.key_hashes)),
            event.act or "-",
            plain(event.reason or "-"),
        )
        for event in found
    ]
    out.print(table(rows))


@app.command()
@fails_plainly
def add(
    tenant: Annotated[str, typer.Argument(help="Its id: lower case, such as emp_riverside.")],
    kind: Annotated[str, typer.Option(help="vendor, employer or operator.")],
    name: Annotated[str, typer.Option(help="As people read it.")],
    vendor: Annotated[str | None, typer.Option(help="An employer's present vendor; none is needed.")] = None,
    domain: Annotated[str | None, typer.Option(help="The domain that you checked; shown beside the name.")] = None,
    reply_to: Annotated[str | None, typer.Option(help="Where it takes answers, an email address.")] = None,
    reason: MaybeReason = None,
    home: HomeOption = None,
) -> None:
    """Add a tenant and print its key, which is shown this once. The embedded broker forgets it when it stops."""
    key, about = new_key(tenant), About(name, vendor, domain, reply_to)
    act(home, lambda there: decisions.add(there, tenant, _kind(kind), about, hash_key(key), by(reason)))
    err.print(f"the key of {tenant}, shown this once:")
    out.print(key)


@app.command()
@fails_plainly
def change(
    tenant: Id,
    name: Annotated[str | None, typer.Option(help="As people read it.")] = None,
    domain: Annotated[str | None, typer.Option(help="The domain that you checked; an empty text: none.")] = None,
    reply_to: Annotated[str | None, typer.Option(help="An email address; an empty text: none.")] = None,
    reason: MaybeReason = None,
    home: HomeOption = None,
) -> None:
    """Give a tenant another name or domain; what is not named stays. Another vendor is a move."""
    if name is None and domain is None and reply_to is None:
        raise StackError("expected something to change: --name, --domain or --reply-to.")

    def decide(there: "decisions.Tenants") -> TenantChangedV1 | decisions.Refused:
        before = there.get(tenant)
        now = About(before.name, before.vendor, before.domain, before.reply_to) if before else About("")
        about = About(
            name=now.name if name is None else name,
            vendor=now.vendor,
            domain=now.domain if domain is None else domain or None,
            reply_to=now.reply_to if reply_to is None else reply_to or None,
        )
        return decisions.change(there, tenant, about, by(reason))

    _tell(act(home, decide))


@app.command()
@fails_plainly
def suspend(tenant: Id, reason: Reason, home: HomeOption = None) -> None:
    """From now on nothing is taken of it and nothing of it is sent.

    What an employer has waiting is dropped within seconds, and stays dropped after `reinstate`. Its pools are kept up to
    date, and nobody can read them meanwhile.
    """
    _tell(act(home, lambda there: decisions.suspend(there, tenant, by(reason))))


@app.command()
@fails_plainly
def reinstate(tenant: Id, reason: Reason, home: HomeOption = None) -> None:
    """In good standing again. What was dropped meanwhile stays dropped; pools are as they would be without the suspension."""
    _tell(act(home, lambda there: decisions.reinstate(there, tenant, by(reason))))


@app.command()
@fails_plainly
def remove(tenant: Id, reason: Reason, home: HomeOption = None, *, yes: YesOption = False) -> None:
    """It has left the network for good: no key works any more, and its id is never used again.

    What an employer has waiting is dropped, and its pools are closed. Its name stays beside what it did.
    """
    must_be_sure(f"Remove {plain(tenant)} for good? Its id is never used again", yes=yes)
    _tell(act(home, lambda there: decisions.remove(there, tenant, by(reason))))


@app.command()
@fails_plainly
def republish(home: HomeOption = None) -> None:
    """Say of every tenant once more what is known of it, signed with the operator's present key. Again is harmless.

    For an exchange of that key, and once where tenants were added before records were signed (with FAIRPOOL_SIGNATURES=take).
    """
    signer, believed = trusted(home)
    out.print(f"{kafka.speak(tenants.republish(believed, signer))} tenants were said again")


@keys.command("list")
@fails_plainly
def list_keys(tenant: Id, home: HomeOption = None, *, as_json: JsonOption = False) -> None:
    """The fingerprints of the keys that work, oldest first; when each was made is not kept."""
    found = {event.tenant: event for event in kafka.speak(tenants.read(trusted(home)[1]))}
    if tenant not in found:
        raise StackError(f"expected the id of a tenant (`fairpool tenants list`), found {tenant!r}.")
    shown = fingerprints(found[tenant])
    if as_json:
        out.print(json.dumps(shown))
        return
    if not shown:
        out.print("no key works")
        return
    ages = ["the only one"] if len(shown) == 1 else ["oldest", *[""] * (len(shown) - 2), "newest"]
    out.print(table([("FINGERPRINT", "AGE"), *zip(shown, ages, strict=True)]))


@keys.command("add")
@fails_plainly
def add_key(tenant: Id, home: HomeOption = None) -> None:
    """Print one more key, which is shown this once; those before it go on working until they are revoked."""
    key = new_key(tenant)
    act(home, lambda there: decisions.add_key(there, tenant, hash_key(key), by(None)))
    err.print(f"one more key of {tenant}, shown this once:")
    out.print(key)


@keys.command("revoke")
@fails_plainly
def revoke_key(
    tenant: Id,
    key: Annotated[str, typer.Argument(help="Its fingerprint (`fairpool tenants keys list`), or the key itself.")],
    reason: MaybeReason = None,
    home: HomeOption = None,
    *,
    yes: YesOption = False,
) -> None:
    """End a key within seconds, for good: whoever used it needs a new one."""
    must_be_sure(f"End this key of {plain(tenant)}? It never works again", yes=yes)
    fingerprint = hash_key(key)[: decisions.FINGERPRINT] if key.startswith("fp_") else key
    _tell(act(home, lambda there: decisions.revoke_key(there, tenant, fingerprint, by(reason))))


def _tell(event: TenantChangedV1) -> None:
    standing = "removed" if event.removed else event.standing
    out.print(f"{event.tenant}: {event.act}; standing {standing}, keys that work: {len(event.key_hashes)}")


def _kind(text: str) -> TenantKind:
    for kind in get_args(TenantKind):
        if kind == text:
            return kind  # type: ignore[no-any-return]  # get_args is untyped
    raise StackError(f"expected --kind vendor, employer or operator, found {text!r}.")
