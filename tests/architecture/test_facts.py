"""What another service tells is looked up as a fact that may be unknown, and never as a value or None.

`shared.facts`: mypy then refuses a decision that forgets the case. None is left to what a service knows by itself, and each such
look-up is named here.
"""

import dataclasses
import inspect
import typing
from collections.abc import Callable, Iterator, Mapping
from types import ModuleType, NoneType, UnionType
from typing import Any, Protocol, get_args, get_origin, get_type_hints

import pytest

from services.consent import model as consent
from services.consent import ports as consent_ports
from services.consent.adapters.kept import PEOPLE as CONSENT
from services.outreach_gateway import model as gateway
from services.outreach_gateway.adapters.kept import PEOPLE as GATEWAY
from services.outreach_gateway.ports import jobs as gateway_jobs
from services.outreach_gateway.ports import outreach as gateway_outreach
from services.outreach_gateway.ports import requests as gateway_requests
from services.outreach_gateway.ports import windows as gateway_windows
from services.pool_matching import model as matching
from services.pool_matching import ports as matching_ports
from services.pool_matching.adapters.kept import PEOPLE as MATCHING
from services.signup.adapters.kept import PEOPLE as SIGNUP
from services.signup.courier import model as courier
from services.signup.courier import ports as courier_ports
from services.signup.courier.adapters.kept import PEOPLE as COURIER
from services.signup.ports import erasing as signup_erasing
from services.signup.ports import exports as signup_exports
from services.signup.ports import intake as signup_intake
from services.signup.ports import pages as signup_pages
from services.signup.ports import store as signup_store
from services.signup.ports import tenants as signup_tenants
from services.signup.ports import vault as signup_vault
from shared.contracts.base import State
from shared.contracts.consent import ConsentChangedV2
from shared.contracts.pool_matching import MembershipsChangedV1
from shared.contracts.signup import CandidateKeyPublishedV1, CandidateProfileChangedV1, CoarseProfile
from shared.facts import UNKNOWN, Fact, Known, Unknown, fact, shown
from shared.projections import Projection
from shared.web import tenants

TOLD: Mapping[tuple[str, type[State]], object] = {
    ("outreach_gateway", ConsentChangedV2): gateway.Consent,
    ("outreach_gateway", MembershipsChangedV1): gateway.Memberships,
    ("outreach_gateway", CandidateKeyPublishedV1): gateway.PublicKey,
    ("pool_matching", CandidateProfileChangedV1): CoarseProfile,
    ("pool_matching", ConsentChangedV2): matching.Consent,
    ("courier", ConsentChangedV2): courier.Consent,
    ("consent", MembershipsChangedV1): consent.Memberships,
}
"""As what a service reads its copy of another's facts."""
FACTS: tuple[object, ...] = (
    *(one for one in TOLD.values() if one != frozenset[str]),
    consent.Introduction,
    tenants.Tenant,
    gateway.Standing,
    courier.Standing,
)
PORTS = (
    consent_ports, gateway_jobs, gateway_outreach, gateway_requests, gateway_windows, matching_ports, courier_ports,
    signup_erasing, signup_exports, signup_intake, signup_pages, signup_store, signup_tenants, signup_vault,
)  # fmt: skip
OF_ITS_OWN = {
    "Consents.receipt", "Consents.blocking", "Consents.attempt",
    "Epochs.claim", "History.figures", "History.next_major", "RequestStore.kept", "RequestStore.account", "RequestStore.lock_one", "Windows.book", "Jobs.get", "Jobs.put", "PoolMessages.find", "PoolMessages.get", "PoolMessages.lock_pool", "PoolMessages.take",
    "EvaluationStore.next_turn", "EvaluationStore.take_evaluation", "EvaluationStore.concerned",
    "ListingStore.listing", "ListingStore.next_listing", "PoolStore.use_change", "PoolStore.get", "PoolStore.made_by",
    "Erasing.erase",
    "EmailChanges.make_code", "EmailChanges.seen", "EmailChanges.standing", "HeldStore.words_key",
    "Exports.hold", "Exports.latest", "Exports.fetch", "Exports.waiting", "Exports.held", "HeldStore.held", "Erasing.erase_mailbox", "Erasing.record", "Sources.find", "OperatorStore.look_up", "Store.showing", "Sessions.here", "Sessions.links_from",
    "Relay.answers", "Outgoing.next_due",
}  # fmt: skip
"""What may be None, since the service itself says whether there is such a thing."""
OF_PEOPLE = {
    (gateway.Person, "consent"), (gateway.Person, "memberships"), (gateway.Person, "reachable"),
    (matching.Person, "profile"), (matching.Person, "consent"),
}  # fmt: skip
"""What decisions read of a person that others told."""


