"""Several workers, each with servers of its own: which tests go together, and in which order they are given out.

pytest-xdist uses this when pytest is called with `-n`; without it everything runs in one process, in the usual order.
"""

import pytest

_TOGETHER = {
    "stack": ("tests/e2e/", "tests/faults/test_kills.py"),
    "apache": ("tests/deploy/test_apache.py", "tests/deploy/test_secured_kafka.py"),
}
"""The first share the whole stack, and the scan of everything that was done on it runs last; the others fetch the same jars."""
_LONGEST_FIRST: tuple[str | tuple[str, ...], ...] = (
    ("tests/e2e/", "tests/faults/"),
    (
        "tests/deploy/test_apache.py",
        "tests/deploy/test_kafka_users.py",
        "tests/deploy/test_secured_kafka.py",
        "tests/integration/openapi/",
    ),
    "tests/integration",
    "tests/ports",
    "tests/deploy",
    "tests/architecture",
)


def group_of(nodeid: str) -> str:
    """What one worker runs as a whole: a file, or the files that share what is dear to start."""
    file = nodeid.partition("::")[0]
    return next((group for group, files in _TOGETHER.items() if file.startswith(files)), file)


def in_order(items: list[pytest.Item]) -> list[pytest.Item]:
    """What takes long is given out first, so that no worker is alone with it at the end."""
    return sorted(items, key=_rank)


def _rank(item: pytest.Item) -> int:
    return next(
        (rank for rank, place in enumerate(_LONGEST_FIRST) if item.nodeid.startswith(place)), len(_LONGEST_FIRST)
    )


class Plugin:
    """Hooks of pytest-xdist; registered only where it is."""

    @staticmethod
    def pytest_xdist_make_scheduler(config: pytest.Config, log: object) -> object:
        """Gives out groups, in the order of the collection."""
        from xdist.scheduler import LoadScopeScheduling  # here, since `-p no:xdist` is allowed

        class ByGroup(LoadScopeScheduling):  # type: ignore[misc]  # the package has no types
            def _split_scope(self, nodeid: str) -> str:
                return group_of(nodeid)

        config.option.loadscopereorder = False
        return ByGroup(config, log)
