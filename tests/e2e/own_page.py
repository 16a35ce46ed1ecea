"""What a person does once they are signed in."""

from typing import Any

from tests.e2e.scene import Newcomer, Scene
from tests.waiting import until


async def signed_in(scene: Scene, person: Newcomer) -> str:
    """A session, for the link that the sign-in page mails."""
    had = len(await scene.mails_to(person))
    await scene.client.ask("POST", f"{scene.dev.services.signup}/sign-in", body={"email": person.mail}, expect=(202,))
    mail = (await until(lambda: scene.mails.to(person.mail)[had:], what="the mail with the link"))[0]
    return await scene.client.sign_in(await scene.link_in(mail))


async def message(scene: Scene, session: str, outreach: str) -> dict[str, Any]:
    """How this message stands on their page, as soon as it waits there."""
    url = f"{scene.dev.services.consent}/v1/me/messages"

    async def waits() -> dict[str, Any] | None:
        items = (await scene.client.ask("GET", url, key=session)).json()["items"]
        return next((one for one in items if (one["id"], one["state"]) == (outreach, "waiting")), None)

    return await until(waits, what=f"{outreach} waits on its person's page")


async def let_through_next(scene: Scene, session: str, outreach: str) -> None:
    """Wish for a message that waits."""
    await message(scene, session, outreach)
    url = f"{scene.dev.services.consent}/v1/me/messages/{outreach}/next"
    await scene.client.ask("POST", url, key=session, expect=(202,))


async def taken_along(scene: Scene, session: str) -> bytes:
    """The zip of everything, as soon as it is made."""
    url = f"{scene.dev.services.signup}/v1/me/export"
    assert (await scene.client.ask("POST", url, key=session, expect=(202,))).json()["state"] == "waiting"

    async def ready() -> bytes | None:
        answer = await scene.client.ask("GET", url, key=session, expect=(200, 202))
        return answer.content if answer.status_code == 200 else None

    return await until(ready, what="the zip is made")


async def signed_out(scene: Scene, session: str) -> None:
    """End this session; both services know it."""
    url = f"{scene.dev.services.signup}/me/sessions"
    answer = await scene.client.ask("POST", url, key=session, body={"action": "sign_out"})
    assert answer.json() == {"ended": 1}

    async def is_out() -> bool:
        page = await scene.client.ask("GET", f"{scene.dev.services.consent}/me", key=session, expect=(200, 401))
        return page.status_code == 401

    await until(is_out, what="consent knows that the session was ended")