def _protocols(module: ModuleType) -> Iterator[type]:
    for found in vars(module).values():
        if inspect.isclass(found) and Protocol in found.__mro__ and found.__module__ == module.__name__:
            yield found


def _looked_up(port: type) -> Iterator[tuple[str, object]]:
    """What each method gives back; of what a class inherits its parent tells."""
    for name, method in vars(port).items():
        plain = method.fget if isinstance(method, property) else method
        if callable(plain) and not name.startswith("_"):
            yield f"{port.__name__}.{name}", get_type_hints(plain, vars(inspect.getmodule(port))).get("return")


RETURNED = [found for module in PORTS for port in _protocols(module) for found in _looked_up(port)]
RETURNED += list(_looked_up(tenants.Tenants))
CALLED = [
    (f"{module.__name__}.{name}", get_args(found)[-1])
    for module in PORTS
    for name, found in vars(module).items()
    if get_origin(found) is get_origin(Callable[[], None]) and not name.startswith("_")
]


def _bare(told: object, *, known: bool = False) -> bool:
    """Whether a fact stands in this type outside of `Known`; pairs that are written, and streams, are types of their own."""
    if told in FACTS:
        return not known
    return any(_bare(part, known=known or get_origin(told) is Known) for part in get_args(told))


def _is_optional(told: object) -> bool:
    if get_origin(told) in (typing.Union, UnionType) and NoneType in get_args(told):
        return True
    return get_origin(told) is not Known and any(_is_optional(part) for part in get_args(told))


@pytest.mark.parametrize(
    ("name", "told"), [*RETURNED, *CALLED], ids=lambda value: value if isinstance(value, str) else ""
)
def test_no_port_looks_up_what_another_service_tells_without_saying_that_it_may_be_unknown(
    name: str, told: object
) -> None:
    if name in BY_THEIR_KEY:
        return
    assert not _bare(told), f"{name} gives a fact as if it were always known: let it give a Fact"


BY_THEIR_KEY = {"Tenants.by_key", "Tenants.of_kind", "Tenants.require"}
"""Whoever calls, found by their key, and lists of who is known: nobody is asked about."""


def test_whatever_may_be_none_is_a_services_own() -> None:
    optional = {name for name, told in RETURNED if _is_optional(told)}
    assert optional - {"Tenants.replaced"} == OF_ITS_OWN


def test_what_decisions_read_of_a_person_is_known_or_unknown() -> None:
    for model, field in OF_PEOPLE:
        told = get_type_hints(model)[field]
        assert Unknown in get_args(told), f"{model.__module__}.{model.__name__}.{field}"
    for model in {model for model, _ in OF_PEOPLE}:
        bare = {field.name for field in dataclasses.fields(model) if _bare(get_type_hints(model)[field.name])}
        assert bare == set()


def test_every_projection_says_as_what_it_is_read() -> None:
    projections = {
        (kept.service, table.of)
        for kept in (CONSENT, GATEWAY, MATCHING, SIGNUP, COURIER)
        for table in kept.tables
        if isinstance(table, Projection)
    }
    assert TOLD.keys() == projections, "say here as what the new one is read, and look it up as a Fact"


def _taken_for_a_no(of: Fact[int]) -> bool:
    return bool(of)


@pytest.mark.parametrize("of", [Known(0), Known(1), UNKNOWN])
def test_a_fact_is_never_taken_for_a_yes_or_a_no(of: Fact[Any]) -> None:
    with pytest.raises(TypeError):
        _taken_for_a_no(of)


def test_what_was_told_is_known_even_if_it_is_a_no() -> None:
    assert [fact(told) for told in (False, 0, "", None)] == [Known(value=False), Known(0), Known(""), UNKNOWN]
    assert (shown(Known("Acme"), "an employer"), shown(UNKNOWN, "an employer")) == ("Acme", "an employer")
