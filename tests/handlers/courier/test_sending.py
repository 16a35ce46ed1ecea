"""The sender on a store, letters and a relay in memory."""

import asyncio
from dataclasses import dataclass, field, replace
from datetime import datetime, timedelta
from functools import partial

import pytest
from aiosmtplib import SMTPResponse
from prometheus_client import REGISTRY

from services.signup.courier.adapters.answers import read_no
from services.signup.courier.breaker import RELAY_RESTS
from services.signup.courier.decisions import SENDER_OUT
from services.signup.courier.model import (
    CalledOff,
    Circuit,
    Consent,
    GrantNotice,
    Handed,
    Letter,
    Mail,
    NoAnswer,
    NoticePurpose,
    NotTaken,
    Person,
    Refused,
    RefusesUs,
    Standing,
    State,
    Taken,
    Unreadable,
)
from services.signup.courier.ports import Clear, Mark, Writing
from services.signup.courier.sending import CALLED_OFF, Sender
from shared.contracts.signup import JOIN
from shared.facts import UNKNOWN, Fact, Known, fact
from shared.security.words import KeyPair
from shared.web.health import NotReadyError
from tests.fakes.clock import NOON, FixedClock
from tests.fakes.courier import FakeConsentCheck, FakeCourierStore, FakeLetters, FakeRelay
from tests.waiting import others_run, until

ANA = "0192f0c1-2a3b-7c4d-8e5f-60718293a4b5"
BO = "0192f0c1-2a3b-7c4d-8e5f-60718293a4b6"
MAIL = Mail(
    kind="outreach",
    id="o_1",
    candidate=ANA,
    employer="emp_a",
    version=3,
    good_until=NOON + timedelta(minutes=10),
    sealed="jwe",
)
NOTICE = Mail(kind="notice", id="n_1", candidate=ANA, version=1, good_until=NOON + timedelta(days=1), purpose="confirm")


@dataclass(slots=True)
class Kit:
    """A sender with everything around it."""

    store: FakeCourierStore = field(default_factory=FakeCourierStore)
    relay: FakeRelay = field(default_factory=FakeRelay)
    letters: FakeLetters = field(default_factory=FakeLetters)
    check: FakeConsentCheck = field(init=False)
    clock: FixedClock = field(default_factory=FixedClock)
    employers: dict[str, str] = field(default_factory=lambda: {"emp_a": "Acme"})
    out: set[str] = field(default_factory=set)
    """Employers that are suspended or removed."""
    standings: dict[str, Standing] = field(default_factory=dict)
    """Of whoever told of people."""
    unheard_of: set[str] = field(default_factory=set)

    def __post_init__(self) -> None:
        self.check = FakeConsentCheck(lambda: self.relay)

    def of_sender(self, employer: str) -> Fact[Standing]:
        if employer in self.out:
            return Known("suspended")
        return Known("good") if employer in self.employers else UNKNOWN

    def of_introducer(self, tenant: str) -> Fact[Standing]:
        return UNKNOWN if tenant in self.unheard_of else Known(self.standings.get(tenant, "good"))

    def sender(self, name: str = "one", batch: int = 10) -> Sender:
        return Sender(
            courier=name,
            open_store=self.store.open,
            check_consents=self.check,
            letters=self.letters,
            relay=self.relay,
            tenant_name=lambda tenant: fact(self.employers.get(tenant)),
            sender_standing=self.of_sender,
            introducer_standing=self.of_introducer,
            clock=self.clock,
            batch=batch,
            at_once=4,
            lease=timedelta(seconds=15),
            stop_within=timedelta(seconds=1),
            spread=lambda: 0.0,
        )

    async def send(self) -> None:
        """A sender of its own takes turns until nothing is due, and nothing is on its way."""
        sender, looked_at = self.sender(), 1
        while looked_at:
            async with asyncio.TaskGroup() as group:
                looked_at = await sender.turn(group)

    def state(self, mail: Mail = MAIL) -> State:
        return self.store.rows[mail.name].mail.state

    def outcomes(self) -> list[str]:
        return [name for _, name in self.store.published]


