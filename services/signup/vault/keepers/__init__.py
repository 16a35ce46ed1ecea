"""Who keeps the epoch keys: a directory, AWS KMS, or Vault's transit engine; one URL says which."""

from pathlib import Path
from urllib.parse import parse_qs, urlsplit

from services.signup.vault.epochs import EpochKeeper
from services.signup.vault.keepers.file import FileKeeper
from services.signup.vault.keepers.transit import TransitKeeper
from shared.messaging.errors import FatalError


def keeper_of(url: str) -> EpochKeeper:
    """The keeper that `FAIRPOOL_VAULT_KEYS` names: `file:///DIRECTORY`, `aws-kms:///REGION`, or
    `vault+https://HOST:PORT/MOUNT?token-file=FILE`."""
    parts = urlsplit(url)
    if parts.scheme == "file":
        return FileKeeper(Path(parts.path))
    if parts.scheme == "aws-kms":
        return _kms(parts.path.strip("/"))
    (token_file,) = parse_qs(parts.query).get("token-file", ["/run/secrets/vault-token"])
    scheme = parts.scheme.removeprefix("vault+")
    return TransitKeeper(f"{scheme}://{parts.netloc}", parts.path.strip("/") or "transit", Path(token_file))


def _kms(region: str) -> EpochKeeper:
    try:
        from services.signup.vault.keepers.kms import KmsKeeper
    except ImportError as error:
        raise FatalError("FAIRPOOL_VAULT_KEYS names AWS KMS, which needs boto3: install fairpool[aws]") from error
    return KmsKeeper(region)
