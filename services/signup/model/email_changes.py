"""A change of a person's email: where it stands, what the two mailboxes may say to it, and what follows."""

from dataclasses import dataclass
from datetime import datetime, timedelta
from typing import Literal

ANSWERED_WITHIN = timedelta(minutes=15)
"""Both mailboxes, from when it was asked for."""
LOOKED_AT_AGAIN = timedelta(seconds=5)
"""While an invitation to the new mailbox is being closed: as often as due changes are looked for."""
WAY_BACK = timedelta(hours=72)
"""For whoever has the old mailbox: to put it back, or to stop a recovery before it counts."""


@dataclass(frozen=True, slots=True)
class Asked:
    """Somebody who is signed in asked for it: both mailboxes have to say yes until then.

    Where both have, it is made as soon as consent has said of an invitation to the new mailbox that nobody answered it; looked at again then.
    """

    until: datetime
    new_said: bool = False
    old_said: bool = False

    @property
    def is_agreed(self) -> bool:
        """Both have said yes."""
        return self.new_said and self.old_said


@dataclass(frozen=True, slots=True)
class Recovering:
    """Somebody had the recovery code: the new mailbox has to say yes until then."""

    until: datetime


@dataclass(frozen=True, slots=True)
class Waiting:
    """The new mailbox said yes to a recovery: it is changed then, unless the old one stops it."""

    until: datetime


@dataclass(frozen=True, slots=True)
class Changed:
    """It is changed, as both said: until then the old mailbox can put itself back."""

    until: datetime


Standing = Asked | Recovering | Waiting | Changed
Act = Literal["new_yes", "old_yes", "not_me"]
"""`new_yes`: by the link in the new mailbox. The others by links in the old one; `not_me` also by whoever is signed in."""


@dataclass(frozen=True, slots=True)
class Nothing:
    """Nothing follows: it is `over`, or that was said `already`, or the new mailbox was `taken` meanwhile."""

    why: Literal["over", "already", "taken"]


@dataclass(frozen=True, slots=True)
class Noted:
    """It stands otherwise now, and the address is what it was. `Asked` and agreed: it is made once an invitation is closed."""

    standing: Asked | Waiting


@dataclass(frozen=True, slots=True)
class Changes:
    """The new address is theirs from now on; `standing` None: for good, since the old mailbox had its 72 hours before."""

    standing: Changed | None


@dataclass(frozen=True, slots=True)
class Stops:
    """The old mailbox said no: nothing is changed, every session ends, and the recovery code is spent: whose it is nobody knows."""


@dataclass(frozen=True, slots=True)
class PutsBack:
    """The old address is theirs again, every session ends, and the recovery code is spent."""


@dataclass(frozen=True, slots=True)
class CannotPutBack:
    """The old mailbox has a person of its own by now: the new address stays. Every session ends all the same, and the code is spent."""


@dataclass(frozen=True, slots=True)
class Ends:
    """Its time is over. `gives_up`: the old address is theirs no more, for good."""

    gives_up: bool


Outcome = Nothing | Noted | Changes | Stops | PutsBack | CannotPutBack | Ends
Begun = Literal["begun", "busy", "same", "too_many", "gone"]
"""`busy`: one is changed, or waits to be, and has to be over first; `same`: it is the person's email already, letter by letter."""


@dataclass(frozen=True, slots=True)
class Seen:
    """How a person's email stands, for their own page. It shows nothing of itself, so that no log can."""

    email: str
    new: str | None
    standing: Standing | None
    has_code: bool

    def __repr__(self) -> str:
        return "Seen(hidden)"
