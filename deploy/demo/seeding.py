"""Invented people for a stack that somebody tries out: they come, answer, and some of them pause, block, leave or say no."""

import time
from collections.abc import Sequence
from dataclasses import dataclass, replace
from datetime import datetime
from pathlib import Path
from random import Random
from typing import Any

from deploy.demo import joining
from deploy.demo.client import Client, connect
from deploy.demo.people import JOINS, Person, family_names, person
from deploy.demo.steps import Steps
from deploy.demo.trades import PLACES, TRADES, Place, Trade
from deploy.demo.watching import MailWatch, keep_looking
from deploy.local import clockfile
from deploy.local.devfile import DevFile

_NURSES = [
    (trade, place) for trade in TRADES for place in PLACES if (trade.occupation, place.state) == ("29-1141", "CO")
]
_DEVELOPERS = [(trade, place) for trade in TRADES for place in PLACES if trade.remote]
_ALL_ON: dict[str, Any] = {"purposes": ["match", "contact"]}
_MATCH_ONLY: dict[str, Any] = {"purposes": ["match"]}
_COHORT = 10
FEWEST = 2 * _COHORT
"""So many people fill two pools."""


@dataclass(frozen=True, slots=True)
class _Role:
    """How somebody of a cohort comes, and what they do."""

    vendors: tuple[int, ...]
    """By number, of the vendors that do not hold the seat of the employer who looks for the cohort; 2 is the one that does."""
    choices: dict[str, Any]
    is_paused: bool = False
    leaves: bool = False


_ROLES = (
    _Role((0,), _ALL_ON),
    _Role((1,), _ALL_ON),
    _Role(JOINS, _ALL_ON),
    _Role((2,), _ALL_ON, is_paused=True),
    _Role((0, 1), {**_ALL_ON, "first_contacts_per_week": 1}),
    _Role((1,), _MATCH_ONLY),
    _Role((2,), _ALL_ON, leaves=True),
    _Role((0,), {**_ALL_ON, "blocked_employers": ["emp_juniper"]}),
    _Role(JOINS, _ALL_ON),
    _Role((1,), {"purposes": []}),
)
"""Of ten, seven count toward the five that a list needs: whom the employer's own vendor introduced does not."""


@dataclass(frozen=True, slots=True)
class Cohort:
    """People whom a demo employer's pool takes in."""

    employer: str
    pool: str
    criteria: dict[str, Any]
    vendor: int
    """The number of the vendor that holds the employer's seat."""
    among: Sequence[tuple[Trade, Place]]


COHORTS = (
    Cohort("emp_denverhealth", "Nurses in Colorado", {"occupations": ["29-1141"], "states": ["CO"]}, 0, _NURSES),
    Cohort("emp_tidewater", "Developers, remote", {"occupations": ["15-1250"], "remote": True}, 2, _DEVELOPERS),
)


@dataclass(frozen=True, slots=True)
class _Crowd:
    client: Client
    run: str
    people: Sequence[Person]
    mails: MailWatch
    clock_file: Path

    @property
    def now(self) -> datetime:
        return clockfile.now(self.clock_file)


@dataclass(frozen=True, slots=True)
class Seeded:
    """What came of it."""

    seed: int
    people: Sequence[Person]
    added: int
    """Those who were not there before."""
    seconds: float

    def as_json(self) -> dict[str, Any]:
        """For scripts."""
        return {
            "seed": self.seed,
            "people": len(self.people),
            "added": self.added,
            "there_before": len(self.people) - self.added,
            "by_the_join_page": sum(not one.vendors for one in self.people),
            "match_and_contact": sum(one.choice == "match and contact" for one in self.people),
            "match_only": sum(one.choice == "match only" for one in self.people),
            "said_no": sum(one.choice == "nothing" for one in self.people),
            "paused": sum(one.is_paused for one in self.people),
            "left": sum(one.leaves for one in self.people),
            "pools_to_try": [
                {"employer": cohort.employer, "name": cohort.pool, **cohort.criteria} for cohort in COHORTS
            ],
            "seconds": round(self.seconds, 1),
        }


def invent(count: int, *, seed: int) -> list[Person]:
    """The same seed gives the same people, the first ones also when more are asked for."""
    random = Random(seed)  # noqa: S311 - the same people each time is the point
    families = family_names(random)
    return [_somebody(number, families[number % len(families)], random, _run(seed)) for number in range(count)]


def _somebody(number: int, family: str, random: Random, run: str) -> Person:
    if number >= FEWEST:
        rest = person(number, family, random, run)
        return replace(rest, leaves=rest.choice != "nothing" and number % 9 == 0, is_paused=number % 13 == 0)
    cohort, role = COHORTS[number % len(COHORTS)], _ROLES[number // len(COHORTS)]
    invented = person(number, family, random, run, cohort.among)
    return replace(
        invented,
        profile=replace(invented.profile, years=max(invented.profile.years, 1)),
        vendors=tuple(_vendor(which, cohort.vendor) for which in role.vendors),
        by_webhook=invented.by_webhook and bool(role.vendors),
        choices=role.choices,
        is_paused=role.is_paused,
        leaves=role.leaves,
    )


def _vendor(which: int, own: int) -> int:
    others = [number for number in range(3) if number != own]
    return [*others, own][which]


def _run(seed: int) -> str:
    return f"s{seed}n"


async def seed(dev: DevFile, clock_file: Path, *, count: int, seed: int, steps: Steps) -> Seeded:
    """They come and answer; who is there already stays as they are."""
    began = time.monotonic()
    people = invent(count, seed=seed)
    async with connect(dev) as client:
        mails = MailWatch(client)
        async with keep_looking(mails):
            await mails.look()
            known = {mail.address for mail in mails.mails}
            missing = [one for one in people if one.mail not in known]
            crowd = _Crowd(client, _run(seed), people, mails, clock_file)
            with steps.step(f"{len(missing)} invented people are reported by vendors, or join") as step:
                await joining.people_come(crowd, step, missing)
            with steps.step("Each gets one mail with a link to their page") as step:
                links = await joining.people_get_their_link(crowd, step)
            with steps.step("They say what they allow, and what may be shown; some pause, block or leave") as step:
                await joining.people_choose(crowd, step, links)
    return Seeded(seed, people, len(missing), time.monotonic() - began)
