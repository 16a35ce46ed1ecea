"""What an operator may do to tenants: by whom, why, and which names deceive."""

from collections.abc import Callable
from dataclasses import replace
from datetime import timedelta

import pytest

from services.signup.decisions import tenants
from services.signup.decisions.acting import act
from services.signup.decisions.tenants import About, Act, Refused, Tenants
from shared.contracts.operator import TenantChangedV1
from shared.security.tenant_keys import hash_key
from shared.web.tenants import Tenants as Known
from tests.fakes.clock import NOON

ACT = Act(by="ops", at=NOON, reason="ticket 4711")


def known(tenant: str, kind: str = "employer", name: str = "", **more: object) -> TenantChangedV1:
    return TenantChangedV1.model_validate(
        {
            "tenant": tenant,
            "kind": kind,
            "name": name or tenant,
            "version": 5,
            "key_hashes": (hash_key(tenant),),
            **more,
        }
    )


THERE: Tenants = {
    one.tenant: one
    for one in (
        known("ops", "operator", "Operations"),
        known("acme-ats", "vendor", "Acme ATS"),
        known("emp_denver", name="Denver Health", vendor="acme-ats", domain="denverhealth.org"),
        known("emp_gone", name="Left Long Ago", removed=True),
    )
}


def added(
    name: str = "Riverside Works", tenant: str = "emp_riverside", **about: str | None
) -> TenantChangedV1 | Refused:
    return tenants.add(THERE, tenant, "employer", About(name, **about), hash_key("k"), replace(ACT, reason=None))


def sound(outcome: TenantChangedV1 | Refused) -> TenantChangedV1:
    assert isinstance(outcome, TenantChangedV1), outcome
    return outcome


def at_fault(outcome: TenantChangedV1 | Refused) -> set[str]:
    assert isinstance(outcome, Refused), outcome
    return set(outcome.errors)


def test_an_employer_needs_no_vendor() -> None:
    made = sound(added())
    assert (made.vendor, made.act, made.changed_by, made.changed_at) == (None, "added", "ops", NOON)


@pytest.mark.parametrize(
    "name",
    [
        "Denver Health",
        "DENVER HEALTH, Inc.",
        "Denver He\u0430lth",
        "Fairpool",
        "F\u0430irp\u043eol Careers",
        "Fairpool Security",
        "security@google.com (verified)",
        "Acme (acme.com)",
        "Acme — Verified",
        "Acme \u202eknaB",
        "Acme\nBank",
        "  ",
        "…",
        "x" * 81,
        "Acme ATS",
        "D\u200benver Health",
        "Denver\u00ad Health",
        "D\u034fenver Health",
        "Denver\u3164Health",
        "DenverHealth",
        "Denver Heaith",
        "FaIrpooi",
        "\u0430\u0440\u0440\u04cf\u0435",  # Cyrillic throughout, read as Apple
        "\u0442\u0456\u043a\u0442\u043e\u043a",
        "\u1d00\u1d04\u1d0d\u1d07",  # small capitals
    ],
)
def test_a_name_that_deceives_is_refused(name: str) -> None:
    assert at_fault(added(name)) == {"name"}


@pytest.mark.parametrize(
    "name",
    [
        "evil.com", "www.paypal.com", "WWW.example", "paypal.com/login", "Pay at paypal.com", "Booking.com", "-evil.com", "evil.com_", "evil.com-x",
        "evil.co.uk", "evil.com:443", "evil\uff0ecom", "evil\u3002com", "Acme \uff08acme.com\uff09", "xn--80ak6aa92e.com", "evil.xn--p1ai",
        "Acme 192.168.0.1", "evil.com.", "Evil.COM, Inc.", "http://evil", "St.Johns",
    ],
)  # fmt: skip
def test_a_name_that_is_or_holds_a_host_is_refused(name: str) -> None:
    assert at_fault(added(name)) == {"name"}
    assert at_fault(added(name, domain="riverside.org")) == {"name"}


