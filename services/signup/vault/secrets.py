"""The keys of the vault, together."""

from dataclasses import dataclass


@dataclass(frozen=True, slots=True)
class VaultSecrets:
    """What signup seals and finds people with."""

    vault_key: bytes
    blind_index_key: bytes

    def __repr__(self) -> str:
        return "VaultSecrets(hidden)"
