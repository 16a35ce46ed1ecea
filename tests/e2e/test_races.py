"""Topics come in any order: events are put on them by hand, in the order that hurts most."""

import secrets
from dataclasses import dataclass
from datetime import timedelta
from functools import partial

from aiokafka.partitioner import DefaultPartitioner

from deploy.local.secrets import read as read_secrets
from shared.contracts.consent import ConsentChangedV2, Purpose
from shared.contracts.pool_matching import Membership, MembershipsChangedV1
from shared.contracts.signup import CandidateKeyPublishedV1, CandidateProfileChangedV1, CoarseProfile
from shared.contracts.topics import CANDIDATE_KEYS, Topic
from shared.ids import new_candidate_id
from shared.security import encoding
from shared.security.member_refs import MemberRefs
from shared.security.words import KeyPair
from tests.e2e.scene import Employer, Scene
from tests.waiting import until

_READ_BACK = f"WHERE key = '{CANDIDATE_KEYS.name}'"
_POOL = "p_of_a_stranger"
_STILL_HELD = timedelta(seconds=5)  # of 30, so that a busy machine has time left


@dataclass(frozen=True, slots=True)
class Stranger:
    """A candidate who is on topics only, and an employer that knows a member ref of theirs."""

    scene: Scene
    employer: Employer
    candidate: str
    ref: str

    async def write(self) -> str:
        return await self.scene.write(self.employer, self.ref)

    def consent(self, version: int, *purposes: Purpose) -> ConsentChangedV2:
        return self.scene.consented(candidate=self.candidate, version=version, at=self.scene.now, purposes=purposes)

    def memberships(self, version: int, *, is_in: bool = True) -> MembershipsChangedV1:
        pool = Membership(pool=_POOL, employer=self.employer.id, since=self.scene.now)
        return MembershipsChangedV1(candidate=self.candidate, version=version, pools=(pool,) if is_in else ())

    async def is_heard(self, *events: ConsentChangedV2 | MembershipsChangedV1) -> None:
        """They are on their topics, one after the other, and the gateway has taken in each."""
        await self.scene.publish(*events)
        for kind in {type(event) for event in events}:
            # Of the same partition, and after them: when it is taken in, so is what was before it.
            neighbor = _neighbor(self.candidate, kind.TOPIC)
            if kind is ConsentChangedV2:
                table = "consents"
                await self.scene.publish(
                    self.scene.consented(candidate=neighbor, version=1, at=self.scene.now, purposes=())
                )
            else:
                table = "memberships"
                await self.scene.publish(MembershipsChangedV1(candidate=neighbor, version=1, pools=()))
            query = f"SELECT 1 FROM {table} WHERE candidate::text = $1"
            await until(
                partial(self.scene.rows, "outreach_gateway", query, neighbor), what=f"the gateway has its {table}"
            )

    async def outcome_of(self, outreach: str) -> str:
        """What the gateway decided; the courier has no address of a stranger, so nothing is ever sent."""
        await until(lambda: outreach in self.scene.topics.decided, what="a decision")
        first = self.scene.topics.first[outreach]
        return first.outcome if first.outcome == "admitted" else f"{first.outcome}: {first.rule}"


def _neighbor(candidate: str, topic: Topic) -> str:
    """Somebody whose records are in the same partition."""

    def partition(key: str) -> int:
        places = list(range(topic.partitions))
        return int(DefaultPartitioner()(key.encode(), places, places))

    return next(one for one in iter(new_candidate_id, "") if partition(one) == partition(candidate))


async def stranger(scene: Scene) -> Stranger:
    """Their key is on its topic, and nothing else.

    Signup has no such person: its next read-back would bury the key. None comes while these tests move the clock.
    """
    await scene.rows("signup", f"UPDATE work SET run_at = '9999-01-01Z' {_READ_BACK} AND queue = 'read_backs'")

    async def is_over() -> bool:
        return not await scene.rows("signup", f"SELECT 1 FROM work {_READ_BACK} AND queue = 'read_back_passes'")

    await until(is_over, what="a read-back that had begun is over")
    employer, candidate = await scene.new_employer(), new_candidate_id()
    key = encoding.decode(read_secrets(scene.stack.home).keys["FAIRPOOL_MEMBER_REF_KEY"])
    await scene.publish(CandidateKeyPublishedV1(candidate=candidate, version=1, public_key=KeyPair.generate().public))
    known = "SELECT 1 FROM candidate_keys WHERE candidate::text = $1"
    await until(partial(scene.rows, "outreach_gateway", known, candidate), what="the gateway has the key")
    return Stranger(scene, employer, candidate, MemberRefs(key).make(candidate, employer.id, _POOL, 0))