@pytest.fixture
async def kit() -> Kit:
    made = Kit()
    made.store.vault[ANA] = Person("ana.canary@people.example", KeyPair.generate())
    made.store.kept[ANA] = Consent(ANA, 1, ("contact",))
    await made.store.keep([MAIL], [], at=NOON)
    return made


def _handed_over() -> float:
    return REGISTRY.get_sample_value("fairpool_hand_over_seconds_count", {"kind": "outreach"}) or 0.0


async def test_an_admitted_mail_is_sent_and_reported(kit: Kit) -> None:
    before = _handed_over()
    await kit.send()
    assert _handed_over() == before + 1
    assert kit.relay.given == ["o_1"]
    assert kit.outcomes() == ["o_1.3.delivered"]


async def test_it_is_marked_before_the_relay_sees_it(kit: Kit) -> None:
    seen: list[State] = []

    def look(_: str) -> Handed:
        seen.append(kit.state())
        return Taken()

    kit.relay.answer = look
    await kit.send()
    assert seen == ["sending"]


async def test_a_withdrawal_that_the_copy_knows_holds_the_mail_back(kit: Kit) -> None:
    await kit.store.keep_consents([Consent(ANA, 2, ())], {})
    await kit.send()
    assert kit.relay.given == []
    assert kit.outcomes() == ["o_1.3.withheld"]


async def test_a_copy_that_is_behind_holds_outreach_and_lets_notices_go(kit: Kit) -> None:
    await kit.store.keep([NOTICE], [], at=NOON)
    kit.check.behind = True
    await kit.send()
    assert kit.relay.given == ["n_1"]
    assert (kit.state(), kit.outcomes()) == ("ready", [])
    kit.check.behind = False
    await kit.send()
    assert kit.outcomes() == ["o_1.3.delivered"]


SECOND = replace(MAIL, id="o_2", candidate=BO)


@pytest.fixture
async def going(kit: Kit) -> tuple[Kit, Sender]:
    """A sender that has sent one mail, by a projection that was current, and has BO's before it."""
    sender = kit.sender()
    await _turn(sender)
    assert (kit.relay.given, kit.check.made) == (["o_1"], 2)
    kit.store.vault[BO] = kit.store.vault[ANA]
    await kit.store.keep([SECOND], [], at=NOON)
    return kit, sender


async def _turn(sender: Sender) -> None:
    async with asyncio.TaskGroup() as group:
        await sender.turn(group)


async def test_while_the_copy_is_current_a_mail_that_may_leave_costs_one_check_its_last(
    going: tuple[Kit, Sender],
) -> None:
    kit, sender = going
    kit.store.kept[BO] = Consent(BO, 1, ("contact",))
    await _turn(sender)
    assert (kit.relay.given, kit.check.made) == (["o_1", "o_2"], 3)


async def test_a_yes_that_only_the_check_brings_lets_the_mail_leave(going: tuple[Kit, Sender]) -> None:
    kit, sender = going
    kit.store.kept[BO] = Consent(BO, 1, ())
    kit.check.brings = lambda: kit.store.kept.update({BO: Consent(BO, 2, ("contact",))})
    await _turn(sender)
    assert kit.state(SECOND) == "ready", "nothing is asked while its row is locked"
    await _turn(sender)
    assert kit.outcomes() == ["o_1.3.delivered", "o_2.3.delivered"]


async def test_a_no_is_told_once_the_copy_is_current_and_not_before(going: tuple[Kit, Sender]) -> None:
    kit, sender = going
    kit.store.kept[BO] = Consent(BO, 1, ())
    kit.check.behind = True
    await _turn(sender)
    await _turn(sender)
    assert (kit.state(SECOND), kit.outcomes()) == ("ready", ["o_1.3.delivered"])
    kit.check.behind = False
    await _turn(sender)
    assert kit.outcomes() == ["o_1.3.delivered", "o_2.3.withheld"]


async def test_a_copy_that_falls_behind_costs_what_is_in_hand_an_attempt_and_then_nothing_is_claimed(
    going: tuple[Kit, Sender],
) -> None:
    kit, sender = going
    kit.store.kept[BO] = Consent(BO, 1, ("contact",))
    kit.check.behind = True
    await _turn(sender)
    assert (kit.relay.named, kit.relay.given, kit.state(SECOND)) == (["o_1", "o_2"], ["o_1"], "ready")
    kit.clock.advance(timedelta(minutes=1))
    await _turn(sender)
    assert (kit.relay.named, kit.state(SECOND)) == (["o_1", "o_2"], "ready")


