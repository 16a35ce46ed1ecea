"""As long as a part is held, the supervisor does not start it again: a restore needs its database for itself, a fault test its absence.

A hold is its holder's: with it it ends, also by SIGKILL, so that nothing stays down that nobody is at work on any more.
"""

import os
from contextlib import suppress

from deploy.local.home import Home
from deploy.local.processes import Identity


def take(home: Home, part: str) -> None:
    """By this process; it is whole at once, for the supervisor looks at any moment."""
    path = home.hold_of(part)
    fresh = path.with_suffix(f".hold-{os.getpid()}")
    fresh.write_text(Identity.of(os.getpid()).model_dump_json())
    fresh.replace(path)


def release(home: Home, part: str) -> None:
    """Harmless where it is not held."""
    home.hold_of(part).unlink(missing_ok=True)


def is_held(home: Home, part: str) -> bool:
    """Whether somebody who is still there holds it; a file that names nobody is nobody's."""
    with suppress(OSError, ValueError):
        return Identity.model_validate_json(home.hold_of(part).read_text()).alive()
    return False