async def test_outreach_that_overtook_grant_and_membership_is_held_until_they_come(scene: Scene) -> None:
    person = await stranger(scene)
    outreach = await person.write()
    scene.move_clock(scene.now + _STILL_HELD)
    await _witness(scene)
    assert await scene.state(outreach) == "submitted"
    await scene.publish(person.consent(1, "match", "contact"))
    await _witness(scene)
    assert await scene.state(outreach) == "submitted"
    await scene.publish(person.memberships(1))
    assert await person.outcome_of(outreach) == "admitted"


async def test_outreach_whose_grant_comes_an_hour_late_has_waited_for_it(scene: Scene) -> None:
    person = await stranger(scene)
    await person.is_heard(person.memberships(1))
    outreach = await person.write()
    scene.move_clock(scene.now + timedelta(hours=1))
    await scene.publish(person.consent(1, "match", "contact"))
    assert await person.outcome_of(outreach) == "admitted"


async def test_outreach_whose_membership_never_comes_is_dropped_at_its_own_end(scene: Scene) -> None:
    person = await stranger(scene)
    await person.is_heard(person.consent(1, "match", "contact"))
    outreach = await person.write()
    scene.move_clock(scene.now + timedelta(days=15))
    receipt = await scene.until_state(outreach, "dropped")
    assert receipt["decision"]["rule"] in ("expired", "offer_ended", "no_slot")


async def test_a_withdrawal_that_overtook_its_grant_holds(scene: Scene) -> None:
    person = await stranger(scene)
    await person.is_heard(person.memberships(1), person.consent(2), person.consent(1, "match", "contact"))
    outreach = await person.write()
    scene.move_clock(scene.now + timedelta(seconds=31))
    receipt = await scene.until_state(outreach, "dropped", "delivered", "doubtful", "cancelled")
    assert receipt["decision"]["rule"] == "contact_not_granted"


async def test_an_old_membership_after_a_new_one_brings_nobody_back(scene: Scene) -> None:
    person = await stranger(scene)
    await person.is_heard(
        person.consent(1, "match", "contact"), person.memberships(2, is_in=False), person.memberships(1)
    )
    outreach = await person.write()
    scene.move_clock(scene.now + timedelta(seconds=31))
    receipt = await scene.until_state(outreach, "dropped", "delivered", "doubtful", "cancelled")
    assert receipt["decision"]["rule"] == "not_a_member"


async def test_an_old_profile_after_a_new_one_changes_no_pool(scene: Scene) -> None:
    person = await stranger(scene)
    old, new = (f"skill {secrets.token_hex(6)}" for _ in range(2))

    def profile(version: int, skill: str) -> CandidateProfileChangedV1:
        return CandidateProfileChangedV1(
            candidate=person.candidate, version=version, profile=CoarseProfile(skills=(skill,))
        )

    pools = [await scene.pool(person.employer, skills_all=[skill]) for skill in (old, new)]
    await scene.publish(person.consent(1, "match"), profile(2, new), profile(1, old))
    await until(lambda: scene.fitting(pools[1]), what="the new profile's pool")
    await _witness(scene)
    assert await scene.fitting(pools[0]) == []


async def test_a_profile_that_overtook_its_grant_is_matched_when_the_grant_comes(scene: Scene) -> None:
    person = await stranger(scene)
    skill = f"skill {secrets.token_hex(6)}"
    pool = await scene.pool(person.employer, skills_all=[skill])
    profile = CandidateProfileChangedV1(candidate=person.candidate, version=1, profile=CoarseProfile(skills=(skill,)))
    await scene.publish(profile)
    await _witness(scene)
    assert await scene.fitting(pool) == []
    await scene.publish(person.consent(1, "match"))
    await until(lambda: scene.fitting(pool), what="matched once the grant is there")


async def test_who_withdrew_is_matched_by_no_profile_that_comes_late(scene: Scene) -> None:
    person = await stranger(scene)
    skill = f"skill {secrets.token_hex(6)}"
    pool = await scene.pool(person.employer, skills_all=[skill])
    profile = CandidateProfileChangedV1(candidate=person.candidate, version=1, profile=CoarseProfile(skills=(skill,)))
    await scene.publish(person.consent(2), profile, person.consent(1, "match"))
    await _witness(scene)
    assert await scene.fitting(pool) == []


async def _witness(scene: Scene) -> None:
    """Somebody else's story from end to end: whatever was on the topics before has had its chance."""
    person = await scene.join()
    _, outreach = await scene.write_to(person)
    await scene.until_state(outreach, "delivered", "delayed")
