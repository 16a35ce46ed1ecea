"""Points 1 to 3 of the story: how somebody comes in, and that nothing is shared before they say so."""

import json
import re
from datetime import timedelta

import pytest

from deploy.checks import collect
from deploy.demo.client import greenhouse_signature
from shared.contracts.signup import CandidateProfileChangedV1
from shared.contracts.topics import ATS_EVENTS, CANDIDATE_PROFILES
from shared.messaging.envelope import Outgoing, only
from shared.messaging.kafka import Kafka
from shared.messaging.producer import Producer
from tests.e2e.scene import ALL_ON, Newcomer, Scene
from tests.waiting import until

_CLAIMS = "SELECT vendor, record FROM claims WHERE candidate::text = $1 ORDER BY vendor"


def webhook(person: Newcomer, *, action: str = "new_candidate_application") -> dict[str, object]:
    """As Greenhouse documents it."""
    candidate = {
        "id": int.from_bytes(person.record.encode()[-6:]),
        "first_name": person.given_name,
        "last_name": person.family_name,
        "title": "Registered nurse",
        "can_email": True,
        "phone_numbers": [{"value": person.phone, "type": "mobile"}],
        "email_addresses": [{"value": person.mail, "type": "personal"}],
        "addresses": [{"value": f"{person.street}\nDenver, CO 80202", "type": "home"}],
        "tags": list(person.skills),
    }
    return {"action": action, "payload": {"application": {"id": 1, "candidate": candidate}}}


@pytest.mark.parametrize("action", ["new_candidate_application", "new_prospect_application"])
async def test_a_signed_webhook_brings_a_person_in_and_they_get_a_link(scene: Scene, action: str) -> None:
    person = scene.invent()
    answer = await scene.client.post_webhook(
        scene.dev.sources[0], webhook(person, action=action), event_id=person.record
    )
    assert answer.status_code == 200
    assert "/confirm/" in await scene.link(person)


async def test_a_cloud_event_brings_a_person_in_and_they_get_a_link(scene: Scene) -> None:
    person = scene.invent()
    vendor = scene.dev.vendors[1]
    answer = await scene.client.post_events(vendor.key, [scene.event(person, vendor=1)])
    assert (answer["accepted"], answer["duplicates"], answer["rejected"]) == (1, 0, [])
    assert "/confirm/" in await scene.link(person)


async def test_a_batch_is_taken_event_by_event(scene: Scene) -> None:
    one, other, nobody = scene.invent(), scene.invent(), scene.invent()
    bad = scene.event(nobody)
    bad["data"]["person"]["emails"] = ["no address"]
    answer = await scene.client.post_events(scene.dev.vendors[0].key, [scene.event(one), bad, scene.event(other)])
    assert answer["accepted"] == 2
    assert [item["id"] for item in answer["rejected"]] == [bad["id"]]
    for person in (one, other):
        assert await scene.link(person)
    assert await scene.mails_to(nobody) == []


async def test_a_repeated_webhook_changes_nothing(scene: Scene) -> None:
    person = scene.invent()
    for _ in range(3):
        answer = await scene.client.post_webhook(scene.dev.sources[0], webhook(person), event_id=person.record)
        assert answer.status_code == 200
    candidate = await scene.candidate(person)
    later = await scene.join()  # whoever came after has their mail: what came before is through
    assert await scene.first_mail(later)
    assert len(await scene.mails_to(person)) == 1
    assert len(await scene.rows("signup", _CLAIMS, candidate)) == 1


async def test_a_redelivered_batch_changes_nothing(scene: Scene) -> None:
    person = await scene.join()
    candidate = await scene.candidate(person)
    records = await collect.read_topics(Kafka.plain(scene.dev.kafka), [ATS_EVENTS])
    ours = [record for record in records if person.record.encode() in (record.key or b"")]
    assert ours
    producer = Producer(Kafka.plain(scene.dev.kafka), idempotence=False, client_id="test-redelivery")
    await producer.start()
    await producer.send([Outgoing(record.topic, record.key, record.value, record.headers) for record in ours * 3])
    await producer.stop()
    later = await scene.join()
    assert await scene.first_mail(later)
    assert len(await scene.mails_to(person)) == 1
    assert len(await scene.rows("signup", _CLAIMS, candidate)) == 1


async def test_the_same_person_from_two_vendors_is_one_candidate_with_two_claims(scene: Scene) -> None:
    person = scene.invent()
    await scene.report(person, vendor=0)
    shouted = scene.event(person, vendor=1)
    shouted["data"]["person"]["emails"] = [person.mail.upper()]
    await scene.client.post_events(scene.dev.vendors[1].key, [shouted])
    candidate = await scene.candidate(person)
    expected = sorted(vendor.id for vendor in scene.dev.vendors[:2])

    async def vendors() -> bool:
        return [row["vendor"] for row in await scene.rows("signup", _CLAIMS, candidate)] == expected

    await until(vendors, what="one claim of each vendor on the one candidate")
    await scene.answer(person, ALL_ON)
    employer = await scene.new_employer()
    assert len(await scene.fitting(await scene.pool_of(employer, person))) == 1
    assert len(await scene.mails_to(person)) == 1


async def test_the_same_person_from_two_vendors_at_the_same_moment_is_one_candidate(scene: Scene) -> None:
    people = [scene.invent() for _ in range(10)]
    for vendor in (0, 1, 2):
        events = [scene.event(person, vendor=vendor) for person in people]
        await scene.client.post_events(scene.dev.vendors[vendor].key, events)
    for person in people:
        candidate = await scene.candidate(person)

        async def claimed(candidate: str = candidate) -> bool:
            return len(await scene.rows("signup", _CLAIMS, candidate)) == 3

        await until(claimed, what="three claims on the one candidate")
    assert [len(await scene.mails_to(person)) for person in people] == [1] * 10


