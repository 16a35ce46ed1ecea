"""Java and Maven as they are found on this machine."""

import os
import re
import shutil
import subprocess
from pathlib import Path

from deploy.local.errors import StackError

_OLDEST = 17  # Kafka 4 brokers run on nothing older
_OTHERWISE = "or start with `--broker embedded`, which needs no Java"


def java() -> Path:
    """The `java` of JAVA_HOME, else of PATH; StackError when there is none or it is too old."""
    wanted = f"expected Java {_OLDEST} or newer for Apache Kafka"
    instead = f"Install it (Debian: apt-get install openjdk-17-jre-headless), set JAVA_HOME to it, {_OTHERWISE}."
    home = os.environ.get("JAVA_HOME")
    found = shutil.which("java", path=str(Path(home, "bin")) if home else None)
    if found is None:
        where = f"none at JAVA_HOME ({home})" if home else "JAVA_HOME unset and no `java` on PATH"
        raise StackError(f"{wanted}, found {where}. {instead}")
    said = subprocess.run((found, "-version"), capture_output=True, text=True, check=False).stderr
    version = re.search(r'version "(\d+)', said)
    if version is None or int(version[1]) < _OLDEST:
        shown = said.strip().partition("\n")[0] or "nothing"
        raise StackError(f"{wanted}, found {found}, whose `-version` says {shown!r}. {instead}")
    return Path(found)


def maven() -> Path:
    """The `mvn` of PATH; StackError when there is none."""
    found = shutil.which("mvn")
    if found is None:
        raise StackError(
            "expected Maven (`mvn`) on PATH to fetch the jars of Apache Kafka, once; found none. "
            f"Install it (Debian: apt-get install maven), {_OTHERWISE}."
        )
    return Path(found)
