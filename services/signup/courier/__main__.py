"""`python -m services.signup.courier`."""

from services.signup.courier.app import build
from services.signup.courier.settings import CourierSettings
from shared.service import configure_logging
from shared.settings import load


def main() -> None:
    """Runs the courier until SIGTERM."""
    settings = load(CourierSettings)
    configure_logging("courier", settings)
    service, app = build(settings)
    service.serve(app)


if __name__ == "__main__":
    main()
