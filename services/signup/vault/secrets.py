"""The keys of the vault, together."""

from dataclasses import dataclass

from services.signup.vault.epochs import Epochs
from services.signup.vault.hashing import SlowHashes
from services.signup.vault.index import BlindIndex


@dataclass(frozen=True, slots=True)
class VaultSecrets:
    """What signup seals and finds people with."""

    epochs: Epochs
    index: BlindIndex
    hashes: SlowHashes

    def __repr__(self) -> str:
        return "VaultSecrets(hidden)"