async def test_on_the_page_everything_is_off_and_nothing_was_shared_before(scene: Scene) -> None:
    person = scene.invent()
    await scene.report(person)
    link, candidate = await scene.link(person), await scene.candidate(person)
    page = (await scene.client.ask("GET", link)).text
    assert 'value="match"' in page
    assert "checked" not in page.split('value="contact"')[0].split('value="match"')[1]
    assert "checked" not in page.split('value="contact"')[1].partition(">")[0]
    employer = await scene.new_employer()
    pool = await scene.pool(employer, skills_all=list(person.skills))
    witness = await scene.join()  # somebody who did say yes is matched: matching had its chance
    await scene.pool_of(employer, witness)
    assert await scene.fitting(pool) == []
    received, _ = collect.events(await collect.read_topics(Kafka.plain(scene.dev.kafka), [CANDIDATE_PROFILES]))
    assert [item for item in only(CandidateProfileChangedV1, received) if item.event.candidate == candidate] == []


async def test_nothing_that_was_told_is_shown_before_its_person_kept_it(scene: Scene) -> None:
    person = scene.invent()
    await scene.report(person)
    link, candidate = await scene.link(person), await scene.candidate(person)
    await scene.client.choose(link, ALL_ON)
    await scene.until_confirmed(person)
    employer = await scene.new_employer()
    pool = await scene.pool(employer, skills_all=list(person.skills))
    witness = await scene.join()  # somebody who kept theirs is matched: matching had its chance
    await scene.pool_of(employer, witness)
    assert await scene.fitting(pool) == []
    received, _ = collect.events(await collect.read_topics(Kafka.plain(scene.dev.kafka), [CANDIDATE_PROFILES]))
    assert [item for item in only(CandidateProfileChangedV1, received) if item.event.candidate == candidate] == []
    await scene.client.keep(link)
    await until(lambda: scene.fitting(pool), what="who kept it is a member")


async def test_a_browser_is_led_from_the_answer_to_what_is_shown(scene: Scene) -> None:
    person = scene.invent()
    await scene.report(person)
    link = await scene.link(person)
    asked = await scene.client.ask("GET", link, headers={"Accept": "text/html"})
    (served,) = re.findall(r'name="served" value="([^"]+)"', asked.text)
    form = {"Content-Type": "application/x-www-form-urlencoded", "Accept": "text/html"}
    raw = f"purposes=match&served={served}".encode()
    answer = await scene.client.ask("POST", link, raw=raw, headers=form, expect=(303,))
    page = await scene.client.ask("GET", answer.headers["location"], headers={"Accept": "text/html"})
    assert page.url.path.startswith("/profile/")
    assert person.skills[0] in page.text


async def test_choices_are_answered_with_what_is_so_now(scene: Scene) -> None:
    person = scene.invent()
    await scene.report(person)
    answer = await scene.client.choose(await scene.link(person), ALL_ON)
    assert sorted(answer["purposes"]) == ["contact", "match"]
    assert answer["version"] == 1
    assert answer["receipt"]


async def test_sign_in_mails_a_link_to_the_preference_centre(scene: Scene) -> None:
    person = await scene.join()
    await scene.until_confirmed(person)
    url = f"{scene.dev.services.signup}/sign-in"
    await scene.client.ask("POST", url, body={"email": person.mail}, expect=(202,))
    await until(lambda: len(scene.mails.to(person.mail)) == 2, what="a mail with a link to sign in")
    link = await scene.link_in(scene.mails.to(person.mail)[1])
    assert "/sign-in/" in link
    changed = await scene.client.choose(link, {"purposes": ["match"]})
    assert changed["purposes"] == ["match"]


async def test_sign_in_says_the_same_for_an_unknown_address_and_mails_nobody(scene: Scene) -> None:
    stranger, known = scene.invent(), await scene.join()
    await scene.until_confirmed(known)
    url = f"{scene.dev.services.signup}/sign-in"
    answers = [
        await scene.client.ask("POST", url, body={"email": one.mail}, expect=(202,)) for one in (stranger, known)
    ]
    assert answers[0].content == answers[1].content
    await until(lambda: len(scene.mails.to(known.mail)) == 2)
    assert await scene.mails_to(stranger) == []


async def test_greenhouse_escapes_are_signed_as_they_are_sent(scene: Scene) -> None:
    person = scene.invent()
    source = scene.dev.sources[0]
    raw = json.dumps({**webhook(person), "note": "Zoë – ñ"}, ensure_ascii=True).encode()
    headers = {"Signature": greenhouse_signature(source.secret, raw), "Greenhouse-Event-ID": person.record}
    headers["Content-Type"] = "application/json"
    await scene.client.ask("POST", source.url, raw=raw, headers=headers)
    assert await scene.link(person)


@pytest.mark.timeout(120)
async def test_a_link_stops_working_when_its_time_is_over(scene: Scene) -> None:
    person = scene.invent()
    await scene.report(person)
    link = await scene.link(person)
    scene.move_clock(scene.now + timedelta(days=15))
    scene.at_working_hours()

    async def is_over() -> bool:
        return (await scene.client.http.get(link)).status_code in (410, 404)

    await until(is_over, what="the service has seen that its clock was moved")
    answer = await scene.client.ask("POST", link, body=ALL_ON, expect=(410, 404))
    assert answer.headers["content-type"].startswith("application/problem+json")
