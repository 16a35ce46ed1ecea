"""`fairpool titles`: published lists of job titles, beside the tables that come with Fairpool."""

import asyncio
import json
import os
from collections import Counter
from collections.abc import Awaitable, Callable
from datetime import UTC, datetime
from pathlib import Path
from typing import Annotated, TypeVar
from urllib.parse import urlsplit, urlunsplit

import asyncpg
import typer

from deploy.commands.terminal import HomeOption, JsonOption, err, fails_plainly, out, table
from deploy.local import devfile
from deploy.local.errors import NotRunningError, StackError
from deploy.local.home import Home
from services.signup.adapters.titles import loaded, occupations_of
from services.signup.adapters.titles.files import BadFileError, TitleFile, read_file
from services.signup.adapters.titles.folding import key, words
from services.signup.adapters.titles.table import shipped
from shared.postgres.pool import Connection

app = typer.Typer(help="Published lists of job titles: load one, measure ours against one.", no_args_is_help=True)
FileArgument = Annotated[
    Path,
    typer.Argument(
        help="The BLS's Direct Match Title File as CSV, or O*NET's `Alternate Titles.txt`; - is standard input."
    ),
]
R = TypeVar("R")
_WITHIN = 60.0


@app.command("load")
@fails_plainly
def load_file(file: FileArgument, home: HomeOption = None) -> None:
    """Load a list in the place of what was loaded of it before. Fairpool's own titles go before it. Signup reads it within a minute.

    A title of several occupations is chosen by the person on their page. A file that is not as it should be loads nothing.
    """
    read = _read(file)
    version = asyncio.run(_with_database(home, lambda connection: loaded.save(connection, read, datetime.now(UTC))))
    several = sum(len(codes) > 1 for codes in read.titles.values())
    out.print(
        f"loaded {len(read.titles)} titles of {read.source} ({several} of several occupations), version {version}"
    )
    if read.left_out:
        err.print(f"left out {read.left_out} titles that name too many occupations to choose from")
    out.print(read.notice)


@app.command("list")
@fails_plainly
def list_files(home: HomeOption = None, *, as_json: JsonOption = False) -> None:
    """The lists that are loaded, with what must be said about them."""
    files = asyncio.run(_with_database(home, loaded.listed))
    if as_json:
        facts = [
            {
                "source": f.source,
                "version": f.version,
                "loaded_at": f.loaded_at.isoformat(),
                "titles": f.titles,
                "notice": f.notice,
            }
            for f in files
        ]
        out.print(json.dumps(facts))
        return
    if not files:
        out.print(f"no list is loaded; Fairpool's own tables have {len(shipped())} titles")
        return
    rows = [("LIST", "VERSION", "LOADED", "TITLES")]
    rows += [(f.source, str(f.version), f"{f.loaded_at:%Y-%m-%d %H:%M} UTC", str(f.titles)) for f in files]
    out.print(table(rows))
    for one in files:
        out.print(f"\n{one.source}: {one.notice}")


@app.command()
@fails_plainly
def remove(
    source: Annotated[str, typer.Argument(help="The list's name, as `fairpool titles list` shows it.")],
    home: HomeOption = None,
) -> None:
    """Forget a list that was loaded."""
    titles = asyncio.run(_with_database(home, lambda connection: loaded.remove(connection, source)))
    if titles is None:
        raise StackError(f"expected the name of a list that is loaded (`fairpool titles list`), found {source!r}.")
    out.print(f"removed {titles} titles of {source}")


@app.command()
@fails_plainly
def check(file: FileArgument, *, as_json: JsonOption = False) -> None:
    """Measure Fairpool's own tables against a list, title by title; nothing is loaded, and no stack is needed."""
    figures, others = measure(_read(file))
    if as_json:
        out.print(json.dumps({**figures, "disagreements": others}))
        return
    out.print("\n".join(f"{name.replace('_', ' '):40} {value}" for name, value in figures.items()))
    for title, theirs, ours in others:
        out.print(f"  {title}: {theirs} in the file, {ours} here")


def measure(file: TitleFile) -> tuple[dict[str, int], list[tuple[str, str, str]]]:
    """Agreement and coverage, and each title that is read to another code than its list has."""
    theirs: dict[str, set[str]] = {}
    for title, codes in file.titles.items():
        theirs.setdefault(key(words(title)), set()).update(codes)
    ours = {key(words(title)): codes for title, codes in shipped().items()}
    both = [folded for folded in ours if folded in theirs]
    counts: Counter[str] = Counter()
    others: list[tuple[str, str, str]] = []
    for title, codes in file.titles.items():
        read = occupations_of(title)
        outcome = (
            "not_read"
            if not read
            else "read_to_several"
            if len(read) > 1
            else "read_to_the_same"
            if read[0] in codes
            else "read_to_another"
        )
        counts[outcome] += 1
        if outcome == "read_to_another":
            others.append((title, " ".join(codes), read[0]))
    return {
        "titles_here": len(ours),
        "titles_here_of_several_occupations": sum(len(codes) > 1 for codes in ours.values()),
        "titles_here_and_in_the_file": len(both),
        "of_these_with_the_code_of_the_file": sum(len(ours[one]) == 1 and ours[one][0] in theirs[one] for one in both),
        "of_these_of_several_occupations_here": sum(len(ours[one]) > 1 for one in both),
        "titles_in_the_file": len(file.titles),
        **{name: counts[name] for name in ("read_to_the_same", "read_to_another", "read_to_several", "not_read")},
    }, others


def _read(file: Path) -> TitleFile:
    try:
        return read_file(Path("/dev/stdin") if str(file) == "-" else file)
    except BadFileError as error:
        raise StackError(f"{file}: {error} Nothing was loaded.") from error


async def _with_database(home: Path | None, work: Callable[[Connection], Awaitable[R]]) -> R:
    dsn = _dsn(Home.at(home))
    try:
        connection = await asyncpg.connect(dsn, timeout=10, command_timeout=_WITHIN)
    except (OSError, TimeoutError, asyncpg.PostgresError) as error:
        raise StackError(f"expected signup's database to answer, found: {type(error).__name__}.") from error
    try:
        return await work(connection)
    except asyncpg.UndefinedTableError as error:
        raise StackError(
            "expected signup's tables as of this version, found older ones: start signup once, then try again."
        ) from error
    except (OSError, TimeoutError, asyncpg.PostgresError, asyncpg.InterfaceError) as error:
        raise StackError(
            f"expected signup's database to take it, found: {type(error).__name__}. Nothing was changed."
        ) from error
    finally:
        await connection.close(timeout=5)


def _dsn(home: Home) -> str:
    """FAIRPOOL_SIGNUP_DATABASE, as signup itself has it; else the database of the running local stack."""
    if given := os.environ.get("FAIRPOOL_SIGNUP_DATABASE"):
        return given
    try:
        administrator = devfile.load(home.dev_file).postgres
    except NotRunningError as error:
        raise NotRunningError(
            "expected a running stack of `fairpool dev`, or FAIRPOOL_SIGNUP_DATABASE in the environment, found neither."
        ) from error
    if not administrator:
        raise StackError(
            "expected FAIRPOOL_SIGNUP_DATABASE in the environment: this stack's databases are not its own."
        )
    return urlunsplit(urlsplit(administrator)._replace(path="/signup"))
