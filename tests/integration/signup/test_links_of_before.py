"""What lies in a mailbox that a person has left opens nothing of theirs, through no door of signup; what can only stop goes on to work."""

from datetime import timedelta

import httpx
import pytest

from services.signup.model.email_changes import WAY_BACK
from shared.security.links import LinkPurpose
from tests.fakes.clock import NOON
from tests.fakes.consent_pages import link
from tests.integration.signup.conftest import Edge, emails_of
from tests.integration.signup.test_email_pages import HTML, NEW, address, ana, change_of, face
from tests.integration.signup.test_erasing import face as eraser
from tests.integration.signup.test_profile import ANA, PROGRAM

__all__ = ["ana", "eraser", "face"]
DAY = timedelta(days=1)


async def moves(face: httpx.AsyncClient, edge: Edge, ana: str, way: str) -> None:
    """To the new mailbox: both say yes; the recovery code and 72 hours; or both, and the old one takes it back."""
    mine = await edge.sign_in(ana)
    if way == "recovery":
        code = (await face.post("/v1/me/recovery-code", headers=mine)).json()["recovery_code"]
        await face.post("/recover", json={"old_email": ANA, "code": code, "email": NEW})
        await face.post(address(edge, ana, "email_new", await change_of(edge)), json={"answer": "yes"})
        edge.clock.at(edge.clock.now() + WAY_BACK + timedelta(hours=1))
        await emails_of(edge).settle(20)
        return
    await face.post("/v1/me/email", json={"email": NEW}, headers=mine)
    change = await change_of(edge)
    new, old = address(edge, ana, "email_new", change), address(edge, ana, "email_old", change)
    assert (await face.post(new, json={"answer": "yes"})).json() == {"status": "noted"}
    assert (await face.post(old, json={"answer": "yes"})).json() == {"status": "changed"}
    if way == "put back":
        assert (await face.post(old, json={"answer": "not_me"})).json() == {"status": "put_back"}


@pytest.mark.parametrize("way", ["both", "recovery", "put back"])
async def test_a_link_of_before_the_email_moved_opens_changes_and_erases_nothing(
    http: httpx.AsyncClient, face: httpx.AsyncClient, eraser: httpx.AsyncClient, edge: Edge, ana: str, way: str
) -> None:
    invited = link(ana, "confirm", expires_at=NOON + 14 * DAY, issued_at=NOON)
    undated = link(ana, "confirm", expires_at=NOON + 14 * DAY, issued_at=None)
    told = link(ana, "me", expires_at=NOON + 14 * DAY, issued_at=NOON)
    edge.clock.at(NOON + DAY)
    other = await edge.sign_in(ana)
    assert (await http.get(f"/profile/{invited}", headers=PROGRAM)).status_code == 200
    await moves(face, edge, ana, way)
    assert (await face.get("/v1/me/email", headers=other)).status_code == 401, "the other sessions have ended too"
    for token in (invited, undated):
        answers = [
            await http.get(f"/profile/{token}", headers=PROGRAM),
            await http.post(f"/profile/{token}", json={"keep": ["occupations"]}),
            await http.post(f"/profile/{token}/proposals/x", json={"answer": "not_me"}),
            await eraser.get(f"/erase/{token}"),
            await eraser.post(f"/erase/{token}", json={"confirm": "erase"}),
            await eraser.post("/v1/me/erase", json={"confirm": "erase"}, headers={"Authorization": f"Bearer {token}"}),
            await face.get(f"/recovery/{token}"),
            await face.post(f"/recovery/{token}"),
        ]
        assert [(one.status_code, one.json()["type"][-9:]) for one in answers] == [(410, "link-void")] * len(answers)
    for answer in (await http.get(f"/sign-in/{told}"), await http.post(f"/sign-in/{told}", headers=PROGRAM)):
        assert answer.status_code == 410
    page = await http.get(f"/profile/{invited}", headers=HTML)
    assert page.status_code == 410 and "no longer opens anything" in page.text and "/sign-in" in page.text
    assert await edge.pool.fetchval("SELECT count(*) FROM candidates") == 1
    at = edge.clock.now() + timedelta(seconds=1)
    edge.clock.at(at)
    anew = link(ana, "me", expires_at=at + DAY, issued_at=at)
    assert (await http.post(f"/sign-in/{anew}", headers=PROGRAM)).status_code == 201, "one of after it does"


async def test_whoever_moved_before_links_were_voided_at_a_move_is_held_by_when_it_was(
    http: httpx.AsyncClient, edge: Edge, ana: str
) -> None:
    """`links_from` of the release before says nothing of a change that both said yes to."""
    await edge.pool.execute("UPDATE candidates SET email_since = $1, links_from = NULL", NOON + DAY)
    edge.clock.at(NOON + 2 * DAY)
    doors: dict[LinkPurpose, str] = {"confirm": "profile", "me": "sign-in"}
    for purpose, door in doors.items():
        old = link(ana, purpose, expires_at=NOON + 14 * DAY, issued_at=NOON)
        assert (await http.get(f"/{door}/{old}")).status_code == 410
        new = link(ana, purpose, expires_at=NOON + 14 * DAY, issued_at=NOON + DAY)
        assert (await http.get(f"/{door}/{new}", headers=HTML)).status_code == 200


async def test_who_erased_themself_after_a_change_reads_their_certificate_by_the_same_link_again(
    face: httpx.AsyncClient, eraser: httpx.AsyncClient, edge: Edge, ana: str
) -> None:
    await moves(face, edge, ana, "both")
    at = edge.clock.now() + timedelta(seconds=1)
    edge.clock.at(at)
    token = link(ana, "confirm", expires_at=at + DAY, issued_at=at)
    first = await eraser.post(f"/erase/{token}", json={"confirm": "erase"})
    again = await eraser.post(f"/erase/{token}", json={"confirm": "erase"})
    assert [first.status_code, again.status_code] == [202, 202]


async def test_the_way_out_of_an_invitation_and_a_not_me_work_from_the_mailbox_of_before(
    http: httpx.AsyncClient, face: httpx.AsyncClient, edge: Edge, ana: str
) -> None:
    out = link(ana, "refuse", expires_at=NOON + 14 * DAY, issued_at=NOON)
    edge.clock.at(NOON + DAY)
    await moves(face, edge, ana, "both")
    assert (await http.get(f"/refuse/{out}")).json()["status"] == "answered"
    old = address(edge, ana, "email_old", await change_of(edge))
    assert (await face.post(old, json={"answer": "not_me"})).json() == {"status": "put_back"}
