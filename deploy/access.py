"""Kafka's users and what each may do, brought to what `deploy.acls` says; aiokafka knows these requests, but has no calls for them."""

import asyncio
import hashlib
import os
from collections.abc import Callable, Collection, Mapping, Sequence
from dataclasses import dataclass
from datetime import timedelta

from aiokafka.admin import AIOKafkaAdminClient
from aiokafka.errors import for_code
from aiokafka.protocol.admin import (
    CreateAclsRequest_v1,
    DeleteAclsRequest_v1,
    DescribeAclsRequest,
)
from aiokafka.protocol.api import Request, RequestStruct, Response
from aiokafka.protocol.types import CompactArray, CompactBytes, CompactString, Int8, Int16, Int32, Schema, TaggedFields

from deploy.acls import USERS, Acl, Operation, Resource, acls
from shared.messaging.errors import FatalError
from shared.messaging.kafka import Kafka
from shared.messaging.topics import Admin

_RESOURCES: Mapping[Resource, int] = {"topic": 2, "group": 3, "cluster": 4}
_OPERATIONS: Mapping[Operation, int] = {
    "Read": 3,
    "Write": 4,
    "Create": 5,
    "Describe": 8,
    "DescribeConfigs": 10,
    "AlterConfigs": 11,
}
_ANY, _ALLOW, _LITERAL, _PREFIXED, _EVERY_HOST = 1, 3, 3, 4, "*"
_SCRAM_SHA_512 = 2
_ITERATIONS = 8192
"""Twice the fewest that Kafka takes; the passwords are of 128 random bits."""
_SEEN_WITHIN = timedelta(seconds=20)

_Entry = tuple[int, str, int, str, str, int, int]
"""An ACL as Kafka sends it: resource, name, whether literal or prefixed, principal, host, operation, permission."""


@dataclass(frozen=True, slots=True)
class Extra:
    """Something that a user of ours may do, or is forbidden, and that we did not say."""

    user: str
    what: str
    """As Kafka names it: `Allow Write topic tenants from *`."""
    entry: _Entry


@dataclass(frozen=True, slots=True)
class Compared:
    """What Kafka has beside what it should have."""

    missing: tuple[Acl, ...]
    extra: tuple[Extra, ...]


async def grant(kafka: Kafka, passwords: Mapping[str, str]) -> Compared:
    """Makes Fairpool's users and adds what they may not do yet; returns how it was before."""
    await set_passwords(kafka, passwords)
    return await add_missing(kafka, acls(), USERS)


async def compare(kafka: Kafka, wanted: Sequence[Acl], users: Collection[str]) -> Compared:
    """Of these users: what is missing, and what there is besides; changes nothing. FatalError where Kafka does not tell."""
    async with Admin(kafka) as admin:
        return await _compare(admin, wanted, users)


async def add_missing(kafka: Kafka, wanted: Sequence[Acl], users: Collection[str]) -> Compared:
    """Adds what is missing, and returns how it was before; what is there besides stays. Again is harmless."""
    async with Admin(kafka) as admin:
        before = await _compare(admin, wanted, users)
        if before.missing:
            answer = await admin._send_request(_CreateAcls([_entry(acl) for acl in before.missing]))
            for code, message in answer.creation_responses:
                _must_be_done(code, message, "add an ACL")
            await _until(admin, wanted, users, lambda now: not now.missing)
    return before


async def take_away(kafka: Kafka, extra: Sequence[Extra], wanted: Sequence[Acl], users: Collection[str]) -> None:
    """Removes exactly these."""
    async with Admin(kafka) as admin:
        answer = await admin._send_request(_DeleteAcls([one.entry for one in extra]))
        for code, message, _ in answer.filter_responses:
            _must_be_done(code, message, "take away an ACL")
        await _until(admin, wanted, users, lambda now: not set(now.extra) & set(extra))


async def set_passwords(kafka: Kafka, passwords: Mapping[str, str]) -> None:
    """Makes these users, by SCRAM-SHA-512, or gives them these passwords; connections that are open go on."""
    changed: list[tuple[str, int, int, bytes, bytes, dict[int, bytes]]] = []
    for user, password in passwords.items():
        salt = os.urandom(32)
        salted = await asyncio.to_thread(hashlib.pbkdf2_hmac, "sha512", password.encode(), salt, _ITERATIONS)
        changed.append((user, _SCRAM_SHA_512, _ITERATIONS, salt, salted, {}))
    async with Admin(kafka) as admin:
        answer = await admin._send_request(_AlterUsers(changed))
        for user, code, message, _ in answer.results:
            _must_be_done(code, message, f"set the password of {user}")


