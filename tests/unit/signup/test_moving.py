"""A seat that goes to another vendor: what changes by it, what it needs, and two moves in the same moment."""

import asyncio
from dataclasses import replace
from datetime import timedelta

import pytest

from services.signup.decisions import tenants
from services.signup.decisions.acting import Replaced, act
from services.signup.decisions.tenants import About, From, Refused, Tenants
from shared.contracts.operator import TenantChangedV1
from shared.security.tenant_keys import hash_key
from shared.web.tenants import Tenants as Known
from tests.fakes.clock import NOON
from tests.unit.signup.test_tenants import ACT, at_fault, known, sound

KEY = hash_key("the new one")
EMPLOYER = known(
    "emp_denver", name="Denver Health", vendor="acme-ats", domain="denverhealth.org", reply_to="a@b.example"
)
THERE: Tenants = {
    one.tenant: one
    for one in (
        known("ops", "operator", "Operations"),
        known("acme-ats", "vendor", "Acme ATS"),
        known("bright-crm", "vendor", "Bright CRM"),
        known("idle-crm", "vendor", "Idle CRM", standing="suspended"),
        known("gone-crm", "vendor", "Gone CRM", removed=True),
        EMPLOYER,
    )
}


def moved(to: str | None, there: Tenants = THERE, employer: str = "emp_denver") -> TenantChangedV1 | Refused:
    return tenants.move(there, employer, to, KEY, ACT)


@pytest.mark.parametrize("standing", ["good", "suspended"])
def test_a_move_changes_the_vendor_and_the_keys_and_nothing_else(standing: str) -> None:
    before = EMPLOYER.model_copy(update={"standing": standing, "key_hashes": ("one", "two")})
    after = sound(moved("bright-crm", {**THERE, "emp_denver": before}))
    assert (after.vendor, after.key_hashes, after.act) == ("bright-crm", (KEY,), "moved from acme-ats to bright-crm")
    assert (after.reason, after.changed_by, after.changed_at) == (ACT.reason, ACT.by, ACT.at)
    assert after.version > before.version
    written = {"vendor", "key_hashes", "version", "act", "reason", "changed_by", "changed_at"}
    assert after.model_dump(exclude=written) == before.model_dump(exclude=written)


def test_a_seat_goes_to_no_vendor_and_comes_back() -> None:
    alone = sound(moved(None))
    assert (alone.vendor, alone.act) == (None, "moved from acme-ats to no vendor")
    back = sound(moved("acme-ats", {**THERE, "emp_denver": alone}))
    assert (back.vendor, back.act) == ("acme-ats", "moved from no vendor to acme-ats")


@pytest.mark.parametrize("to", ["acme-ats", "idle-crm", "gone-crm", "emp_denver", "nobody"])
def test_a_seat_goes_to_another_vendor_that_is_heard(to: str) -> None:
    assert at_fault(moved(to)) == {"vendor"}


@pytest.mark.parametrize(("stands", "said"), [("acme-ats", "acme-ats"), (None, None)])
def test_a_seat_that_is_where_it_is_to_come_from_is_moved(stands: str | None, said: str | None) -> None:
    there = {**THERE, "emp_denver": EMPLOYER.model_copy(update={"vendor": stands})}
    after = sound(tenants.move(there, "emp_denver", "bright-crm", KEY, ACT, only_from=From(said)))
    assert after.vendor == "bright-crm"


@pytest.mark.parametrize(
    ("stands", "said"), [("acme-ats", "last-crm"), ("acme-ats", None), (None, "acme-ats"), ("bright-crm", "acme-ats")]
)
def test_a_seat_that_is_elsewhere_by_now_stays_there_and_its_operator_is_told_where(
    stands: str | None, said: str | None
) -> None:
    now = EMPLOYER.model_copy(update={"vendor": stands, "act": "moved", "changed_by": "ops"})
    outcome = tenants.move({**THERE, "emp_denver": now}, "emp_denver", "bright-crm", KEY, ACT, only_from=From(said))
    assert at_fault(outcome) == {"only_from"}
    assert isinstance(outcome, Refused)
    sentence = outcome.errors["only_from"]
    assert f"is with {stands or 'no vendor'}, not with {said or 'no vendor'}" in sentence and "by ops" in sentence


@pytest.mark.parametrize("whose", ["acme-ats", "ops", "nobody"])
def test_only_an_employer_has_a_seat(whose: str) -> None:
    assert at_fault(moved("bright-crm", employer=whose)) == {"tenant"}


