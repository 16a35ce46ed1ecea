"""The code that leaves a lost mailbox, in PostgreSQL: an HMAC under the person's own data key, one a person."""

import hmac
from pathlib import Path

from services.signup.decisions.recovery_codes import code_hash, new_code, read_code
from services.signup.vault.epochs import Epochs
from services.signup.vault.sealing import SealedIdentity, own_key
from shared.messaging.unit import Unit
from shared.postgres.queries import load

SQL = load(Path(__file__).with_suffix(".sql"))


class RecoveryCodes:
    """Within the unit that is given, under the lock of the person's row."""

    def __init__(self, epochs: Epochs) -> None:
        self._epochs = epochs

    async def make(self, unit: Unit, who: SealedIdentity) -> str:
        """Takes the place of the one before; told once, and kept nowhere as it is."""
        code = new_code()
        await unit.connection.execute(
            SQL["save_code"], who.candidate, code_hash(code, own_key(who, self._epochs)), unit.at
        )
        return code

    async def is_theirs(self, unit: Unit, who: SealedIdentity, code: str) -> bool:
        """It is the one that the person has, and is not spent."""
        kept = await unit.connection.fetchval(SQL["read_code"], who.candidate)
        if kept is None or read_code(code) is None:
            return False
        return hmac.compare_digest(kept, code_hash(code, own_key(who, self._epochs)))

    async def has_one(self, unit: Unit, candidate: str) -> bool:
        """That is not spent."""
        return await unit.connection.fetchval(SQL["read_code"], candidate) is not None

    async def had_one(self, unit: Unit, candidate: str) -> bool:
        """Spent or not."""
        return bool(await unit.connection.fetchval(SQL["had_code"], candidate))

    async def spend(self, unit: Unit, candidate: str) -> None:
        await unit.connection.execute(SQL["spend_code"], candidate, unit.at)
