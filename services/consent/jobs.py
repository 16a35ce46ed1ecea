"""What consent does without being asked, batch by batch."""

from services.consent import decisions
from services.consent.decisions import Changed
from services.consent.model import MESSAGES_KEPT, TOLD_KEPT
from services.consent.ports import Consents, Messages, Tellings, Writes

_BATCH = 100
_FORGOTTEN_AT_ONCE = 500


async def tell_changes(consents: Consents) -> bool:
    """Asks for the emails that say what was changed."""
    return await consents.tell_changes(_BATCH) == _BATCH


async def forget_attempts(consents: Consents) -> bool:
    """Forgets what links were tried for, once they have ended."""
    return await consents.forget_attempts(_BATCH) == _BATCH


async def forget_messages(messages: Messages) -> bool:
    """Forgets what employers wrote to people more than thirteen months ago."""
    return await messages.forget(messages.at - MESSAGES_KEPT, _BATCH) == _BATCH


async def forget_ended_sessions(consents: Consents) -> bool:
    """Forgets the sessions that were ended, once they would have ended by themselves."""
    return await consents.forget_ended_sessions(_BATCH) == _BATCH


async def forget_told(tellings: Tellings) -> bool:
    """Forgets what employers could read, thirteen months after that was over."""
    return await tellings.forget(_FORGOTTEN_AT_ONCE, before=tellings.at - TOLD_KEPT)


async def ask_again(consents: Consents, writes: Writes, version: str) -> bool:
    """Whoever allows something under an older agreement is asked to sign this one; unless they do, it ends in 60 days."""
    people = await consents.whom_to_ask_again(version, _BATCH)
    for present in people:
        if not decisions.is_on(present.choices, consents.at):
            continue
        outcome = decisions.ask_again(present, consents.at)
        after = present
        if isinstance(outcome, Changed):
            after = await consents.append(writes(present, outcome.choices, consents.at, "agreement"))
        consents.ask_about_grant(after, "agreement_renewed")
    if people:
        await consents.note_asked([present.candidate for present in people], version)
    return len(people) == _BATCH


async def remind(consents: Consents) -> bool:
    """Reminds whoever allows something that it is soon to end."""
    people = await consents.whom_to_remind(_BATCH)
    for present in people:
        if decisions.is_on(present.choices, consents.at):
            consents.ask_about_grant(present, "ending")
    if people:
        await consents.note_reminded(
            {present.candidate: decisions.next_reminder(present.choices, consents.at) for present in people}
        )
    return len(people) == _BATCH
