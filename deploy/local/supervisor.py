"""Starts parts, sees to it that they stay up, and stops them in reverse order."""

import asyncio
import contextlib
import os
from collections import deque
from collections.abc import Callable, Sequence
from dataclasses import dataclass, field
from datetime import UTC, datetime, timedelta
from signal import Signals

from deploy.local import holds, processes, state
from deploy.local.errors import BrokerLostError, PartDidNotStartError, PartKeepsCrashingError, StackError
from deploy.local.home import Home
from deploy.local.liveness import Liveness, until_silent
from deploy.local.parts import Part
from deploy.local.processes import Identity
from deploy.local.state import Ended, PartPhase, PartState, Phase, StackState

Report = Callable[[str], None]
"""Where sentences for people go."""

READY_WITHIN = timedelta(seconds=60)
_POLL_SECONDS = 0.1
_SHOWN_LINES = 12
ASKED_TO_END = frozenset({0, -Signals.SIGTERM, 128 + Signals.SIGTERM})
"""The codes of a process that drained and ended because somebody sent SIGTERM; Java says 143."""


@dataclass(frozen=True, slots=True)
class BackOff:
    """How patient the supervisor is with a part that crashes."""

    first: timedelta = timedelta(seconds=0.5)
    longest: timedelta = timedelta(seconds=10)
    most_restarts: int = 8
    within: timedelta = timedelta(minutes=2)

    def pause(self, recent_restarts: int) -> timedelta:
        """The time to wait before the next start: doubles with each recent restart."""
        return min(self.first * float(2**recent_restarts), self.longest)


@dataclass(slots=True)
class _Running:
    part: Part
    process: asyncio.subprocess.Process | None = None
    identity: Identity | None = None
    ended: Ended | None = None
    phase: PartPhase = PartPhase.STARTING
    log_began: int = 0
    restarts: int = 0
    recent: deque[datetime] = field(default_factory=deque)
    since: datetime = field(default_factory=lambda: datetime.now(UTC))
    keeper: asyncio.Task[None] | None = None


