"""The courier's handlers on its store in memory."""

from datetime import timedelta
from typing import TypeVar

import pytest

from services.signup.courier.handlers import on_consent_changed, on_notice_requested, on_outreach_decided
from shared.contracts.base import Event
from shared.contracts.consent import ConsentChangedV1
from shared.contracts.outreach_gateway import OutreachDecidedV1
from shared.contracts.signup import ChangeNoticed, NoticeRequestedV1, NoticeRequestedV2
from shared.messaging.envelope import Received, Record
from tests.fakes.clock import NOON
from tests.fakes.courier import FakeCourierStore

PERSON = "0192f0c1-2a3b-7c4d-8e5f-60718293a4b5"
E = TypeVar("E", bound=Event)


def received(*events: E) -> list[Received[E]]:
    return [
        Received(str(place), "/fairpool/test", None, event, Record("t", 0, place, None, b"", ()))
        for place, event in enumerate(events)
    ]


def decided(
    version: int, outcome: str = "admitted", outreach: str = "o_1", candidate: str = PERSON
) -> OutreachDecidedV1:
    return OutreachDecidedV1.model_validate(
        {
            "outreach": outreach,
            "version": version,
            "candidate": candidate,
            "employer": "emp_a",
            "outcome": outcome,
            "policy": "2026-12",
            "at": NOON,
            "good_until": NOON + timedelta(minutes=10),
            "sealed": "jwe",
        }
    )


async def test_the_highest_version_counts_in_whatever_order_they_come() -> None:
    store = FakeCourierStore()
    await on_outreach_decided(store, received(decided(4, "cancelled"), decided(2), decided(3)))
    await on_outreach_decided(store, received(decided(1)))
    mail = store.rows["outreach", "o_1"].mail
    assert (mail.state, mail.version) == ("void", 4)


async def test_a_later_admission_is_a_mail_to_send_again() -> None:
    store = FakeCourierStore()
    await on_outreach_decided(store, received(decided(1), decided(1, outreach="o_2")))
    await on_outreach_decided(store, received(decided(2, "delayed")))
    await on_outreach_decided(store, received(decided(3)))
    assert {name: (row.mail.state, row.mail.version) for name, row in store.rows.items()} == {
        ("outreach", "o_1"): ("ready", 3),
        ("outreach", "o_2"): ("ready", 1),
    }


async def test_a_decision_for_something_that_is_no_person_is_set_aside() -> None:
    with pytest.raises(ValueError, match="candidate"):
        await on_outreach_decided(FakeCourierStore(), received(decided(1, candidate=PERSON.upper())))


async def test_a_notice_that_comes_twice_is_one_mail() -> None:
    store = FakeCourierStore()
    notice = NoticeRequestedV1(notice="n_1", candidate=PERSON, purpose="confirm", expires_at=NOON)
    await on_notice_requested(store, received(notice, notice))
    await on_notice_requested(store, received(notice))
    assert [row.mail.purpose for row in store.rows.values()] == ["confirm"]


async def test_a_notice_of_the_second_version_keeps_who_told_when_and_what_was_changed() -> None:
    store = FakeCourierStore()
    changes = (ChangeNoticed(at=NOON, what="employer_stopped", employer="emp_a"),)
    confirm, changed = (
        NoticeRequestedV2(
            notice="n_1",
            candidate=PERSON,
            purpose="confirm",
            expires_at=NOON,
            introduced_by="emp_a",
            introduced_at=NOON,
        ),
        NoticeRequestedV2(notice="n_2", candidate=PERSON, purpose="changed", expires_at=NOON, changes=changes),
    )
    await on_notice_requested(store, received(confirm, changed, changed))
    first, second = (store.rows["notice", name].mail for name in ("n_1", "n_2"))
    assert (first.purpose, first.introduced_by, first.introduced_at) == ("confirm", "emp_a", NOON)
    assert (second.purpose, second.changes) == ("changed", changes)


async def test_the_copy_keeps_the_highest_version_of_each_consent() -> None:
    store = FakeCourierStore()
    granted, withdrawn = (
        ConsentChangedV1(candidate=PERSON, version=version, at=NOON, purposes=purposes, time_zone="America/Denver")
        for version, purposes in ((1, ("contact",)), (2, ()))
    )
    await on_consent_changed(store, received(withdrawn, granted), {0: 2})
    assert store.kept[PERSON].purposes == ()
    assert store.kept[PERSON].time_zone == "America/Denver"
    assert store.positions == {0: 2}
