"""The sender: claims mails, checks each against the present consent, hands it over once, and writes down what came of it."""

import asyncio
import contextlib
import itertools
import time
from collections.abc import Callable, Mapping, Sequence
from dataclasses import dataclass, field
from datetime import datetime, timedelta
from random import SystemRandom
from typing import assert_never, get_args

import structlog
from prometheus_client import Counter, Histogram

from services.signup.courier.breaker import Breaker
from services.signup.courier.decisions import (
    after_attempt,
    dropped,
    in_time,
    stopped,
)
from services.signup.courier.judging import Judge
from services.signup.courier.model import (
    Again,
    CalledOff,
    Cleared,
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
    RefusesUs,
    Send,
    Settle,
    Stopped,
    Unheard,
    Why,
)
from services.signup.courier.ports import (
    CheckConsents,
    IntroducerStanding,
    Letters,
    OpenStore,
    Relay,
    SenderStanding,
    Spread,
    TenantName,
)
from services.signup.courier.queueing import Batcher, Places
from shared import tracing
from shared.backoff import Backoff
from shared.beats import until_beat
from shared.clock import Clock
from shared.facts import UNKNOWN, Fact, Known
from shared.messaging.errors import TransientError, is_transient
from shared.messaging.holding import Holding

MAILS = Counter("fairpool_mails_total", "Mails that are over, by kind and outcome.", ["kind", "outcome"])
NOT_TAKEN = Counter("fairpool_not_taken_total", "Attempts after which the mail relay certainly has not got the mail.")
for _kind, _outcome in itertools.product(get_args(Kind), get_args(Outcome)):
    MAILS.labels(_kind, _outcome)  # a series that is there from the start, with 0
CALLED_OFF = Counter(
    "fairpool_called_off_total", "Attempts that this side ended before the words left, by reason.", ["reason"]
)
for _why in get_args(Why):
    CALLED_OFF.labels(_why)
HAND_OVER_SECONDS = Histogram(
    "fairpool_hand_over_seconds",
    "Time from a written letter, waiting for a connection to the relay included, until its attempt is over, by kind.",
    ["kind"],
    buckets=(0.005, 0.01, 0.025, 0.05, 0.1, 0.25, 0.5, 1, 2.5, 5, 10, 30),
)

_POLL = timedelta(seconds=5)
"""At most so long until a mail is seen that nobody told of: its process died before it could, or the notice was lost."""
_AGAIN = timedelta(milliseconds=50)
"""Until what is due is tried again that could not be taken: the consents are behind, the relay is left alone, others have it."""
_FIRST_PAUSE = timedelta(milliseconds=100)
_log = structlog.get_logger(__name__)


