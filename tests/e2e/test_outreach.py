"""Points 5 and 6 of the story: outreach is admitted, delayed or dropped, arrives, and stops when the person says so."""

import asyncio
import secrets
from datetime import UTC, date, datetime, time, timedelta
from functools import partial
from typing import Any
from zoneinfo import ZoneInfo

from deploy.checks.told import Answer, what_is_wrong_with
from tests.e2e.scene import ALL_ON, Employer, Newcomer, Scene
from tests.waiting import until


async def test_admitted_outreach_arrives_once_with_one_click_unsubscribe(scene: Scene) -> None:
    person = await scene.join()
    employer, outreach = await scene.write_to(person)
    receipt = await scene.until_state(outreach, "delivered")
    assert receipt["decision"]["outcome"] == "admit"
    assert receipt["decision"]["policy"]
    [mail] = await scene.mails_with(outreach, person)
    raw = (await scene.client.raw_mail(mail.id)).decode()
    assert "List-Unsubscribe-Post: List-Unsubscribe=One-Click" in raw
    assert "through Fairpool" in raw
    seen_by_sender = await scene.receipt(outreach, employer.key)
    assert (seen_by_sender["state"], seen_by_sender["sent_on"]) == ("waiting", None), "its day is not over"
    assert person.mail not in str(seen_by_sender)
    sent_on = scene.now.date()
    scene.to_the_next_day()
    told = await until(partial(is_told, scene, employer, outreach, "sent"), what="the sender is told at its tick")
    assert told["sent_on"] == sent_on.isoformat()


async def test_a_repeated_request_is_the_same_outreach_and_one_mail(scene: Scene) -> None:
    person = await scene.join()
    employer = await scene.new_employer()
    message = scene.message(await scene.member_ref(employer, person))
    key = secrets.token_hex(12)
    ids = await asyncio.gather(*(scene.client.send(employer.key, key, message) for _ in range(8)))
    assert len(set(ids)) == 1
    await scene.until_state(ids[0], "delivered")
    assert await scene.client.send(employer.key, key, message) == ids[0]
    assert len(await scene.mails_with(ids[0], person)) == 1


async def test_a_second_employer_is_delayed_and_sent_when_the_slot_comes(scene: Scene) -> None:
    person = await scene.join()
    _, first = await scene.write_to(person)
    await scene.until_state(first, "delivered")
    employer, second = await scene.write_to(person)
    receipt = await scene.until_state(second, "delayed")
    assert receipt["decision"]["rule"] == "network_gap"
    await looks_like_any_other(scene, employer, second)
    until_ = (await scene.until_first(second)).until
    assert until_ is not None
    assert timedelta(hours=23) < until_ - scene.now < timedelta(hours=25)
    assert await scene.mails_with(second, person) == []
    scene.move_clock(until_ + timedelta(seconds=1))
    await scene.until_state(second, "delivered")
    assert len(await scene.mails_with(second, person)) == 1


async def test_what_has_no_slot_before_its_last_day_waits_and_ends_unsent_and_nobody_is_told_why(scene: Scene) -> None:
    person = await scene.join()
    for _ in range(2):
        _, one = await scene.write_to(person)
        await scene.until_state(one, "delivered", "delayed")
    employer = await scene.new_employer()
    ref = await scene.member_ref(employer, person)
    late = await scene.write(employer, ref, expires_in=timedelta(days=3))
    await scene.until_first(late)
    await looks_like_any_other(scene, employer, late)
    known_by = date.fromisoformat((await scene.receipt(late, employer.key))["known_by"])
    scene.move_clock(datetime.combine(known_by + timedelta(days=1), time(18, 30), UTC))
    receipt = await scene.until_state(late, "dropped")
    assert receipt["decision"]["rule"] in ("network_window", "network_gap", "no_slot", "expired")
    told = await until(partial(is_told, scene, employer, late, "not_sent"), what="the sender is told at its tick")
    assert told["sent_on"] is None
    assert await scene.mails_with(late, person) == []


