"""What consent does without being asked, batch by batch."""

import asyncio
from collections.abc import Mapping, Sequence
from datetime import datetime

import structlog

from services.consent import decisions
from services.consent.decisions import Changed
from services.consent.decisions import exports as taken
from services.consent.decisions.told import standings
from services.consent.model import BEGINNING, MESSAGES_KEPT, TOLD_KEPT, Present, TellingPlace
from services.consent.ports import Consents, Exports, Messages, Shapes, Tellings, Writes
from shared.contracts.consent import ExportAnsweredV1
from shared.contracts.pool_matching import Criteria
from shared.ids import new_id
from shared.runner.model import Job
from shared.security import parts

_BATCH = 100
_FORGOTTEN_AT_ONCE = 500
_A_PAGE, _RECEIPTS_A_PAGE = 500, 50
"""Rows of a statement when all that is kept of a person is read."""
_GRANTS = (
    "What you allow, and under `items` the receipt of each change, the latest first. A receipt is checked without us: the SHA-256 of"
    " the bytes of `ledger.opening` (base64url) and of `ledger.committed` as canonical JSON (RFC 8785) is `ledger.leaf`; `previous`"
    " is the leaf before. A receipt carries no signature of its own."
)
_MESSAGES = (
    "What employers wrote to you through Fairpool: who, when, and what came of it, the latest first, of the last thirteen months. The"
    " words are not here. What was sent is in your mailbox: our databases drop the words then, and a record sealed to you goes within"
    " 100 days. What still waits stays sealed until it is sent."
)
_DISCLOSURES = (
    "Who could read which fields of your profile, from when until when, the latest first, until thirteen months after it ended; and"
    " under `pools` the pools that you are in, the newest first. It says what could be read, not what was. Where `complete` is false, one of"
    " the two lists was too long, and its oldest entries are left out."
)
_log = structlog.get_logger(__name__)


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


async def forget_void_links(consents: Consents) -> bool:
    """Forgets from when links count, once those of before have ended by themselves."""
    return await consents.forget_void_links(_BATCH) == _BATCH


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
    """Reminds whoever allows something that it is soon to end; or tells that it has ended, where the moment to remind came
    late: it is told once, whatever stood still meanwhile.
    """
    people = await consents.whom_to_remind(_BATCH)
    for present in people:
        if present.choices.purposes and present.choices.ends_at is not None:
            consents.ask_about_grant(present, "ending")
    if people:
        await consents.note_reminded(
            {present.candidate: decisions.next_reminder(present.choices, consents.at) for present in people}
        )
    return len(people) == _BATCH


async def on_exports(exports: Exports, work: Sequence[Job], shapes: Shapes) -> None:
    """Answers who takes along what is kept of them, in parts sealed to the key that was made for it.

    Everything is read page by page, in one transaction for one person; whoever was erased meanwhile is not answered, nor an
    export that nobody waits for any more.
    """
    for job in work:
        asked = job.payload or {}
        present = await exports.consents.read(asked["candidate"])
        if present.is_closed or exports.at >= datetime.fromisoformat(asked["until"]):
            _log.info("export_not_answered", export=job.key)
            continue
        files = await _files(exports, asked["candidate"], present, shapes)
        parts = await asyncio.to_thread(_sealed, job.key, asked["candidate"], asked["public_key"], files)
        exports.answer(parts)
        _log.info("export_answered", export=job.key, parts=len(parts))


def _sealed(export: str, candidate: str, key: str, files: Mapping[str, bytes]) -> list[ExportAnsweredV1]:
    chunks, answer = parts.pack(files), new_id("a")
    said = []
    for number, chunk in enumerate(chunks, 1):
        one = ExportAnsweredV1(
            candidate=candidate, export=export, answer=answer, part=number, parts=len(chunks), sealed=""
        )
        said.append(one.model_copy(update={"sealed": parts.seal_part(chunk, key, context=one.context)}))
    return said


async def _files(exports: Exports, candidate: str, present: Present, shapes: Shapes) -> Mapping[str, bytes]:
    at = exports.at
    return {
        "grants.json": (await _receipts(exports, candidate)).text(_GRANTS, at=at, **shapes.present(present)),
        "distribution-guidelines.json": taken.document(shapes.guidelines(present.choices, at=at)),
        "disclosures.json": await _disclosures(exports, candidate, shapes),
        "messages.json": (await _messages(exports, candidate, shapes)).text(_MESSAGES, at=at),
    }


async def _receipts(exports: Exports, candidate: str) -> taken.Listing:
    listing, before = taken.receipts(), None
    while page := await exports.consents.receipts(candidate, _RECEIPTS_A_PAGE, before=before):
        if not all(listing.add(one) for one in page) or len(page) < _RECEIPTS_A_PAGE:
            break
        before = page[-1]["ledger"]["committed"]["version"]
    return listing


async def _messages(exports: Exports, candidate: str, shapes: Shapes) -> taken.Listing:
    listing, after = taken.messages(), None
    while page := await exports.messages.page(candidate, _A_PAGE, after):
        if not all(listing.add(shapes.message(one)) for one in page) or len(page) < _A_PAGE:
            break
        after = page[-1].began_at, page[-1].outreach
    return listing


async def _disclosures(exports: Exports, candidate: str, shapes: Shapes) -> bytes:
    tellings, listing, before = exports.tellings, taken.disclosures(), BEGINNING
    pools = standings(await tellings.memberships(candidate), await tellings.in_force(candidate))
    mine, asked = taken.pools(), dict[str, Criteria]()
    for at in range(0, len(pools), _A_PAGE):
        page_of = pools[at : at + _A_PAGE]
        asked |= await tellings.asked({one.pool for one in page_of})
        if not all(mine.add(shapes.pool(one, asked)) for one in page_of):
            break
    while page := await tellings.disclosures(candidate, _A_PAGE, before=before):
        asked |= await tellings.asked({one.pool for one in page} - asked.keys())
        if not all(listing.add(shapes.telling(one, asked)) for one in page) or len(page) < _A_PAGE:
            break
        before = TellingPlace(page[-1].at, page[-1].pool)
    return listing.text(_DISCLOSURES, at=exports.at, beside={"pools": mine})
