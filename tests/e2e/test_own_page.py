"""A person looks at what waits for them, lets one message through first, and signs out everywhere."""

from tests.e2e import own_page
from tests.e2e.scene import Scene
from tests.waiting import until


async def test_of_two_that_wait_the_one_that_its_person_wants_comes_first(scene: Scene) -> None:
    person = await scene.join()
    _, came = await scene.write_to(person)
    await scene.until_state(came, "delivered")
    waiting = [(await scene.write_to(person))[1] for _ in range(2)]
    for outreach in waiting:
        await scene.until_state(outreach, "delayed")
    session = await own_page.signed_in(scene, person)
    first, second = [(await own_page.message(scene, session, one))["planned_for"] for one in waiting]
    assert first is not None
    assert second is None or first < second
    await own_page.let_through_next(scene, session, waiting[1])

    async def has_its_place() -> bool:
        return bool((await own_page.message(scene, session, waiting[1]))["planned_for"] == first)

    await until(has_its_place, what="what its person wants has the place of the other")
    other = (await own_page.message(scene, session, waiting[0]))["planned_for"]
    assert other is None or other > first, "and no two share one"
    await own_page.signed_out(scene, session)
    refused = await scene.client.ask("GET", f"{scene.dev.services.signup}/v1/me/profile", key=session, expect=(401,))
    assert refused.json()["type"].endswith("session-over")
