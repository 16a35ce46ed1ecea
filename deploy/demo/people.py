"""Invented people: the same seed gives the same ones. Nobody here exists; `example.org` takes no mail (RFC 2606)."""

from collections.abc import Iterator, Sequence
from dataclasses import dataclass, field
from random import Random
from typing import Any, Literal

from deploy.checks.privacy import Canary
from deploy.demo.trades import PLACES, TRADES, Place, Profile, Trade

_SEED = 2026
_FILL_A_LIST, _FILL_ALL = 15, 120
"""So many people of one trade in one place are listed to most employers; so many are, whatever they do."""
_GIVEN = (
    "Ana", "Bram", "Celia", "Dario", "Esme", "Farid", "Greta", "Hugo", "Ines", "Jonas", "Keiko", "Lior", "Mara",
    "Nadir", "Orla", "Pavel", "Quinn", "Rosa", "Soren", "Tala", "Umar", "Vera", "Wilma", "Xenia", "Yusuf", "Zora",
)  # fmt: skip
_FIRST = (
    "Alder",
    "Amber",
    "Birch",
    "Clover",
    "Copper",
    "Elder",
    "Fennel",
    "Hazel",
    "Juniper",
    "Larkspur",
    "Maple",
    "Quill",
)
_MIDDLE = ("feather", "meadow", "thistle", "lantern", "whisper", "harrow", "willow", "bramble", "cinder", "tumble")
_LAST = ("wright", "stone", "brook", "field", "worth", "combe", "ridge", "moor")

Choice = Literal["match and contact", "match only", "nothing"]
JOINS = ()
"""The vendors of somebody whom none tells of: they come by the join page."""


@dataclass(frozen=True, slots=True)
class Person:
    """One invented person and what they will choose on their page."""

    number: int
    given_name: str = field(repr=False)
    family_name: str = field(repr=False)
    mail: str = field(repr=False)
    phone: str = field(repr=False)
    profile: Profile = field(repr=False)
    vendors: tuple[int, ...]
    """Which vendors tell of them, by number; two for about one in seven, none for those who come by the join page."""
    by_webhook: bool
    """Whether the first vendor's webhook brings them; else its API."""
    choices: dict[str, Any] = field(repr=False)
    is_paused: bool = False
    """Whether they take a break at once."""
    leaves: bool = False
    """Whether they switch everything off again after they joined."""

    @property
    def choice(self) -> Choice:
        """In words."""
        purposes = self.choices["purposes"]
        return "match and contact" if "contact" in purposes else "match only" if purposes else "nothing"

    def canaries(self) -> Iterator[Canary]:
        """What must never be seen on a topic or in a log."""
        yield Canary("name", self.family_name)
        yield Canary("name", f"{self.given_name} {self.family_name}")
        yield Canary("mail", self.mail)
        yield Canary("phone", self.phone)
        yield Canary("street", self.profile.street)


def invent(count: int, *, run: str) -> list[Person]:
    """So many people; `run` keeps those of a second run on the same stack apart from the first.

    Fewer than fill lists everywhere (no list shows fewer than five) do few things, all in one place.
    """
    random = Random(_SEED)  # noqa: S311 - the same people each time is the point
    families = family_names(random)
    among = [(trade, PLACES[0]) for trade in TRADES][: max(1, count // _FILL_A_LIST)] if count < _FILL_ALL else []
    return [person(number, families[number % len(families)], random, run, among) for number in range(count)]


def family_names(random: Random) -> list[str]:
    """Names that nobody has, in an order of their own."""
    families = [first + middle + last for first in _FIRST for middle in _MIDDLE for last in _LAST]
    families = [name for name in families if len(name) >= 12]
    random.shuffle(families)
    return families


def person(number: int, family: str, random: Random, run: str, among: Sequence[tuple[Trade, Place]] = ()) -> Person:
    """Somebody of one of these trades and places, or of any."""
    given = random.choice(_GIVEN)
    trade, place = random.choice(among) if among else (random.choice(TRADES), random.choice(PLACES))
    first = random.randrange(3)
    second = (first + random.randrange(1, 3)) % 3
    twice = random.random() < 0.15
    return Person(
        number=number,
        given_name=given,
        family_name=family,
        mail=f"{given}.{family}.{run}{number}@example.org".lower(),
        phone=f"+1{place.area_code}55501{number % 100:02}",
        profile=Profile(
            trade=trade,
            place=place,
            years=random.choice((0, 1, 2, 4, 6, 9, 12, 16, 22)),
            skills=tuple(random.sample(trade.skills, k=random.randint(2, len(trade.skills)))),
            employment_types=random.choice((("full_time",), ("full_time", "part_time"), ("part_time",), ("contract",))),
            pay_floor=random.randrange(trade.pay[0], trade.pay[1], 1000),
            street=f"{100 + number} {random.choice(_FIRST)}{random.choice(_MIDDLE)} Lane",
        ),
        vendors=(first, second) if twice else (first,),
        by_webhook=random.random() < 0.3,
        choices=_choices(random, place.time_zone),
    )


def _choices(random: Random, zone: str) -> dict[str, Any]:
    kind = random.random()
    if kind < 0.07:
        return {"purposes": []}
    if kind < 0.17:
        return {"purposes": ["match"]}
    chosen: dict[str, Any] = {"purposes": ["match", "contact"]}
    extra = random.random()
    if extra < 0.2:
        chosen |= {"time_zone": zone}
    elif extra < 0.35:
        chosen |= {"time_zone": zone, "quiet_hours": {"start": "08:00", "end": "16:00"}}
    elif extra < 0.45:
        chosen |= {"first_contacts_per_week": 1}
    elif extra < 0.5:
        chosen |= {"min_gap_hours": 72}
    elif extra < 0.54:
        chosen |= {"blocked_employers": ["emp_juniper"]}
    return chosen