async def test_who_renewed_is_not_told_that_all_ends_though_the_copy_has_not_heard_of_it(
    going: tuple[Kit, Sender],
) -> None:
    kit, sender = going
    end = NOON + timedelta(days=7)
    ending = replace(NOTICE, candidate=BO, purpose=None, grant=GrantNotice("ending", end, "en"))
    await kit.store.keep([ending], [], at=NOON)
    kit.store.kept[BO] = Consent(BO, 1, ("contact",), ends_at=end)
    renewed = Consent(BO, 2, ("contact",), ends_at=end + timedelta(days=365))
    kit.check.brings = lambda: kit.store.kept.update({BO: renewed})
    await _turn(sender)
    await _turn(sender)
    assert (kit.state(NOTICE), kit.state(SECOND)) == ("withheld", "delivered")


async def test_what_the_process_itself_took_in_is_claimed_without_a_look(
    going: tuple[Kit, Sender], monkeypatch: pytest.MonkeyPatch
) -> None:
    kit, sender = going
    kit.store.kept[BO] = Consent(BO, 1, ("contact",))
    looks: list[None] = []

    async def look(_: FakeCourierStore) -> None:
        looks.append(None)

    monkeypatch.setattr(FakeCourierStore, "next_due", look)
    sender.kept()
    await _turn(sender)
    assert (kit.relay.given, len(looks)) == (["o_1", "o_2"], 0)
    sender.kept()
    await _turn(sender)
    assert len(looks) == 1, "there was nothing: until when it may sleep"


async def test_a_slot_that_is_over_sends_the_outreach_back_to_be_decided(kit: Kit) -> None:
    kit.check.behind = True
    kit.clock.advance(timedelta(minutes=10, seconds=1))
    await kit.send()
    assert kit.relay.given == []
    assert kit.outcomes() == ["o_1.3.returned"]


async def test_a_notice_is_told_in_the_zone_that_the_person_named(kit: Kit) -> None:
    await kit.store.keep([NOTICE, replace(NOTICE, id="n_2", candidate=BO)], [], at=NOON)
    kit.store.kept[ANA] = Consent(ANA, 1, ("contact",), time_zone="America/Denver")
    kit.store.vault[BO] = kit.store.vault[ANA]
    await kit.send()
    del kit.letters.zones["o_1"]
    assert kit.letters.zones == {"n_1": "America/Denver", "n_2": None}


async def test_a_notice_whose_link_is_over_is_not_sent(kit: Kit) -> None:
    await kit.store.keep([NOTICE], [], at=NOON)
    kit.clock.advance(timedelta(days=1, seconds=1))
    await kit.send()
    assert kit.relay.given == []
    assert kit.state(NOTICE) == "returned"


@pytest.mark.parametrize(
    ("answer", "outcome"), [(Refused("550"), "bounced"), (NoAnswer("connection lost"), "doubtful")]
)
async def test_a_refusal_and_a_doubt_are_final(kit: Kit, answer: Handed, outcome: str) -> None:
    kit.relay.answer = lambda _: answer
    await kit.send()
    kit.clock.advance(timedelta(minutes=5))
    await kit.send()
    assert kit.relay.given == ["o_1"]
    assert kit.outcomes() == [f"o_1.3.{outcome}"]


async def test_a_relay_that_is_away_is_tried_again_until_the_slot_is_over(kit: Kit) -> None:
    kit.relay.answer = lambda _: NotTaken("connection lost")
    await kit.send()
    assert kit.relay.given == ["o_1"], "not before its pause is over"
    kit.clock.advance(timedelta(seconds=2))
    await kit.send()
    assert len(kit.relay.given) == 2
    kit.clock.advance(timedelta(minutes=10))
    await kit.send()
    assert len(kit.relay.given) == 2
    assert kit.outcomes() == ["o_1.3.returned"]


def invitation(by: str, id_: str = "n_1") -> Mail:
    return replace(NOTICE, id=id_, introduced_by=by)


