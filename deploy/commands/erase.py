"""`fairpool erase` and `fairpool certificate`: a person who asks to be erased, and what proves that they were."""

import json
import os
import sys
from pathlib import Path
from typing import Annotated, Any

import typer

from deploy import signing
from deploy.commands.operator import Operator
from deploy.commands.terminal import HomeOption, JsonOption, YesOption, fails_plainly, must_be_sure, out, plain
from deploy.local.errors import StackError
from deploy.local.home import Home
from deploy.local.secrets import VERIFY_KEYS
from shared.messaging.signatures import STATES_LINKS
from shared.security import encoding
from shared.security.documents import DocumentReader, key_of
from shared.security.statements import key_id

CERTIFICATE = "fairpool-erasure-certificate"
_BESIDE = ("signed", "key")
"""Fields of the saved file that are not of what was signed."""


@fails_plainly
def erase(
    email: Annotated[str, typer.Option(help="The person's email address.")],
    reason: Annotated[str, typer.Option(help="Why, such as a case number; it is written down. No name, no email.")],
    home: HomeOption = None,
    *,
    yes: YesOption = False,
    as_json: JsonOption = False,
) -> None:
    """Erase a person who asked for it, now and for good, and print the address of their certificate: hand it on to them.

    Exit codes: 0 erased, 1 nobody has this address, or you were not sure.
    """
    must_be_sure("Erase this person? Nobody can bring them back", yes=yes, of_scripts_too=True)
    operator = Operator(Home.at(home))
    done = operator.ask("POST", f"{operator.signup}/v1/people/erase", json={"email": email, "reason": reason})
    if as_json:
        out.print(json.dumps(done))
        return
    out.print(f"erased at    {plain(done['erased_at'])}\ncertificate  {plain(done['certificate'])}")
    out.print("Give the address of the certificate to the person: nobody can look it up again. It works for 100 days.")


@fails_plainly
def certificate(
    file: Annotated[Path, typer.Argument(help="The certificate as it was saved (JSON); - reads it.", allow_dash=True)],
    key: Annotated[
        list[str] | None,
        typer.Option(
            help="The network's public key, as /erased/keys shows it; several are tried. Without it those of FAIRPOOL_VERIFY_KEYS."
        ),
    ] = None,
    home: HomeOption = None,
    *,
    as_json: JsonOption = False,
) -> None:
    """Check an erasure certificate without asking anybody: that the network signed it, and that nothing of it was changed.

    Exit codes: 0 it holds, 1 it does not, or it is no certificate.
    """
    signed, clear = _parts(file)
    keys, whence = _keys(key, home)
    said = DocumentReader(keys).read(CERTIFICATE, signed)
    if said is None:
        raise StackError(
            f"expected a certificate that one of these keys signed ({whence}), found one that they did not sign, or that was changed. The "
            "network shows its keys at /erased/keys of the host that the certificate came from."
        )
    if changed := sorted(name for name in clear.keys() | said.keys() if clear and clear.get(name) != said.get(name)):
        raise StackError(
            f"expected to be readable what was signed, found that somebody changed {', '.join(map(plain, changed))} beside it. The "
            "signed part itself holds: save `signed` alone as a file and check that."
        )
    if as_json:
        out.print(json.dumps(said))
        return
    (used,) = [one for one in dict.fromkeys(keys) if key_id(one).hex() == key_of(signed)]
    services = sorted({plain(store["service"]) for store in said["stores"]})
    out.print(f"holds        erased at {plain(said['erased_at'])}, complete at {plain(said['complete_at'])}")
    out.print(f"swept        {len(said['stores'])} stores of {', '.join(services)}")
    out.print(f"signed by    {encoding.encode(used)}\n             {whence}: compare it with what others have kept")


def _parts(file: Path) -> tuple[str, dict[str, Any]]:
    """What was signed, and what can be read beside it: nothing where the file is the signed part alone."""
    text = sys.stdin.read() if str(file) == "-" else _read(file)
    try:
        found: Any = json.loads(text)
    except (ValueError, RecursionError):
        return text, {}
    if not isinstance(found, dict) or not isinstance(found.get("signed"), str):
        raise StackError(
            "expected a signed certificate, found none, or one that is not complete yet: open its address again later."
        )
    return found["signed"], {name: value for name, value in found.items() if name not in _BESIDE}


def _read(file: Path) -> str:
    try:
        return file.read_text()
    except (OSError, UnicodeDecodeError) as error:
        raise StackError(f"expected a certificate in {file}, found none that can be read.") from error


def _keys(given: list[str] | None, home: Path | None) -> tuple[list[bytes], str]:
    """Those to try, and where they are from, for people."""
    if given:
        return signing.public_keys(given), "given with --key"
    keys = [key for name in STATES_LINKS for key in signing.believed_by_commands(Home.at(home), name)]
    whence = VERIFY_KEYS if VERIFY_KEYS in os.environ else str(Home.at(home).secrets_file)
    return keys, f"of {whence}"
