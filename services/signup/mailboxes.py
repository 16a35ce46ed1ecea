"""How a mailbox was invited before, whichever pepper kept it; nothing slow is computed for one that surely is not kept."""

import asyncio
from collections.abc import Sequence
from dataclasses import dataclass, replace
from functools import reduce

from services.signup.model.invitations import PastInvitations
from services.signup.ports.store import Store
from services.signup.vault.hashing import SlowHash, SlowHashes

_NEVER = PastInvitations(0)


@dataclass(frozen=True, slots=True)
class Mailbox:
    """One mailbox and its past."""

    mail: str
    past: PastInvitations
    kept: tuple[SlowHash, ...]
    """Under which it is kept already."""
    computed: tuple[SlowHash, ...]

    async def to_note(self, hashes: SlowHashes) -> SlowHash:
        """Under which it is to be noted: where it is kept, or else the one of the first pepper."""
        return self.kept[0] if self.kept else await hashes.new(self.mail, self.computed)

    def __repr__(self) -> str:
        return "Mailbox(hidden)"


async def look_up_mailboxes(
    store: Store, mails: Sequence[str], hashes: SlowHashes, *, marked_alone: bool = False
) -> list[Mailbox]:
    """Each of them, in this order; who is kept is locked until the transaction is over.

    `marked_alone` passes over hashes of before there were prefixes, which any mailbox would have to be held against.
    """
    suspected = await store.suspected([prefix for mail in mails for prefix in hashes.prefixes(mail)])
    if marked_alone:
        suspected = replace(suspected, unmarked=False)
    computed = await asyncio.gather(*(hashes.suspects(mail, suspected) for mail in mails))
    wanted = [one.value for each in computed for one in each]
    past = await store.past_invitations(wanted) if wanted else {}
    found = []
    for mail, each in zip(mails, computed, strict=True):
        kept = tuple(one for one in each if one.value in past)
        together = reduce(PastInvitations.and_, (past[one.value] for one in kept), _NEVER)
        found.append(Mailbox(mail, together, kept, tuple(each)))
    return found
