import socket
from pathlib import Path

import pytest

from devstack import ports


@pytest.fixture
def taken():
    with socket.create_server((ports.LOOPBACK, 0)) as server:
        yield server.getsockname()[1]


def test_a_port_somebody_listens_on_is_not_free(taken):
    assert not ports.is_free(taken)


def test_a_port_is_free_again_while_its_last_connection_fades_out():
    with socket.create_server((ports.LOOPBACK, 0)) as server:
        port = server.getsockname()[1]
        client = socket.create_connection((ports.LOOPBACK, port))
        served, _ = server.accept()
        served.close()  # the side that closes first keeps the connection in TIME_WAIT
        client.close()
    assert ports.is_free(port)


def test_the_first_free_port_of_those_preferred_is_chosen(taken):
    free = ports.choose()
    assert ports.choose(None, taken, free) == free


def test_any_free_port_is_chosen_when_all_preferred_are_taken(taken):
    chosen = ports.choose(taken)
    assert chosen != taken
    assert ports.is_free(chosen)


def test_whoever_connects_is_not_given_a_chosen_port():
    begins, _ = map(int, Path("/proc/sys/net/ipv4/ip_local_port_range").read_text().split())
    assert all(ports.choose() < begins for _ in range(50))


def test_any_port_will_do_where_all_of_those_are_taken(monkeypatch, taken):
    monkeypatch.setattr(ports, "OWN", range(taken, taken + 1))
    monkeypatch.setattr(ports, "ATTEMPTS", 1)
    assert ports.choose(taken) not in ports.OWN
