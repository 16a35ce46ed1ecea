"""What depends on which key of the blind index, and on which pepper."""

from collections.abc import Callable
from contextlib import AbstractAsyncContextManager

from services.signup.ports.vault import SecretRows
from services.signup.vault.hashing import SlowHashes
from services.signup.vault.index import BlindIndex
from shared.web.secrets import COUNTED, Standing


async def standings(
    look: Callable[[], AbstractAsyncContextManager[SecretRows]], index: BlindIndex, hashes: SlowHashes
) -> list[Standing]:
    """For `GET /v1/secrets`."""
    async with look() as rows:
        people = await rows.under_index_keys(index, most=COUNTED)
        kept = await rows.under_peppers(most=COUNTED)
    first = hashes.peppers[0]
    others = {key: count for key, count in kept.items() if key != first}
    return [
        Standing("FAIRPOOL_BLIND_INDEX_KEY", index.key_id, people),
        Standing("FAIRPOOL_INVITATION_PEPPER", first, others),
    ]
