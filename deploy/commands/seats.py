"""`fairpool tenants move` and `fairpool tenants bundle`: an employer's seat goes to another vendor, and what that one starts from."""

import asyncio
import os
import tempfile
from datetime import UTC, datetime, timedelta
from pathlib import Path
from typing import Annotated

import httpx
import typer

from deploy import signing
from deploy.commands.acting import Reason, act, by
from deploy.commands.terminal import HomeOption, err, fails_plainly, out, plain
from deploy.local import devfile
from deploy.local.errors import NotRunningError, StackError
from deploy.local.home import Home
from deploy.seats import bundle as bundles
from deploy.seats.bundle import Manifest
from deploy.seats.reading import Addresses, SeatReader, until_heard
from services.signup.decisions import tenants as decisions
from services.signup.decisions.tenants import FINGERPRINT, From
from shared.contracts.operator import TenantChangedV1
from shared.security import encoding
from shared.security.documents import DocumentReader
from shared.security.tenant_keys import hash_key, new_key

_HEARD_WITHIN = timedelta(seconds=60)
_WITHIN = 30.0
Out = Annotated[
    Path | None, typer.Option("--out", help="Where the bundle goes; EMPLOYER.seat.zip where it is left out.")
]


@fails_plainly
def move(
    employer: Annotated[str, typer.Argument(help="The employer whose seat it is.")],
    to: Annotated[str, typer.Option("--to", help="The vendor that it goes to; an empty text: none.")],
    reason: Reason,
    only_from: Annotated[
        str | None,
        typer.Option(
            "--from", help="Only if it is still with this vendor (an empty text: with none); else nothing is moved."
        ),
    ] = None,
    to_file: Out = None,
    home: HomeOption = None,
) -> None:
    """Move an employer's seat to another vendor; print its new key, which is shown this once, and write the signed bundle.

    Every key of before ends within seconds, and the vendor of before is not heard for this employer any more. Pools, member refs,
    messages, cursors, limits and standing are the employer's own: they stay as they are.
    Exit codes: 0 moved; 1 not moved, or moved and without a bundle, as the error says (`fairpool tenants bundle` writes it).
    """
    path = _free(to_file, employer)
    key = new_key(employer)
    whence = None if only_from is None else From(only_from or None)
    moved = act(home, decisions.moving(employer, to or None, hash_key(key), by(reason), only_from=whence))
    err.print(f"{employer}: {moved.act}; its new key, shown this once:")
    out.print(key)
    if moved.standing == "suspended":
        err.print(
            f"{employer} is suspended: nobody reads its pools. Once it is reinstated: fairpool tenants bundle {employer}"
        )
        return
    try:
        _write(home, path, moved, key)
    except StackError as error:
        raise StackError(f"The seat is moved. {error} For the bundle: fairpool tenants bundle {employer}") from error


@fails_plainly
def bundle(
    employer: Annotated[str | None, typer.Argument(help="Whose seat; left out with --verify.")] = None,
    to_file: Out = None,
    verify: Annotated[
        Path | None, typer.Option("--verify", help="Check this bundle instead; nothing else is needed.")
    ] = None,
    key: Annotated[
        str | None,
        typer.Option("--key", help="With --verify: the operator's public half, where the environment names none."),
    ] = None,
    home: HomeOption = None,
) -> None:
    """Write the signed bundle of a seat as it is now, for its present vendor; or verify one.

    It is read with a key of the employer's that works while it is read. Exit codes: 0 written, or verified; 1 not.
    """
    if verify is not None:
        _tell(bundles.verify(verify, _reader(home, key)))
        return
    if employer is None:
        raise StackError("expected the id of an employer, or --verify with a bundle.")
    path = _free(to_file, employer)
    short = new_key(employer)
    present = act(
        home, lambda there: decisions.add_key(there, employer, hash_key(short), by("to write a seat's bundle"))
    )
    try:
        if present.kind != "employer" or present.standing == "suspended":
            raise StackError(
                f"expected an employer in good standing, found {present.tenant}: {present.kind}, {present.standing}."
            )
        _write(home, path, present, short)
    finally:
        ended = hash_key(short)[:FINGERPRINT]
        act(home, lambda there: decisions.revoke_key(there, employer, ended, by("the bundle is written")))


