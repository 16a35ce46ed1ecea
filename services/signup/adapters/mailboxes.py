"""Whose a mailbox is, in PostgreSQL: it moves to a person, is kept for who had it, or is given up."""

from collections.abc import Sequence
from pathlib import Path
from typing import Literal

import asyncpg

from services.signup.adapters.lapses import lapse
from services.signup.ports.store import SHOWINGS
from services.signup.vault.hashing import SlowHash
from services.signup.vault.sealing import SealedIdentity, with_mail
from services.signup.vault.secrets import VaultSecrets
from shared.contracts.signup import CandidateLapsedV1, MailboxChangedV1
from shared.messaging.unit import Unit
from shared.postgres.queries import load

SQL = load(Path(__file__).with_suffix(".sql"))
_TRIES = 5


class _TakenError(Exception):
    """Somebody who answered has the mailbox, or gave it up less than 72 hours ago."""


class Mailboxes:
    """Each by the HMACs under which it may be known: its own first, then those of keys before."""

    def __init__(self, secrets: VaultSecrets) -> None:
        self._secrets = secrets

    def indexes(self, mail: str) -> list[bytes]:
        mailbox = self._secrets.index.of(mail)
        return [mailbox.value, *mailbox.older]

    def is_one(self, mail: str, other: str) -> bool:
        """Both are spellings of one mailbox, by any of the keys."""
        return not set(self.indexes(mail)).isdisjoint(self.indexes(other))

    async def owners(self, unit: Unit, mail: str) -> set[str]:
        """Who answered by it, or had it less than 72 hours ago; two at most."""
        return {row["candidate"] for row in await unit.connection.fetch(SQL["whose_mailbox"], self.indexes(mail))}

    async def hold(self, unit: Unit, candidate: str, mails: Sequence[str]) -> None:
        """Locks the person, and with them whoever was invited to these: all at once, so that no batch of reports, which locks people
        in the same order, waits for them while they wait for it.
        """
        await unit.connection.fetch(
            SQL["lock_both"], candidate, [index for mail in mails for index in self.indexes(mail)]
        )

    async def move(
        self, unit: Unit, who: SealedIdentity, mail: str, *, at_once: bool = False
    ) -> Literal["moved", "later", "taken"]:
        """The mailbox is theirs from now on, unless somebody else has it: the unique index, and former ones, decide.

        It has proven whose it is. Who was told of by it and never answered is as good as a stranger's word: they lapse, and consent,
        which knows whether an answer is on its way, closes them. Until it has, nothing is moved: whoever answered has the mailbox, and
        nobody who answered is left without one. A way back does not wait (`at_once`): such a stub is found by no mailbox from then on.
        """
        mailbox = self._secrets.index.of(mail)
        indexes = [mailbox.value, *mailbox.older]
        await unit.connection.execute(SQL["hold_mailbox"], min(indexes))
        for _ in range(_TRIES):
            try:
                async with unit.connection.transaction():
                    if await self.owners(unit, mail) - {who.candidate}:
                        raise _TakenError
                    stubs = SQL["give_way" if at_once else "in_the_way"]
                    gone = await unit.connection.fetch(stubs, indexes, who.candidate)
                    if gone and not at_once:
                        break
                    row = await unit.connection.fetchrow(
                        SQL["save_mailbox"], who.candidate, mailbox.value, mailbox.key_id, unit.at
                    )
            except _TakenError:
                return "taken"
            except asyncpg.UniqueViolationError:
                continue  # told of in this very moment
            break
        else:
            return "later" if not at_once else "taken"
        for one in await lapse(unit.connection, [stub["candidate"] for stub in gone], "expired", unit.at):
            unit.publish(CandidateLapsedV1(candidate=one.candidate, at=one.at, reason=one.reason))
        if gone and not at_once:
            return "later"
        box = with_mail(who, mail, self._secrets.epochs)
        await unit.connection.execute(SQL["save_identity"], who.candidate, box)
        if row is not None and row["is_back"]:
            unit.publish(MailboxChangedV1(candidate=who.candidate, version=row["version"], at=unit.at, reachable=True))
            unit.work.add(SHOWINGS, [who.candidate], at=unit.at)
        return "moved"

    async def keep_former(self, unit: Unit, candidate: str, *, old: str, new: str) -> None:
        """The old one stays theirs as well, unless both are one."""
        former = sorted(set(self.indexes(old)) - set(self.indexes(new)))
        await unit.connection.execute(SQL["keep_former"], candidate, former)


async def give_up_mailbox(unit: Unit, hashed: SlowHash) -> None:
    """No vendor's word registers it any more."""
    prefix = hashed.prefix
    await unit.connection.execute(SQL["give_up_mailbox"], hashed.value, unit.at, prefix.pepper, prefix.bits)
