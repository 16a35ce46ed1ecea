"""`.fairpool/dev.json`: what a script, the demo or a test needs to know of a running local stack."""

from pathlib import Path

from pydantic import BaseModel, ConfigDict, Field, ValidationError

from deploy.local.errors import NotRunningError, StackError
from deploy.local.home import Home, write_whole


class _Part(BaseModel):
    model_config = ConfigDict(frozen=True, extra="forbid", hide_input_in_errors=True)


class ServiceUrls(_Part):
    """The base URL of each service."""

    signup: str
    consent: str
    pool_matching: str
    outreach_gateway: str


class DevVendor(_Part):
    """A demo vendor and its key."""

    id: str
    key: str = Field(repr=False)


class DevEmployer(_Part):
    """A demo employer, its key and its present vendor."""

    id: str
    key: str = Field(repr=False)
    vendor: str


class DevSource(_Part):
    """A webhook source of an employer; `url` is the whole hook URL, `secret` signs what is posted to it."""

    format: str
    source: str
    employer: str
    secret: str = Field(repr=False)
    url: str


class DevOperator(_Part):
    """The operator's key."""

    key: str = Field(repr=False)


class DevFile(_Part):
    """The whole file."""

    services: ServiceUrls
    mail: str
    kafka: str
    postgres: str = Field(repr=False)
    """The administrator's DSN; empty when all databases came from the environment."""
    redis: str
    vendors: tuple[DevVendor, ...]
    employers: tuple[DevEmployer, ...]
    sources: tuple[DevSource, ...]
    operator: DevOperator

    def save(self, home: Home) -> None:
        """Write it into the home; it holds keys, so only its user may read it."""
        write_whole(home.dev_file, self.model_dump_json(indent=2) + "\n", mode=0o600)


def load(path: Path) -> DevFile:
    """The file of a running stack; NotRunningError when there is none."""
    try:
        return DevFile.model_validate_json(path.read_text())
    except FileNotFoundError as error:
        raise NotRunningError(
            f"expected a running stack, found no {path}. Start one with `fairpool dev --detach`."
        ) from error
    except (OSError, ValidationError) as error:
        raise StackError(f"expected the addresses of a stack in {path}, found a file that can't be read.") from error
