"""When a person may take everything along, and what the zip is."""

import hashlib
import io
import json
import zipfile
from datetime import timedelta

import pytest
from hypothesis import given
from hypothesis import strategies as st

from services.signup.decisions.exports import _WHAT, MANIFEST, README, Enough, Start, UnderWay, ask, zipped
from services.signup.model.exports import MOST_A_DAY, Export, State
from shared import i18n
from tests.fakes.clock import NOON

HOUR, DAY = timedelta(hours=1), timedelta(days=1)


def export(hours_ago: float, state: State = "ready") -> Export:
    at = NOON - hours_ago * HOUR
    return Export(f"x_{hours_ago}", state, at, at + 3 * DAY)


def test_one_at_a_time_is_made() -> None:
    under_way = export(1, "waiting")
    assert ask([export(0.5, "replaced"), under_way], at=NOON) == UnderWay(under_way)


def test_one_that_nobody_waits_for_any_more_hinders_nobody() -> None:
    assert isinstance(ask([export(80, "waiting")], at=NOON), Start)


@given(st.lists(st.floats(min_value=0, max_value=60), max_size=8))
def test_no_24_hours_have_more_than_the_limit_and_the_time_told_is_when_there_is_room(ages: list[float]) -> None:
    present = [export(age, "replaced") for age in ages]
    today = [one for one in present if one.asked_at > NOON - DAY]
    asking = ask(present, at=NOON)
    if len(today) < MOST_A_DAY:
        assert isinstance(asking, Start)
        return
    assert isinstance(asking, Enough)
    assert NOON < asking.until <= NOON + DAY
    assert isinstance(ask(present, at=asking.until), Start)
    assert isinstance(ask(present, at=asking.until - timedelta(microseconds=1)), Enough)


@given(st.dictionaries(st.sampled_from(["resume.json", "grants.json", "messages.json"]), st.binary(max_size=500)))
def test_the_manifest_has_the_size_and_the_hash_of_every_other_file(files: dict[str, bytes]) -> None:
    archive = zipfile.ZipFile(io.BytesIO(zipped(files, at=NOON)))
    listed = json.loads(archive.read(MANIFEST))["files"]
    assert {one["name"] for one in listed} == set(files) | {README} == set(archive.namelist()) - {MANIFEST}
    for one in listed:
        content = archive.read(one["name"])
        assert (one["bytes"], one["sha256"]) == (len(content), hashlib.sha256(content).hexdigest())
        assert content == files.get(one["name"], content)


@pytest.mark.parametrize("name", ["grants.json", "messages.json"])
def test_the_readme_says_what_each_file_is(name: str) -> None:
    readme = zipfile.ZipFile(io.BytesIO(zipped({name: b"{}"}, at=NOON))).read(README).decode()
    assert f"\n{name}\n" in readme and "\nresume.json\n" not in readme


def test_the_readme_is_in_the_language_of_whoever_takes_it_along() -> None:
    files = dict.fromkeys(_WHAT, b"{}")
    with i18n.reading("es"):
        spanish = zipfile.ZipFile(io.BytesIO(zipped(files, at=NOON))).read(README).decode()
    english = zipfile.ZipFile(io.BytesIO(zipped(files, at=NOON))).read(README).decode()
    assert english.startswith("What Fairpool keeps about you\n") and spanish.startswith(
        "Lo que Fairpool guarda de usted\n"
    )
    assert {*english.splitlines()} & {*spanish.splitlines()} == {"", MANIFEST, *files}
