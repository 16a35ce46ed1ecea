"""The seal on the webhooks' secrets, as the database keeps them."""

from services.signup.vault.epochs import Epochs

NO_SECRET = b""
"""In place of a box that did not open in a rotation: it opens for nobody, and its webhook waits for another secret."""


def seal_secret(epochs: Epochs, epoch: int, secret: str, format_: str, source: str) -> bytes:
    """The secret of this source, under this epoch's key."""
    return epochs.seal(epoch, secret.encode(), context=f"source:{format_}:{source}")


def unseal_secret(epochs: Epochs, epoch: int, box: bytes, format_: str, source: str) -> str:
    """The secret; CannotOpenError when the box is another source's or another vault's."""
    return epochs.unseal(epoch, box, context=f"source:{format_}:{source}").decode()
