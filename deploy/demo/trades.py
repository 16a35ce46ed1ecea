"""The invented network's trades: what people do, what employers look for, what they write."""

from dataclasses import dataclass, field
from typing import Any


@dataclass(frozen=True, slots=True)
class Trade:
    """An occupation with what its people know and want."""

    title: str
    occupation: str
    skills: tuple[str, ...]
    pay: tuple[int, int]
    remote: bool = False


TRADES = (
    Trade("Registered nurse", "29-1141", ("triage", "icu", "pediatrics", "wound care"), (70_000, 98_000)),
    Trade("Nursing assistant", "31-1131", ("wound care", "dementia care", "lifting"), (36_000, 52_000)),
    Trade("Truck driver", "53-3032", ("cdl class a", "night driving", "hazmat"), (52_000, 84_000)),
    Trade("Elementary teacher", "25-2021", ("reading", "special education", "spanish"), (46_000, 72_000)),
    Trade("Welder", "51-4121", ("tig", "mig", "blueprints"), (44_000, 76_000)),
    Trade("Electrician", "47-2111", ("blueprints", "high voltage", "solar"), (54_000, 92_000)),
    Trade("Software developer", "15-1252", ("python", "kafka", "postgresql"), (90_000, 150_000), remote=True),
    Trade("Line cook", "35-2014", ("grill", "pastry", "menus"), (34_000, 54_000)),
)


@dataclass(frozen=True, slots=True)
class Place:
    """A state with a ZIP code, a telephone area and a zone."""

    state: str
    city: str
    postal_code: str
    area_code: str
    time_zone: str


PLACES = (
    Place("CO", "Denver", "80202", "303", "America/Denver"),
    Place("CO", "Fort Collins", "80521", "970", "America/Denver"),
    Place("IL", "Chicago", "60601", "312", "America/Chicago"),
    Place("NY", "Albany", "12207", "518", "America/New_York"),
    Place("WA", "Seattle", "98101", "206", "America/Los_Angeles"),
    Place("TX", "Austin", "78701", "512", "America/Chicago"),
    Place("HI", "Honolulu", "96813", "808", "Pacific/Honolulu"),
)


@dataclass(frozen=True, slots=True)
class Seeking:
    """One employer's pool and the job it offers there."""

    employer: str
    pool: str
    criteria: dict[str, Any]
    job: str
    occupation: str
    pay: tuple[int, int]


SEEKING = (
    Seeking("emp_denverhealth", "Nurses in Colorado", {"occupations": ["29-1141"], "states": ["CO"], "min_years": 1}, "Night-shift nurse", "29-1141", (82_000, 96_000)),
    Seeking("emp_pinecrest", "Care of any kind", {"occupations": ["29-0000", "31-1100"], "skills_any": ["triage", "wound care", "dementia care"]}, "Care home nurse", "29-1141", (64_000, 88_000)),
    Seeking("emp_lakeshore", "Teachers and helpers", {"occupations": ["25-0000"], "employment_types": ["full_time", "part_time"]}, "Second grade teacher", "25-2021", (52_000, 70_000)),
    Seeking("emp_frontrange", "Drivers of the West", {"occupations": ["53-3030"], "states": ["CO", "WA", "TX", "HI"]}, "Regional driver", "53-3032", (58_000, 80_000)),
    Seeking("emp_harborworks", "Welders and electricians", {"occupations": ["51-4120", "47-2111"], "skills_any": ["blueprints", "tig", "high voltage"]}, "Shipyard welder", "51-4121", (56_000, 82_000)),
    Seeking("emp_copperline", "Hands for the grid", {"occupations": ["47-2000", "51-0000"], "pay_max": 100_000, "min_years": 3}, "Line electrician", "47-2111", (66_000, 94_000)),
    Seeking("emp_tidewater", "Developers, remote", {"occupations": ["15-1250"], "remote": True, "skills_all": ["python"]}, "Backend developer", "15-1252", (110_000, 150_000)),
    Seeking("emp_juniper", "Anybody experienced, full time", {"min_years": 5, "employment_types": ["full_time"]}, "Kitchen manager", "35-1012", (54_000, 70_000)),
    Seeking("emp_frontrange", "Anybody in Colorado", {"states": ["CO"], "min_years": 1}, "Warehouse lead", "53-1042", (50_000, 66_000)),
    Seeking("emp_tidewater", "Ten years of anything", {"min_years": 10}, "Trainer", "13-1151", (60_000, 82_000)),
    Seeking("emp_lakeshore", "Full time in the West", {"states": ["CO", "WA"], "employment_types": ["full_time"]}, "School secretary", "43-6014", (40_000, 52_000)),
)  # fmt: skip
"""Eight employers; several want the same people, and some take nearly anybody, so that windows fill."""


@dataclass(frozen=True, slots=True)
class Profile:
    """What a vendor tells of a person's work."""

    trade: Trade
    place: Place
    years: int
    skills: tuple[str, ...]
    employment_types: tuple[str, ...]
    pay_floor: int
    street: str = field(repr=False, default="")
