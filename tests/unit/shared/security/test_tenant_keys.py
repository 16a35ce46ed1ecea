"""Tenants' keys: split at the last underscore, and only the hash is kept."""

import pytest

from shared.security.tenant_keys import hash_key, new_key, tenant_of


@pytest.mark.parametrize("tenant", ["acme-ats", "emp_denverhealth", "a_b_c"])
def test_a_key_names_its_tenant(tenant: str) -> None:
    key = new_key(tenant)
    assert tenant_of(key) == tenant
    assert key.startswith(f"fp_{tenant}_")


def test_no_two_keys_are_the_same() -> None:
    assert len({new_key("a") for _ in range(100)}) == 100


@pytest.mark.parametrize(
    "key", ["", "fp", "fp_", "fp__", "fp_a_", "fp__abc", "xx_a_abc", "fp_a_ab-c", "fp_a_é", "fp_abc"]
)
def test_what_is_no_key_has_no_tenant(key: str) -> None:
    assert tenant_of(key) is None


def test_the_hash_is_sha_256_of_the_whole_key_in_hex() -> None:
    # FIPS 180-4's example "abc"
    assert hash_key("abc") == "ba7816bf8f01cfea414140de5dae2223b00361a396177a9cb410ff61f20015ad"
