"""How a new state is written down: with what only the outside can give, a nonce and a receipt's id."""

import os
from datetime import datetime

from services.consent import decisions
from services.consent.model import Agreements, Answer, Choices, Door, Entry, Present
from services.consent.ports import Writes
from shared.contracts.consent import LinkStatement
from shared.ids import new_id

_NONCE_BYTES = 32


def writer(agreements: Agreements, *, where: str, home: str) -> Writes:
    """Under the text that was answered, or by which what is on holds; `where` emails the person a link, `home` is our own
    address.
    """

    def write(
        present: Present,
        choices: Choices,
        at: datetime,
        door: Door,
        statement: LinkStatement | None = None,
        answer: Answer | None = None,
    ) -> Entry:
        nonce, receipt = os.urandom(_NONCE_BYTES), new_id("r")
        return decisions.record(
            present,
            choices,
            at=at,
            door=door,
            agreement=answer.agreement if answer is not None else agreements.standing(present),
            where=where,
            home=home,
            nonce=nonce,
            receipt=receipt,
            statement=statement,
            answer=answer,
        )

    return write
