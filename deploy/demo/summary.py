"""What came of it, for people: who joined, what became of outreach and by which rule, how full, how fast, how true."""

from collections import Counter
from collections.abc import Mapping, Sequence
from dataclasses import dataclass, field
from statistics import median, quantiles
from typing import Any

from rich.console import Console
from rich.table import Table

from deploy.checks.checker import fullest
from deploy.checks.history import History
from deploy.checks.policy import FIRST_POLICY
from deploy.checks.told import last_of
from deploy.demo.effects import spread, within
from deploy.demo.hops import WHOLE, Hops, table
from deploy.demo.joining import gather
from deploy.demo.world import World

PLAIN = {
    "network_window": "the person's 7 or 30 days are full",
    "network_gap": "less than 24 h (or their own gap) after another message",
    "same_employer": "this employer has written to them already",
    "hours": "outside the person's hours",
    "contact_not_granted": "the person does not allow contact (any more)",
    "employer_blocked": "the person blocked this employer",
    "not_a_member": "the person is in no pool of this employer (any more)",
    "expired": "the message reached its own end first",
}


TOLD = {
    "sent": "it went out, on the day that is told a tick after that day",
    "not_sent": "its days are over; whose week was full, who paused, blocked or left, looks all the same",
    "cancelled": "its employer took it back",
}


_SHARES = (50, 95, 99)


@dataclass(frozen=True, slots=True)
class Summary:
    """The figures of a run."""

    people: Mapping[str, int]
    outreach: Mapping[str, int]
    """By what became of it."""
    told: Mapping[str, int]
    """What their employers were told of them in the end."""
    rules: Mapping[str, Mapping[str, int]]
    """delayed and dropped, by rule, as the operator's key shows them."""
    mails: int
    fullest: Mapping[str, tuple[int, int]]
    """For each cap, the most that any person got, and the cap."""
    seconds_to_mail: Sequence[float]
    """From the employer's POST to the mail's arrival, for what was admitted at once of what came in a burst."""
    effects: Mapping[str, Sequence[float]]
    """For each thing that a click brings about, the seconds until it held, in rising order."""
    promises: Mapping[str, Sequence[str]]
    """Each promise, with what breaks it."""
    hops: Hops = field(default_factory=Hops)
    """The same at half load, by hop."""

    @property
    def kept(self) -> bool:
        """Whether every promise held."""
        return not any(self.promises.values())

    def as_json(self) -> dict[str, Any]:
        """For scripts."""
        return {
            "people": dict(self.people),
            "outreach": dict(self.outreach),
            "told": dict(self.told),
            "rules": {name: dict(counts) for name, counts in self.rules.items()},
            "mails_delivered": self.mails,
            "fullest": {name: {"found": found, "cap": cap} for name, (found, cap) in self.fullest.items()},
            "seconds_from_request_to_mail": {
                "median": _median(self.seconds_to_mail),
                "p99": _p99(self.seconds_to_mail),
            },
            "half_load": self.hops.as_json(),
            "seconds_from_click": {
                name: {"people": len(seconds), "all": [round(one, 3) for one in seconds]}
                | {f"p{share}": round(within(seconds, share / 100), 3) for share in _SHARES}
                for name, seconds in self.effects.items()
            },
            "promises": {name: list(broken) for name, broken in self.promises.items()},
        }


async def rules_by_operator(world: World) -> dict[str, Counter[str]]:
    """What the operator's key tells of each outreach: how many were delayed or dropped (or cancelled) by which rule."""
    key = world.client.dev.operator.key
    found: dict[str, Counter[str]] = {"delay": Counter(), "drop": Counter()}

    async def look(outreach: str) -> None:
        first = world.topics.first.get(outreach)
        receipt = await world.client.outreach(key, outreach)
        decision = receipt["decision"] or {}
        if decision.get("outcome") == "drop":
            found["drop"][str(decision["rule"])] += 1
        if first is not None and first.outcome == "delayed":
            found["delay"][str(first.rule)] += 1

    await gather([look(outreach) for outreach in world.sent])
    return found


