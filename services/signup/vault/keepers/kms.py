"""Epoch keys that AWS KMS keeps: each under a customer key of its own, so that one can be destroyed alone."""

import asyncio
import contextlib
import json
from collections.abc import Callable
from typing import Any, TypeVar

import boto3
from botocore.config import Config
from botocore.exceptions import BotoCoreError, ClientError

from services.signup.vault.epochs import KeeperAwayError, KeyGoneError
from shared.security import encoding

T = TypeVar("T")
_WITHIN = Config(connect_timeout=3, read_timeout=5, retries={"max_attempts": 2, "mode": "standard"})
_PENDING_DAYS = 7
_GONE = "NotFoundException"


class KmsKeeper:
    """`EpochKeeper`: the reference holds the customer key's name and the epoch key encrypted under it.

    AWS destroys a customer key 7 days at the earliest after it was told to; until then whoever may cancel that (`kms:CancelKeyDeletion`) can
    bring it back. It can't be used meanwhile.
    """

    def __init__(self, region: str, *, endpoint: str | None = None) -> None:
        """Credentials as boto3 finds them: a role of the pod or machine, or AWS_ACCESS_KEY_ID and AWS_SECRET_ACCESS_KEY."""
        self._client: Any = boto3.client("kms", region_name=region, endpoint_url=endpoint, config=_WITHIN)

    async def make(self, name: str, key: bytes) -> str:
        """A customer key with this name as its alias, or the one that has it."""
        return await self._asked(lambda: self._make(name, key))

    async def open(self, reference: str) -> bytes:
        """The epoch key, decrypted by AWS."""
        held = json.loads(reference)

        def decrypt() -> bytes:
            if self._is_pending(held["key"]):
                raise KeyGoneError("its deletion is pending")
            answer = self._client.decrypt(
                KeyId=held["key"],
                CiphertextBlob=encoding.decode(held["box"]),
                EncryptionContext={"fairpool-epoch": held["name"]},
            )
            return bytes(answer["Plaintext"])

        return await self._asked(decrypt)

    async def destroy(self, reference: str) -> None:
        """Schedules its deletion, after which there is no way back."""
        held = json.loads(reference)

        def schedule() -> None:
            if not self._is_pending(held["key"]):
                self._client.schedule_key_deletion(KeyId=held["key"], PendingWindowInDays=_PENDING_DAYS)

        with contextlib.suppress(KeyGoneError):
            await self._asked(schedule)

    def _is_pending(self, key: str) -> bool:
        return bool(self._client.describe_key(KeyId=key)["KeyMetadata"]["KeyState"] == "PendingDeletion")

    def _make(self, name: str, key: bytes) -> str:
        alias = f"alias/fairpool/{name}"
        try:
            found = self._client.describe_key(KeyId=alias)["KeyMetadata"]["KeyId"]
        except self._client.exceptions.NotFoundException:
            found = self._create(alias, name)
        answer = self._client.encrypt(KeyId=found, Plaintext=key, EncryptionContext={"fairpool-epoch": name})
        return json.dumps({"name": name, "key": found, "box": encoding.encode(answer["CiphertextBlob"])})

    def _create(self, alias: str, name: str) -> str:
        made = self._client.create_key(Description=f"Fairpool, {name}")["KeyMetadata"]["KeyId"]
        try:
            self._client.create_alias(AliasName=alias, TargetKeyId=made)
        except self._client.exceptions.AlreadyExistsException:  # another process was first: this one is not needed
            self._client.schedule_key_deletion(KeyId=made, PendingWindowInDays=_PENDING_DAYS)
            return str(self._client.describe_key(KeyId=alias)["KeyMetadata"]["KeyId"])
        return str(made)

    async def _asked(self, ask: Callable[[], T]) -> T:
        try:
            return await asyncio.to_thread(ask)
        except ClientError as error:
            code = error.response.get("Error", {}).get("Code", "")
            if code == _GONE:
                raise KeyGoneError(f"AWS KMS says {code}") from None
            raise KeeperAwayError(
                f"AWS KMS says {code}"
            ) from None  # also what may be allowed again: nothing is given up
        except BotoCoreError as error:
            raise KeeperAwayError(f"AWS KMS does not answer: {type(error).__name__}") from None
