"""The sender: claims mails, checks each against the present consent, hands it over once, and writes down what came of it."""

import asyncio
import contextlib
import itertools
from collections.abc import Awaitable, Callable, Mapping, Sequence
from dataclasses import dataclass, field
from datetime import datetime, timedelta
from typing import Generic, TypeVar, assert_never, get_args

import structlog
from prometheus_client import Counter

from services.signup.courier.decisions import NO_GRANT, NOT_IN_THE_VAULT, after_attempt, again_at, stopped
from services.signup.courier.model import (
    Again,
    CalledOff,
    Consent,
    ConsentCheck,
    Handed,
    Hold,
    Kind,
    Letter,
    Mail,
    NotTaken,
    Outcome,
    Over,
    People,
    Person,
    Send,
    Settle,
    Unreadable,
    Unwritable,
    Verdict,
)
from services.signup.courier.ports import CheckConsents, Letters, OpenStore, Relay, TenantName
from shared import tracing
from shared.clock import Clock
from shared.messaging.errors import WillHealError, heals
from shared.messaging.holding import Holding

MAILS = Counter("fairpool_mails_total", "Mails that are over, by kind and outcome.", ["kind", "outcome"])
NOT_TAKEN = Counter("fairpool_not_taken_total", "Attempts after which the mail relay certainly has not got the mail.")
for _kind, _outcome in itertools.product(get_args(Kind), get_args(Outcome)):
    MAILS.labels(_kind, _outcome)  # a series that is there from the start, with 0

_POLL = timedelta(milliseconds=50)  # finds what was taken in, put back by others, or made due by a moved clock
_HELD_FOR = timedelta(seconds=5)
_LONGEST_PAUSE = 5.0
_log = structlog.get_logger(__name__)

T = TypeVar("T")
R = TypeVar("R")


class Together(Generic[T, R]):
    """Writes in one go whatever came while the write before was under way; each caller gets its own answer."""

    def __init__(self, write: Callable[[Sequence[T]], Awaitable[Sequence[R]]]) -> None:
        self._write = write
        self._waiting: list[tuple[T, asyncio.Future[R]]] = []
        self._turn = asyncio.Lock()

    async def __call__(self, item: T) -> R:
        """The answer for this item; what the write raises, it raises for all that were written with it."""
        answer: asyncio.Future[R] = asyncio.get_running_loop().create_future()
        self._waiting.append((item, answer))
        async with self._turn:
            if not answer.done():
                await self._write_waiting()
        return answer.result()

    async def _write_waiting(self) -> None:
        batch, self._waiting = self._waiting, []
        try:
            found = await self._write([item for item, _ in batch])
        except BaseException as error:
            for _, answer in batch:
                answer.set_exception(error)
                answer.exception()  # who was cancelled never asks
            raise
        for (_, answer), value in zip(batch, found, strict=True):
            answer.set_result(value)