@pytest.mark.parametrize("reason", [None, " ", "ana@example.org asked"])
def test_a_move_needs_a_reason_that_names_nobody(reason: str | None) -> None:
    outcome = tenants.move(THERE, "emp_denver", "bright-crm", KEY, replace(ACT, reason=reason))
    assert at_fault(outcome) == {"reason"}


@pytest.mark.parametrize("to", ["bright-crm", None])
def test_no_other_change_gives_an_employer_another_vendor_for_the_one_before_holds_its_key(to: str | None) -> None:
    assert at_fault(tenants.change(THERE, "emp_denver", About("Denver Health", to), ACT)) == {"vendor"}


class _Topic:
    """The topic `tenants`: everybody looks before anybody sends, and everybody has sent before anybody looks again."""

    def __init__(self, movers: int) -> None:
        self.projection = Known()
        self.everybody = asyncio.Barrier(movers)
        self.looks = self.sends = movers
        for record in THERE.values():
            self.projection.apply(record)

    async def look(self) -> tuple[Tenants, Replaced]:
        seen = dict(self.projection.records())
        if self.looks:
            self.looks -= 1
            await self.everybody.wait()
        return seen, self.projection.replaced

    async def send(self, record: TenantChangedV1) -> None:
        self.projection.apply(record)
        if self.sends:
            self.sends -= 1
            await self.everybody.wait()


@pytest.mark.parametrize("apart", [timedelta(0), timedelta(milliseconds=5), timedelta(milliseconds=-5)])
async def test_of_two_moves_at_once_one_is_done_and_the_other_is_told_what_to_do(apart: timedelta) -> None:
    topic = _Topic(2)
    vendors = {"bright-crm": hash_key("b"), "last-crm": hash_key("l")}
    topic.projection.apply(known("last-crm", "vendor", "Last CRM"))
    times = (NOON, NOON + apart)
    outcomes = await asyncio.gather(
        *(
            act(tenants.moving("emp_denver", to, key, replace(ACT, at=at)), topic.look, topic.send)
            for (to, key), at in zip(vendors.items(), times, strict=True)
        )
    )
    (done,) = [one for one in outcomes if isinstance(one, TenantChangedV1)]
    (refused,) = [one for one in outcomes if isinstance(one, Refused)]
    assert "keys add" in refused.errors["tenant"]
    now = topic.projection.records()["emp_denver"]
    assert (now.vendor, now.key_hashes) == (done.vendor, done.key_hashes)
    assert now.key_hashes == (vendors[str(now.vendor)],)


async def test_a_move_and_another_change_at_once_are_both_done() -> None:
    topic = _Topic(2)
    renamed = About("Denver Health System", "acme-ats", EMPLOYER.domain, EMPLOYER.reply_to)
    later = replace(ACT, at=NOON + timedelta(seconds=1))
    outcomes = await asyncio.gather(
        act(tenants.moving("emp_denver", "bright-crm", KEY, ACT), topic.look, topic.send),
        act(lambda there: tenants.change(there, "emp_denver", renamed, later), topic.look, topic.send),
    )
    now = topic.projection.records()["emp_denver"]
    assert (now.vendor, now.key_hashes) == ("bright-crm", (KEY,)), outcomes
    assert isinstance(outcomes[0], TenantChangedV1)


class _KilledError(Exception):
    pass


@pytest.mark.parametrize("at", ["before the record", "after it"])
async def test_a_move_that_was_killed_has_happened_whole_or_not_at_all(at: str) -> None:
    topic = _Topic(1)

    async def send(record: TenantChangedV1) -> None:
        if at == "after it":
            topic.projection.apply(record)
        raise _KilledError

    with pytest.raises(_KilledError):
        await act(tenants.moving("emp_denver", "bright-crm", KEY, ACT), topic.look, send)
    now = topic.projection.records()["emp_denver"]
    if at == "before the record":
        assert now == EMPLOYER
    else:
        assert (now.vendor, now.key_hashes) == ("bright-crm", (KEY,))
        again = await act(tenants.moving("emp_denver", "bright-crm", hash_key("x"), ACT), topic.look, topic.send)
        assert at_fault(again) == {"vendor"}, "it is said that it is there"
        shown = tenants.add_key(topic.projection.records(), "emp_denver", hash_key("seen"), ACT)
        assert sound(shown).key_hashes == (KEY, hash_key("seen"))
