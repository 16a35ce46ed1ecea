"""What running processes say of themselves: at `/health/ready`, and at `/metrics` lag, ages and what is held."""

import asyncio
from collections.abc import Mapping
from dataclasses import dataclass, field
from typing import Any, Literal

import httpx
from prometheus_client import Metric
from prometheus_client.parser import text_string_to_metric_families

_WITHIN = 3.0
"""Seconds; readiness gives each of its checks 2."""
Health = Literal["ready", "unready", "closed", "silent"]
_CLOSED = ":restoring"


@dataclass(frozen=True, slots=True)
class Figures:
    """The figures of one process."""

    lag: Mapping[str, int]
    """Records still to be handled, by reader (a subscription or a projection)."""
    outbox_rows: int
    outbox_age: float
    """Seconds since the oldest row of the outbox was written."""
    dead_letters: int
    """Set aside since the process started."""
    holds: tuple[str, ...]
    """`PART waits for WHAT`, of whatever is held now."""
    role: str
    """What the process is there for: all, edge, worker or pages; `-` of one that does not say."""
    oldest_due: float | None
    """Seconds that the oldest due outreach has waited; None but for the gateway."""
    windows: str | None = None
    """What of the gateway's windows is held, and how far they are being built; None where nothing is."""
    ahead: Mapping[str, int] = field(default_factory=dict)
    """Keys that the last read-back found newer on a topic than in its owner's rows, by topic; only of topics that have some."""


@dataclass(frozen=True, slots=True)
class Told:
    """What a process answers now; `silent` is one that does not within 3 s, `closed` one that serves nothing yet: its database was
    restored."""

    health: Health
    why: str | None = None
    """What keeps it from being ready: names of checks and errors."""
    figures: Figures | None = None


async def ask_all(urls: Mapping[str, str]) -> dict[str, Told]:
    """By the names given, what the process at each base URL says of itself."""
    async with httpx.AsyncClient(timeout=_WITHIN, trust_env=False) as client:
        found = await asyncio.gather(*(_ask(client, url) for url in urls.values()))
    return dict(zip(urls, found, strict=True))


async def _ask(client: httpx.AsyncClient, url: str) -> Told:
    (health, why), found = await asyncio.gather(_health(client, url), _read(client, url))
    return Told(health, why, found)


async def _health(client: httpx.AsyncClient, url: str) -> tuple[Health, str | None]:
    try:
        async with asyncio.timeout(_WITHIN):  # httpx counts from byte to byte
            answer = await client.get(f"{url}/health/ready")
        if answer.status_code == httpx.codes.OK:
            return "ready", None
        said = answer.json()
        detail = str(said["detail"])
        return "closed" if str(said.get("type")).endswith(_CLOSED) else "unready", detail
    except (httpx.HTTPError, httpx.InvalidURL, TimeoutError, ValueError, LookupError, TypeError):
        return "silent", f"no answer at /health/ready within {_WITHIN:g} s"


async def _read(client: httpx.AsyncClient, url: str) -> Figures | None:
    try:
        async with asyncio.timeout(_WITHIN):
            answer = await client.get(f"{url}/metrics")
        answer.raise_for_status()
        return parse(answer.text)
    except (httpx.HTTPError, httpx.InvalidURL, TimeoutError, ValueError):
        return None


def parse(text: str) -> Figures:
    """The figures in Prometheus' text format; ValueError when it is none."""
    families = {family.name: family for family in text_string_to_metric_families(text)}
    lag: dict[str, int] = {}
    for sample in _samples(families, "fairpool_lag_records"):
        reader = sample.labels["reader"]
        lag[reader] = lag.get(reader, 0) + int(sample.value)
    due = [sample.value for sample in _samples(families, "fairpool_oldest_due_seconds")]
    return Figures(
        lag=lag,
        outbox_rows=int(_sum(families, "fairpool_outbox_rows")),
        outbox_age=_sum(families, "fairpool_outbox_age_seconds"),
        dead_letters=int(_sum(families, "fairpool_dead_letters", only="fairpool_dead_letters_total")),
        holds=tuple(
            f"{sample.labels['part']} waits for {sample.labels['waits_for']}"
            for sample in _samples(families, "fairpool_holding")
            if sample.value
        ),
        role=next((one.labels["role"] for one in _samples(families, "fairpool_process_role") if one.value), "-"),
        oldest_due=due[0] if due else None,
        windows=_windows(families),
        ahead={
            sample.labels["topic"]: int(sample.value)
            for sample in _samples(families, "fairpool_topic_ahead_records")
            if sample.value
        },
    )


def _windows(families: Mapping[str, Metric]) -> str | None:
    """`shards held: 2 away, 12 building (1,200 of 5,000 slots placed)`."""
    shards = {sample.labels["state"]: int(sample.value) for sample in _samples(families, "fairpool_windows_shards")}
    held = [f"{count} {state}" for state, count in sorted(shards.items()) if count and state != "open"]
    if not held:
        return None
    slots = {
        sample.labels["state"]: int(sample.value) for sample in _samples(families, "fairpool_windows_rebuild_slots")
    }
    placed = f" ({slots['placed']:,} of {slots['total']:,} slots placed)" if slots.get("total") else ""
    return f"shards held: {', '.join(held)}{placed}"


def _samples(families: Mapping[str, Metric], name: str) -> list[Any]:
    return list(families[name].samples) if name in families else []


def _sum(families: Mapping[str, Metric], name: str, *, only: str | None = None) -> float:
    return float(sum(sample.value for sample in _samples(families, name) if only is None or sample.name == only))
