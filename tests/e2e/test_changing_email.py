"""A person changes their email on the whole stack, takes it back, and leaves a lost mailbox by the code."""

import re
from datetime import timedelta
from typing import Any

from deploy.checks.privacy import Canary
from tests.e2e.scene import Newcomer, Scene
from tests.waiting import until

_LINK = re.compile(r"https?://[^\s<>\"]+/email/[^\s<>\"]+")
WAY_BACK = timedelta(hours=72)


async def sign_in(scene: Scene, email: str) -> dict[str, str]:
    """By a link that is emailed there now."""
    http, signup = scene.client.http, scene.dev.services.signup
    before = len(scene.mails.to(email))
    assert (await http.post(f"{signup}/sign-in", json={"email": email})).status_code == 202
    mails = await until(lambda: scene.mails.to(email)[before:], what="a link to sign in")
    answer = await http.post(await scene.link_in(mails[-1]), headers={"Accept": "application/json"})
    assert answer.status_code == 201, answer.text
    return {"Authorization": f"Bearer {answer.json()['session']}"}


async def told(scene: Scene, email: str, subject: str) -> str:
    """The link in the newest email to this mailbox whose subject begins so."""

    async def found() -> Any:
        for mail in reversed(scene.mails.to(email)):
            whole = await scene.client.mail(mail.id)
            if whole["Subject"].startswith(subject):
                return whole["Text"]
        return None

    link = _LINK.search(await until(found, what=f"an email to say: {subject}"))
    assert link
    return link.group()


async def say(scene: Scene, link: str, answer: str) -> str:
    said = await scene.client.http.post(link, json={"answer": answer})
    assert said.status_code == 200, said.text
    return str(said.json()["status"])


async def a_second_passes(scene: Scene) -> None:
    """Links are dated to the second: one of the same second as a change is void as well. By itself: who was told of a moved clock 20 ms
    ago may still read it as it was.
    """
    then = scene.now + timedelta(seconds=1)
    await until(lambda: scene.now >= then, what="the next second")


async def here(scene: Scene) -> tuple[Newcomer, str, str]:
    """Somebody who has joined, their email, and another mailbox of theirs."""
    person = await scene.join()
    await scene.until_confirmed(person)
    new = f"moved.{person.mail}"
    scene.canaries.append(Canary("mail", new))
    return person, person.mail, new


async def test_an_email_changes_from_both_ends_and_the_old_mailbox_takes_it_back(scene: Scene) -> None:
    person, old, new = await here(scene)
    http, email, invited = scene.client.http, f"{scene.dev.services.signup}/v1/me/email", await scene.link(person)
    mine = await sign_in(scene, old)
    assert (await http.post(email, json={"email": new}, headers=mine)).status_code == 202
    agree, is_mine = await told(scene, old, "Another email was asked"), await told(scene, new, "Is this mailbox yours?")
    assert await say(scene, is_mine, "yes") == "noted"
    assert (await http.get(email, headers=mine)).json()["email"] == old
    assert await say(scene, agree, "yes") == "changed"
    assert (await http.get(email, headers=mine)).status_code == 401, "every session has ended"

    async def is_void() -> bool:
        return (await http.get(invited, headers={"Accept": "application/json"})).status_code == 410

    await until(is_void, what="consent has heard that the invitation in the old mailbox opens nothing")
    await a_second_passes(scene)
    back = await told(scene, old, "Your email was changed")
    there = await sign_in(scene, new)
    assert (await http.get(email, headers=there)).json()["email"] == new
    scene.move_clock(scene.now + WAY_BACK - timedelta(minutes=30))
    assert await say(scene, back, "not_me") == "put_back"
    assert (await http.get(email, headers=there)).status_code == 401
    await a_second_passes(scene)
    mine = await sign_in(scene, old)
    assert (await http.get(email, headers=mine)).json()["email"] == old


async def test_a_lost_mailbox_is_left_by_the_code_of_the_first_receipt_after_72_hours(scene: Scene) -> None:
    person, old, new = await here(scene)
    http, signup = scene.client.http, scene.dev.services.signup
    first = (await scene.link(person)).rpartition("/")[2]
    code = (await http.post(f"{signup}/recovery/{first}", headers={"Accept": "application/json"})).json()
    asked = {"old_email": old, "code": code["recovery_code"], "email": new}
    assert (await http.post(f"{signup}/recover", json=asked)).status_code == 202
    assert await say(scene, await told(scene, new, "Is this mailbox yours?"), "yes") == "waiting"
    await told(scene, old, "Your email will be changed")
    scene.move_clock(scene.now + WAY_BACK + timedelta(minutes=1))
    await until(lambda: scene.mails.to(new)[1:], what="the new mailbox is told that it is done")
    await a_second_passes(scene)
    mine = await sign_in(scene, new)
    assert (await http.get(f"{signup}/v1/me/email", headers=mine)).json()["email"] == new
