"""`fairpool down`."""

from deploy.commands.terminal import HomeOption, fails_plainly, out
from deploy.local import launch
from deploy.local.home import Home


@fails_plainly
def down(home: HomeOption = None) -> None:
    """Stop the local stack and wait until it has stopped; nothing running is no error."""
    place = Home.at(home)
    stopped = launch.stop(place)
    out.print(f"stopped: {', '.join(stopped)}" if stopped else f"nothing was running in {place.root}")