class Supervisor:
    """Keeps the parts of one home running; everything it knows is in the home's state file at any moment."""

    def __init__(
        self, home: Home, report: Report, back_off: BackOff | None = None, liveness: Liveness | None = None
    ) -> None:
        self._home = home
        self._report = report
        self._back_off = back_off or BackOff()
        self._liveness = liveness or Liveness()
        self._batches: list[list[_Running]] = []
        self._phase = Phase.STARTING
        self._failure: asyncio.Future[StackError] = asyncio.get_running_loop().create_future()
        self._me = Identity.of(os.getpid())
        self._save()

    @property
    def state(self) -> StackState:
        """What it knows now."""
        error = self._failure.result() if self._failure.done() and not self._failure.cancelled() else None
        return StackState(
            supervisor=self._me,
            phase=self._phase,
            parts=tuple(_shown(running) for batch in self._batches for running in batch),
            error=str(error) if error else None,
            exit_code=error.exit_code if error else 0,
        )

    async def start(self, parts: Sequence[Part]) -> None:
        """Start these parts together and return when all are ready; PartDidNotStartError as soon as one ends."""
        started = [_Running(part) for part in parts]
        self._batches.append(started)
        for running in started:
            await self._spawn(running)
        await asyncio.gather(*(self._first_ready(running) for running in started))
        for running in started:
            running.keeper = asyncio.create_task(self._keep(running), name=f"keep {running.part.name}")

    def is_ready(self) -> None:
        """Note that the whole stack works."""
        self._phase = Phase.READY
        self._save()

    async def watch(self) -> None:
        """Return never; raises the StackError of a part that is given up, or whose loss the stack can't outlive."""
        raise await asyncio.shield(self._failure)

    def fail(self, error: StackError) -> None:
        """Note why the stack ends; the first reason stays."""
        if not self._failure.done():
            self._failure.set_result(error)
        self._phase = Phase.FAILED
        self._save()

    async def stop(self) -> None:
        """Drain and end the parts: those that were started together end together, the last ones first."""
        if self._phase is not Phase.FAILED:
            self._phase = Phase.STOPPING
        everything = [running for batch in self._batches for running in batch]
        keepers = [running.keeper for running in everything if running.keeper]
        for keeper in keepers:
            keeper.cancel()
        await asyncio.gather(*keepers, return_exceptions=True)
        for batch in reversed(self._batches):
            await asyncio.gather(*(self._end(running) for running in batch))
        if self._phase is Phase.FAILED:
            self._save()
        else:
            self._home.state_file.unlink(missing_ok=True)

    async def _spawn(self, running: _Running) -> None:
        log = self._home.log_of(running.part.name)
        running.log_began = processes.size(log)
        try:
            running.process = await processes.spawn(running.part.command, log)
        except OSError as error:
            raise PartDidNotStartError(
                f"{running.part.name} could not be started: {running.part.command.arguments[0]}: {error.strerror}."
            ) from error
        running.identity = Identity.of(running.process.pid)
        self._note(running, PartPhase.STARTING)

    async def _first_ready(self, running: _Running) -> None:
        process = running.process
        assert process is not None  # noqa: S101  (spawned just before)
        probing = asyncio.create_task(self._probe(running))
        ending = asyncio.create_task(process.wait())
        try:
            await asyncio.wait(
                (probing, ending), timeout=READY_WITHIN.total_seconds(), return_when=asyncio.FIRST_COMPLETED
            )
            if ending.done():
                raise PartDidNotStartError(
                    f"{running.part.name} ended with {_code(process)} before it was ready. {self._tail(running)}"
                )
            if not probing.done():
                raise PartDidNotStartError(
                    f"{running.part.name} was not ready within {READY_WITHIN.seconds} s. {self._tail(running)}"
                )
        finally:
            probing.cancel()
            ending.cancel()

    async def _probe(self, running: _Running) -> None:
        """Return when the part answers; what kept it from answering is its own log's to tell."""
        while True:
            with contextlib.suppress(Exception):
                await running.part.probe()
                self._note(running, PartPhase.READY)
                return
            await asyncio.sleep(_POLL_SECONDS)

    async def _watch_over(self, running: _Running) -> None:
        """Note when it is ready, and end it when it falls silent."""
        if running.phase is not PartPhase.READY:
            await self._probe(running)
        if running.part.lives is None or running.identity is None:
            return
        await until_silent(running.part.lives, self._liveness)
        why = f"did not answer {self._liveness.misses} times in a row, so the supervisor ends it"
        self._report(f"{running.part.name} {why}.")
        processes.write_last_word(self._home.log_of(running.part.name), why)
        running.identity.send(running.part.stop_signal)
        await asyncio.sleep(running.part.stops_within.total_seconds())
        running.identity.send(Signals.SIGKILL, group=True)

    async def _ended(self, running: _Running, process: asyncio.subprocess.Process) -> None:
        watching = asyncio.create_task(self._watch_over(running))
        try:
            await process.wait()
        finally:
            watching.cancel()

    async def _keep(self, running: _Running) -> None:
        while running.process is not None:
            await self._ended(running, running.process)
            was_ready = running.phase is PartPhase.READY
            processes.sweep_group(running.process.pid)
            if running.process.returncode is not None and running.identity is not None:
                running.ended = Ended(code=running.process.returncode, started=running.identity.started)
            self._note(running, PartPhase.CRASHED)
            if running.part.keeps_nothing:
                self.fail(
                    BrokerLostError(
                        f"{running.part.name} ended with {_code(running.process)}. It keeps nothing, so what the "
                        f"services believe no longer fits what the log holds: the whole stack stops. "
                        f"Start afresh with `fairpool dev`. {self._tail(running)}"
                    )
                )
                return
            asked = was_ready and running.process.returncode in ASKED_TO_END
            if not await self._restart(running, asked=asked):
                return

    async def _restart(self, running: _Running, *, asked: bool) -> bool:
        while True:
            pause = self._after_being_asked(running) if asked else self._next_pause(running)
            asked = False
            if pause is None:
                return False
            await asyncio.sleep(pause.total_seconds())
            while holds.is_held(self._home, running.part.name):  # noqa: ASYNC110 - another process's
                await asyncio.sleep(_POLL_SECONDS)
            try:
                await self._spawn(running)
            except PartDidNotStartError as error:
                self._report(str(error))
            else:
                return True

    def _after_being_asked(self, running: _Running) -> timedelta:
        """Somebody restarts it: that is no crash, however often."""
        running.restarts += 1
        self._report(f"{running.part.name} was told to stop, and did; restart {running.restarts}.")
        return self._back_off.first

    def _next_pause(self, running: _Running) -> timedelta | None:
        """Count a crash; None, and the stack fails, when it was one too many."""
        now = datetime.now(UTC)
        while running.recent and now - running.recent[0] > self._back_off.within:
            running.recent.popleft()
        code = _code(running.process) if running.process else "nothing"
        if len(running.recent) >= self._back_off.most_restarts:
            self.fail(
                PartKeepsCrashingError(
                    f"{running.part.name} ended with {code} after {len(running.recent)} restarts within "
                    f"{self._back_off.within.total_seconds():g} s: the stack stops. {self._tail(running)}"
                )
            )
            return None
        pause = self._back_off.pause(len(running.recent))
        running.recent.append(now)
        running.restarts += 1
        self._report(
            f"{running.part.name} ended with {code}; restart {running.restarts} in {pause.total_seconds():g} s. {self._tail(running)}"
        )
        return pause

    async def _end(self, running: _Running) -> None:
        process, identity = running.process, running.identity
        if process is None or identity is None:
            return
        if process.returncode is None:
            identity.send(running.part.stop_signal)
            try:
                await asyncio.wait_for(process.wait(), running.part.stops_within.total_seconds())
            except TimeoutError:
                self._report(
                    f"{running.part.name} did not stop within {running.part.stops_within.seconds} s and was killed."
                )
                identity.send(Signals.SIGKILL, group=True)
                await process.wait()
        processes.sweep_group(process.pid)
        self._note(running, PartPhase.STOPPED)

    def _tail(self, running: _Running) -> str:
        log = self._home.log_of(running.part.name)
        lines = processes.last_lines(log, _SHOWN_LINES, since=running.log_began)
        if not lines:
            return f"It wrote nothing to {log}."
        return "\n".join((f"Its last lines (all: {log}):", *(f"  | {line}" for line in lines)))

    def _note(self, running: _Running, phase: PartPhase) -> None:
        running.phase = phase
        running.since = datetime.now(UTC)
        self._save()

    def _save(self) -> None:
        state.write(self._home, self.state)


def _shown(running: _Running) -> PartState:
    return PartState(
        name=running.part.name,
        phase=running.phase,
        process=running.identity,
        port=running.part.port,
        restarts=running.restarts,
        since=running.since,
        ended=running.ended,
    )


def _code(process: asyncio.subprocess.Process) -> str:
    code = process.returncode
    if code is None:
        return "nothing"
    return f"exit code {code}" if code >= 0 else f"signal {Signals(-code).name}"
