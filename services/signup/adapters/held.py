"""All that signup holds of one person, read from its own tables."""

from collections.abc import Callable
from contextlib import AbstractAsyncContextManager
from pathlib import Path
from typing import Any

from services.signup.adapters.proposals import read_origins, read_proposals
from services.signup.model.held import Denied, Held, HeldClaim, Intake, LookedAt, Mailed
from services.signup.model.people import Person
from services.signup.model.provenance import Origin
from services.signup.vault.epoch_rows import EpochRows
from services.signup.vault.reading import read_identities
from services.signup.vault.sealing import open_identity, open_key_pair
from shared.contracts.signup import CoarseProfile
from shared.messaging.unit import Unit
from shared.postgres.queries import load
from shared.security.words import KeyPair

SQL = load(Path(__file__).parent / "held.sql")
MOST = 200
"""Of each list: the newest."""
TABLES = frozenset(
    {
        "candidates",
        "identities",
        "claims",
        "proposals",
        "profile_origins",
        "not_theirs",
        "kept_reports",
        "operator_log",
        "courier_mails",
    }
)
"""What is read here: a test holds them against all tables that can hold a person's id."""


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
            )


def _claim(*, event_id: str | None, proof: Any, received_at: Any, **row: Any) -> HeldClaim:  # noqa: ANN401 - a row's
    return HeldClaim(**row, origin=Origin(event_id, proof, received_at))


def _profile(value: str | None) -> CoarseProfile | None:
    return None if value is None else CoarseProfile.model_validate_json(value)
