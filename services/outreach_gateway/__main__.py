"""`python -m services.outreach_gateway`"""

from services.outreach_gateway.app import NAME, build
from services.outreach_gateway.settings import GatewaySettings
from shared.service import configure_logging
from shared.settings import load


def main() -> None:
    """Runs one process of the gateway until it is told to stop."""
    settings = load(GatewaySettings)
    configure_logging(NAME, settings)
    service, app = build(settings)
    service.serve(app)


if __name__ == "__main__":
    main()