async def test_a_second_message_to_the_same_pseudonym_is_refused_at_once_and_to_another_waits(scene: Scene) -> None:
    person = await scene.join()
    employer = await scene.new_employer()
    ref, other = [await scene.member_ref(employer, person) for _ in range(2)]
    first = await scene.write(employer, ref)
    again = await scene.client.submit(employer.key, secrets.token_hex(12), scene.message(ref), expect=(409,))
    assert again.json()["type"].endswith("earlier-message")
    await scene.until_state(first, "delivered")
    second = await scene.write(employer, other)
    await scene.until_state(second, "dropped")
    await looks_like_any_other(scene, employer, second)


async def looks_like_any_other(scene: Scene, employer: Employer, outreach: str) -> None:
    """Whatever was decided, the sender sees a message that waits."""
    seen = await scene.receipt(outreach, employer.key)
    assert (seen["state"], seen["sent_on"]) == ("waiting", None)
    assert list(what_is_wrong_with(Answer("outreach", employer.id, seen))) == []


async def is_told(scene: Scene, employer: Employer, outreach: str, state: str) -> dict[str, Any] | None:
    """What the employer's feed says of it, once it says that."""
    rows = [row for row in await scene.client.told(employer.key) if row["outreach"] == outreach]
    return rows[-1] if rows and rows[-1]["state"] == state else None


async def test_a_week_holds_two_and_no_more_whatever_many_send_at_once(scene: Scene) -> None:
    person = await scene.join()
    employers = [await scene.new_employer() for _ in range(6)]
    refs = [await scene.member_ref(employer, person) for employer in employers]
    sent = await asyncio.gather(
        *(
            scene.write(employer, ref, expires_in=timedelta(days=6))
            for employer, ref in zip(employers, refs, strict=True)
        )
    )
    for outreach in sent:
        await scene.until_state(outreach, "delivered", "delayed", "dropped")
    states = sorted([await scene.state(outreach) for outreach in sent])
    assert states == ["delayed", "delivered", "dropped", "dropped", "dropped", "dropped"], [
        scene.topics.decided[outreach] for outreach in sent
    ]


async def test_who_allows_match_only_is_seen_and_not_written_to(scene: Scene) -> None:
    person = await scene.join(choices={"purposes": ["match"]})
    employer, outreach = await scene.write_to(person)
    scene.move_clock(scene.now + timedelta(seconds=31))
    await scene.until_state(outreach, "dropped")
    await looks_like_any_other(scene, employer, outreach)
    assert await scene.mails_with(outreach, person) == []


async def test_quiet_hours_wait_for_the_hour_at_which_the_person_wants_mail(scene: Scene) -> None:
    there = {"time_zone": "America/Denver", "quiet_hours": {"start": "09:00", "end": "17:00"}}
    person = await scene.join(choices={**ALL_ON, **there})
    _, outreach = await scene.write_to(person)
    receipt = await scene.until_state(outreach, "delayed", "delivered")
    assert receipt["state"] == "delayed"
    assert receipt["decision"]["rule"] == "hours"
    due = (await scene.until_first(outreach)).until
    assert due is not None
    assert due.astimezone(ZoneInfo("America/Denver")).hour == 17
    assert await scene.mails_with(outreach, person) == []


async def of_employers(scene: Scene, person: Newcomer) -> list[str]:
    """What the person got that is not the network's own."""
    return [mail.id for mail in await scene.mails_to(person) if "Fairpool" not in mail.subject]


