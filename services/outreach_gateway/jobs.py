"""What the gateway does without being asked: due slots, what employers come to be told, and rows that are old."""

import asyncio
from collections.abc import Callable, Iterable, Sequence
from contextlib import AbstractAsyncContextManager
from datetime import datetime, timedelta

from services.outreach_gateway import handlers
from services.outreach_gateway.adapters.metrics import DUE_ROWS, OLDEST_DUE_SECONDS
from services.outreach_gateway.answers import MOST_DAYS, News, Told, at_tick, rounded, sent_on, went_out
from services.outreach_gateway.decisions import ENDED_KEPT
from services.outreach_gateway.history import last_month
from services.outreach_gateway.model import Fitting, Policy, PoolMessage, Standing
from services.outreach_gateway.ports.jobs import Child, History, Jobs, PoolMessages
from services.outreach_gateway.ports.outreach import Store, Tellings
from services.outreach_gateway.ports.windows import Epochs, Windows, WindowsHeldError
from shared.contracts.outreach_gateway import Words
from shared.facts import Known
from shared.runner.model import Again, Job
from shared.security.words import WordsForm, seal_job, seal_words
from shared.security.x25519 import is_public_key
from shared.ticks import Ticks

OpenEpochs = Callable[[], AbstractAsyncContextManager[Epochs]]
"""A transaction on the rows of the epochs."""

_FORGOTTEN_AT_ONCE = 5_000
_MISSED_AT_ONCE = 500
WRITTEN_TO_AT_MOST = 1_000
"""By one message to a pool: who fits in a larger one can be listed."""
TOLD_AT_ONCE = 500
_ADOPTED_AT_ONCE = 1_000


async def forget_ended(rows: Epochs, kept: timedelta = ENDED_KEPT) -> bool:
    """What ended goes 110 days after its own last day; some at a time."""
    return await rows.forget_ended(_FORGOTTEN_AT_ONCE, kept=kept) == _FORGOTTEN_AT_ONCE


async def forget_jobs(jobs: Jobs) -> bool:
    """Jobs whose last day was 110 days ago go, as the messages do that named them; some at a time."""
    return await jobs.forget(_FORGOTTEN_AT_ONCE, ended_before=(jobs.at - ENDED_KEPT).date()) == _FORGOTTEN_AT_ONCE


async def keep_history(history: History) -> bool:
    """What became of the messages of the last month that is over is counted, a major group of work at a time."""
    month = last_month(history.at)
    major = await history.next_major(month)
    if major is not None:
        await history.keep(month, major)
    return major is not None


async def note_due(epochs: OpenEpochs) -> None:
    """How much waits to be decided, and how long the oldest has waited, as metrics."""
    async with epochs() as rows:
        waiting, age = await rows.due_state()
    DUE_ROWS.set(waiting)
    OLDEST_DUE_SECONDS.set(age.total_seconds())


async def say_what_is_held(windows: Windows) -> None:
    """WindowsHeldError, which metrics show, while people of some shards have to wait for their windows."""
    if windows.held:
        raise WindowsHeldError(f"the windows of {len(windows.held)} shards are held")


async def find_missed_due(store: Store) -> bool:
    """What is due though nobody has to decide it is decided now."""
    missed = await store.missed_due(_MISSED_AT_ONCE)
    store.decide_for(missed, store.at)
    return len(missed) == _MISSED_AT_ONCE


async def cancel_of_suspended(
    store: Store, tenants: Callable[[], Iterable[str]], standing: handlers.StandingOf, limit: int
) -> bool:
    """What suspended and removed employers have waiting holds no slot that others could have."""
    employers = [id for id in tenants() if standing(id) == Known(Standing.SUSPENDED)]
    return bool(employers) and await handlers.on_senders_suspended(store, standing, employers, limit=limit) == limit


async def tell(rows: Tellings, work: Sequence[Job], ticks: Ticks, limit: int = TOLD_AT_ONCE) -> Again:
    """Tells employers what has come to be told by their last tick, some at a time; who is to be told more comes again."""
    last = {job.key: ticks.last(job.key, rows.at) for job in work}
    untold = await rows.take(last, limit)
    looked_at = [(row, *at_tick(row, ticks, last[row.employer])) for row in untold]
    news = {
        row.outreach: News(row.outreach, what, sent_on(row.course) if what is Told.SENT else None, last[row.employer])
        for row, what, _ in looked_at
        if what is not row.told
    }
    await rows.tell(looked_at, news)
    return {
        employer: rows.at if at <= last[employer] else ticks.first(employer, at)
        for employer, at in (await rows.next(sorted(last))).items()
    }


async def find_untold(rows: Tellings) -> bool:
    """What has come to be told though nobody has to tell it is told now."""
    missed = await rows.missed(_MISSED_AT_ONCE)
    rows.tell_at(missed, rows.at)
    return len(missed) == _MISSED_AT_ONCE


async def adopt(rows: Tellings) -> bool:
    """What a version wrote that did not keep what employers are told; some at a time."""
    return await rows.adopt(_ADOPTED_AT_ONCE) == _ADOPTED_AT_ONCE


async def on_pool_messages(
    store: PoolMessages,
    work: Sequence[Job],
    policy: Policy,
    name: Callable[[str, str], str],
    ticks: Ticks,
    form: WordsForm,
) -> Again:
    """Spreads messages to the people of their pools, takes them back, and tells what became of them, each in its turn.

    `name` calls the message of one person, by that to the pool and the person; `form` is that of sealed words. All of a message's turn is one transaction: a
    process that is killed has done nothing of it.
    """
    again: dict[str, datetime] = {}
    for message, words in await store.take([job.key for job in work]):
        if message.taken_back_at is not None:
            await store.take_back_each(message)
        elif words is not None:
            people = await store.fitting(message, WRITTEN_TO_AT_MOST)
            children = await asyncio.to_thread(_children, message, words, people, name, form)
            await store.spread(message, children, store.at + policy.held_for_grant)
        if message.sent is None and message.tell_at <= store.at:
            sent = rounded(went_out(await store.states(message.id)))
            await store.end(message, sent, told_at=max(message.tell_at, ticks.last(message.employer, store.at)))
        elif message.sent is None:
            again[message.id] = message.tell_at
    return again


def _children(
    message: PoolMessage, words: bytes, people: Sequence[Fitting], name: Callable[[str, str], str], form: WordsForm
) -> Sequence[Child]:
    said = Words.model_validate_json(words)

    def child(person: Fitting) -> Child:
        id = name(message.id, person.candidate)
        own = said.model_copy(update={"outreach": id})
        sealed, job = seal_words(own, person.public_key, form), seal_job(own, person.public_key, form)
        return Child(id, person.candidate, person.generation, sealed, job)

    # who has a key that nothing can be sealed to has none
    return [child(person) for person in people if is_public_key(person.public_key)]


async def forget_pool_messages(
    store: PoolMessages, kept: timedelta = ENDED_KEPT + MOST_DAYS * timedelta(days=1)
) -> bool:
    """Messages to pools go as long after their end as others do; some at a time."""
    return await store.forget(_FORGOTTEN_AT_ONCE, submitted_before=store.at - kept) == _FORGOTTEN_AT_ONCE
