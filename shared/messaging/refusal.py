"""Why Kafka does not let this process in: aiokafka itself only says that it could not connect."""

import ssl

from aiokafka.conn import collect_hosts, create_conn
from aiokafka.errors import IllegalSaslStateError, KafkaError, SaslAuthenticationFailed, UnsupportedSaslMechanismError

from shared.messaging.errors import FatalError
from shared.messaging.kafka import Kafka

_ANSWERS_WITHIN_MS = 5_000


class KafkaRefusesError(FatalError):
    """A certificate or a login is wrong: trying again would not help; the message says which settings to look at."""


async def refusal(kafka: Kafka) -> KafkaRefusesError | None:
    """What the first broker that answers has against this process; None where none does, or all is well."""
    if kafka.protocol == "PLAINTEXT":
        return None
    arguments = kafka.for_connection()
    for host, port, _ in collect_hosts(arguments.pop("bootstrap_servers"), randomize=False):
        try:
            connection = await create_conn(host, port, request_timeout_ms=_ANSWERS_WITHIN_MS, **arguments)
        except ssl.SSLCertVerificationError as error:
            return _refused(host, port, f"has a certificate that is not trusted ({error.verify_message})", "CA")
        except SaslAuthenticationFailed:
            return _refused(host, port, "does not know this user with this password", "MECHANISM", "USER", "PASSWORD")
        except UnsupportedSaslMechanismError:
            return _refused(host, port, "does not take passwords in this way", "MECHANISM")
        except IllegalSaslStateError:
            return _refused(host, port, "wants no login", "SECURITY")
        except (OSError, KafkaError, TimeoutError):
            continue
        connection.close()
        return None
    return None


def _refused(host: str, port: int, reason: str, *settings: str) -> KafkaRefusesError:
    named = ", ".join(f"FAIRPOOL_KAFKA_{setting}" for setting in settings)
    return KafkaRefusesError(f"Kafka at {host}:{port} {reason}. Look at {named}.")