@pytest.mark.parametrize(
    ("name", "domain"),
    [("Amazon.com, Inc.", "amazon.com"), ("Booking.com", "booking.com"), ("Monster.com", "monster.com")],
)
def test_a_name_may_hold_the_domain_that_was_checked_and_no_page_of_it(name: str, domain: str) -> None:
    assert sound(added(name, domain=domain)).name == name
    for posing in (f"www.{domain}", f"{domain}/jobs", f"jobs.{domain}", f"{name} at evil.com"):
        assert at_fault(added(posing, domain=domain)) == {"name"}


@pytest.mark.parametrize(
    "name", ["U.S. Steel", "P.F. Chang's", "A.B.C. Staffing, L.L.C.", "St. John's", "No. 1 Foods", "Web 2.0 Co."]
)
def test_a_name_with_full_stops_that_is_no_host_is_taken(name: str) -> None:
    assert sound(added(name)).name == name


@pytest.mark.parametrize(
    "name", ["Kaiser Permanente (Colorado)", "Denver Health Partners", "3M", "Société Générale", "St. Mary's"]
)
def test_an_honest_name_is_taken(name: str) -> None:
    assert sound(added(name)).name == name


@pytest.mark.parametrize(
    "tenant", ["fairpool-join", "fairpool", "fairpoo1-x", "f-a-i-r-pool", "Emp", "e", "emp_denver", "emp_gone"]
)
def test_an_id_of_the_networks_own_or_one_that_was_used_is_refused(tenant: str) -> None:
    assert at_fault(added(tenant=tenant)) == {"tenant"}


@pytest.mark.parametrize("domain", ["denverhea1th.org", "Denver.org", "localhost", "a..b", "-a.org"])
def test_a_domain_that_is_none_or_another_ones_twin_is_refused(domain: str) -> None:
    assert at_fault(added(domain=domain)) == {"domain"}


def test_a_vendor_must_be_one_and_only_an_employer_has_one() -> None:
    assert at_fault(added(vendor="emp_denver")) == {"vendor"}
    assert at_fault(tenants.add(THERE, "crm-x", "vendor", About("X", "acme-ats"), hash_key("k"), ACT)) == {"vendor"}


def test_a_change_keeps_keys_and_standing_and_always_has_a_higher_version() -> None:
    before = THERE["emp_denver"].model_copy(update={"version": 2**50, "standing": "suspended"})
    after = sound(
        tenants.change({**THERE, "emp_denver": before}, "emp_denver", About("Denver Health", "acme-ats"), ACT)
    )
    assert (after.key_hashes, after.standing, after.domain) == (before.key_hashes, "suspended", None)
    assert after.version == before.version + 1  # also when a clock far ahead wrote the one before


def test_suspending_and_removing_ask_for_a_reason_that_names_nobody() -> None:
    for deed in (tenants.suspend, tenants.reinstate, tenants.remove):
        for reason in (
            None,
            "",
            "  ",
            "ana@example.org complained",
            "call 3035550100",
            "call 303-555-0100",
            "(303) 555 0100",
            "x" * 201,
            "two\nlines",
        ):
            assert at_fault(deed(THERE, "emp_denver", replace(ACT, reason=reason))) == {"reason"}


def test_a_suspension_is_lifted_again_and_each_is_told_with_its_reason() -> None:
    suspended = sound(tenants.suspend(THERE, "emp_denver", ACT))
    assert (suspended.standing, suspended.act, suspended.reason) == ("suspended", "suspended", "ticket 4711")
    later = replace(ACT, at=NOON + timedelta(days=1), reason="cleared up")
    good = sound(tenants.reinstate({**THERE, "emp_denver": suspended}, "emp_denver", later))
    assert (good.standing, good.act, good.reason) == ("good", "reinstated", "cleared up")
    assert good.version > suspended.version


def test_who_has_left_has_no_key_and_can_not_come_back_under_its_id() -> None:
    gone = sound(tenants.remove(THERE, "emp_denver", ACT))
    assert (gone.removed, gone.key_hashes, gone.name) == (True, (), "Denver Health")
    there = {**THERE, "emp_denver": gone}
    assert at_fault(tenants.reinstate(there, "emp_denver", ACT)) == {"tenant"}
    assert at_fault(tenants.add_key(there, "emp_denver", hash_key("k"), ACT)) == {"tenant"}
    assert sound(tenants.add(there, "emp_new", "employer", About("Denver Health"), hash_key("k"), ACT))