@dataclass(slots=True)
class Sender:
    """The job that sends; several in several processes share the rows.

    A mail is taken, and goes back if its courier dies; when only the words are still to be sent, it is marked, and that
    is committed. Killed after the mark, nobody can know whether the relay has it: such a mail becomes doubtful and is
    never sent again.
    """

    courier: str
    """This process' own name; another after each start."""
    open_store: OpenStore
    check_consents: CheckConsents
    letters: Letters
    relay: Relay
    tenant_name: TenantName
    clock: Clock
    batch: int
    """Mails in hand, of which those that wait for a place can still go back."""
    at_once: int
    """Mails being handed over: so many at most are in doubt when this process is killed."""
    lease: timedelta
    stop_within: timedelta
    _stopping: bool = False
    _wake: asyncio.Event = field(default_factory=asyncio.Event)
    _in_flight: int = 0
    _places: asyncio.Semaphore = field(init=False)
    _mark: Together[Mail, bool] = field(init=False)
    _record: Together[Again | Over, None] = field(init=False)
    _holding: Holding = field(default_factory=lambda: Holding("sender"))

    def __post_init__(self) -> None:
        self._places = asyncio.Semaphore(self.at_once)
        self._mark = Together(self._mark_sending)
        self._record = Together(self._until_recorded)

    async def run(self) -> None:
        """Sends until cancelled; then what is on its way gets its end, and what is not stays for others."""
        work = asyncio.create_task(self._work(), name="courier")
        try:
            await asyncio.shield(work)
        except asyncio.CancelledError:
            self._stopping = True
            self._wake.set()
            with contextlib.suppress(TimeoutError):
                await asyncio.wait_for(work, self.stop_within.total_seconds())
            raise

    async def watch(self) -> None:
        """One sign of life; and what couriers without one had in hand is doubtful, or ready again."""
        async with self.open_store() as store:
            await store.show_life(self.courier, lease=self.lease)
            doubtful = await store.bury(at=self.clock.now())
        _note(doubtful)

    async def turn(self, group: asyncio.TaskGroup) -> int:
        """Looks at what is due once and starts sending in the group; returns how many mails were looked at."""
        room = self.batch - self._in_flight
        at = self.clock.now()
        if room < max(1, self.batch // 4):  # a check for each mail that ends would cost more than the mail
            return 0
        async with self.open_store() as store:
            if not await store.anything_due(at=at):
                return 0
        check = await self._check()
        async with self.open_store() as store:
            mails = await store.claim(at=at, limit=room, consent_is_current=check is not None)
            consents = await store.consents([mail.candidate for mail in mails]) if mails else {}
            people = await store.people([mail.candidate for mail in mails]) if mails else {}
            verdicts = {mail: self._judge(mail, consents, people, at=at) for mail in mails}
            over = [Over(mail, no.outcome, no.detail) for mail, no in verdicts.items() if isinstance(no, Settle)]
            held = {mail.name: no.until for mail, no in verdicts.items() if isinstance(no, Hold)}
            send = {mail: yes.letter for mail, yes in verdicts.items() if isinstance(yes, Send)}
            if over:
                await store.settle(over, at=at)
            if held:
                await store.hold(held)
            if send:
                await store.take(self.courier, list(send), lease=self.lease)
        _note(over)
        for mail, letter in send.items():
            self._in_flight += 1
            group.create_task(self._send(mail, letter, check if mail.kind == "outreach" else None))
        return len(mails)

    async def _work(self) -> None:
        async with asyncio.TaskGroup() as group:
            pause, waiting = 0.1, Holding("sender's turn")
            while not self._stopping:
                self._wake.clear()
                try:
                    looked_at = await self.turn(group)
                    pause = 0.1
                    waiting.over()
                except Exception as error:
                    if not heals(error):
                        raise
                    waiting.put_off(error)
                    _log.warning("sending_waits", error=type(error).__name__)
                    await asyncio.sleep(pause)
                    pause = min(pause * 2, _LONGEST_PAUSE)
                    continue
                if not looked_at:
                    await self._wait()
            while self._in_flight:
                self._wake.clear()
                await self._wait()
        async with self.open_store() as store:
            await store.leave(self.courier)

    async def _wait(self) -> None:
        with contextlib.suppress(TimeoutError):
            async with asyncio.timeout(_POLL.total_seconds()):
                await self._wake.wait()

    async def _check(self) -> ConsentCheck | None:
        """None when the copy of the consents can't be made current: then nothing that needs a grant leaves."""
        try:
            check = await self.check_consents()
        except WillHealError as error:
            self._holding.put_off(error)
            _log.warning("consent_copy_behind", held="every mail that needs a grant")
            return None
        self._holding.over()
        return check

    def _judge(self, mail: Mail, consents: Mapping[str, Consent], people: People, *, at: datetime) -> Verdict:
        consent = consents.get(mail.candidate)
        if (no := stopped(mail, consent, at=at)) is not None:
            return no
        person = people.get(mail.candidate)
        match person:
            case None:
                return Settle("withheld", NO_GRANT if mail.kind == "outreach" else NOT_IN_THE_VAULT)
            case Unreadable():
                return self._hold(mail, "the vault's row does not open", at=at)
        tenant = mail.employer if mail.kind == "outreach" else mail.introduced_by
        name = self.tenant_name(tenant) if tenant is not None else None
        if mail.kind == "outreach" and name is None:
            return self._hold(mail, "nobody told of this employer", at=at)
        match self._letter(mail, person, name, at=at, zone=consent.time_zone if consent is not None else None):
            case Letter() as letter:
                return Send(letter)
            case Unwritable(reason):
                return Settle("bounced", reason)
            case unexpected:
                assert_never(unexpected)

    def _letter(
        self, mail: Mail, person: Person, name: str | None, *, at: datetime, zone: str | None
    ) -> Letter | Unwritable:
        try:
            if mail.kind == "notice" or name is None:
                return self.letters.notice(mail, person, name, at=at, zone=zone)
            return self.letters.outreach(mail, person, name, at=at)
        except Exception as error:  # noqa: BLE001 - one mail that can't be written must not stop all others
            _log.error("not_written", kind=mail.kind, mail=mail.id, exc_info=error)
            return Unwritable("the mail could not be written")

    def _hold(self, mail: Mail, reason: str, *, at: datetime) -> Hold:
        _log.error("held", kind=mail.kind, mail=mail.id, reason=reason)
        return Hold(reason, max(at + _HELD_FOR, again_at(mail.attempts + 1, at=at)))

    async def _send(self, mail: Mail, letter: Letter, check: ConsentCheck | None) -> None:
        """One attempt, and what came of it; its place is free again when that is written down."""
        try:
            async with self._places:
                handed = await self._attempt(mail, letter, check)
                await self._record(after_attempt(mail, handed, at=self.clock.now()))
        finally:
            self._in_flight -= 1
            self._wake.set()

    async def _attempt(self, mail: Mail, letter: Letter, check: ConsentCheck | None) -> Handed:
        if self._stopping:
            return CalledOff()
        with tracing.span("smtp hand over", "client", causes=[tracing.read(mail.trace)], mail_kind=mail.kind) as span:
            handed = await self.relay.hand_over(letter, check, lambda: self._mark(mail))
            tracing.note(span, outcome=type(handed).__name__)
        if isinstance(handed, NotTaken):
            NOT_TAKEN.inc()
            _log.warning("not_taken", kind=mail.kind, mail=mail.id, why=handed.reason, attempt=mail.attempts + 1)
        return handed

    async def _mark_sending(self, mails: Sequence[Mail]) -> Sequence[bool]:
        """Which of them the relay may see; none while the database is away."""
        try:
            async with self.open_store() as store:
                ours = await store.mark_sending(self.courier, mails)
        except Exception as error:
            if not heals(error):
                raise
            _log.warning("marking_failed", error=type(error).__name__, mails=len(mails))
            return [False] * len(mails)
        return [mail.name in ours for mail in mails]

    async def _until_recorded(self, ended: Sequence[Again | Over]) -> Sequence[None]:
        pause = 0.05
        while True:
            try:
                async with self.open_store() as store:
                    kept = await store.record(self.courier, ended, at=self.clock.now())
                break
            except Exception as error:
                if not heals(error):
                    raise
                _log.warning("recording_waits", error=type(error).__name__, mails=len(ended))
            await asyncio.sleep(pause)
            pause = min(pause * 2, _LONGEST_PAUSE)
        _note([item for item in ended if isinstance(item, Over) and item.mail.name in kept])
        return [None] * len(ended)


def _note(over: Sequence[Over]) -> None:
    for item in over:
        MAILS.labels(item.mail.kind, item.outcome).inc()
        _log.info("mail_over", kind=item.mail.kind, mail=item.mail.id, outcome=item.outcome, detail=item.detail)
