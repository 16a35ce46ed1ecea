"""One adapter for each ATS' way of writing webhooks."""

from collections.abc import Mapping
from types import MappingProxyType

from services.signup.adapters.formats.greenhouse import Greenhouse
from services.signup.ports.intake import Format

FORMATS: Mapping[str, Format] = MappingProxyType({"greenhouse": Greenhouse()})
