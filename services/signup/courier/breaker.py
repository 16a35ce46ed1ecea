"""The circuit to the relay: while the relay refuses us or is away nothing is thrown at it, and one mail at a time tries."""

from typing import Literal, assert_never, get_args

import structlog
from prometheus_client import Counter, Gauge

from services.signup.courier.decisions import after_answer, rests
from services.signup.courier.model import Circuit, Handed, NoAnswer, NotTaken, RefusesUs, Step
from services.signup.courier.ports import Relay, Spread
from shared.clock import Clock
from shared.web.health import NotReadyError

Reason = Literal["refuses", "away", "in_doubt"]

RELAY_RESTS = Gauge(
    "fairpool_relay_rests",
    "1 while nothing but one try at a time goes to the mail relay, by what it did: refuses us, is away, or may do either.",
    ["reason"],
)
REFUSALS = Counter(
    "fairpool_relay_refusals_total",
    "Refusals by the mail relay that are about us, by step of the conversation.",
    ["part"],
)
for _reason in get_args(Reason):
    RELAY_RESTS.labels(_reason)
for _step in get_args(Step):
    REFUSALS.labels(_step)
_log = structlog.get_logger(__name__)


class Breaker:
    """Keeps the circuit of one courier; nothing of it outlives the process, the first attempts tell it anew."""

    def __init__(self, clock: Clock, spread: Spread) -> None:
        self._clock = clock
        self._spread = spread
        self.circuit = Circuit()

    @property
    def rests(self) -> bool:
        """Whether the relay is left alone now."""
        return rests(self.circuit, at=self._clock.now())

    def lets_through(self, room: int, *, in_flight: int) -> int:
        """How many mails may be taken now: as many as there is room for, or one to try with, or none."""
        if self.circuit.rests_until is None:
            return room
        return 0 if self.rests or in_flight else min(room, 1)

    def note(self, handed: Handed, candidate: str) -> None:
        """What an attempt told about the relay."""
        if isinstance(handed, RefusesUs):
            REFUSALS.labels(handed.step).inc()
        before = self.circuit
        self.circuit = after_answer(before, handed, candidate, at=self._clock.now(), spread=self._spread())
        if self.circuit.rests_until == before.rests_until:
            return
        now = self._reason()
        for reason in get_args(Reason):
            RELAY_RESTS.labels(reason).set(reason == now)
        if self.circuit.rests_until is None:
            _log.info("relay_takes_mail_again")
        elif before.rests_until is None or type(self.circuit.cause) is not type(before.cause):
            _log.error("relay_rests", why=self._why())

    async def must_be_let_in(self, relay: Relay) -> None:
        """NotReadyError, with the reason, unless the relay lets us in; it is not even asked while it is left alone."""
        if not self.rests:
            no = await relay.answers()
            if no is not None:
                self.note(no, "")
                raise NotReadyError(_words(no))
            if _was_about_the_way_in(self.circuit):
                self.note(NotTaken("let in"), "")
        if self.rests:
            raise NotReadyError(f"{self._why()}; all mail is held and the relay is tried with one at a time")

    def _why(self) -> str:
        return _words(self.circuit.cause) if self.circuit.cause is not None else "nothing is known"

    def _reason(self) -> Reason | None:
        if self.circuit.rests_until is None:
            return None
        match self.circuit.cause:
            case RefusesUs(certain=True):
                return "refuses"
            case NotTaken():
                return "away"
            case RefusesUs() | NoAnswer() | None:
                return "in_doubt"
            case unexpected:
                assert_never(unexpected)


def _was_about_the_way_in(circuit: Circuit) -> bool:
    cause = circuit.cause
    return not isinstance(cause, RefusesUs) or cause.step in ("connect", "TLS", "EHLO", "AUTH", "MAIL")


def _words(cause: RefusesUs | NotTaken | NoAnswer) -> str:
    match cause:
        case RefusesUs(step, detail, certain):
            return f"the relay {'refuses us' if certain else 'refuses one after another'} at {step}: {detail}"
        case NotTaken(reason):
            return f"the relay is away: {reason}"
        case NoAnswer(reason):
            return f"the relay leaves mails without an answer: {reason}"
        case _:
            assert_never(cause)
