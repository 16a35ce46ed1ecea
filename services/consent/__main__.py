"""`python -m services.consent`: one process of consent."""

from services.consent.app import build
from services.consent.settings import Settings
from shared.service import configure_logging
from shared.settings import load


def main() -> None:
    """Serves until SIGTERM."""
    settings = load(Settings)
    configure_logging("consent", settings)
    service, app = build(settings)
    service.serve(app)


if __name__ == "__main__":
    main()