def summarise(
    world: World,
    history: History,
    rules: Mapping[str, Counter[str]],
    promises: Mapping[str, Sequence[str]],
    hops: Hops,
) -> Summary:
    """All figures of a run."""
    topics, sent = world.topics, world.sent
    ends = Counter(_end_of(world, outreach) for outreach in sent)
    first = Counter(topics.first[outreach].outcome for outreach in sent if outreach in topics.first)
    arrived = {mail.outreach: mail for mail in history.mails}
    created = {mail.id: mail.created for mail in world.mails.mails}
    paced = world.pace.outreach if world.pace else frozenset()
    return Summary(
        people={
            "reported by vendors": len(world.people),
            "of them by two vendors": sum(len(person.vendors) == 2 for person in world.people),
            "registered, each once, and mailed": len(
                {mail.address for mail in world.mails.mails} & {p.mail for p in world.people}
            ),
            "answered on their page": len(topics.consent),
            "matched into at least one pool": world.matched,
            "memberships": sum(len(members) for members in world.members.values()),
            "unsubscribed": len(world.clicks),
            "erased themselves": len(world.erased),
        },
        outreach={
            "sent by employers": len(sent),
            "admitted at once": first["admitted"],
            "delayed, a slot reserved": first["delayed"],
            **{
                name: ends[name]
                for name in ("delivered", "waiting for a slot", "dropped", "cancelled", "bounced", "doubtful")
            },
            "refused at once: written to before": len(world.refused),
        },
        told={
            state: sum(
                row.state == state for row in last_of(row for rows in world.told.values() for row in rows).values()
            )
            for state in ("sent", "not_sent", "cancelled")
        },
        rules={name: dict(counts.most_common()) for name, counts in rules.items()},
        mails=len(arrived),
        fullest={cap.name: (fullest(history, cap), cap.most) for cap in FIRST_POLICY.network},
        seconds_to_mail=sorted(
            (created[arrived[outreach].id] - item.posted).total_seconds()
            for outreach, item in sent.items()
            if outreach in arrived and outreach not in paced and topics.first[outreach].outcome == "admitted"
        ),
        effects=spread(world.clicks, world.erased, topics),
        promises=promises,
        hops=hops,
    )


def _end_of(world: World, outreach: str) -> str:
    outcome, decision = world.topics.outcome.get(outreach), world.topics.decided.get(outreach)
    if outcome is not None and outcome.outcome in ("delivered", "bounced", "doubtful"):
        return outcome.outcome
    if decision is None:
        return "undecided"
    return "waiting for a slot" if decision.outcome == "delayed" else decision.outcome


def show(console: Console, summary: Summary) -> None:
    """The tables at the end."""
    half = summary.hops.seconds.get(WHOLE, ())
    _two_columns(console, "People", summary.people)
    _two_columns(console, "Outreach", {name: count for name, count in summary.outreach.items() if count})
    _two_columns(
        console,
        "What employers are told (no reason, no hour, no plan)",
        {f"{state}: {TOLD[state]}": count for state, count in summary.told.items() if count} or {"nothing yet": 0},
    )
    for name, title in (("delay", "Delayed at first, by rule"), ("drop", "Dropped, by rule")):
        told = {f"{rule}: {PLAIN.get(rule, rule)}": count for rule, count in summary.rules.get(name, {}).items()}
        _two_columns(console, f"{title} (operator's view)", told or {"none": 0})
    _two_columns(
        console,
        "What arrived",
        {
            "emails delivered": summary.mails,
            **{f"fullest person: {name}": f"{found} of {cap}" for name, (found, cap) in summary.fullest.items()},
            "request to mail in a burst, median": f"{1000 * _median(summary.seconds_to_mail):.0f} ms",
            "request to mail in a burst, 99 of 100 within": f"{1000 * _p99(summary.seconds_to_mail):.0f} ms",
            "request to mail at half load, median": f"{1000 * within(half, 0.5):.0f} ms",
            "request to mail at half load, 99 of 100 within": f"{1000 * within(half, 0.99):.0f} ms",
        },
    )
    console.print()
    console.print(table(summary.hops))
    _distribution(console, summary.effects)
    console.print("\n[bold]Promises checked[/bold]")
    for promise, broken in summary.promises.items():
        console.print(f"  {'✗' if broken else '✓'} {promise}" + (f"  ({len(broken)} times)" if broken else ""))
        for line in broken[:10]:
            console.print(f"      {line}", markup=False)


def _distribution(console: Console, effects: Mapping[str, Sequence[float]]) -> None:
    table = Table(
        title="From a click until it holds, in seconds",
        title_justify="left",
        title_style="bold",
        box=None,
        padding=(0, 2, 0, 2),
    )
    table.add_column(min_width=40)
    for name in ("people", *(f"{share} %" for share in _SHARES), "slowest"):
        table.add_column(name, justify="right")
    for effect, seconds in effects.items():
        shares = [within(seconds, share / 100) for share in (*_SHARES, 100)]
        table.add_row(effect, str(len(seconds)), *(f"{one:.2f}" if seconds else "-" for one in shares))
    console.print()
    console.print(table)


def _two_columns(console: Console, title: str, rows: Mapping[str, object]) -> None:
    table = Table(
        title=title, title_justify="left", title_style="bold", show_header=False, box=None, padding=(0, 2, 0, 2)
    )
    table.add_column(min_width=58)
    table.add_column(justify="right")
    for name, value in rows.items():
        table.add_row(name, str(value))
    console.print()
    console.print(table)


def _median(values: Sequence[float]) -> float:
    return round(median(values), 3) if values else 0.0


def _p99(values: Sequence[float]) -> float:
    return round(quantiles(values, n=100)[98], 3) if len(values) > 1 else _median(values)
