"""SIGKILL in the middle of a rotation, and of an erasure in two services at once: each ends right, and once."""

from collections.abc import AsyncIterator, Mapping
from contextlib import asynccontextmanager
from datetime import timedelta
from typing import Any

import pytest

from services.signup.vault.epoch_rows import EpochRows
from services.signup.vault.epochs import Epochs
from services.signup.vault.intake import unwrap_day_key
from services.signup.vault.keepers.file import FileKeeper
from services.signup.vault.reading import read_identities
from services.signup.vault.sealing import Identity, open_identity, open_key_pair
from shared.security.words import KeyPair
from tests.e2e.scene import Scene
from tests.faults.conftest import Writing, connected, held_up, kill
from tests.waiting import until

pytestmark = [pytest.mark.slow, pytest.mark.timeout(600)]  # processes that are killed and come back
REWRAPS = Writing("signup", "identities", "UPDATE identities SET\n    epoch = $1, identity_key")
ENDS = Writing("signup", "epochs_ended", "INSERT INTO epochs_ended")
NOTES = Writing("signup", "held_by_the_test", "UPDATE epochs_ended SET destroyed_at")
CONSENT_FORGETS = Writing("consent", "attempts", "DELETE FROM attempts WHERE candidate = ANY")
MATCHING_FORGETS = Writing("pool_matching", "introductions", "DELETE FROM introductions WHERE candidate = ANY")
_WRITES_THERE_FIRST = """
    CREATE TABLE held_by_the_test (); GRANT ALL ON held_by_the_test TO signup;
    CREATE FUNCTION hold_by_the_test() RETURNS trigger LANGUAGE plpgsql AS
        $$ BEGIN INSERT INTO held_by_the_test DEFAULT VALUES; RETURN new; END $$;
    CREATE TRIGGER hold_by_the_test BEFORE UPDATE ON epochs_ended FOR EACH ROW EXECUTE FUNCTION hold_by_the_test();
"""
_NO_MORE = "DROP FUNCTION IF EXISTS hold_by_the_test() CASCADE; DROP TABLE IF EXISTS held_by_the_test"


async def vault(scene: Scene, method: str, path: str = "") -> Any:
    """As the operator's commands ask."""
    url = f"{scene.dev.services.signup}/v1/vault{path}"
    bearer = {"Authorization": f"Bearer {scene.dev.operator.key}"}
    return (await scene.client.ask(method, url, headers=bearer, expect=(200, 202))).json()


async def until_rotated(scene: Scene) -> None:
    """Whoever was killed is silent for longer than its lease lasts; somebody else goes on."""
    await scene.rows(
        "signup", "UPDATE work SET leased_until = now() WHERE queue = 'vault_rotation' AND lease IS NOT NULL"
    )

    async def is_over() -> bool:
        return bool((await vault(scene, "GET"))["rotation"]["state"] == "done")

    await until(lambda: scene.stack.is_ready("signup"), what="signup is ready")
    await until(is_over, what="the rotation is done", within=timedelta(minutes=3))


async def readable(scene: Scene) -> Mapping[str, tuple[Identity, KeyPair]]:
    """By email whatever is sealed of anybody; everything has to open, also the keys of days, with the keys that are left."""
    rows = EpochRows(Epochs(), FileKeeper(scene.stack.home.vault_keys))
    async with connected(scene.dev, "signup") as connection:
        everybody = [row["candidate"] for row in await connection.fetch("SELECT candidate::text FROM identities")]
        found = await read_identities(connection, everybody, rows)
        for day in await connection.fetch("SELECT day, epoch, sealed_key FROM intake_keys"):
            unwrap_day_key(rows.epochs, day["epoch"], day["sealed_key"], day["day"])
    opened = ((open_identity(row, rows.epochs), open_key_pair(row, rows.epochs)) for row in found.values())
    return {identity.mail: (identity, pair) for identity, pair in opened}


@asynccontextmanager
async def noting_waits(scene: Scene) -> AsyncIterator[None]:
    """What is written once a key is destroyed writes a table of the test's own before."""
    async with connected(scene.dev, "signup") as connection:
        await connection.execute(_NO_MORE + "; " + _WRITES_THERE_FIRST)
        try:
            yield
        finally:
            await connection.execute(_NO_MORE)


