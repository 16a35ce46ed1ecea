"""`python -m services.pool_matching`."""

from services.pool_matching.app import NAME, build
from services.pool_matching.settings import PoolMatchingSettings
from shared.service import configure_logging
from shared.settings import load

if __name__ == "__main__":
    settings = load(PoolMatchingSettings)
    configure_logging(NAME, settings)
    service, app = build(settings)
    service.serve(app)
