"""How many member refs another key made."""

from collections.abc import Callable
from contextlib import AbstractAsyncContextManager

from services.pool_matching.ports import EvaluationStore
from shared.web.secrets import COUNTED, Standing


async def standings(look: Callable[[], AbstractAsyncContextManager[EvaluationStore]], key_id: bytes) -> list[Standing]:
    """For `GET /v1/secrets`; a list may say the ref of before until its employer's next tick."""
    async with look() as store:
        return [Standing("FAIRPOOL_MEMBER_REF_KEY", key_id, await store.under_ref_keys(most=COUNTED))]