@pytest.fixture
async def invited(kit: Kit) -> Kit:
    """One invitation, by an employer, and nothing else to send."""
    kit.store.rows.clear()
    await kit.store.keep([invitation("emp_a")], [], at=NOON)
    return kit


async def test_an_invitation_waits_while_whoever_told_of_the_person_is_suspended_and_leaves_when_they_are_not(
    invited: Kit,
) -> None:
    invited.standings["emp_a"] = "suspended"
    await invited.send()
    assert (invited.relay.named, invited.state(NOTICE)) == ([], "ready")
    invited.standings.clear()
    await invited.send()
    assert invited.relay.named == [], "it is looked at again after a minute, not at each turn"
    invited.clock.advance(timedelta(minutes=1))
    await invited.send()
    assert (invited.relay.given, invited.state(NOTICE)) == (["n_1"], "delivered")


async def test_an_invitation_by_somebody_who_was_removed_never_leaves(invited: Kit) -> None:
    invited.standings["emp_a"] = "removed"
    await invited.send()
    assert (invited.relay.named, invited.state(NOTICE)) == ([], "withheld")


async def test_an_invitation_waits_until_this_process_has_heard_of_whoever_told_of_the_person(invited: Kit) -> None:
    invited.unheard_of.add("emp_a")
    await invited.send()
    assert (invited.relay.named, invited.state(NOTICE)) == ([], "ready")
    invited.unheard_of.clear()
    invited.clock.advance(timedelta(minutes=1))
    await invited.send()
    assert invited.relay.given == ["n_1"]


async def test_outreach_waits_for_a_consent_that_has_not_arrived_and_is_withheld_from_who_is_not_in_the_vault(
    kit: Kit,
) -> None:
    told = kit.store.kept.pop(ANA)
    await kit.send()
    assert (kit.relay.named, kit.state()) == ([], "ready")
    kit.store.kept[ANA] = told
    kit.clock.advance(timedelta(seconds=30))
    await kit.send()
    assert kit.outcomes() == ["o_1.3.delivered"]


async def test_of_whoever_was_erased_no_consent_is_waited_for(kit: Kit) -> None:
    kit.store.kept.clear()
    kit.store.vault.clear()
    await kit.send()
    assert kit.outcomes() == ["o_1.3.withheld"]


@pytest.mark.parametrize(("standing", "state"), [("suspended", "ready"), ("removed", "withheld")])
async def test_what_became_of_whoever_told_of_the_person_is_looked_at_once_more_before_the_words(
    invited: Kit, standing: Standing, state: State
) -> None:
    async def meanwhile(_: str) -> None:
        invited.standings["emp_a"] = standing

    invited.relay.before_recipient = meanwhile
    await invited.send()
    assert (invited.relay.named, invited.relay.given, invited.state(NOTICE)) == (["n_1"], [], state)


@pytest.mark.parametrize("by", [JOIN, "emp_a"])
async def test_what_a_person_asked_for_and_what_is_told_them_does_not_wait_for_whoever_told_of_them(
    kit: Kit, by: str
) -> None:
    kit.store.rows.clear()
    kit.standings |= {JOIN: "removed", "emp_a": "removed"}
    purposes: tuple[NoticePurpose, ...] = ("confirm",) if by == JOIN else ("sign_in", "changed", "stop_asked")
    mails = [replace(invitation(by, f"n_{purpose}"), purpose=purpose) for purpose in purposes]
    await kit.store.keep(mails, [], at=NOON)
    await kit.send()
    assert {kit.state(mail) for mail in mails} == {"delivered"}


async def test_a_decision_against_it_that_comes_before_the_words_calls_the_mail_off(kit: Kit) -> None:
    marks: list[bool] = []

    class Cancelled(FakeRelay):
        async def hand_over(self, letter: Letter, clear: Clear, mark: Mark) -> Handed:
            later = replace(MAIL, version=4, admitted=False, good_until=None, sealed=None, state="void")
            await kit.store.keep([], [later], at=NOON)
            marks.append(await mark())
            return CalledOff("not_marked")

    kit.relay = Cancelled()
    await kit.send()
    assert marks == [False]
    assert (kit.state(), kit.outcomes()) == ("void", [])


