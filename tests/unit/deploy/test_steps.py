"""What the demo says while it works."""

import io
import threading

from rich.console import Console

from deploy.demo.steps import Steps


class _Lines(io.StringIO):
    """A log that says when it got its second line of a step that goes on."""

    def __init__(self) -> None:
        super().__init__()
        self.twice = threading.Event()

    def write(self, text: str) -> int:
        written = super().write(text)
        if self.getvalue().count("so far") >= 2:
            self.twice.set()
        return written


def test_a_long_step_says_again_and_again_in_a_log_how_far_it_is_and_is_quiet_when_it_is_over() -> None:
    log = _Lines()
    with Steps(Console(file=log), says_every=0.01).step("matching") as step:
        step.say("3 of 9 pools")
        assert log.twice.wait(10)
    assert "… matching: 3 of 9 pools  0 s so far" in log.getvalue()
    assert log.getvalue().rstrip().splitlines()[-1].startswith("✓ matching: 3 of 9 pools")


def test_a_short_step_has_one_line() -> None:
    log = _Lines()
    with Steps(Console(file=log)).step("matching"):
        pass
    assert len(log.getvalue().splitlines()) == 1
