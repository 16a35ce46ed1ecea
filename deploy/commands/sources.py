"""`fairpool sources`: the webhooks of employers' ATSs, by way of signup's routes for operators."""

import json
import secrets
import sys
from pathlib import Path
from typing import Annotated

import typer

from deploy.commands.operator import Operator
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
from deploy.local.home import Home

app = typer.Typer(help="Webhook sources: list, add, exchange the secret, delete.", no_args_is_help=True)

Format = Annotated[str, typer.Argument(help="The ATS' format, such as greenhouse.")]
Source = Annotated[str, typer.Argument(help="The source's name, as in its address.")]
SecretFrom = Annotated[
    str | None,
    typer.Option(
        "--secret-file", help="A file with the secret, - for standard input; left out, one is made and printed."
    ),
]


@app.command("list")
@fails_plainly
def list_sources(home: HomeOption = None, *, as_json: JsonOption = False) -> None:
    """Every source with the address that the vendor's administrator enters; secrets are never shown."""
    operator = Operator(Home.at(home))
    found = operator.ask("GET", f"{operator.signup}/v1/sources")
    if as_json:
        out.print(json.dumps(found["items"]))
        return
    rows: list[tuple[str, ...]] = [("FORMAT", "SOURCE", "VENDOR", "EMPLOYER", "OLD SECRET UNTIL", "URL", "")]
    rows += [
        (
            *(plain(item[name] or "-") for name in ("format", "source", "vendor", "employer", "previous_until", "url")),
            "SHUT: its secret does not open, set another with `sources rotate`" if item["is_shut"] else "",
        )
        for item in found["items"]
    ]
    out.print(table(rows))


@app.command()
@fails_plainly
def add(
    format_: Format,
    source: Source,
    employer: Annotated[str, typer.Option(help="Whose ATS it is.")],
    vendor: Annotated[str | None, typer.Option(help="The employer's present vendor, if it has one.")] = None,
    secret_file: SecretFrom = None,
    home: HomeOption = None,
) -> None:
    """Let an employer's ATS post its webhooks; prints the address, and the secret if it was made here."""
    operator, (secret, is_new) = Operator(Home.at(home)), _secret(secret_file)
    body = {"format": format_, "source": source, "employer": employer, "secret": secret}
    made = operator.ask("POST", f"{operator.signup}/v1/sources", json={**body, "vendor": vendor})
    err.print("the address to enter in the ATS" + (", and the secret, shown this once:" if is_new else ":"))
    out.print(made["url"])
    if is_new:
        out.print(secret)


@app.command()
@fails_plainly
def rotate(
    format_: Format,
    source: Source,
    overlap_hours: Annotated[int, typer.Option(min=0, max=720, help="How long the present secret signs as well.")] = 24,
    secret_file: SecretFrom = None,
    home: HomeOption = None,
) -> None:
    """Exchange a source's secret; the old one works during the overlap, so that nothing is lost on the way."""
    operator, (secret, is_new) = Operator(Home.at(home)), _secret(secret_file)
    url = f"{operator.signup}/v1/sources/{format_}/{source}/secret"
    operator.ask("PUT", url, json={"secret": secret, "overlap_hours": overlap_hours})
    if is_new:
        err.print(f"the new secret of {format_}/{source}, to enter in the ATS, shown this once:")
        out.print(secret)
    else:
        out.print(f"{format_}/{source}: the new secret signs from now on")
    found = operator.ask("GET", f"{operator.signup}/v1/sources")["items"]
    until = [one["previous_until"] for one in found if (one["format"], one["source"]) == (format_, source)]
    if not overlap_hours:
        err.print("the old one signs for a minute more at most")
    elif until and until[0]:
        err.print(f"the old one signs until {plain(until[0])}, and a minute longer at most")


@app.command()
@fails_plainly
def delete(format_: Format, source: Source, home: HomeOption = None, *, yes: YesOption = False) -> None:
    """End a source: what its ATS posts is answered with 404 within a minute."""
    must_be_sure(
        f"Delete {plain(format_)}/{plain(source)}? Its secret is gone then, and its ATS is answered with 404", yes=yes
    )
    operator = Operator(Home.at(home))
    operator.ask("DELETE", f"{operator.signup}/v1/sources/{format_}/{source}")
    out.print(f"{format_}/{source} is deleted")


def _secret(file: str | None) -> tuple[str, bool]:
    """The secret, and whether it was made here."""
    if file is None:
        return secrets.token_urlsafe(32), True
    try:
        if file == "-":
            return sys.stdin.read().strip(), False
        return Path(file).read_text("utf-8").strip(), False
    except (OSError, UnicodeDecodeError) as error:
        raise StackError(f"expected a file with the secret at {file}, found: {type(error).__name__}.") from error
