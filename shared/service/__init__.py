"""One process of a service: put together by its `app.py`, started and stopped in order."""

from shared.service.service import Service, configure_logging
from shared.service.wiring import Guard

__all__ = ["Guard", "Service", "configure_logging"]
