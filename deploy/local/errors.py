"""What can go wrong with the stack on one machine; each has a sentence for people and an exit code for scripts."""


class StackError(Exception):
    """The stack can't do what was asked; the text says what was expected, what was found and what to do."""

    exit_code = 1


class PortTakenError(StackError):
    """A port that a part needs is in use."""

    exit_code = 3


class AlreadyRunningError(StackError):
    """Another supervisor holds this home directory."""

    exit_code = 4


class PartDidNotStartError(StackError):
    """A part ended, or was not ready in time, while the stack was starting."""

    exit_code = 5


class PartKeepsCrashingError(StackError):
    """A part crashed more often than the supervisor puts up with."""

    exit_code = 6


class BrokerLostError(StackError):
    """The embedded broker ended; what it held is gone, so the whole stack stops."""

    exit_code = 7


class OtherBrokerError(StackError):
    """The data in this home belongs to another broker, and starting this one would lose it."""

    exit_code = 10


class NotRunningError(StackError):
    """The command needs a running stack and there is none in this home directory."""

    exit_code = 8
