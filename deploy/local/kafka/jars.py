"""Apache Kafka's jars: fetched once with Maven, kept for all homes; `python -m deploy.local.kafka.jars` fetches them ahead."""

import asyncio
import hashlib
import os
import shutil
import sys
import tempfile
from pathlib import Path

from deploy.local import processes
from deploy.local.errors import StackError
from deploy.local.kafka.java import java, maven
from deploy.local.processes import Command
from deploy.local.supervisor import Report

ENVIRONMENT = "FAIRPOOL_CACHE"
POM = Path(__file__).with_name("pom.xml")
_FETCHED_WITHIN_SECONDS = 300
_SHOWN_LINES = 12


def folder() -> Path:
    """Where the jars of this very pom are, or will be."""
    cache = os.environ.get(ENVIRONMENT)
    root = Path(cache) if cache else Path.home() / ".cache" / "fairpool"
    return root.absolute() / f"kafka-{hashlib.sha256(POM.read_bytes()).hexdigest()[:12]}"


async def fetched(log: Path, report: Report) -> Path:
    """The folder of the jars; Maven runs when it is not there yet, and StackError says why it failed."""
    wanted = folder()
    if wanted.exists():
        return wanted
    program = maven()
    report(f"Apache Kafka's jars are not cached yet: Maven fetches them, once, into {wanted} (about 45 MB).")
    try:
        wanted.parent.mkdir(parents=True, exist_ok=True)
        fresh = Path(tempfile.mkdtemp(prefix=f"{wanted.name}.", dir=wanted.parent))
    except OSError as error:
        raise StackError(
            f"expected a folder that this user can write at {wanted.parent}, found: {error.strerror}. "
            f"Name another with {ENVIRONMENT}=DIR."
        ) from error
    try:
        await _fetch(program, fresh, log)
        _put_in_place(fresh, wanted)
    finally:
        shutil.rmtree(fresh, ignore_errors=True)
    return wanted


async def _fetch(program: Path, into: Path, log: Path) -> None:
    arguments = (
        str(program), "--batch-mode", "--quiet", "-Dstyle.color=never", "--file", str(POM), "dependency:copy-dependencies",
        f"-DoutputDirectory={into}",
    )  # fmt: skip
    try:
        async with asyncio.timeout(_FETCHED_WITHIN_SECONDS):
            code = await processes.run(Command(arguments, processes.ambient(), into), log)
    except TimeoutError:
        found = f"no end within {_FETCHED_WITHIN_SECONDS} s"
    else:
        found = f"exit code {code}"
    if found != "exit code 0":
        lines = "\n".join(f"  | {line}" for line in processes.last_lines(log, _SHOWN_LINES))
        raise StackError(
            f"expected that `mvn dependency:copy-dependencies` fetches the jars that {POM} names, found {found}. "
            f"See that Maven reaches a repository (its settings.xml, a proxy), copy {folder()} from a machine where "
            f"this worked, or start with `--broker embedded`. Its last lines (all: {log}):\n{lines}"
        )


def _put_in_place(fresh: Path, wanted: Path) -> None:
    fresh.chmod(0o755)
    try:
        fresh.rename(wanted)
    except OSError:
        if not wanted.exists():  # else another start was faster, with the same jars
            raise


def main() -> int:
    """Print the folder of the jars, or why `--broker apache` can't work here."""
    with tempfile.TemporaryDirectory() as place:
        try:
            java()
            print(asyncio.run(fetched(Path(place, "mvn.log"), lambda text: print(text, file=sys.stderr))))
        except StackError as error:
            print(f"error: {error}", file=sys.stderr)
            return error.exit_code
    return 0


if __name__ == "__main__":
    sys.exit(main())
