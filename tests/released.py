"""The migrations that were released: databases remember them by name, so they are what they were.

`python -m tests.released` notes all that are there now; it is run when a release is made, and at no other time.
"""

import json
from collections.abc import Mapping
from hashlib import sha256
from pathlib import Path

from shared.postgres.migration_files import read
from tests.databases import MIGRATIONS_OF

FILE = Path(__file__).with_name("released_migrations.json")


def released() -> Mapping[str, str]:
    """By the name that a database remembers, the digest of the file."""
    found: dict[str, str] = json.loads(FILE.read_text(encoding="utf-8"))
    return found


def there_now() -> Mapping[str, str]:
    """The same of the files as they are."""
    folders = {folder for folders in MIGRATIONS_OF.values() for folder in folders}
    return {one.name: sha256(one.sql.encode()).hexdigest() for folder in sorted(folders) for one in read(folder)}


if __name__ == "__main__":
    FILE.write_text(json.dumps(there_now(), indent=1, sort_keys=True) + "\n", encoding="utf-8")
