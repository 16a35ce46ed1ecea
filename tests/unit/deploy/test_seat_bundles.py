"""A seat's bundle: whole, signed, and verified here and by what vendors are told to write."""

import json
import shutil
import zipfile
from datetime import timedelta
from pathlib import Path
from typing import Any

import httpx
import pytest

from deploy.local.errors import StackError
from deploy.seats import bundle
from deploy.seats.bundle import Manifest
from deploy.seats.reading import FILES, JOBS, MEMBERS, OUTREACH, POOLS, Addresses, Lines, Seat, SeatReader, until_heard
from shared.contracts.operator import TenantChangedV1
from shared.security import encoding
from shared.security.documents import DocumentReader, DocumentSigner
from tests.fakes.clock import NOON
from tests.taking_over import lines, members_in, open_bundle

SIGNER = DocumentSigner(b"o" * 32)
READER = DocumentReader([SIGNER.public])
PUBLIC = encoding.encode(SIGNER.public)
EMPLOYER = TenantChangedV1(
    tenant="emp_a",
    version=2,
    kind="employer",
    name="Société A",
    key_hashes=("x",),
    vendor="acme-ats",
    domain="a.example",
)
HELD: dict[str, list[Any]] = {
    POOLS: [{"id": "p_1", "name": "Nürses"}, {"id": "p_2", "name": "Nobody"}],
    MEMBERS: [{"pool": "p_1", "member_ref": f"m_{number}"} for number in range(5)],
    OUTREACH: [{"id": "o_1", "state": "waiting"}],
    JOBS: [],
}


def written(folder: Path, path: Path, signer: DocumentSigner = SIGNER) -> Manifest:
    files = {}
    for name, items in HELD.items():
        with Lines(folder / name) as file:
            for item in items:
                file.write(item)
            files[name] = file.told
    manifest = bundle.manifest_of(EMPLOYER, Seat("cursor-u", "cursor-o", "2026-12", files), at=NOON)
    bundle.write(path, folder, manifest, signer)
    return manifest


@pytest.fixture
def made(tmp_path: Path) -> Path:
    folder = tmp_path / "files"
    folder.mkdir()
    written(folder, tmp_path / "a.zip")
    return tmp_path / "a.zip"


def again(made: Path, **changed: bytes | None) -> Path:
    """The same bundle with other contents under these names, without dots; None: without it."""
    other = made.with_name("other.zip")
    with zipfile.ZipFile(made) as before, zipfile.ZipFile(other, "w", zipfile.ZIP_DEFLATED) as after:
        contents: dict[str, bytes | None] = {name: before.read(name) for name in before.namelist()}
        contents |= {name.replace("_", "."): content for name, content in changed.items()}
        for name, content in contents.items():
            if content is not None:
                after.writestr(name, content)
    return other


def test_a_bundle_holds_what_was_read_for_us_and_for_whoever_writes_what_the_page_says(made: Path) -> None:
    manifest = bundle.verify(made, READER)
    assert (manifest.employer.id, manifest.employer.name, manifest.vendor) == ("emp_a", "Société A", "acme-ats")
    assert {name: file.lines for name, file in manifest.files.items()} == {name: len(HELD[name]) for name in FILES}
    read = open_bundle(made, PUBLIC)
    assert read == manifest.model_dump(mode="json")
    assert read["positions"] == {"updates": "cursor-u", "outreach": "cursor-o"}
    assert {name: list(lines(made, name)) for name in FILES} == HELD
    assert members_in(made) == {"p_1": {f"m_{number}" for number in range(5)}, "p_2": set()}
    assert (made.stat().st_mode & 0o777, sorted(one.name for one in made.parent.iterdir())) == (
        0o600,
        ["a.zip", "files"],
    )


def test_a_bundle_that_another_signed_is_none(made: Path) -> None:
    with pytest.raises(StackError, match="none of the keys"):
        bundle.verify(made, DocumentReader([DocumentSigner(b"p" * 32).public]))


@pytest.mark.parametrize(
    ("changed", "said"),
    [
        ({"members_jsonl": b'{"pool":"p_1","member_ref":"m_9"}\n'}, "members.jsonl as it was signed"),
        ({"jobs_jsonl": b"{}\n" * 10_000_000}, "jobs.jsonl as it was signed"),
        ({"jobs_jsonl": None}, "other files"),
        ({"more_jsonl": b""}, "other files"),
        ({"bundle_jws": b"a.b.c"}, "none of the keys"),
        ({"bundle_jws": b"x" * 200_000}, "at most"),
        ({"bundle_jws": None}, "can't be read"),
        ({"bundle_jws": SIGNER.sign(bundle.KIND, {"format": 2}).encode()}, "format 1"),
        ({"bundle_jws": SIGNER.sign("fairpool-erasure-certificate", {"format": 1}).encode()}, "none of the keys"),
    ],
)
def test_what_was_changed_on_the_way_is_found(made: Path, changed: dict[str, bytes | None], said: str) -> None:
    with pytest.raises(StackError, match=said):
        bundle.verify(again(made, **changed), READER)


