"""`fairpool migrate`: what a script and a job may rely on."""

import asyncio
import json
from pathlib import Path

import asyncpg
import pytest
from typer.testing import CliRunner

from deploy.cli import app
from deploy.commands import migrate as command
from deploy.local.endpoints import ROLES
from tests.conftest import unique
from tests.stack import Servers
from tests.unit.shared.postgres.test_migrate import HALVES

run = CliRunner()


@pytest.fixture
def services(tmp_path: Path, monkeypatch: pytest.MonkeyPatch) -> None:
    """Consent, with tables of one's own; no other database is named."""
    folder = tmp_path / "consent" / "migrations"
    folder.mkdir(parents=True)
    (folder / "0001_people.sql").write_text("CREATE TABLE people (id int);")
    for name, sql in HALVES.items():
        (folder / name).write_text(sql)
    monkeypatch.setattr(command, "_SERVICES", tmp_path)
    for role in ROLES:
        monkeypatch.delenv(command._variable(role), raising=False)


def _invoke(*arguments: str) -> tuple[int, str]:
    done = run.invoke(app, ["migrate", *arguments])
    return done.exit_code, done.stdout if done.exit_code == 0 else done.stderr


@pytest.mark.usefixtures("services")
async def test_a_release_is_migrated_in_two_halves(servers: Servers, monkeypatch: pytest.MonkeyPatch) -> None:
    dsn = await servers.create_database(unique("migrated"))
    monkeypatch.setenv("FAIRPOOL_CONSENT_DATABASE", dsn)

    code, said = await asyncio.to_thread(_invoke, "--after")
    assert code == 1
    assert "must be applied first: let `fairpool migrate --before` run" in said
    code, said = await asyncio.to_thread(_invoke, "--before")
    assert (code, said.splitlines()[-3:]) == (
        0,
        [
            "applied consent/0001_people.sql",
            "applied consent/0003_pre_names.sql",
            "applied consent/0005_pre_age.sql",
        ],
    )
    assert (await asyncio.to_thread(_invoke, "--before"))[1].endswith("consent: nothing was missing\n")
    code, said = await asyncio.to_thread(_invoke, "--after", "--json")
    applied = json.loads(said.splitlines()[-1])["applied"]["consent"]
    assert (code, [name for name in applied if name.startswith("consent/")]) == (0, ["consent/0004_post_id.sql"])
    connection = await asyncpg.connect(dsn)
    assert (
        await connection.fetchval(
            "SELECT string_agg(attname, ' ') FROM pg_attribute WHERE attrelid = 'people'::regclass AND attnum > 0 AND NOT attisdropped"
        )
        == "name age"
    )
    await connection.close()


@pytest.mark.usefixtures("services")
def test_what_is_missing_is_said_in_a_sentence(monkeypatch: pytest.MonkeyPatch) -> None:
    assert _invoke()[0] == 1
    assert "FAIRPOOL_CONSENT_DATABASE, " in _invoke()[1]
    assert "found both" in _invoke("--before", "--after")[1]
    monkeypatch.setenv("FAIRPOOL_CONSENT_DATABASE", "postgresql://consent:word@127.0.0.1:1/consent")
    code, said = _invoke()
    assert (code, "word" in said, "PostgresAwayError" in said) == (1, False, True)