async def test_a_rotation_whose_process_is_killed_ends_with_every_box_readable_and_the_old_key_destroyed_once(
    scene: Scene,
) -> None:
    people = [await scene.join() for _ in range(2)]
    before = await readable(scene)
    keys, rotations = scene.stack.home.vault_keys, 0
    ended_before = {row["epoch"] for row in await scene.rows("signup", "SELECT epoch FROM epochs_ended")}
    async with noting_waits(scene):
        for writing in (REWRAPS, ENDS, NOTES):
            old = {path.name for path in keys.iterdir()}
            async with held_up(scene.dev, writing) as until_it_writes:
                await vault(scene, "POST", "/rotations")
                await until_it_writes()
                left = {path.name for path in keys.iterdir()} & old
                assert left == (set() if writing is NOTES else old), "the key goes once no row needs it"
                await kill(scene.stack, "signup")
            await until_rotated(scene)
            rotations += 1
            after = await readable(scene)
            assert {person.mail: after[person.mail] for person in people} == {
                person.mail: before[person.mail] for person in people
            }
            [new] = {path.name for path in keys.iterdir()}
            assert new not in old
    ended = await scene.rows("signup", "SELECT epoch, destroyed_at FROM epochs_ended")
    assert len({row["epoch"] for row in ended} - ended_before) == len(ended) - len(ended_before) == rotations
    assert all(row["destroyed_at"] is not None for row in ended)
    await scene.join()


async def test_an_erasure_during_which_two_services_are_killed_is_done_whole_in_both(scene: Scene) -> None:
    person, stays = await scene.join(), await scene.join()
    for one in (person, stays):
        await scene.until_confirmed(one)
        await until_tied(scene, await candidate_of(scene, one.record))
    candidate = await candidate_of(scene, person.record)
    token = (await scene.link(person)).rpartition("/")[2]
    async with (
        held_up(scene.dev, CONSENT_FORGETS) as until_consent_forgets,
        held_up(scene.dev, MATCHING_FORGETS) as until_matching_forgets,
    ):
        url = f"{scene.dev.services.signup}/erase/{token}"
        answer = (await scene.client.ask("POST", url, body={"confirm": "erase"}, expect=(202,))).json()
        await until_consent_forgets()
        await until_matching_forgets()
        assert await tied(scene, candidate) == (1, 1), "nothing of it is committed in either"
        for service in ("consent", "pool_matching"):
            await kill(scene.stack, service)

    async def is_over() -> bool:
        said = await scene.client.ask("GET", answer["certificate"], headers={"Accept": "application/json"})
        return not said.json()["outstanding"]

    await until(is_over, what="every service has erased them", within=timedelta(minutes=3))
    assert await tied(scene, candidate) == (0, 0)
    assert await tied(scene, await candidate_of(scene, stays.record)) == (1, 1)
    swept = await scene.rows("signup", "SELECT service FROM erasure_sweeps WHERE candidate::text = $1", candidate)
    assert {row["service"] for row in swept} >= {"consent", "pool_matching"}


async def candidate_of(scene: Scene, record: str) -> str:
    [row] = await scene.rows("signup", "SELECT candidate::text FROM claims WHERE record = $1", record)
    return str(row["candidate"])


async def until_tied(scene: Scene, candidate: str) -> None:
    """Wait until matching knows of the person, too: it hears of them by itself."""

    async def is_tied() -> bool:
        return await tied(scene, candidate) == (1, 1)

    await until(is_tied, what="consent and matching know of the person")


async def tied(scene: Scene, candidate: str) -> tuple[int, int]:
    """How many rows of consent's and of matching's still say something of this person."""
    queries = {
        "consent": "SELECT FROM consents WHERE candidate = $1 AND principal IS NOT NULL",
        "pool_matching": "SELECT FROM persons WHERE candidate = $1 AND consent IS NOT NULL",
    }
    consents, persons = [len(await scene.rows(name, query, candidate)) for name, query in queries.items()]
    return consents, persons