@pytest.mark.parametrize("content", [b"", b"PK\x03\x04 nothing", b"no zip at all"])
def test_a_file_that_is_no_bundle_is_said_to_be_none(tmp_path: Path, content: bytes) -> None:
    path = tmp_path / "x.zip"
    path.write_bytes(content)
    with pytest.raises(StackError, match="can't be read"):
        bundle.verify(path, READER)
    with pytest.raises(StackError, match="can't be read"):
        bundle.verify(tmp_path / "nothing.zip", READER)


def test_a_bundle_cut_short_at_any_place_is_none(made: Path, tmp_path: Path) -> None:
    whole, cut = made.read_bytes(), tmp_path / "cut.zip"
    for size in range(0, len(whole), 97):
        cut.write_bytes(whole[:size])
        with pytest.raises(StackError):
            bundle.verify(cut, READER)


def test_what_can_not_be_written_whole_leaves_nothing(tmp_path: Path) -> None:
    folder = tmp_path / "files"
    folder.mkdir()
    manifest = written(folder, tmp_path / "first.zip")
    shutil.rmtree(folder)
    with pytest.raises(FileNotFoundError):
        bundle.write(tmp_path / "second.zip", folder, manifest, SIGNER)
    assert [one.name for one in tmp_path.iterdir()] == ["first.zip"]


class _Services:
    """Both services: some requests fail, and lists have pages."""

    def __init__(self, *first: httpx.Response | Exception) -> None:
        self.first = list(first)
        self.asked: list[str] = []

    def __call__(self, request: httpx.Request) -> httpx.Response:
        self.asked.append(request.url.path)
        if self.first:
            answer = self.first.pop(0)
            if isinstance(answer, Exception):
                raise answer
            return answer
        after = int(request.url.params.get("after", "0"))
        page = {"items": [{"id": f"x{after}"}], "next": str(after + 1) if after < 2 else None}
        answers: dict[str, Any] = {
            "/v1/seat": {"updates": "u", "outreach": "o", "policy": "p"},
            "/v1/pools": {"items": [{"id": "p_1", "members": 7, "state": "ready"}]},
        }
        return httpx.Response(200, json=answers.get(request.url.path, page))

    async def read(self, folder: Path) -> Seat:
        async with httpx.AsyncClient(transport=httpx.MockTransport(self)) as http:
            at = Addresses("http://pools", "http://gateway")
            return await SeatReader(http, at, "key", pause=timedelta()).read(folder)


async def test_every_page_is_read_and_what_is_busy_is_asked_again(tmp_path: Path) -> None:
    services = _Services(httpx.Response(503), httpx.ConnectError("away"), httpx.Response(429), httpx.Response(401))
    seat = await services.read(tmp_path)
    assert (seat.updates, seat.outreach, seat.policy) == ("u", "o", "p")
    assert {name: told.lines for name, told in seat.files.items()} == {POOLS: 1, MEMBERS: 3, OUTREACH: 3, JOBS: 3}
    assert json.loads((tmp_path / MEMBERS).read_text().splitlines()[0]) == {"pool": "p_1", "id": "x0"}
    assert json.loads((tmp_path / POOLS).read_text()) == {"id": "p_1"}, (
        "how many are listed changes with whoever leaves"
    )


async def test_an_employer_that_is_told_something_all_the_time_is_not_read_for_ever(tmp_path: Path) -> None:
    busy = {"updates": None}
    services = _Services(*(httpx.Response(200, json=busy | {"items": []}) for _ in range(200)))
    with pytest.raises(StackError, match="is told nothing"):
        await services.read(tmp_path)


async def test_what_is_refused_or_stays_away_is_said_with_its_address(tmp_path: Path) -> None:
    for failing in (httpx.Response(403), *[[httpx.ConnectError("away")] * 40]):
        several = failing if isinstance(failing, list) else [failing]
        with pytest.raises(StackError, match="http://pools/v1/seat"):
            await _Services(*several).read(tmp_path)


async def test_each_service_is_asked_until_it_has_heard_of_the_key() -> None:
    answers = {"a": [401, 401, 200], "b": [503, 403], "c": [401] * 1000}

    def answer(request: httpx.Request) -> httpx.Response:
        return httpx.Response(answers[request.url.host].pop(0))

    async with httpx.AsyncClient(transport=httpx.MockTransport(answer)) as http:
        assert await until_heard(http, ("http://a/", "http://b/"), "key", within=timedelta(seconds=30)) == []
        late = await until_heard(http, ("http://c/",), "key", within=timedelta(milliseconds=50))
    assert late == ["http://c/"]
