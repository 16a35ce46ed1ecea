"""All that signup holds of one person, read from its own tables."""

from collections.abc import Callable, Mapping
from contextlib import AbstractAsyncContextManager, suppress
from pathlib import Path
from typing import Any

from services.signup.adapters.email_changes import open_both
from services.signup.adapters.proposals import read_origins, read_proposals
from services.signup.model.exports import Export
from services.signup.model.held import (
    Denied,
    EmailChange,
    Held,
    HeldClaim,
    HeldSession,
    Intake,
    LookedAt,
    Mailed,
    RecoveryCode,
)
from services.signup.model.people import Person
from services.signup.model.provenance import Origin
from services.signup.vault.epoch_rows import EpochRows
from services.signup.vault.reading import read_identities
from services.signup.vault.sealing import SealedIdentity, open_identity, open_key_pair
from shared.contracts.signup import CoarseProfile
from shared.messaging.unit import Unit
from shared.postgres.queries import load
from shared.security.boxes import CannotOpenError
from shared.security.words import KeyPair

SQL = load(Path(__file__).parent / "held.sql")
MOST = 200
"""Of each list: the newest."""
TABLES: Mapping[str, str] = {
    "candidates": "identity",
    "identities": "identity",
    "claims": "claims",
    "proposals": "proposals",
    "profile_origins": "profile",
    "not_theirs": "denied",
    "kept_reports": "intake",
    "operator_log": "looked_at",
    "courier_mails": "emails",
    "email_changes": "email_change",
    "former_mailboxes": "email_change",
    "recovery_codes": "recovery_code",
    "sessions": "sessions",
    "exports": "exports",
}
"""What is read here, and under which name it is shown: a test holds them against all tables that can hold a person's id."""


class PostgresHeld:
    """`ports.HeldStore`: one transaction, and each list as it was when it was read."""

    def __init__(self, work: Callable[[], AbstractAsyncContextManager[Unit]], epochs: EpochRows) -> None:
        self._work = work
        self._epochs = epochs

    async def words_key(self, candidate: str) -> KeyPair | None:
        """From the vault; None for whoever is erased."""
        async with self._work() as unit:
            rows = await read_identities(unit.connection, [candidate], self._epochs)
            return open_key_pair(rows[candidate], self._epochs.epochs) if candidate in rows else None

    async def held(self, candidate: str) -> Held | None:
        """Everything as it is now; None for whoever is erased."""
        async with self._work() as unit:
            connection = unit.connection
            person = await connection.fetchrow(SQL["person"], candidate)
            rows = await read_identities(connection, [candidate], self._epochs)
            if person is None or candidate not in rows:
                return None

            async def listed(name: str, kind: Callable[..., Any]) -> list[Any]:
                return [kind(**dict(row)) for row in await connection.fetch(SQL[name], candidate, MOST)]

            known, who = dict(person), open_identity(rows[candidate], self._epochs.epochs)
            return Held(
                **known | {name: _profile(known[name]) for name in ("profile", "published")},
                identity=Person(
                    mail=who.mail, given_name=who.given_name, family_name=who.family_name, phones=who.phones
                ),
                origins=await read_origins(connection, candidate),
                claims=await listed("claims", _claim),
                proposals=await read_proposals(connection, candidate),
                denied=await listed("denied", Denied),
                intake=await listed("intake", Intake),
                mails=await listed("mails", Mailed),
                looked_at=await listed("looked_at", LookedAt),
                email_change=_change(
                    await connection.fetchrow(SQL["email_change"], candidate), rows[candidate], self._epochs
                ),
                recovery_code=next(iter(await listed("recovery_code", RecoveryCode)), None),
                sessions=await listed("sessions", HeldSession),
                exports=await listed("exports", Export),
            )


def _claim(*, event_id: str | None, proof: Any, received_at: Any, **row: Any) -> HeldClaim:  # noqa: ANN401 - a row's
    return HeldClaim(**row, origin=Origin(event_id, proof, received_at))


def _change(row: Any, who: SealedIdentity, epochs: EpochRows) -> EmailChange | None:  # noqa: ANN401 - a row
    if row is None:
        return None
    new: str | None = None
    old: str | None = None
    with suppress(CannotOpenError):
        new, old = open_both(who, row["sealed"], epochs.epochs)
    return EmailChange(row["state"], row["until"], new, old, row["new_said"], row["old_said"])


def _profile(value: str | None) -> CoarseProfile | None:
    return None if value is None else CoarseProfile.model_validate_json(value)
