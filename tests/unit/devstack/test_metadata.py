"""Telling a broker that serves from one that starts, and from another program on its port."""

import socket
import struct
import threading

import pytest

from devstack import ports
from devstack.kafka import cluster_id_at

BROKER = struct.pack(">ih9sih", 1, 9, b"127.0.0.1", 9092, -1)


def metadata(brokers, cluster_id=b"abc"):
    cluster = struct.pack(">h", len(cluster_id)) + cluster_id if cluster_id is not None else struct.pack(">h", -1)
    return struct.pack(">ii", 0, len(brokers)) + b"".join(brokers) + cluster + struct.pack(">ii", 1, 0)


@pytest.fixture
def answering():
    """Serve one connection with a given answer."""
    threads = []

    def serve(response):
        server = socket.create_server((ports.LOOPBACK, 0))

        def answer():
            with server, server.accept()[0] as connection:
                connection.recv(1024)
                connection.sendall(response)

        threads.append(threading.Thread(target=answer))
        threads[-1].start()
        return server.getsockname()[1]

    yield serve
    for thread in threads:
        thread.join()


def framed(response):
    return struct.pack(">i", len(response)) + response


def test_a_broker_that_serves_tells_its_cluster(answering):
    assert cluster_id_at(answering(framed(metadata([BROKER])))) == "abc"


@pytest.mark.parametrize(
    "response",
    [
        pytest.param(framed(metadata([])), id="no broker is up in the cluster"),
        pytest.param(framed(metadata([BROKER], cluster_id=None)), id="no cluster id yet"),
        pytest.param(b"", id="closed without an answer"),
        pytest.param(framed(metadata([BROKER]))[:20], id="cut off"),
        pytest.param(b"HTTP/1.1 400 Bad Request\r\n\r\n", id="another protocol"),
    ],
)
def test_anything_else_is_no_serving_broker(answering, response):
    assert cluster_id_at(answering(response)) is None


def test_a_port_nobody_listens_on_is_no_serving_broker():
    assert cluster_id_at(ports.choose()) is None
