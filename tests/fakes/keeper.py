"""Epoch keys for tests: a vault that stays in its first epoch, and a keeper that has its keys in memory."""

from services.signup.adapters.intake_keys import IntakeKeys
from services.signup.vault.epoch_rows import EpochRows
from services.signup.vault.epochs import FIRST, EpochKeeper, Epochs, KeeperAwayError, KeyGoneError
from services.signup.vault.intake import intake_content_key
from shared.postgres.pool import Connection, Pool

KEY = bytes(range(32))


class FakeKeeper:
    """`EpochKeeper`."""

    def __init__(self) -> None:
        self.keys: dict[str, bytes] = {}
        self.is_away = False

    async def make(self, name: str, key: bytes) -> str:
        self._must_be_there()
        self.keys.setdefault(name, key)
        return name

    async def open(self, reference: str) -> bytes:
        self._must_be_there()
        if reference not in self.keys:
            raise KeyGoneError(f"there is no key {reference}")
        return self.keys[reference]

    async def destroy(self, reference: str) -> None:
        self._must_be_there()
        self.keys.pop(reference, None)

    def _must_be_there(self) -> None:
        if self.is_away:
            raise KeeperAwayError("the test took it away")


class FirstEpoch(EpochRows):
    """Knows the first epoch, whatever the table says."""

    def __init__(self, key: bytes) -> None:
        super().__init__(Epochs({FIRST: key}), FakeKeeper())

    async def refresh(self, connection: Connection) -> None:
        """There is nothing new."""


def first_epoch(key: bytes = KEY) -> EpochRows:
    """Seals with this key."""
    return FirstEpoch(key)


def intake_keys(key: bytes = KEY) -> IntakeKeys:
    """Of a vault in its first epoch."""
    return IntakeKeys(first_epoch(key), intake_content_key(key))


async def begun(pool: Pool, keeper: EpochKeeper, key: bytes | None = None) -> EpochRows:
    """The epochs as a process has them that has just started; the first one's key is this, or chance."""
    rows = EpochRows(Epochs(), keeper, imported=key)
    async with pool.acquire() as connection:
        await rows.make(connection)
        await rows.refresh(connection)
    return rows
