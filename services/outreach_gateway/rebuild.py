"""Windows that were lost are built anew from the rows, shard by shard and page by page; the other shards go on meanwhile."""

import secrets
from collections.abc import Callable, Mapping
from contextlib import AbstractAsyncContextManager

import structlog

from services.outreach_gateway.adapters.metrics import REBUILD_SECONDS, REBUILD_SLOTS, WINDOWS_SHARDS
from services.outreach_gateway.decisions import KEPT
from services.outreach_gateway.ports.windows import (
    NEVER_BUILT,
    Building,
    Epoch,
    Epochs,
    Found,
    Shard,
    Windows,
    WindowsAwayError,
    WindowsLostError,
)

OpenEpochs = Callable[[], AbstractAsyncContextManager[Epochs]]
"""A transaction on the rows of the epochs."""
PEOPLE_A_PAGE = 500

_log = structlog.get_logger(__name__)


class Rebuild:
    """Looks after the shards, and builds those that are lost; any number of processes share the work.

    From the moment that a shard is begun, its row says so: no batch decides for its people, so no slot comes to them, and
    a page that was read stays true (what is withdrawn or bounces only frees a slot, and the rows decide in the end). Each
    page is a transaction of its own that has the shard's row: one process places it, and the row then says behind whom to
    go on. Killed anywhere, the next process takes the page again and does what was done once more, to the same end.
    """

    def __init__(self, epochs: OpenEpochs, windows: Windows, *, looks: OpenEpochs | None = None) -> None:
        """`looks` opens what only reads: `epochs`, unless something cheaper is given."""
        self._epochs = epochs
        self._looks = looks or epochs
        self._windows = windows
        self._away: frozenset[int] = frozenset()
        self._is_building = True
        """As far as this process knows."""

    async def look_at_held(self) -> None:
        """`look`, while this process knows of a shard that is held."""
        if self._windows.held:
            await self.look()

    async def build_what_is_begun(self) -> None:
        """`build`, while this process knows of a shard that is being built."""
        if self._is_building:
            await self.build()

    async def look(self) -> Mapping[int, Found]:
        """Begins what the Redis that answers has lost; what each shard is now, also as a metric."""
        shards = await self._present()
        found = dict(await self._windows.look(shards))
        lost = [shard for shard, what in found.items() if what is Found.LOST]
        first = [shard for shard in lost if shards[shard].epoch == NEVER_BUILT]
        found |= dict.fromkeys(first, Found.BUILDING)
        self._tell(found)
        if first:
            _log.info("windows_built_first", shards=len(first))
            await self._sweep()
        for shard in lost:
            try:
                found[shard] = await self._begin(shard)
            except WindowsAwayError:
                found[shard] = Found.AWAY
            self._tell(found)
        self._away = frozenset(shard for shard, what in found.items() if what is Found.AWAY)
        self._note(await self._present() if lost else shards)
        return found

    async def build(self) -> None:
        """Places pages of whatever is being built until there is none left that nobody else has."""
        while await self.build_a_page():
            pass

    async def build_a_page(self) -> bool:
        """Whether there was one, of a shard whose server answers and that no other process has now."""
        async with self._epochs() as rows:
            building = await rows.claim(but=sorted(self._away))
            if building is None:
                return False
            try:
                try:
                    await self._go_on(rows, building)
                except WindowsLostError:
                    await self._begin_again(rows, building)
            except WindowsAwayError:
                self._away |= {building.shard}
        self._note(await self._present())
        return True

    async def _go_on(self, rows: Epochs, building: Building) -> None:
        page = await rows.page(building, PEOPLE_A_PAGE, kept=KEPT)
        if page:
            await self._windows.place(building.shard, building.epoch, page)
            await rows.placed(building, page)
        if len(page) < PEOPLE_A_PAGE:
            await self._windows.open(building.shard, building.epoch)
            took = await rows.end(building)
            if not building.is_first:
                REBUILD_SECONDS.observe(took.total_seconds())
                _log.warning("shard_rebuilt", shard=building.shard)

    async def _begin(self, shard: int) -> Found:
        """The batches that hold the shard end first; then, in one transaction, its row and its marker say that it is being built:
        who has read the row as it was before finds the marker changed."""
        async with self._epochs() as rows:
            locked = await rows.take(shard)
            if locked.building is None:
                found = (await self._windows.look({shard: locked}))[shard]
                if found is not Found.LOST:
                    return found
                fresh = _fresh()
                await rows.begin(shard, fresh, kept=KEPT)
                await self._windows.begin(shard, fresh)
                self._is_building = True
                if locked.epoch != NEVER_BUILT:
                    _log.warning("shard_lost", shard=shard)
        return Found.BUILDING

    async def _begin_again(self, rows: Epochs, building: Building) -> None:
        fresh = _fresh()
        _log.warning("shard_begun_again", shard=building.shard)
        await rows.begin(building.shard, fresh, kept=KEPT)
        await self._windows.begin(building.shard, fresh)

    async def _sweep(self) -> None:
        """What an earlier version kept would lie beside the windows for 100 days: there is never more than one set."""
        gone = 0
        async for some in self._windows.sweep():
            gone += some
        if gone:
            _log.warning("old_windows_cleared", keys=gone)

    async def _present(self) -> Mapping[int, Shard]:
        async with self._looks() as rows:
            return await rows.present()

    def _tell(self, found: Mapping[int, Found]) -> None:
        for state in Found:
            WINDOWS_SHARDS.labels(state).set(sum(what is state for what in found.values()))

    def _note(self, shards: Mapping[int, Shard]) -> None:
        building = [shard.building for shard in shards.values() if shard.building is not None]
        self._is_building = bool(building)
        REBUILD_SLOTS.labels("placed").set(sum(one.placed for one in building))
        REBUILD_SLOTS.labels("total").set(sum(one.total for one in building))


def _fresh() -> Epoch:
    return Epoch(secrets.token_hex(8))