async def test_a_mail_that_was_too_late_for_its_check_is_spaced_and_counted(kit: Kit) -> None:
    async def slow(_: str) -> None:
        kit.relay.now += 1

    kit.relay.before_words = slow
    before = CALLED_OFF.labels("late")._value.get()
    await kit.send()
    assert (kit.relay.named, kit.relay.given) == (["o_1"], []), "not before its pause is over"
    assert CALLED_OFF.labels("late")._value.get() == before + 1
    kit.relay.before_words = FakeRelay().before_words
    kit.clock.advance(timedelta(seconds=2))
    await kit.send()
    assert kit.outcomes() == ["o_1.3.delivered"]


async def test_a_relay_that_is_slow_before_the_recipient_and_before_the_words_gets_its_outreach(kit: Kit) -> None:
    async def slow(_: str) -> None:
        kit.relay.now += 3

    kit.relay.before_recipient = slow
    kit.relay.before_go_on = slow
    await kit.send()
    assert kit.outcomes() == ["o_1.3.delivered"]


@pytest.mark.parametrize("step", ["before_recipient", "before_go_on"])
async def test_a_withdrawal_that_is_answered_before_the_last_look_stops_the_words(kit: Kit, step: str) -> None:
    async def withdraw(_: str) -> None:
        kit.relay.now += 3
        await kit.store.keep_consents([Consent(ANA, 2, ())], {})

    setattr(kit.relay, step, withdraw)
    await kit.send()
    assert kit.relay.named == ["o_1"]
    assert kit.relay.given == []
    assert kit.outcomes() == ["o_1.3.withheld"]


async def test_a_copy_that_falls_behind_on_the_way_holds_the_words(kit: Kit) -> None:
    async def fall_behind(_: str) -> None:
        kit.check.behind = True

    kit.relay.before_recipient = fall_behind
    await kit.send()
    assert (kit.relay.given, kit.state()) == ([], "ready")


async def test_a_mail_whose_time_ends_on_the_way_does_not_leave(kit: Kit) -> None:
    async def wait(name: str) -> None:
        kit.clock.advance(timedelta(days=2))

    kit.relay.before_go_on = wait
    await kit.store.keep([NOTICE], [], at=NOON)
    await kit.send()
    assert kit.relay.given == []
    assert (kit.state(), kit.state(NOTICE)) == ("returned", "returned")


REFUSED = RefusesUs("AUTH", "535 5.7.8")


def invitations(count: int) -> list[Mail]:
    return [replace(NOTICE, id=f"n_{n}", introduced_by="emp_a") for n in range(1, count + 1)]


async def test_a_relay_that_refuses_us_is_asked_once_and_burns_nothing(kit: Kit) -> None:
    await kit.store.keep(invitations(20), [], at=NOON)
    kit.relay.let_in = lambda _: REFUSED
    await kit.send()
    assert len(kit.relay.asked) == 1
    assert kit.outcomes() == []
    assert {row.mail.state for row in kit.store.rows.values()} == {"ready"}
    kit.relay.let_in = lambda _: None
    kit.clock.advance(timedelta(minutes=2))
    await kit.send()
    assert {row.mail.state for row in kit.store.rows.values()} == {"delivered"}


async def test_while_the_relay_rests_one_mail_at_a_time_tries_it(kit: Kit) -> None:
    await kit.store.keep(invitations(20), [], at=NOON)
    kit.relay.let_in = lambda _: REFUSED
    sender = kit.sender()
    run = asyncio.create_task(sender.run())
    await until(lambda: kit.relay.asked)
    for tries in (2, 3, 4):
        await until(lambda: sender.breaker.rests and all(row.mail.state == "ready" for row in kit.store.rows.values()))
        kit.clock.advance(timedelta(seconds=2))
        await until(lambda: sender.breaker.rests)
        assert len(kit.relay.asked) == tries
    assert len(set(kit.relay.asked)) > 1, "one mail alone can not keep it closed to all"
    kit.relay.let_in = lambda _: None
    kit.clock.advance(timedelta(minutes=2))
    await until(lambda: all(row.mail.state == "delivered" for row in kit.store.rows.values()))
    assert not sender.breaker.rests
    run.cancel()
    with pytest.raises(asyncio.CancelledError):
        await run


