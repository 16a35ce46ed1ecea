"""`fairpool backup` and `fairpool restore`."""

import json
from pathlib import Path
from typing import Annotated

import typer

from deploy import signing
from deploy.backup import manifest
from deploy.backup.dumping import backup as dump_all
from deploy.backup.restoring import Restoring, left_behind
from deploy.commands import kafka
from deploy.commands.terminal import HomeOption, JsonOption, YesOption, err, fails_plainly, must_be_sure, out, warn
from deploy.local.errors import StackError
from deploy.local.home import Home
from shared.contracts.base import rfc3339
from shared.security.documents import DocumentReader

_APPLIED_BY = "a process of the local stack, and a container that does everything, applies them when it starts; for others run `fairpool migrate` first."
_THEN = "Let nobody in yet: once it is open, POST /v1/read-back at it; then `fairpool status` names each topic that is ahead of its rows, which is what was said since the dump (docs/operating.md#backups-and-restores)."
_NO_KEYS = "The keys are not in it: without the vault's keys and the secrets nothing in it that is sealed can be read. Keep them, apart from it."


@fails_plainly
def backup(
    folder: Annotated[Path, typer.Argument(metavar="DIR", help="A folder that is not there yet.")],
    home: HomeOption = None,
    *,
    as_json: JsonOption = False,
) -> None:
    """Dump each service's database (those that FAIRPOOL_..._DATABASE names, else of the local stack) into a new folder.

    The services go on meanwhile. It is signed with the operator's key (FAIRPOOL_OPERATOR_SIGNING_KEY, else that of the local stack). THE VAULT'S KEYS AND THE SECRETS ARE NOT IN IT: keep them somewhere else. Exit codes: 0 whole, 1 nothing was written.
    """
    at = Home.at(home)
    signer, _ = signing.documents_of_commands(at)
    with err.status("looking") as status:
        made = dump_all(
            folder.absolute(),
            at,
            kafka.find(at),
            signer,
            lambda name, size: status.update(f"{name}: {size / 1e6:.1f} MB"),
        )
    if as_json:
        out.print(made.model_dump_json())
        return
    for service, dump in made.services.items():
        out.print(f"{service}: {dump.bytes / 1e6:.1f} MB as of {rfc3339(dump.taken_at)}, {dump.migrations} migrations")
    out.print(f"whole: {folder}")
    warn(_NO_KEYS)
    _name_what_is_left(list(made.services), at, folder)


@fails_plainly
def restore(
    folder: Annotated[Path, typer.Argument(metavar="DIR", help="What `fairpool backup` wrote.")],
    service: Annotated[
        list[str] | None, typer.Option(help="Only this one; may be given again. Else all that the backup has.")
    ] = None,
    home: HomeOption = None,
    *,
    key: Annotated[
        list[str] | None,
        typer.Option(
            help="The operator's public key that signed it; several are tried. Without it those of FAIRPOOL_VERIFY_KEYS."
        ),
    ] = None,
    unsigned: Annotated[
        bool,
        typer.Option(
            "--unsigned",
            help="Take a backup that nobody signed: of an older release, and only if nobody else could write there.",
        ),
    ] = False,
    keep: Annotated[
        bool, typer.Option("--keep", help="Leave the database that was there, as SERVICE_before_restore. Drop it soon.")
    ] = False,
    yes: YesOption = False,
    as_json: JsonOption = False,
) -> None:
    """Put back what a backup holds, IN PLACE OF WHAT IS THERE: each database as it was when it was dumped.

    It has to be signed by the operator: what is in it is loaded by an administrator of the server. One of a newer release than this is refused.
    Who said no since the dump is taken along from what is there, and what vendors' reports of since are sealed with. A restored service comes up closed: it answers 503 until it has erased again whom `erasures` names, and opens by itself.
    Its processes must be stopped (those of the local stack are, and come back). Killed on the way: run it again. Exit codes: 0 done, 1 not.
    """
    at = Home.at(home)
    found = manifest.read(folder, None if unsigned else _reader(key, at))
    wanted = service or list(found.services)
    if missing := sorted(set(wanted) - found.services.keys()):
        raise StackError(f"expected some of {', '.join(found.services)}, found {', '.join(missing)}.")
    brokers = kafka.find(at)
    must_be_sure(f"Put back {', '.join(wanted)} in place of what is there now?", yes=yes)
    done = {}
    with err.status("looking") as status:
        for name in wanted:
            done[name] = Restoring(name, folder, found, at, brokers, status.update).run(keep=keep)
    if as_json:
        out.print(json.dumps({name: rfc3339(found.services[name].taken_at) for name in wanted}))
        return
    for name in wanted:
        out.print(f"{name}: as of {rfc3339(found.services[name].taken_at)}; closed until `erasures` has been replayed")
        if of_it := ", ".join(f"{count:,} {what}" for what, count in done[name].carried.items()):
            out.print(f"{name}: taken along from what was there: {of_it}")
        if lacks := len(done[name].lacks):
            out.print(f"{name}: of an older release, {lacks} migrations behind this one: {_APPLIED_BY}")
    out.print(_THEN)
    _name_what_is_left(wanted, at, folder)


def _name_what_is_left(services: list[str], home: Home, folder: Path) -> None:
    """Of restores and backups that were killed, and what `--keep` keeps."""
    if found := left_behind(services, home):
        warn(f"No erasure reaches what an earlier restore left or --keep kept: DROP DATABASE {', '.join(found)}")
    if unfinished := sorted(str(one) for one in folder.absolute().parent.glob(".*.unfinished")):
        warn(f"Backups that were killed, with people in them whom no erasure reaches: remove {', '.join(unfinished)}")


def _reader(given: list[str] | None, home: Home) -> DocumentReader:
    return DocumentReader(signing.public_keys(given) if given else signing.believed_by_commands(home, signing.OPERATOR))
