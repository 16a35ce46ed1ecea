"""A person takes everything along, and nobody else does."""

import hashlib
import io
import json
import zipfile
from typing import Any

from tests.e2e.own_page import signed_in, taken_along
from tests.e2e.scene import ALL_ON, Scene
from tests.waiting import until

FILES = {
    "resume.json",
    "grants.json",
    "distribution-guidelines.json",
    "disclosures.json",
    "messages.json",
    "provenance.json",
    "README.txt",
    "manifest.json",
}


async def test_a_person_takes_everything_along_and_nobody_else_does(scene: Scene) -> None:
    ana, bo = await scene.join(), await scene.join()
    mine, theirs = await signed_in(scene, ana), await signed_in(scene, bo)
    url = f"{scene.dev.services.signup}/v1/me/export"

    async def ask(method: str, session: str, *expect: int) -> Any:
        return await scene.client.ask(method, url, key=session, expect=expect)

    assert (await ask("GET", mine, 404)).json()["type"] == "urn:fairpool:problem:no-export"
    taken = await taken_along(scene, mine)
    archive = zipfile.ZipFile(io.BytesIO(taken))
    listed = json.loads(archive.read("manifest.json"))["files"]
    assert {one["name"] for one in listed} | {"manifest.json"} == set(archive.namelist()) == FILES
    for one in listed:
        content = archive.read(one["name"])
        assert (len(content), hashlib.sha256(content).hexdigest()) == (one["bytes"], one["sha256"])
    assert json.loads(archive.read("resume.json"))["basics"]["email"] == ana.mail
    grants = json.loads(archive.read("grants.json"))
    assert set(grants["allowed"]["purposes"]) == {"match", "contact"} and grants["items"]
    assert bo.mail not in "".join(archive.read(name).decode() for name in archive.namelist())

    await ask("GET", theirs, 404)
    await scene.client.ask("GET", url, expect=(401,))

    async def told() -> bool:
        return any("is ready" in mail.subject for mail in await scene.mails_to(ana))

    await until(told, what="the email that it is ready")

    # The very file, by the page of whoever joins, is an equal profile there.
    signup = scene.dev.services.signup
    headers = {"Content-Type": "application/zip"}
    read = (await scene.client.ask("POST", f"{signup}/join/file", headers=headers, raw=taken)).json()
    assert read["form"]["email"] == ana.mail
    cy = scene.invent()
    await scene.client.ask("POST", f"{signup}/join", body=read["form"] | {"email": cy.mail}, expect=(202,))
    await scene.answer(cy, ALL_ON)
    await scene.until_confirmed(cy)

    async def kept(session: str) -> Any:
        return (await scene.client.ask("GET", f"{signup}/v1/me/profile", key=session)).json()["kept"]

    profile = await kept(mine)
    assert profile["occupations"] and profile["skills"] and await kept(await signed_in(scene, cy)) == profile
