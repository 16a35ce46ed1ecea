"""Where an installed package keeps its programs, without importing it: some do far more than that on import."""

from importlib.util import find_spec
from pathlib import Path

from deploy.local.errors import StackError


def program(package: str, path: str) -> Path:
    """A program inside a package; StackError when it is not installed."""
    spec = find_spec(package)
    found = Path(spec.origin).parent / path if spec and spec.origin else None
    if found is None or not found.is_file():
        raise StackError(f"expected {path} in the package {package}, found none. Run `make setup`.")
    return found