@dataclass(slots=True)
class Sender:
    """The job that sends; several in several processes share the rows.

    It sleeps until the next mail comes due, or until it is told that some were taken in (`wake`).

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
    sender_standing: SenderStanding
    introducer_standing: IntroducerStanding
    clock: Clock
    batch: int
    """Mails in hand, of which those that wait for a place can still go back."""
    at_once: int
    """Mails being handed over: so many at most are in doubt when this process is killed."""
    lease: timedelta
    stop_within: timedelta
    spread: Spread = SystemRandom().random
    open_look: OpenStore | None = None
    """Opens what only reads: `open_store`, unless something cheaper is given."""
    woken: asyncio.Event = field(default_factory=asyncio.Event)
    """Set when mails were taken in."""
    tell: Callable[[], None] = lambda: None
    """Tells other couriers that there is more than this one takes at a time."""
    breaker: Breaker = field(init=False)
    _stopping: bool = False
    _told: bool = False
    """Mails were committed in this process, and nobody has looked since."""
    _behind: bool = True
    """The projection of the consents was not current when that was last asked, or nobody asked yet."""
    _asks: bool = False
    """Some mails wait for a projection that is current for certain: the next turn asks for that first."""
    _rests: timedelta = _AGAIN
    """How long it sleeps unless it is woken."""
    _in_flight: int = 0
    _judge: Judge = field(init=False)
    _places: Places = field(init=False)
    _clear: Batcher[Mail, Cleared | Stopped | CalledOff] = field(init=False)
    _mark: Batcher[Mail, bool] = field(init=False)
    _record: Batcher[Again | Over, None] = field(init=False)
    _holding: Holding = field(default_factory=lambda: Holding("sender"))

    def __post_init__(self) -> None:
        self.clock.when_moved(self.wake)
        self.breaker = Breaker(self.clock, self.spread)
        self._judge = Judge(self.letters, self.tenant_name, self.sender_standing, self.introducer_standing, self.spread)
        self._places = Places(self.at_once)
        self._clear = Batcher(self._look_at_last)
        self._mark = Batcher(self._mark_sending)
        self._record = Batcher(self._until_recorded)

    def wake(self) -> None:
        """Mails may be due: look now."""
        self.woken.set()

    def kept(self) -> None:
        """Mails were taken in by this process: claim them, without a look whether there are some."""
        self._told = True
        self.woken.set()

    async def run(self) -> None:
        """Sends until cancelled; then what is on its way gets its end, and what is not stays for others."""
        work = asyncio.create_task(self._work(), name="courier")
        try:
            await asyncio.shield(work)
        except asyncio.CancelledError:
            self._stopping = True
            self.woken.set()
            with contextlib.suppress(TimeoutError):
                await asyncio.wait_for(work, self.stop_within.total_seconds())
            raise

    async def watch(self) -> None:
        """One sign of life; and what couriers without one had in hand is doubtful, or ready again."""
        async with self.open_store() as store:
            await store.show_life(self.courier, lease=self.lease)
            doubtful = await store.bury(at=self.clock.now())
        self.wake()  # what they had only taken waits for somebody
        _note(doubtful)

    async def look(self) -> timedelta:
        """How long until there is a mail to be looked at, 5 s at most; nothing where there is one."""
        async with (self.open_look or self.open_store)() as store:
            due = await store.next_due()
        return _POLL if due is None else max(timedelta(0), min(_POLL, due - self.clock.now()))

    async def turn(self, group: asyncio.TaskGroup) -> int:
        """Looks at what is due once and starts sending in the group; returns how many mails were looked at.

        The last look before the words is at a projection of the consents that is current for certain. Here it is made so only for
        what would not be sent by it: a yes that has not arrived must not withhold a mail, and for a no it is early enough then.
        """
        room = self.batch - self._in_flight
        at = self.clock.now()
        self._rests = _POLL
        if room < max(1, self.batch // 4):  # a check for each mail that ends would cost more than the mail
            return 0
        limit = self.breaker.lets_through(room, in_flight=self._in_flight)
        is_checked, told, self._told = False, self._told, False
        if limit:
            if not told:
                self._rests = await self.look()
                if self._rests > timedelta(0):
                    return 0
            if self._behind or self._asks:
                is_checked, self._asks = True, False
                await self._check()
        is_current = bool(limit) and not self._behind
        self._rests = _AGAIN
        async with self.open_store() as store:
            mails = (
                await store.claim(at=at, limit=limit, consent_is_current=is_current)
                if limit
                else await store.claim_over(at=at, limit=room)
            )
            verdicts = await self._judge.verdicts(store, mails, is_checked=is_checked, at=at) if mails else {}
            over = [
                Over(mail, no.outcome, no.detail, mailbox_gone=no.mailbox_gone)
                for mail, no in verdicts.items()
                if isinstance(no, Settle)
            ]
            held = {mail.name: no.until for mail, no in verdicts.items() if isinstance(no, Hold)}
            send = {mail: yes.letter for mail, yes in verdicts.items() if isinstance(yes, Send)}
            if over:
                await store.settle(over, at=at)
            if held:
                await store.hold(held)
            if send:
                await store.take(self.courier, list(send), lease=self.lease)
        _note(over)
        if len(mails) == limit > 1:
            self.tell()
        for mail, letter in send.items():
            self._in_flight += 1
            group.create_task(self._send(mail, letter))
        if len(verdicts) < len(mails):  # the next turn asks, before it has a row in hand
            self._asks = True
            self.kept()
        if told and not mails:
            self._rests = max(_AGAIN, await self.look())
        return len(mails)

    async def _work(self) -> None:
        async with asyncio.TaskGroup() as group:
            backoff, waiting = Backoff(_FIRST_PAUSE), Holding("sender's turn")
            while not self._stopping:
                self.woken.clear()
                try:
                    looked_at = await self.turn(group)
                    backoff.reset()
                    waiting.over()
                except Exception as error:
                    if not is_transient(error):
                        raise
                    waiting.note(error)
                    _log.warning("sending_waits", error=type(error).__name__)
                    await backoff.wait()
                    continue
                if not looked_at:
                    await self._wait()
            while self._in_flight:
                self.woken.clear()
                await self._wait()
        async with self.open_store() as store:
            await store.leave(self.courier)

    async def _wait(self) -> None:
        with contextlib.suppress(TimeoutError):
            async with asyncio.timeout(min(self._rests.total_seconds(), until_beat(_POLL))):
                await self.woken.wait()

    async def _check(self) -> ConsentCheck | None:
        """None when the projection of the consents can't be made current: then nothing that needs a grant leaves."""
        try:
            check = await self.check_consents()
        except TransientError as error:
            self._behind = True
            self._holding.note(error)
            _log.warning("consent_copy_behind", held="every mail that needs a grant")
            return None
        self._behind = False
        self._holding.over()
        return check

    async def _look_at_last(self, mails: Sequence[Mail]) -> Sequence[Cleared | Stopped | CalledOff]:
        """Whether each may leave now: outreach by a projection of the consents that is made current for it, all by their time."""
        candidates = [mail.candidate for mail in mails if mail.kind == "outreach"]
        check = await self._check() if candidates else None
        consents: Mapping[str, Fact[Consent]] = {}
        if check is not None:
            try:
                async with (self.open_look or self.open_store)() as store:
                    consents = await store.consents(candidates)
            except Exception as error:
                if not is_transient(error):
                    raise
                _log.warning("last_look_failed", error=type(error).__name__, mails=len(mails))
                check = None
        at = self.clock.now()
        return [self._last_word(mail, consents.get(mail.candidate, UNKNOWN), check, at=at) for mail in mails]

    def _last_word(
        self, mail: Mail, consent: Fact[Consent], check: ConsentCheck | None, *, at: datetime
    ) -> Cleared | Stopped | CalledOff:
        if mail.kind == "outreach" and check is None:
            return CalledOff("behind")
        introducer = self._judge.introducer_of(mail)
        match stopped(mail, consent, at=at, sender=self._judge.sender_of(mail)) or dropped(mail, introducer):
            case Settle() as no:
                return Stopped(no)
            case Unheard():
                return CalledOff("unheard")
            case None if introducer == Known("suspended"):
                return CalledOff("suspended")
            case None:
                return Cleared(check if mail.kind == "outreach" else None)
            case unexpected:
                assert_never(unexpected)

    async def _send(self, mail: Mail, letter: Letter) -> None:
        """One attempt, and what came of it; its place is free again when that is written down."""
        began = time.perf_counter()
        try:
            async with self._places.place(mail.lane):
                handed = await self._attempt(mail, letter)
                HAND_OVER_SECONDS.labels(mail.kind).observe(time.perf_counter() - began)
                self.breaker.note(handed, mail.candidate)
                await self._record(self._after(mail, handed))
        finally:
            self._in_flight -= 1
            self.woken.set()

    def _after(self, mail: Mail, handed: Handed) -> Again | Over:
        at, circuit = self.clock.now(), self.breaker.circuit
        return after_attempt(mail, handed, circuit, at=at, spread=self.spread())

    async def _attempt(self, mail: Mail, letter: Letter) -> Handed:
        if self._stopping:
            handed: Handed = CalledOff("stopping")
        elif self.breaker.rests:
            handed = CalledOff("resting")
        else:
            with tracing.span(
                "smtp hand over", "client", causes=[tracing.read(mail.trace)], mail_kind=mail.kind
            ) as span:
                handed = await self.relay.hand_over(letter, lambda: self._clear(mail), lambda: self._mark_in_time(mail))
                tracing.note(span, outcome=type(handed).__name__)
        match handed:
            case NotTaken(reason) | RefusesUs(detail=reason):
                NOT_TAKEN.inc()
                _log.warning("not_taken", kind=mail.kind, mail=mail.id, why=reason, attempt=mail.attempts + 1)
            case CalledOff(why):
                CALLED_OFF.labels(why).inc()
            case _:
                pass
        return handed

    async def _mark_in_time(self, mail: Mail) -> bool:
        """The mark, unless the mail's own time is over; making it may take as long as the database does."""
        return in_time(mail, at=self.clock.now()) and await self._mark(mail) and in_time(mail, at=self.clock.now())

    async def _mark_sending(self, mails: Sequence[Mail]) -> Sequence[bool]:
        """Which of them the relay may see; none while the database is away."""
        try:
            async with self.open_store() as store:
                ours = await store.mark_sending(self.courier, mails)
        except Exception as error:
            if not is_transient(error):
                raise
            _log.warning("marking_failed", error=type(error).__name__, mails=len(mails))
            return [False] * len(mails)
        return [mail.name in ours for mail in mails]

    async def _until_recorded(self, ended: Sequence[Again | Over]) -> Sequence[None]:
        backoff = Backoff()
        while True:
            try:
                async with self.open_store() as store:
                    kept = await store.record(self.courier, ended, at=self.clock.now())
                break
            except Exception as error:
                if not is_transient(error):
                    raise
                _log.warning("recording_waits", error=type(error).__name__, mails=len(ended))
            await backoff.wait()
        _note([item for item in ended if isinstance(item, Over) and item.mail.name in kept])
        return [None] * len(ended)


def _note(over: Sequence[Over]) -> None:
    for item in over:
        MAILS.labels(item.mail.kind, item.outcome).inc()
        _log.info("mail_over", kind=item.mail.kind, mail=item.mail.id, outcome=item.outcome, detail=item.detail)
