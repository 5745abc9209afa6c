import socket

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
