"""`fairpool policy`, and a gateway that refuses to start under rules that break what people signed."""

import json
import os
import subprocess
import sys
from pathlib import Path

import pytest
from typer.testing import CliRunner

from deploy.cli import app
from services.outreach_gateway.adapters.policy_file import POLICIES
from shared.contracts.agreements import SHIPPED
from shared.security import encoding
from tests.signing import environment_of

run = CliRunner()
ROOT = Path(__file__).parents[2]


def policy(folder: Path, version: str, *changes: tuple[str, str]) -> Path:
    text = (POLICIES / "2026-12.toml").read_text()
    for old, new in (('version = "2026-12"', f'version = "{version}"'), *changes):
        assert old in text
        text = text.replace(old, new, 1)
    path = folder / f"{version}.toml"
    path.write_text(text)
    return path


SIGNED = tuple(sorted(path.stem for path in SHIPPED.glob("20*[0-9].toml")))
"""The agreements that somebody may have signed."""
LOOSE = (
    ('{ number = 2, window = "P7D" }, { number = 6', '{ number = 9, window = "P7D" }, { number = 18'),
    ('gap = "PT24H"', 'gap = "PT1H"'),
)


def test_a_shipped_policy_keeps_to_what_people_signed() -> None:
    done = run.invoke(app, ["policy", "check", "2026-12"])
    assert done.exit_code == 0, done.output
    assert done.stdout.startswith("✓ policy 2026-12 keeps to itself")


def test_a_policy_that_breaks_what_people_signed_is_told_each_point(tmp_path: Path) -> None:
    path = policy(tmp_path, "2030-01", *LOOSE)
    done = run.invoke(app, ["policy", "check", str(path)])
    assert done.exit_code == 1
    lines = done.stdout.splitlines()
    assert [line[0] for line in lines] == ["✗", "✗"] * len(SIGNED)
    for version, (caps, gap) in zip(SIGNED, zip(lines[::2], lines[1::2], strict=True), strict=True):
        assert f"lets 9 first contacts arrive in 7 days, but agreement {version} promises at most 2" in caps
        assert "lets 1 hour pass" in gap
    told = json.loads(run.invoke(app, ["policy", "check", str(path), "--json"]).stdout)
    assert (told["ok"], len(told["reasons"])) == (False, 2 * len(SIGNED))


def test_an_agreement_of_ones_own_counts(tmp_path: Path) -> None:
    stricter = (SHIPPED / "2026-12.toml").read_text()
    stricter = stricter.replace('version = "2026-12"', 'version = "2026-10"').replace(
        "first_contacts = 2", "first_contacts = 1"
    )
    (tmp_path / "2026-10.toml").write_text(stricter)
    done = run.invoke(app, ["policy", "check", "2026-12", "--agreements", str(tmp_path)])
    assert done.exit_code == 1
    assert "agreement 2026-10 promises at most 1" in done.stdout


def own_agreement(folder: Path, version: str, *changes: tuple[str, str]) -> None:
    text = (SHIPPED / "2026-12.toml").read_text()
    for old, new in (('version = "2026-12"', f'version = "{version}"'), *changes):
        assert old in text
        text = text.replace(old, new, 1)
    (folder / f"{version}.toml").write_text(text)


def test_an_agreement_of_other_limits_than_the_pages_offer_is_refused_before_anything_runs_by_it(
    tmp_path: Path,
) -> None:
    own_agreement(tmp_path, "2030-01", ("first_contacts = 2", "first_contacts = 3"))
    given = ["policy", "check", "2026-12", "--agreements", str(tmp_path)]
    done = run.invoke(app, given)
    assert done.exit_code == 1
    assert done.stdout.startswith("✗ agreement 2030-01 promises other limits than the pages offer")
    assert json.loads(run.invoke(app, [*given, "--json"]).stdout)["ok"] is False
    assert run.invoke(app, [*given, "--agreement", "2026-12"]).exit_code == 0, "it is not the one that is shown"


def test_an_agreement_of_other_words_and_the_same_limits_is_taken(tmp_path: Path) -> None:
    own_agreement(tmp_path, "2030-01", ('title = "', 'title = "Here: '))
    done = run.invoke(app, ["policy", "check", "2026-12"], env={"FAIRPOOL_AGREEMENTS": str(tmp_path)})
    assert (done.exit_code, f"agreement {', '.join(SIGNED)}, 2030-01" in done.stdout) == (0, True)


def test_an_agreement_that_nobody_can_read_is_told_once(tmp_path: Path) -> None:
    (tmp_path / "2030-01.toml").write_text("version = ")
    done = run.invoke(app, ["policy", "check", "2026-12", "--agreements", str(tmp_path)])
    assert (done.exit_code, len(done.stdout.strip().splitlines())) == (1, 1)


def test_policies_are_listed_and_shown_with_ones_own(tmp_path: Path) -> None:
    policy(tmp_path, "2030-01", ("number = 2,", "number = 1,"))
    listed = run.invoke(app, ["policy", "list", "--policies", str(tmp_path)])
    assert [line.split()[0] for line in listed.stdout.splitlines()] == ["POLICY", "2026-12", "2030-01"]
    shown = run.invoke(app, ["policy", "show", "2030-01"], env={"FAIRPOOL_POLICIES": str(tmp_path)})
    assert "at most 1 in 7 days and 6 in 30 days" in shown.stdout
    assert "halving          never" in shown.stdout
    unknown = run.invoke(app, ["policy", "show", "1999-01"])
    assert (unknown.exit_code, "there is no policy 1999-01" in unknown.stderr) == (1, True)


@pytest.mark.parametrize("by", ["path", "version"])
def test_the_gateway_does_not_start_under_it(tmp_path: Path, by: str) -> None:
    path = policy(tmp_path, "2030-01", *LOOSE)
    environment = {
        "FAIRPOOL_KAFKA": "127.0.0.1:1",
        "FAIRPOOL_HTTP_PORT": "0",
        **environment_of("outreach_gateway"),
        "FAIRPOOL_OUTREACH_GATEWAY_DATABASE": "postgresql://127.0.0.1:1/none",
        "FAIRPOOL_REDIS": "redis://127.0.0.1:1/0",
        "FAIRPOOL_MEMBER_REF_KEY": encoding.encode(bytes(64)),
        "FAIRPOOL_OUTREACH_ID_KEY": encoding.encode(bytes(32)),
        "FAIRPOOL_POLICY": str(path) if by == "path" else "2030-01",
        "FAIRPOOL_POLICIES": "" if by == "path" else str(tmp_path),
        "PYTHONPATH": str(ROOT),
        "PATH": os.environ["PATH"],
    }
    done = subprocess.run(
        [sys.executable, "-m", "services.outreach_gateway"],
        env=environment,
        cwd=ROOT,
        capture_output=True,
        text=True,
        check=False,
    )
    assert done.returncode == 78, done.stderr
    told = [line.strip() for line in done.stderr.splitlines() if "FAIRPOOL_POLICY" in line]
    assert len(told) == 2 * len(SIGNED)
    assert "but agreement 2026-12 promises at most 2" in told[0]
