"""The privacy scan looks at everything that the session did: it runs last."""

import pytest


def pytest_collection_modifyitems(items: list[pytest.Item]) -> None:
    """Moves the scan behind all other tests, also those of other folders."""
    items.sort(key=lambda item: item.path.name == "test_privacy.py")
