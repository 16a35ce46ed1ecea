"""The last test of the session: nothing personal that any test sent in is on a topic or in a log."""

from collections.abc import Sequence
from functools import partial

from deploy.checks import collect
from deploy.checks.privacy import Canary, Scanner
from shared.contracts.topics import ALL_TOPICS
from shared.messaging.envelope import Record
from shared.messaging.kafka import Kafka
from tests.e2e import own_page
from tests.e2e.scene import Scene
from tests.waiting import until


async def test_no_personal_field_is_on_any_topic_or_in_any_log(scene: Scene) -> None:
    """Runs last; see `pytest_collection_modifyitems`."""
    person = await scene.join()
    _, outreach = await scene.write_to(person)
    await scene.until_state(outreach, "delivered")
    _, waits = await scene.write_to(person)
    session = await own_page.signed_in(scene, person)
    await own_page.let_through_next(scene, session, waits)
    await own_page.signed_out(scene, session)
    records = await until(partial(_whole, scene), what="every topic has something to look at")
    scanner = Scanner(scene.canaries)
    found = [f"{record.position}: {what}" for record in records for what in scanner.find(collect.scannable(record))]
    logs = collect.logs(scene.stack.home.logs)
    found += [f"{name}: {what}" for name, content in logs.items() for what in scanner.find(content)]
    assert found == []
    assert {"signup.log", "consent.log", "pool_matching.log", "outreach_gateway.log", "courier.log"} <= logs.keys()
    assert all(logs[f"{name}.log"] for name in ("signup", "outreach_gateway", "courier"))


async def _whole(scene: Scene) -> Sequence[Record] | None:
    """All records, once each topic but the dead letters' has some: other tests fill those of erasures, and an outbox takes its time."""
    records = await collect.read_topics(Kafka.plain(scene.dev.kafka))
    carrying = {topic.name for topic in ALL_TOPICS if not topic.name.endswith("-dlq")}
    return records if carrying <= {record.topic for record in records} else None


async def test_the_scan_would_have_found_what_the_vault_seals(scene: Scene) -> None:
    """The same scan over the mails finds the words: it looks for the right things."""
    person = await scene.join()
    _, outreach = await scene.write_to(person)
    await scene.until_state(outreach, "delivered")
    [mail] = await scene.mails_with(outreach, person)
    found = Scanner(scene.canaries).find(await scene.client.raw_mail(mail.id))
    assert any(what.startswith("words") for what in found)
    assert any(what.startswith("mail") for what in found)
    assert Canary("mail", person.mail) in scene.canaries
