"""The later acts: employers write, while some people unsubscribe, and time passes until reserved slots come."""

import asyncio
from collections.abc import Iterable, Sequence
from dataclasses import dataclass
from datetime import UTC, date, datetime, timedelta
from typing import Any

from deploy.checks.told import Answer
from deploy.demo.leaving import early_leavers
from deploy.demo.steps import Step
from deploy.demo.trades import Seeking
from deploy.demo.watching import until
from deploy.demo.world import Sent, World, reference

_HELD = timedelta(seconds=35)
"""The gateway holds what came before its grant for 30 s; after this much more on its clock it says no."""
_SETTLED_WITHIN = timedelta(seconds=300)
"""Work that a killed process had claimed is claimed again when its lease of two minutes is over; and once more, if that is killed."""
_LEAVE_WITHIN = timedelta(seconds=20)
_AT_ONCE = 12
_TOGETHER = timedelta(minutes=20)


@dataclass(frozen=True, slots=True)
class Letter:
    """A message that is to be written."""

    seeking: Seeking
    member: str
    number: int
    has_second: bool = False
    """Whether the employer tries a second first message under the same pseudonym."""

    def last_day(self, today: date) -> date:
        """Most can wait; some are urgent, and are not sent where others wait."""
        days = (13, 5, 3, 13, 4)
        return today + timedelta(days=days[self.number % len(days)])


async def employers_write(
    world: World, step: Step, *, leavers: int = 3, letters: Sequence[Letter] | None = None
) -> None:
    """Every employer to every member of its pools (or these letters), all at once; a tenth of the requests are repeated, as networks do.

    As emails arrive, so many people unsubscribe.
    """
    letters = list(letters_to(world, set())) if letters is None else letters
    async with asyncio.TaskGroup() as group:
        group.create_task(early_leavers(world, most=leavers, within=_LEAVE_WITHIN))
        group.create_task(write_all(world, step, letters))
    step.say(
        f"{len(world.sent)} first messages, {len(letters) // 10} requests repeated, "
        f"{len(world.refused)} refused at once, since their employer had written under this pseudonym before"
    )


async def write_all(world: World, step: Step, letters: Sequence[Letter]) -> None:
    """All at once."""
    done, room = 0, asyncio.Semaphore(_AT_ONCE)

    async def write(letter: Letter) -> None:
        nonlocal done
        async with room:
            await send(world, letter)
        done += 1
        step.say(f"{done} of {len(letters)}")

    async with asyncio.TaskGroup() as group:
        for letter in letters:
            group.create_task(write(letter))


def letters_to(world: World, seen: set[tuple[str, str]]) -> Iterable[Letter]:
    """One to each member that its employer has not seen before; now it has."""
    number = len(seen)
    for seeking, pool in world.pools:
        for place, member in enumerate(world.members[pool]):
            if (seeking.employer, member) not in seen:
                seen.add((seeking.employer, member))
                number += 1
                yield Letter(seeking, member, number, has_second=place % 12 == 5)


async def send(world: World, letter: Letter) -> None:
    """Submit it, some more than once; what was answered is kept."""
    key = world.employer(letter.seeking.employer).key
    idempotency_key = f"{world.run}-{letter.number}"
    mark = reference(world.run, letter.seeking.employer, idempotency_key)
    words = (f"We read your profile with pleasure, note {mark}", f"(ref {mark})")
    message = _message(letter, mark, words[0], last_day=letter.last_day(world.now.date()))
    posted = datetime.now(UTC)
    answer = (await world.client.submit(key, idempotency_key, message)).json()
    answered = datetime.now(UTC)
    outreach, known_by = str(answer["id"]), date.fromisoformat(answer["known_by"])
    world.answers.append(Answer("submission", letter.seeking.employer, answer))
    world.sent[outreach] = Sent(
        outreach, letter.seeking.employer, idempotency_key, mark, words, posted, known_by, answered
    )
    if letter.number % 10 == 0:
        again = await world.client.send(key, idempotency_key, message)
        if again != outreach:
            world.repeats_that_differ.append(again)
    if letter.has_second:
        await world.client.submit(key, f"{idempotency_key}-again", message, expect=(409,))
        world.refused.append(letter.seeking.employer)


def _message(letter: Letter, mark: str, greeting: str, *, last_day: date) -> dict[str, Any]:
    seeking = letter.seeking
    return {
        "member_ref": letter.member,
        "subject": f"{seeking.job} wanted (ref {mark})",
        "body": f"Hello,\n\n{greeting}. We look for a {seeking.job.lower()} and would like to talk.\n\nKind regards",
        "expires_at": f"{last_day:%Y-%m-%d}",
        "job": {
            "title": seeking.job,
            "occupation": seeking.occupation,
            "organization": seeking.employer.removeprefix("emp_").title(),
            "location": "Denver, CO",
            "remote": "remote" in seeking.criteria,
            "pay": {"min": seeking.pay[0], "max": seeking.pay[1], "currency": "USD", "per": "year"},
            "url": f"https://jobs.example.org/{letter.number}",
            "valid_through": f"{last_day + timedelta(days=30):%Y-%m-%d}",
        },
    }


async def gateway_decides(world: World, step: Step) -> None:
    """Each is admitted, delayed or dropped, and what is admitted leaves."""
    world.move_clock(world.now + _HELD)
    await _all_settled(world, step, list(world.sent))


async def _all_settled(world: World, step: Step, outreach: Iterable[str]) -> None:
    waiting = set(outreach)
    total = len(waiting)

    def settled() -> bool:
        waiting.difference_update({item for item in waiting if world.topics.is_settled(item)})
        step.say(f"{total - len(waiting)} of {total} settled")
        return not waiting

    def missing() -> str:
        shown = [f"{one} ({world.topics.standing(one)})" for one in sorted(waiting)[:3]]
        return f"a decision and an outcome for {total}; {len(waiting)} have none: {', '.join(shown)}"

    await until(settled, missing, within=_SETTLED_WITHIN)


async def due_is_decided(world: World, due: Sequence[str]) -> None:
    """Wait until what is due by now was decided again, and left where it was admitted."""
    versions = {outreach: world.topics.decided[outreach].version for outreach in due}

    def decided_again() -> bool:
        return all(
            world.topics.decided[outreach].version > version and world.topics.is_settled(outreach)
            for outreach, version in versions.items()
        )

    await until(
        decided_again, lambda: f"decisions for what was due until {world.now:%a %H:%M} UTC", within=_SETTLED_WITHIN
    )


def planned(world: World) -> list[tuple[datetime, str]]:
    """What has a slot, the first first."""
    return sorted(
        (decision.until, outreach)
        for outreach, decision in world.topics.decided.items()
        if outreach in world.sent and decision.outcome == "delayed" and decision.until is not None
    )


async def time_passes(world: World, step: Step, *, moves: int, days: int) -> None:
    """Go from one cluster of reserved slots to the next, and see that what is due leaves."""
    began, done = world.now, 0
    for _ in range(moves):
        pending = planned(world)
        if not pending or pending[0][0] > began + timedelta(days=days):
            break
        due = [(moment, outreach) for moment, outreach in pending if moment <= pending[0][0] + _TOGETHER]
        world.move_clock(due[-1][0] + timedelta(seconds=1))
        await due_is_decided(world, [outreach for _, outreach in due])
        done += len(due)
        step.say(f"{world.now:%a %d %b %H:%M} UTC, {done} slots came")