async def test_a_get_of_the_unsubscribe_link_changes_nothing_and_a_post_stops_everything(scene: Scene) -> None:
    person = await scene.join()
    _, first = await scene.write_to(person)
    await scene.until_state(first, "delivered")
    employer, waiting = await scene.write_to(person)
    await scene.until_state(waiting, "delayed")
    [mail] = await scene.mails_with(first, person)
    link = await scene.unsubscribe_link(mail)
    await scene.client.ask("GET", link)
    assert await scene.state(waiting) == "delayed"

    assert await scene.client.unsubscribe(link)
    receipt = await scene.until_state(waiting, "cancelled")
    assert receipt["decision"]["rule"] == "contact_not_granted"
    pool = await scene.pool(employer, skills_all=list(person.skills))
    await scene.until_gone(person)
    await looks_like_any_other(scene, employer, waiting)
    assert await scene.fitting(pool) == []
    before = await of_employers(scene, person)
    scene.move_clock(scene.now + timedelta(days=1, hours=1))
    witness = await scene.join()
    _, other = await scene.write_to(witness)
    await scene.until_state(other, "delivered")
    assert await of_employers(scene, person) == before
    assert await scene.mails_with(waiting, person) == []

    async def is_told() -> bool:
        return any(mail.subject.startswith("What was changed in your name") for mail in await scene.mails_to(person))

    await until(is_told, what="the person is told that everything was stopped")


async def test_a_withdrawal_between_delay_and_due_date_cancels_and_nothing_is_sent(scene: Scene) -> None:
    person = await scene.join()
    _, first = await scene.write_to(person)
    await scene.until_state(first, "delivered")
    _, waiting = await scene.write_to(person)
    await scene.until_state(waiting, "delayed")
    due = (await scene.until_first(waiting)).until
    assert due is not None
    await scene.answer(person, {"purposes": ["match"]})
    await scene.until_state(waiting, "cancelled")
    scene.move_clock(due + timedelta(minutes=1))
    witness = await scene.join()
    _, other = await scene.write_to(witness)
    await scene.until_state(other, "delivered")
    assert await scene.state(waiting) == "cancelled"
    assert await scene.mails_with(waiting, person) == []


async def test_a_cancelled_reservation_gives_its_slot_back(scene: Scene) -> None:
    person = await scene.join()
    _, first = await scene.write_to(person)
    await scene.until_state(first, "delivered")
    employer, waiting = await scene.write_to(person)
    await scene.until_state(waiting, "delayed")
    url = f"{scene.dev.services.outreach_gateway}/v1/outreach/{waiting}"
    await scene.client.ask("DELETE", url, key=employer.key, expect=(204,))
    await scene.until_state(waiting, "cancelled")
    _, third = await scene.write_to(person)
    await scene.until_state(third, "delayed")
    before, after = [(await scene.until_first(outreach)).until for outreach in (waiting, third)]
    assert before is not None
    assert after is not None
    assert abs(before - after) < timedelta(minutes=1)


async def test_a_blocked_employer_does_not_get_through(scene: Scene) -> None:
    employer = await scene.new_employer()
    person = await scene.join(choices={**ALL_ON, "blocked_employers": [employer.id]})
    pool = await scene.pool(employer, skills_all=list(person.skills))
    other = await scene.new_employer()
    await scene.pool_of(other, person)
    assert await scene.fitting(pool) == []


async def test_one_employer_can_not_read_anothers_outreach_or_use_its_member_refs(scene: Scene) -> None:
    person = await scene.join()
    owner, outreach = await scene.write_to(person)
    other = await scene.new_employer()
    gateway = scene.dev.services.outreach_gateway
    await scene.client.ask("GET", f"{gateway}/v1/outreach/{outreach}", key=other.key, expect=(404,))
    await scene.client.ask("DELETE", f"{gateway}/v1/outreach/{outreach}", key=other.key, expect=(404,))
    stolen = scene.message(await scene.member_ref(owner, person))
    headers = {"Idempotency-Key": secrets.token_hex(8)}
    await scene.client.ask(
        "POST", f"{gateway}/v1/outreach", key=other.key, headers=headers, body=stolen, expect=(404, 422)
    )
