"""The tables of titles that come with the project, written from general knowledge (docs/titles.md), and the official names of the occupations."""

import csv
from collections import Counter
from collections.abc import Iterator, Mapping, Sequence
from functools import cache
from pathlib import Path

from services.signup.adapters.titles.folding import key, words
from shared.contracts.codes import OCCUPATIONS

_TABLES = Path(__file__).parent
_SEVERAL = _TABLES / "several.csv"
_SUGGESTED = 2


@cache
def shipped() -> Mapping[str, tuple[str, ...]]:
    """Titles as they are shown, to their codes: one, or several where people mean several things by it."""
    found: dict[str, tuple[str, ...]] = {}
    for path in sorted(_TABLES.glob("*.csv")):
        for row in _rows(path):
            found[row["title"]] = (*found.get(row["title"], ()), row["soc"])
    return dict(sorted(found.items(), key=lambda item: item[0].casefold()))


@cache
def usual() -> Sequence[str]:
    """The first two titles of each occupation in the tables, where the most usual ones stand first, and those of several."""
    seen: Counter[str] = Counter()
    found = set()
    for path in sorted(_TABLES.glob("*.csv")):
        for row in _rows(path):
            seen[row["soc"]] += path != _SEVERAL
            if path == _SEVERAL or seen[row["soc"]] <= _SUGGESTED:
                found.add(row["title"])
    return sorted(found, key=str.casefold)


@cache
def official() -> Mapping[str, str]:
    """The detailed occupations of the 2018 SOC by their official names."""
    return {row["title"]: row["code"] for row in _rows(OCCUPATIONS) if row["level"] == "detailed"}


@cache
def keyed() -> Mapping[str, tuple[str, ...]]:
    """By the key of their spellings; a title that was written by hand goes before an official name."""
    found = {key(words(title)): (code,) for title, code in official().items()}
    return found | {key(words(title)): codes for title, codes in shipped().items()}


@cache
def vocabulary() -> frozenset[str]:
    """The words of all titles, folded: a word of these may say what somebody does, and is no mere name."""
    return frozenset(word for title in (*shipped(), *official(), *_MORE) for word in words(title))


def _rows(path: Path) -> Iterator[dict[str, str]]:
    with path.open(encoding="utf-8", newline="") as file:
        yield from csv.DictReader(file)


_MORE = (
    "sales selling support marketing finance financial accounting legal recruiting recruitment recruiter talent acquisition staffing hr people",
    "training trainer education teaching instructor coach mentor lecturer professor faculty research researcher student intern internship extern",
    "fellow resident volunteer assistant aide helper attendant clerk secretary coordinator supervisor manager management director head chief",
    "officer president vp vice executive owner founder partner advisor adviser consultant consulting analyst analysis analytics specialist",
    "expert strategist strategy planner planning scheduler operator operations technician technologist mechanic repair installer installation",
    "inspector inspection tester test testing qa quality assurance control safety security compliance risk audit auditor procurement purchasing",
    "buyer buying sourcing logistics supply chain warehouse inventory shipping receiving driver driving delivery transport customer client",
    "service success care relations representative agent broker associate member crew team lead leader captain foreman boss data database",
    "network systems hardware software web cloud devops reliability site machine learning ai product program project design designer ux ui",
    "content writer editor copy media social communications public writing writing translation engineering engineer scientist science",
    "administration administrative administrator office reception front desk call dispatcher dispatch billing coding claims payroll benefits",
    "compensation insurance underwriting loan mortgage credit banking tax treasury investment trading trader real estate property leasing",
    "medical health clinical nursing nurse physician doctor surgeon therapist therapy pharmacy dental lab laboratory radiology imaging",
    "construction maintenance manufacturing production assembly machine welding electrical mechanical plumbing hvac carpentry painting",
    "food kitchen restaurant cook chef server bar hotel hospitality housekeeping cleaning janitorial retail store cashier merchandising",
    "police fire military guard corrections investigator detective law attorney paralegal court judge school teacher principal counselor",
    "farm agriculture forestry mining oil gas drilling energy power utility water environmental aviation pilot flight marine rail truck",
    "evangelist advocate ambassador influencer liaison navigator case manager interpreter translator model actor producer artist musician",
    "trainee cadet candidate applicant former retired ex wanted needed seeking looking former vendor supplier contractor substitute relief",
    "hospital clinic university college nursery pre dog pet animal child elder senior living sitter nanny spa salon beauty hair nail",
)