@pytest.mark.parametrize("words", ["550 5.7.27 your domain takes no mail", "553 5.1.8 your domain is not there"])
async def test_a_recipient_whose_server_speaks_of_us_stops_nobody_else_and_bounces_after_a_few_tries(
    kit: Kit, words: str
) -> None:
    code, _, text = words.partition(" ")
    kit.relay.recipient = lambda name: read_no("RCPT", SMTPResponse(int(code), text)) if name == "n_odd" else None
    kit.store.vault[BO] = kit.store.vault[ANA]
    odd = replace(NOTICE, id="n_odd", candidate=BO, purpose="sign_in")
    await kit.store.keep([odd], [], at=NOON)
    sender = kit.sender()
    run = asyncio.create_task(sender.run())

    def was_refused(times: int) -> bool:
        return kit.relay.asked.count("n_odd") == times and kit.state(odd) == "ready"

    def are_delivered(mails: list[Mail]) -> bool:
        return all(kit.state(mail) == "delivered" for mail in mails)

    for count in range(1, 4):
        await until(partial(was_refused, count))
        kit.clock.advance(timedelta(seconds=0.5))
        others = [replace(NOTICE, id=f"n_{count}_{n}") for n in range(3)]
        await kit.store.keep(others, [], at=NOON)
        await until(partial(are_delivered, others))
        assert sender.breaker.circuit.rests_until is None
        kit.clock.advance(timedelta(seconds=2 ** (count - 1) - 0.5))
    await until(lambda: kit.state(odd) == "bounced")
    assert kit.store.mailboxes == []
    run.cancel()
    with pytest.raises(asyncio.CancelledError):
        await run


async def test_while_the_relay_rests_a_slot_that_is_over_goes_back_to_be_decided(kit: Kit) -> None:
    kit.clock.advance(timedelta(minutes=9, seconds=59, milliseconds=500))
    kit.relay.let_in = lambda _: REFUSED
    sender = kit.sender()
    run = asyncio.create_task(sender.run())
    await until(lambda: sender.breaker.rests)
    kit.clock.advance(timedelta(milliseconds=900))
    assert sender.breaker.rests
    await until(lambda: kit.outcomes() == ["o_1.3.returned"])
    assert kit.relay.asked == ["o_1"]
    run.cancel()
    with pytest.raises(asyncio.CancelledError):
        await run


async def test_readiness_says_why_the_relay_is_left_alone_and_does_not_ask_it_meanwhile(kit: Kit) -> None:
    breaker = kit.sender().breaker
    await breaker.must_be_let_in(kit.relay)
    kit.relay.let_in = lambda _: REFUSED
    with pytest.raises(NotReadyError, match=r"refuses us at AUTH: 535 5\.7\.8"):
        await breaker.must_be_let_in(kit.relay)
    assert RELAY_RESTS.labels("refuses")._value.get() == 1
    kit.relay.let_in = lambda _: None
    with pytest.raises(NotReadyError, match="all mail is held"):
        await breaker.must_be_let_in(kit.relay)
    kit.clock.advance(timedelta(seconds=2))
    await breaker.must_be_let_in(kit.relay)
    assert breaker.circuit == Circuit()
    assert RELAY_RESTS.labels("refuses")._value.get() == 0


NO_MAILBOX = Refused("550 5.1.1", mailbox_gone=True)


async def test_a_lost_mailbox_is_noted_and_told_and_never_asked_again(kit: Kit) -> None:
    kit.relay.recipient = lambda _: NO_MAILBOX
    await kit.send()
    (told, _), (news,) = kit.store.published[0], kit.store.mailboxes
    assert (told.outcome, told.mailbox_gone) == ("bounced", True)
    assert (news.version, news.reachable) == (1, False)
    others = [replace(MAIL, id=name, employer="emp_a") for name in ("o_2", "o_3", "o_4")]
    await kit.store.keep([*others, *invitations(1), replace(NOTICE, id="n_9", purpose="changed")], [], at=NOON)
    await kit.send()
    assert kit.relay.asked == ["o_1"]
    assert {row.mail.state for row in kit.store.rows.values()} == {"bounced"}
    assert all(told.mailbox_gone and told.detail for told, _ in kit.store.published)
    assert len(kit.store.published) == 4
    assert len(kit.store.mailboxes) == 1


