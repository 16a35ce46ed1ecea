"""`python -m services.signup`."""

from services.signup.app import build
from services.signup.settings import Settings
from shared.service import configure_logging
from shared.settings import load

if __name__ == "__main__":
    settings = load(Settings)
    configure_logging("signup", settings)
    service, app = build(settings)
    service.serve(app)
