"""What a client shows to a broker at each connection: password, token and certificates as their files hold them then.

aiokafka takes them when a client is made, and clients live as long as the worker; and of a refusal it only says that no
connection came about. So its way to make a connection is wrapped here, for clients that bear our credentials.
tests/unit/workers/kafka/test_transport_pins.py fails when an upgrade moves what this touches.
"""

import asyncio
import ssl
from functools import cache
from pathlib import Path
from typing import Any

from aiokafka import client, conn
from aiokafka.errors import (
    AuthenticationFailedError,
    IllegalSaslStateError,
    KafkaError,
    SaslAuthenticationFailed,
    UnsupportedSaslMechanismError,
)
from aiokafka.helpers import create_ssl_context

from storage.logins import Logins
from workers.settings.model import Kafka

_REFUSED = (
    SaslAuthenticationFailed,
    UnsupportedSaslMechanismError,
    IllegalSaslStateError,
    AuthenticationFailedError,
    ssl.SSLError,
)

Files = tuple[tuple[Path, int, int], ...]
"""Of each file its time of change and size: what tells that it has another content."""


class Credentials:
    """What one process shows to one cluster; shared by all its clients, whichever thread they run in."""

    def __init__(self, kafka: Kafka) -> None:
        self.logins = Logins()
        self._kafka = kafka
        self._tls: tuple[Files, ssl.SSLContext] | None = None

    async def connect(self, host: str, port: int, **arguments: Any) -> conn.AIOKafkaConnection:
        """Make a connection and log in.

        Raises:
            KafkaError: refused; the same one again, without asking, when that was a moment ago with the same secret.
            OSError: the broker is away, or a file can't be read.
        """
        secret, files, context = await asyncio.to_thread(self._read)
        shown = (secret, files)
        self.logins.begin(shown)
        arguments |= {"sasl_plain_password": secret, "ssl_context": context}
        try:
            made = await conn.create_conn(host, port, **arguments)
        except (ssl.SSLEOFError, ssl.SSLZeroReturnError):  # it went away in the middle
            self.logins.clear()
            raise
        except _REFUSED as error:
            self.logins.refused(shown, error)
            raise
        except (ValueError, AssertionError) as error:  # of aiokafka's SCRAM and PLAIN, when the broker's answer is odd
            refusal = AuthenticationFailedError(str(error))
            self.logins.refused(shown, refusal)
            raise refusal from error
        except (OSError, KafkaError):
            self.logins.clear()
            raise
        self.logins.clear()
        return made

    def _read(self) -> tuple[str | None, Files, ssl.SSLContext | None]:
        password = self._kafka.password() if self._kafka.uses_sasl else None
        secret = None if password is None else password.get_secret_value()
        if not self._kafka.uses_tls:
            return secret, (), None
        files = _stamps(self._kafka)
        if self._tls is None or self._tls[0] != files:
            self._tls = files, tls(self._kafka)
        return secret, *self._tls


def tls(kafka: Kafka) -> ssl.SSLContext:
    """Check certificates and host names against `ca_file`, or the system's authorities without one; show our own."""
    context: ssl.SSLContext = create_ssl_context(
        cafile=kafka.ca_file and str(kafka.ca_file),
        certfile=kafka.certificate_file and str(kafka.certificate_file),
        keyfile=kafka.key_file and str(kafka.key_file),
        password="",  # or OpenSSL would ask for that of an encrypted key on the terminal
    )
    return context


def _stamps(kafka: Kafka) -> Files:
    named = [file for file in (kafka.ca_file, kafka.certificate_file, kafka.key_file) if file is not None]
    return tuple((file, found.st_mtime_ns, found.st_size) for file in named for found in [file.stat()])


@cache
def credentials(kafka: Kafka) -> Credentials:
    """The process's own for a cluster."""
    return Credentials(kafka)


async def _connect(host: str, port: int, **arguments: Any) -> conn.AIOKafkaConnection:
    """Stands in for aiokafka's `create_conn`; clients of others pass through."""
    ours = arguments.get("sasl_plain_password")
    if isinstance(ours, Credentials):
        return await ours.connect(host, port, **arguments)
    return await conn.create_conn(host, port, **arguments)


client.create_conn = _connect