@pytest.mark.parametrize("asked_for", [replace(NOTICE, purpose="sign_in"), replace(NOTICE, introduced_by=JOIN)])
async def test_what_a_person_asks_for_by_a_page_is_tried_and_brings_the_mailbox_back(kit: Kit, asked_for: Mail) -> None:
    kit.store.lost = {ANA}
    kit.relay.recipient = lambda _: NO_MAILBOX
    await kit.store.keep([asked_for], [], at=NOON)
    await kit.send()
    assert (kit.state(asked_for), kit.store.mailboxes) == ("bounced", []), "no news"
    again = replace(asked_for, id="n_2")
    kit.relay.recipient = lambda _: None
    await kit.store.keep([again], [], at=NOON)
    await kit.send()
    assert kit.state(again) == "delivered"
    assert [news.reachable for news in kit.store.mailboxes] == [True]
    assert kit.store.lost == set()


async def test_a_mail_that_was_on_its_way_when_the_mailbox_was_lost_brings_it_back_when_it_arrives(kit: Kit) -> None:
    asked_for = replace(NOTICE, purpose="sign_in")
    await kit.store.keep([asked_for], [], at=NOON)

    async def lose(name: str) -> None:
        if name == asked_for.id:
            await until(lambda: kit.store.lost)

    kit.relay.recipient = lambda name: NO_MAILBOX if name == MAIL.id else None
    kit.relay.before_words = lose
    await kit.send()
    assert (kit.state(), kit.state(asked_for)) == ("bounced", "delivered")
    assert [news.reachable for news in kit.store.mailboxes] == [False, True]
    assert kit.store.lost == set()


async def test_a_bounce_of_one_message_leaves_the_mailbox_as_it_is(kit: Kit) -> None:
    kit.relay.answer = lambda _: Refused("552 5.3.4")
    await kit.send()
    assert not kit.store.published[0][0].mailbox_gone
    assert kit.store.mailboxes == []


async def test_a_sign_in_link_does_not_queue_behind_a_burst(kit: Kit) -> None:
    gate = asyncio.Event()

    async def wait(_: str) -> None:
        await gate.wait()

    kit.relay.before_recipient = wait
    burst = [replace(MAIL, id=f"o_{n}") for n in range(2, 30)]
    await kit.store.keep([*burst, *invitations(30)], [], at=NOON)
    run = asyncio.create_task(kit.sender(batch=8).run())
    await until(lambda: len(kit.relay.asked) == 4)
    await kit.store.keep([replace(NOTICE, id="n_now", purpose="sign_in")], [], at=NOON)
    gate.set()
    await until(lambda: "n_now" in kit.relay.given)
    assert kit.relay.given.index("n_now") < 8 + 4
    run.cancel()
    with pytest.raises(asyncio.CancelledError):
        await run


async def test_who_is_not_in_the_vault_any_more_gets_nothing(kit: Kit) -> None:
    await kit.store.keep([NOTICE], [], at=NOON)
    kit.store.vault.clear()
    await kit.send()
    assert kit.relay.given == []
    assert (kit.state(), kit.state(NOTICE)) == ("withheld", "withheld")


async def test_a_vault_that_does_not_open_and_an_unknown_employer_hold_the_mail(kit: Kit) -> None:
    person = kit.store.vault[ANA]
    kit.store.vault[ANA] = Unreadable()
    await kit.send()
    kit.store.vault[ANA] = person
    kit.employers.clear()
    kit.clock.advance(timedelta(seconds=10))
    await kit.send()
    assert kit.state() == "ready"
    kit.employers["emp_a"] = "Acme"
    kit.clock.advance(timedelta(seconds=10))
    await kit.send()
    assert kit.outcomes() == ["o_1.3.delivered"]


