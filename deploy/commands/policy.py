"""`fairpool policy`: the rules that messages are decided by, and whether they keep to what people signed."""

import json
import os
from collections.abc import Sequence
from pathlib import Path
from typing import Annotated

import typer

from deploy.commands.terminal import JsonOption, fails_plainly, out, table
from deploy.local.errors import StackError
from services.consent.adapters import agreement
from services.outreach_gateway.adapters.policy_file import PolicyError, files, policy_in_force, read_policy
from services.outreach_gateway.model import Policy
from services.outreach_gateway.policy import words
from shared.contracts import agreements

app = typer.Typer(help="The network's rules: list, show and check policy files.", no_args_is_help=True)

_OWN = typer.Option(
    "--policies", envvar="FAIRPOOL_POLICIES", metavar="DIR", help="Your own policy files, beside the shipped ones."
)
_OWN_AGREEMENTS = typer.Option(
    "--agreements", envvar="FAIRPOOL_AGREEMENTS", metavar="DIR", help="Your own agreements, beside the shipped ones."
)
_SHOWN = typer.Option(
    "--agreement",
    envvar="FAIRPOOL_AGREEMENT",
    metavar="VERSION",
    help="The agreement that people are shown; none: the newest.",
)
AgreementOption = Annotated[str, _SHOWN]
PoliciesOption = Annotated[Path | None, _OWN]
AgreementsOption = Annotated[Path | None, _OWN_AGREEMENTS]
PolicyArgument = Annotated[str, typer.Argument(help="A file, or the version of one that is there.")]


@app.command()
@fails_plainly
def check(
    policy: PolicyArgument,
    policies: PoliciesOption = None,
    agreements_: AgreementsOption = None,
    agreement_: AgreementOption = "",
    *,
    as_json: JsonOption = False,
) -> None:
    """Hold a policy against itself and against every agreement, as the gateway does when it starts, and the agreement that would be shown against what the pages offer, as consent does. Exits with 1 when one can't be kept."""
    found: Policy | None = None
    reasons: list[str] = []
    try:
        found = policy_in_force(policy, own=_folder(policies), own_agreements=_folder(agreements_))
    except PolicyError as error:
        reasons += error.reasons
    try:
        agreement.found(agreement_, own=_folder(agreements_))
    except ValueError as error:
        if str(error) not in reasons:  # a file that nobody can read is told once
            reasons.append(str(error))
    if found is None or reasons:
        if as_json:
            out.print(json.dumps({"policy": policy, "ok": False, "reasons": reasons}))
        else:
            out.print("\n".join(f"✗ {reason}" for reason in reasons))
        raise typer.Exit(1)
    signed = list(agreements.load(_folder(agreements_)))
    if as_json:
        out.print(json.dumps({"policy": found.version, "ok": True, "reasons": [], "agreements": signed}))
    else:
        out.print(f"✓ policy {found.version} keeps to itself and to what people signed: agreement {', '.join(signed)}")


@app.command("list")
@fails_plainly
def list_policies(policies: PoliciesOption = None, *, as_json: JsonOption = False) -> None:
    """Each policy file that is there, shipped or your own."""
    found = [_read(str(path), None) for path in files(_folder(policies)).values()]
    if as_json:
        out.print(json.dumps([_plain(policy) for policy in found]))
        return
    out.print(table([("POLICY", "FIRST CONTACTS", "APART", "ONE EMPLOYER", "HOURS"), *(_row(one) for one in found)]))


@app.command()
@fails_plainly
def show(policy: PolicyArgument, policies: PoliciesOption = None, *, as_json: JsonOption = False) -> None:
    """What one policy says."""
    found = _read(policy, _folder(policies))
    if as_json:
        out.print(json.dumps(_plain(found)))
        return
    _, caps, gap, employer, hours = _row(found)
    halves = found.halve_after_unanswered
    out.print(f"policy {found.version}")
    out.print(f"  first contacts   at most {caps}, over the whole network")
    out.print(f"  apart            {gap}")
    out.print(f"  one employer     one in {employer}")
    out.print(f"  hours            {hours}, where the person is")
    out.print(
        f"  halving          {f'after {halves} unanswered for {words(found.unanswered_after)}' if halves else 'never'}"
    )


def _folder(given: Path | None) -> Path | None:
    """A variable that is passed on empty names no directory."""
    if given is None or os.fspath(given) in ("", "."):
        return None
    if not given.is_dir():
        raise StackError(f"expected a directory, found nothing of the kind at {given}.")
    return given


def _read(policy: str, own: Path | None) -> Policy:
    try:
        return read_policy(policy, own=own)
    except PolicyError as error:
        raise StackError("\n".join(error.reasons)) from error


def _row(policy: Policy) -> tuple[str, str, str, str, str]:
    caps = " and ".join(f"{number} in {words(length)}" for number, length in policy.network)
    hours = f"{policy.opens:%H:%M} to {policy.closes:%H:%M}"
    return policy.version, caps, words(policy.gap), words(policy.same_employer), hours


def _plain(policy: Policy) -> dict[str, object]:
    at_most: Sequence[object] = [{"number": number, "window": words(length)} for number, length in policy.network]
    return {
        "version": policy.version,
        "at_most": at_most,
        "gap": words(policy.gap),
        "same_employer": words(policy.same_employer),
        "halve_after_unanswered": policy.halve_after_unanswered or None,
        "opens": f"{policy.opens:%H:%M}",
        "closes": f"{policy.closes:%H:%M}",
    }