async def _compare(admin: AIOKafkaAdminClient, wanted: Sequence[Acl], users: Collection[str]) -> Compared:
    everything = DescribeAclsRequest(_ANY, None, _ANY, None, None, _ANY, _ANY)
    answer = await admin._send_request(everything)
    _must_be_done(answer.error_code, answer.error_message, "tell its ACLs")
    principals = {f"User:{user}" for user in users}
    there: set[_Entry] = {
        (resource, name, pattern, principal, host, operation, permission)
        for resource, name, pattern, entries in answer.resources
        for principal, host, operation, permission in entries
        if principal in principals
    }
    by_entry = {_entry(acl): acl for acl in wanted}
    return Compared(
        missing=tuple(sorted(acl for entry, acl in by_entry.items() if entry not in there)),
        extra=tuple(_extra(entry) for entry in sorted(there - set(by_entry))),
    )


async def _until(
    admin: AIOKafkaAdminClient, wanted: Sequence[Acl], users: Collection[str], done: Callable[[Compared], bool]
) -> None:
    """A broker shows what the controller has taken a moment later."""
    give_up = asyncio.get_running_loop().time() + _SEEN_WITHIN.total_seconds()
    while not done(await _compare(admin, wanted, users)):
        if asyncio.get_running_loop().time() > give_up:
            raise FatalError("Kafka said yes to a change of ACLs, and did not show it within 20 s. Look again.")
        await asyncio.sleep(0.1)


def _entry(acl: Acl) -> _Entry:
    pattern = _PREFIXED if acl.is_prefix else _LITERAL
    operation = _OPERATIONS[acl.operation]
    return (_RESOURCES[acl.resource], acl.name, pattern, f"User:{acl.user}", _EVERY_HOST, operation, _ALLOW)


def _extra(entry: _Entry) -> Extra:
    resource, name, pattern, principal, host, operation, permission = entry
    verb = {number: text for text, number in _OPERATIONS.items()}.get(operation, f"operation {operation}")
    kind = {number: text for text, number in _RESOURCES.items()}.get(resource, f"resource {resource}")
    allows = "Allow" if permission == _ALLOW else "Deny"
    shown = f"{name}..." if pattern == _PREFIXED else name
    return Extra(principal.removeprefix("User:"), f"{allows} {verb} {kind} {shown} from {host}", entry)


def _must_be_done(code: int, message: str | None, what: str) -> None:
    if code:
        raise FatalError(
            f"would not {what}: {message or for_code(code).__name__}. This takes a user that may alter the cluster "
            "(docs/running.md, Users of Kafka)."
        )


class _CreateAcls(Request[CreateAclsRequest_v1]):  # type: ignore[misc]  # aiokafka has no types
    """As aiokafka's own, for any number at once."""

    API_KEY = CreateAclsRequest_v1.API_KEY

    def __init__(self, entries: Sequence[_Entry]) -> None:
        self._entries = list(entries)

    def build(self, request_struct_class: type[CreateAclsRequest_v1]) -> CreateAclsRequest_v1:
        return request_struct_class(self._entries)


class _DeleteAcls(Request[DeleteAclsRequest_v1]):  # type: ignore[misc]  # aiokafka has no types
    """As aiokafka's own, for any number at once."""

    API_KEY = DeleteAclsRequest_v1.API_KEY

    def __init__(self, entries: Sequence[_Entry]) -> None:
        self._entries = list(entries)

    def build(self, request_struct_class: type[DeleteAclsRequest_v1]) -> DeleteAclsRequest_v1:
        return request_struct_class(self._entries)


class _UsersAltered(Response):  # type: ignore[misc]  # aiokafka has no types
    API_KEY = 51
    API_VERSION = 0
    SCHEMA = Schema(
        ("throttle_time_ms", Int32),
        (
            "results",
            CompactArray(
                ("user", CompactString("utf-8")),
                ("error_code", Int16),
                ("error_message", CompactString("utf-8")),
                ("tags", TaggedFields),
            ),
        ),
        ("tags", TaggedFields),
    )


class _AlterUsersV0(RequestStruct):  # type: ignore[misc]  # aiokafka has no types
    """AlterUserScramCredentials (KIP-554)."""

    API_KEY = 51
    API_VERSION = 0
    FLEXIBLE_VERSION = True
    RESPONSE_TYPE = _UsersAltered
    SCHEMA = Schema(
        (
            "deletions",
            CompactArray(("name", CompactString("utf-8")), ("mechanism", Int8), ("tags", TaggedFields)),
        ),
        (
            "upsertions",
            CompactArray(
                ("name", CompactString("utf-8")),
                ("mechanism", Int8),
                ("iterations", Int32),
                ("salt", CompactBytes),
                ("salted_password", CompactBytes),
                ("tags", TaggedFields),
            ),
        ),
        ("tags", TaggedFields),
    )


class _AlterUsers(Request[_AlterUsersV0]):  # type: ignore[misc]  # aiokafka has no types
    API_KEY = 51

    def __init__(self, upsertions: Sequence[tuple[str, int, int, bytes, bytes, dict[int, bytes]]]) -> None:
        self._upsertions = list(upsertions)

    def build(self, request_struct_class: type[_AlterUsersV0]) -> _AlterUsersV0:
        return request_struct_class([], self._upsertions, {})