@pytest.mark.parametrize("when", ["before it is claimed", "before_recipient", "before_go_on"])
async def test_what_was_admitted_for_an_employer_that_is_suspended_or_removed_since_does_not_leave(
    kit: Kit, when: str
) -> None:
    async def suspend(_: str) -> None:
        kit.relay.now += 3
        kit.out.add("emp_a")

    if when.startswith("before "):
        await suspend("")
    else:
        setattr(kit.relay, when, suspend)
    other = replace(MAIL, id="o_2", employer="emp_b")
    kit.employers["emp_b"] = "Boone"
    await kit.store.keep([other, invitations(1)[0]], [], at=NOON)
    await kit.send()
    assert sorted(kit.relay.given) == ["n_1", "o_2"], "others write on, and so does the network itself"
    assert ("o_1" in kit.relay.asked) is not when.startswith("before ")
    told = {event.outreach: event for event, _ in kit.store.published}
    assert (told["o_1"].outcome, told["o_1"].detail) == ("withheld", SENDER_OUT)
    assert told["o_1"].sender_suspended
    assert not told["o_2"].sender_suspended


async def test_words_that_make_no_mail_bounce_and_stop_nobody_else(kit: Kit) -> None:
    class Failing(FakeLetters):
        def outreach(self, mail: Mail, person: Person, employer: str, *, at: datetime) -> Writing:
            if mail.id == "o_3":
                raise RuntimeError("a template's mistake")
            letter = yield from super().outreach(mail, person, employer, at=at)
            if mail.id == "o_4":
                raise RuntimeError("a later step's mistake")
            return letter

    kit.letters = Failing(unwritable={"o_2"})
    others = [
        Mail("outreach", name, ANA, 1, MAIL.good_until, employer="emp_a", sealed="jwe")
        for name in ("o_2", "o_3", "o_4")
    ]
    await kit.store.keep(others, [], at=NOON)
    await kit.send()
    assert sorted(kit.outcomes()) == ["o_1.3.delivered", "o_2.1.bounced", "o_3.1.bounced", "o_4.1.bounced"]


async def test_what_a_dead_courier_was_sending_is_doubtful_and_a_living_ones_is_left_alone(kit: Kit) -> None:
    await kit.store.take("dead", [MAIL], lease=timedelta(seconds=1))
    await kit.store.mark_sending("dead", [MAIL])
    await kit.sender("two").watch()
    assert kit.state() == "sending"
    await kit.store.leave("dead")
    await kit.sender("two").watch()
    await kit.send()
    assert kit.relay.given == []
    assert kit.outcomes() == ["o_1.3.doubtful"]


async def test_a_courier_has_only_so_many_mails_in_hand(kit: Kit) -> None:
    gate, busy = asyncio.Event(), []

    class Slow(FakeRelay):
        async def hand_over(self, letter: Letter, clear: Clear, mark: Mark) -> Handed:
            busy.append(letter)
            await gate.wait()
            return Taken()

    kit.relay = Slow()
    await kit.store.keep([Mail("notice", f"n_{n}", ANA, 1, NOTICE.good_until, purpose="confirm") for n in range(20)], [], at=NOON)  # fmt: skip
    sender = kit.sender(batch=4)
    async with asyncio.TaskGroup() as group:
        assert await sender.turn(group) == 4
        await until(lambda: len(busy) == 4)
        assert await sender.turn(group) == 0
        assert len(busy) == 4
        gate.set()
    await kit.send()
    assert {row.mail.state for row in kit.store.rows.values()} == {"delivered"}


async def test_a_courier_that_stops_lets_what_is_on_its_way_end_and_leaves_the_rest_to_others(kit: Kit) -> None:
    gate, began = asyncio.Event(), asyncio.Event()

    class Slow(FakeRelay):
        async def hand_over(self, letter: Letter, clear: Clear, mark: Mark) -> Handed:
            await mark()
            began.set()
            await gate.wait()
            return Taken()

    kit.relay = Slow()
    run = asyncio.create_task(kit.sender().run())
    await began.wait()
    await kit.store.keep([NOTICE], [], at=NOON)
    run.cancel()
    await others_run()
    gate.set()
    with pytest.raises(asyncio.CancelledError):
        await run
    assert kit.state() == "delivered"
    assert kit.state(NOTICE) == "ready"
    assert kit.store.alive == set()
