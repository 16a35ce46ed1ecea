"""Messages to whoever is in a pool, unseen: what an employer whose pool is too small to be listed has instead of a list.

It learns that its message was taken, and after its end a number that is rounded down to fives. Who is in the pool is found out
behind the answer, so that the answer's time says nothing of how many they are.
"""

from collections.abc import Sequence
from datetime import UTC
from typing import Literal

from services.outreach_gateway.answers import pool_in_words, pool_opens, pool_soonest
from services.outreach_gateway.api.bodies import OperatorPoolOutreachOut, PoolOutreachOut
from services.outreach_gateway.api.edge import Edge
from services.outreach_gateway.model import PoolMessage
from shared.contracts.outreach_gateway import Words
from shared.web.problems import Problem, kind, not_found


async def keep(edge: Edge, message: PoolMessage, words: Words, names: Sequence[str]) -> PoolMessage:
    """Takes it in, once, whichever of these names it has; a 409 while an earlier message closes the pool, which is the employer's own doing."""
    async with edge.pool_messages() as messages:
        last = await messages.lock_pool(message.employer, message.pool)
        there = await messages.find(names, message.employer)
        if there is not None:
            return there
        if last is not None:
            opens = pool_opens(last)
            if opens is None:
                raise _earlier(
                    f"Your message {last.id} to this pool goes on until {last.last_day}, and there is one at a time. The next can be sent "
                    f"once you took it back (DELETE) or it has ended, from {pool_soonest(last)} (UTC) on."
                )
            if opens > message.submitted_at.astimezone(UTC).date():
                raise _earlier(f"You wrote to this pool before. You may write again from {opens} (UTC) on.")
        await messages.keep(message, words.model_dump_json().encode())
    return message


async def show(edge: Edge, id: str, employer: str) -> PoolOutreachOut:
    """As its employer is told of it."""
    async with edge.pool_messages() as messages:
        message = await messages.get(id, employer)
    if message is None:
        raise not_found("outreach")
    return shown(edge, message)


async def in_full(edge: Edge, id: str) -> OperatorPoolOutreachOut:
    """As it is, for the operator."""
    async with edge.pool_messages() as messages:
        message = await messages.get(id, None)
        if message is None:
            raise not_found("outreach")
        states = await messages.states(id)
    return OperatorPoolOutreachOut(
        id=message.id,
        employer=message.employer,
        pool=message.pool,
        told=_told(message),
        sent=message.sent,
        submitted_at=message.submitted_at,
        expires_at=message.last_day,
        taken_back_at=message.taken_back_at,
        messages=dict(states),
    )


def shown(edge: Edge, message: PoolMessage) -> PoolOutreachOut:
    """As its employer is told of it."""
    return PoolOutreachOut(
        id=message.id,
        state=_told(message),
        pool=message.pool,
        submitted_at=message.submitted_at,
        expires_at=message.last_day,
        known_by=message.tell_at.date(),
        sent=message.sent,
        policy=edge.policy.version,
        detail=pool_in_words(message),
    )


async def take_back(edge: Edge, id: str, employer: str) -> None:
    """Whatever has become of it: what has not gone out by now does not."""
    async with edge.pool_messages() as messages:
        found = await messages.get(id, employer)
        if found is None:
            raise not_found("outreach")
        ((message, _),) = await messages.take([id])
        if message.sent is not None:
            raise Problem(409, "Too late", "The message has ended, and can't be taken back.", type=kind("too-late"))
        if message.taken_back_at is None:
            await messages.take_back(message, edge.clock.now())


async def cannot_be_corrected(edge: Edge, id: str, employer: str) -> Problem:
    """Why there are no other words for what is no message to one person: it is one to a pool, or none of theirs."""
    async with edge.pool_messages() as messages:
        found = await messages.get(id, employer)
    if found is None:
        return not_found("outreach")
    return Problem(
        409,
        "A message to a pool keeps its words",
        "Its words are sealed to many people, so it can't be corrected. Take it back (DELETE): what has not gone out by now does not.",
        type=kind("keeps-its-words"),
    )


def _told(message: PoolMessage) -> Literal["taken", "ended", "cancelled"]:
    return "ended" if message.sent is not None else "cancelled" if message.taken_back_at is not None else "taken"


def _earlier(detail: str) -> Problem:
    return Problem(409, "You wrote to this pool before", detail, type=kind("earlier-message"))
