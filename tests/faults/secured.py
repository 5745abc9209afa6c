"""The stack's broker with listeners that want a log-in, or a client's certificate."""

import socket
from pathlib import Path
from typing import ClassVar

from devstack.kafka import KafkaNode
from devstack.ports import LOOPBACK
from tests.certificates import Authority

# Of a name that stands twice, Kafka takes the last value.
LISTENERS = """
listeners=CONTROLLER://{host}:{controller},{advertised}
advertised.listeners={advertised}
listener.security.protocol.map=CLIENTS:PLAINTEXT,CONTROLLER:PLAINTEXT,LOGIN:SASL_PLAINTEXT,MUTUAL:SSL,SIX:PLAINTEXT
listener.name.login.sasl.enabled.mechanisms=PLAIN
listener.name.login.plain.sasl.jaas.config=org.apache.kafka.common.security.plain.PlainLoginModule required \\
    user_worker="{password}";
listener.name.mutual.ssl.keystore.type=PEM
listener.name.mutual.ssl.keystore.location={certificate}
listener.name.mutual.ssl.truststore.type=PEM
listener.name.mutual.ssl.truststore.location={authority}
listener.name.mutual.ssl.client.auth=required
"""


def _has_ipv6() -> bool:
    try:
        with socket.create_server(("::1", 0), family=socket.AF_INET6):
            return True
    except OSError:
        return False


HAS_IPV6 = _has_ipv6()


class SecuredKafka(KafkaNode):
    """A broker whose user `worker` has the password at hand, until the next start."""

    default_ports: ClassVar[dict[str, int | None]] = dict.fromkeys(("clients", "controller", "login", "mutual", "six"))

    def __init__(self, stack_directory: Path, authority: Authority) -> None:
        super().__init__(stack_directory)
        self.password = "first"
        self._authority = authority
        self._certificate = authority.certificate("broker")

    def bootstrap_of(self, listener: str) -> str:
        """host:port of `login`, `mutual` or `six`, which is IPv6's."""
        return f"{'[::1]' if listener == 'six' else LOOPBACK}:{self._state.ports[listener]}"

    def _settings(self) -> str:
        listeners = ["clients", "login", "mutual", *(["six"] if HAS_IPV6 else [])]
        return super()._settings() + LISTENERS.format(
            host=LOOPBACK,
            advertised=",".join(f"{name.upper()}://{self.bootstrap_of(name)}" for name in listeners),
            password=self.password,
            certificate=self._certificate.together,
            authority=self._authority.file,
            **self._state.ports,
        )