def _free(path: Path | None, employer: str) -> Path:
    found = path or Path(f"{employer}.seat.zip")
    folder = found.absolute().parent
    if found.exists() or not folder.is_dir() or not os.access(folder, os.W_OK):
        raise StackError(
            f"expected --out with a file that is not there, in a folder that can be written, found {found}."
        )
    return found


def _write(home: HomeOption, path: Path, tenant: TenantChangedV1, key: str) -> None:
    signer, _ = signing.documents_of_commands(Home.at(home))
    try:
        with tempfile.TemporaryDirectory() as folder:
            manifest = asyncio.run(_read(home, Path(folder), tenant, key))
            bundles.write(path, Path(folder), manifest, signer)
    except OSError as error:
        raise StackError(
            f"expected room for the bundle at {path}, and for its parts in {tempfile.gettempdir()}, found: {error}."
        ) from error
    _tell(manifest)
    err.print(f"{path}: hand it over with the key. It verifies with --key {encoding.encode(signer.public)}")


async def _read(home: HomeOption, folder: Path, tenant: TenantChangedV1, key: str) -> Manifest:
    at, all_services = _services(home)
    async with httpx.AsyncClient(timeout=_WITHIN, trust_env=False) as http:
        missing = await until_heard(http, all_services, key, within=_HEARD_WITHIN)
        if missing:
            raise StackError(
                f"expected that the new key works, and no other, at {', '.join(missing)} within {_HEARD_WITHIN.seconds} s, found no "
                "sign of it: a process that is away hears of it before it answers anybody."
            )
        err.print("every service knows the key, and none of those that it replaced")
        seat = await SeatReader(http, at, key).read(folder)
    return bundles.manifest_of(tenant, seat, at=datetime.now(UTC))


def _services(home: HomeOption) -> tuple[Addresses, tuple[str, ...]]:
    """Where to read, and where to ask whether the key is known."""
    pools, gateway = os.environ.get("FAIRPOOL_POOL_MATCHING_URL"), os.environ.get("FAIRPOOL_OUTREACH_GATEWAY_URL")
    signup = os.environ.get("FAIRPOOL_SIGNUP_URL")
    if not (pools and gateway):
        try:
            dev = devfile.load(Home.at(home).dev_file)
        except NotRunningError as error:
            raise StackError(
                "expected FAIRPOOL_POOL_MATCHING_URL and FAIRPOOL_OUTREACH_GATEWAY_URL in the environment, or a running stack of "
                "`fairpool dev`, found neither."
            ) from error
        signup, pools, gateway = dev.services.signup, dev.services.pool_matching, dev.services.outreach_gateway
    at = Addresses(pools.rstrip("/"), gateway.rstrip("/"))
    asked = [f"{at.pool_matching}/v1/seat", f"{at.outreach_gateway}/v1/seat"]
    # Signup knows whose key it is, and has nothing for an employer: 403.
    return at, (*asked, f"{signup.rstrip('/')}/v1/tenants") if signup else tuple(asked)


def _reader(home: HomeOption, key: str | None) -> DocumentReader:
    if key is None:
        return signing.documents_of_commands(Home.at(home))[1]
    try:
        return DocumentReader([encoding.decode(key)])
    except ValueError as error:
        raise StackError(
            "expected --key with 32 bytes in base64url, as `fairpool tenants bundle` prints it."
        ) from error


def _tell(manifest: Manifest) -> None:
    held = ", ".join(f"{file.lines} in {name}" for name, file in manifest.files.items())
    employer = manifest.employer
    out.print(
        f"{employer.id} ({plain(employer.name)}), with {manifest.vendor or 'no vendor'}, as of {manifest.made_at}: {held}"
    )
