"""An unprivileged account and folders that it can reach: PostgreSQL refuses to run as root."""

import hashlib
import os
import pwd
import shutil
import subprocess
from pathlib import Path

from deploy.local.errors import StackError
from deploy.local.processes import Account

_PREFERRED = ("postgres", "nobody")
_OUTSIDE = Path("/var/lib/fairpool")  # world-readable, and only root writes there


def unprivileged() -> Account | None:
    """None when this user is unprivileged itself; as root, an account that exists everywhere."""
    if os.geteuid() != 0:
        return None
    for name in _PREFERRED:
        try:
            entry = pwd.getpwnam(name)
        except KeyError:
            continue
        return Account(name, entry.pw_uid, entry.pw_gid)
    raise StackError(
        "PostgreSQL does not run as root: expected an account named `postgres` or `nobody`, found neither. "
        "Create one (`useradd --system postgres`) or run `fairpool dev` as a normal user."
    )


def reachable_folder(wanted: Path, account: Account | None) -> Path:
    """An existing folder of the account's own: the wanted one, or another when the account may not pass its parents."""
    if account is None:
        wanted.mkdir(mode=0o700, parents=True, exist_ok=True)
        return wanted
    wanted.parent.mkdir(parents=True, exist_ok=True)
    place = wanted
    if not _can_enter(wanted.parent, account):
        _make_outside()
        place = _place_outside(wanted)
    place.mkdir(mode=0o700, exist_ok=True)
    os.chown(place, account.uid, account.gid)
    return place


def place_of(wanted: Path) -> Path:
    """Where `reachable_folder` put it."""
    outside = _place_outside(wanted)
    return outside if outside.exists() else wanted


def executable(root: Path, folders: tuple[str, ...], programs: tuple[str, ...], account: Account | None) -> Path:
    """The folder from which the account can run these programs: `root`, or a copy of its folders where it can't."""
    if account is None or _run_all(root, programs, account):
        return root
    copy = _OUTSIDE / f"programs-{_digest(root, *((root / program).stat().st_mtime_ns for program in programs))}"
    if not copy.exists():
        _make_outside()
        fresh = copy.with_name(f"{copy.name}.{os.getpid()}")
        for folder in folders:
            if (root / folder).exists():
                shutil.copytree(root / folder, fresh / folder, symlinks=True)
        _open_to_all(fresh)
        fresh.rename(copy)
    if not _run_all(copy, programs, account):
        raise StackError(f"expected that {account.name} can run {', '.join(programs)} in {copy}, found that it can't.")
    return copy


def _open_to_all(root: Path) -> None:
    """Let everybody read, whatever the umask was."""
    for path in (root, *root.rglob("*")):
        if not path.is_symlink():
            path.chmod(path.stat().st_mode | (0o555 if path.is_dir() else 0o444))


def _make_outside() -> None:
    _OUTSIDE.mkdir(parents=True, exist_ok=True)
    _OUTSIDE.chmod(0o755)  # whatever the umask


def _place_outside(wanted: Path) -> Path:
    return _OUTSIDE / f"data-{_digest(wanted)}"


def _digest(*parts: object) -> str:
    return hashlib.sha256(repr(parts).encode()).hexdigest()[:12]


def _can_enter(folder: Path, account: Account) -> bool:
    return _as_account(("test", "-x", str(folder)), account)


def _run_all(root: Path, programs: tuple[str, ...], account: Account) -> bool:
    return all(_as_account((str(root / program), "--version"), account) for program in programs)


def _as_account(arguments: tuple[str, ...], account: Account) -> bool:
    try:
        done = subprocess.run(
            arguments, user=account.uid, group=account.gid, extra_groups=[], cwd="/", capture_output=True, check=False
        )
    except PermissionError:
        return False
    return done.returncode == 0
