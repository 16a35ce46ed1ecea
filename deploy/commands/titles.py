"""`fairpool titles`: published lists of job titles, beside the tables that come with Fairpool."""

import asyncio
import json
from collections import Counter
from datetime import UTC, datetime
from pathlib import Path
from typing import Annotated

import typer

from deploy import databases
from deploy.commands.terminal import HomeOption, JsonOption, err, fails_plainly, out, table
from deploy.local.errors import StackError
from deploy.local.home import Home
from services.signup.adapters.titles import loaded, occupations_of
from services.signup.adapters.titles.files import BadFileError, TitleFile, read_file
from services.signup.adapters.titles.folding import key, words
from services.signup.adapters.titles.table import shipped

app = typer.Typer(help="Published lists of job titles: load one, measure ours against one.", no_args_is_help=True)
FileArgument = Annotated[
    Path,
    typer.Argument(
        help="The BLS's Direct Match Title File as CSV, or O*NET's `Alternate Titles.txt`; - is standard input."
    ),
]


@app.command("load")
@fails_plainly
def load_file(file: FileArgument, home: HomeOption = None) -> None:
    """Load a list in the place of what was loaded of it before. Fairpool's own titles go before it. Signup reads it within a minute.

    A title of several occupations is chosen by the person on their page. A file that is not as it should be loads nothing.
    """
    read = _read(file)
    version = asyncio.run(
        databases.with_database(
            "signup", Home.at(home), lambda connection: loaded.save(connection, read, datetime.now(UTC))
        )
    )
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
    files = asyncio.run(databases.with_database("signup", Home.at(home), loaded.listed))
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
    titles = asyncio.run(
        databases.with_database("signup", Home.at(home), lambda connection: loaded.remove(connection, source))
    )
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