def test_a_vendor_that_still_serves_somebody_is_not_removed() -> None:
    assert at_fault(tenants.remove(THERE, "acme-ats", ACT)) == {"tenant"}
    left = sound(tenants.move(THERE, "emp_denver", None, hash_key("k"), ACT))
    assert sound(tenants.remove({**THERE, "emp_denver": left}, "acme-ats", ACT)).removed


def test_the_last_operator_can_not_lock_everybody_out() -> None:
    only = tenants.fingerprints(THERE["ops"])[0]
    assert at_fault(tenants.suspend(THERE, "ops", ACT)) == {"tenant"}
    assert at_fault(tenants.remove(THERE, "ops", ACT)) == {"tenant"}
    assert at_fault(tenants.revoke_key(THERE, "ops", only, ACT)) == {"key"}
    two = {**THERE, "ops2": known("ops2", "operator", "More operations")}
    assert sound(tenants.remove(two, "ops", ACT)).removed


class _Topic:
    """The topic `tenants`, and somebody who speaks on it just before each of the first records that are sent."""

    def __init__(self, *others: TenantChangedV1) -> None:
        self.projection, self.others = Known(), list(others)
        for record in THERE.values():
            self.projection.apply(record)

    async def look(self) -> tuple[Tenants, Callable[[str], TenantChangedV1 | None]]:
        return dict(self.projection.records()), self.projection.replaced

    async def send(self, record: TenantChangedV1) -> None:
        if self.others:
            self.projection.apply(self.others.pop(0))
        self.projection.apply(record)


def _rename(there: Tenants) -> TenantChangedV1 | Refused:
    later = replace(ACT, at=NOON + timedelta(seconds=9))
    return tenants.change(there, "emp_denver", About("Denver Health System", "acme-ats"), later)


async def test_what_another_operator_did_in_the_same_moment_is_not_lost() -> None:
    topic = _Topic(sound(tenants.suspend(THERE, "emp_denver", ACT)))
    said = sound(await act(_rename, topic.look, topic.send))
    assert topic.projection.records()["emp_denver"] == said
    assert (said.standing, said.name) == ("suspended", "Denver Health System")


async def test_an_act_that_nobody_disturbs_is_said_once() -> None:
    topic = _Topic()
    said = sound(await act(_rename, topic.look, topic.send))
    assert topic.projection.replaced("emp_denver") == THERE["emp_denver"]
    assert topic.projection.records()["emp_denver"] == said


async def test_an_act_that_another_one_made_impossible_leaves_theirs_in_force() -> None:
    topic = _Topic(sound(tenants.remove(THERE, "emp_denver", ACT)))
    assert at_fault(await act(_rename, topic.look, topic.send)) == {"tenant"}
    assert topic.projection.records()["emp_denver"].removed


def test_a_second_key_works_beside_the_first_until_one_is_revoked() -> None:
    both = sound(tenants.add_key(THERE, "emp_denver", hash_key("second"), ACT))
    assert both.key_hashes == (hash_key("emp_denver"), hash_key("second"))
    there = {**THERE, "emp_denver": both}
    one = sound(tenants.revoke_key(there, "emp_denver", tenants.fingerprints(both)[0], ACT))
    assert one.key_hashes == (hash_key("second"),)
    assert at_fault(tenants.revoke_key(there, "emp_denver", "0" * 12, ACT)) == {"key"}
    none = sound(tenants.revoke_key({**there, "emp_denver": one}, "emp_denver", tenants.fingerprints(one)[0], ACT))
    assert none.key_hashes == ()  # it may have leaked: also the last one ends


def test_a_tenant_has_a_handful_of_keys_at_most() -> None:
    full = known("emp_full", key_hashes=tuple(hash_key(str(number)) for number in range(tenants.MOST_KEYS)))
    assert at_fault(tenants.add_key({**THERE, "emp_full": full}, "emp_full", hash_key("k"), ACT)) == {"tenant"}
