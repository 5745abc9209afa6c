"""What every server of the stack does, shown with the smallest server there is."""

import json
import signal
import socket
import sys
from typing import ClassVar

import pytest

from devstack import ports
from devstack.errors import DevstackError
from devstack.node import Node, NodeState
from devstack.process import Process, start_detached

SERVER = """
import socket, sys
server = socket.create_server(("127.0.0.1", int(sys.argv[1])))
while True:
    server.accept()[0].close()
"""


class Door(Node):
    """A server that accepts connections."""

    name = "door"
    default_ports: ClassVar = {"clients": None}
    start_timeout_s = 10.0
    stop_timeout_s = 5.0
    stop_signal = signal.SIGTERM
    robberies = 0

    def __init__(self, stack_directory):
        super().__init__(stack_directory)
        self.thieves = []

    def wipe(self):
        pass

    def _prepare(self, progress):
        pass

    def _launch(self):
        if self.robberies:
            self.robberies -= 1
            self.thieves.append(socket.create_server((ports.LOOPBACK, self.port)))
        return start_detached([sys.executable, "-c", SERVER, str(self.port)], self.log)

    def _answers(self):
        try:
            with socket.create_connection((ports.LOOPBACK, self.port), 0.2) as connection:
                connection.recv(1)  # returns when the server closes; the system alone only accepts
        except OSError:
            return False
        return not self.thieves or self.port not in {thief.getsockname()[1] for thief in self.thieves}


class BrokenDoor(Door):
    """A server that ends at once, with a word why."""

    def _launch(self):
        return start_detached([sys.executable, "-c", "raise SystemExit('the hinges are gone')"], self.log)


@pytest.fixture
def door(tmp_path):
    node = Door(tmp_path)
    yield node
    node.kill()
    for thief in node.thieves:
        thief.close()


def test_a_server_is_found_by_who_did_not_start_it(door, tmp_path):
    door.start()
    found = Door(tmp_path)
    assert found.pid == door.pid
    assert found.port == door.port


def test_a_second_start_leaves_a_running_server_alone(door):
    door.start()
    first = door.pid
    door.start()
    assert door.pid == first


def test_a_paused_server_goes_on_when_it_is_started(door):
    door.start()
    door.pause()
    assert door.is_running
    door.start()
    assert door._answers()


def test_a_server_keeps_its_port_over_a_restart(door):
    door.start()
    port = door.port
    door.stop()
    assert door.pid is None
    door.start()
    assert door.port == port


def test_a_server_whose_old_port_is_taken_gets_another(door):
    door.start()
    port = door.port
    door.stop()
    with socket.create_server((ports.LOOPBACK, port)):
        door.start()
    assert door.port != port


def test_a_server_whose_port_is_taken_while_it_starts_tries_another(door):
    door.robberies = 2
    door.start()
    assert door.is_running
    assert len(door.thieves) == 2


def test_a_server_gives_up_when_every_port_is_taken_while_it_starts(door):
    door.robberies = 99
    with pytest.raises(DevstackError, match=r"(?s)door ended while it started.*[Aa]ddress already in use"):
        door.start()


def test_a_server_that_ends_while_it_starts_is_told_with_the_end_of_its_log(tmp_path):
    with pytest.raises(DevstackError, match=r"(?s)door ended while it started.*the hinges are gone"):
        BrokenDoor(tmp_path).start()


def test_a_server_that_never_answers_is_told_with_its_port(door):
    door.start()
    door.start_timeout_s = 0.1
    door._answers = lambda: False
    with pytest.raises(DevstackError, match=f"does not answer on port {door.port}"):
        door.start()


def test_a_pid_that_belongs_to_another_process_by_now_is_no_running_server(door):
    door.start()
    written = door._state_file.read_text()
    state = json.loads(written)
    state["process"]["started_at"] -= 3600
    door._state_file.write_text(json.dumps(state))
    assert not Door(door.directory.parent).is_running
    door._state_file.write_text(written)  # so that the one that runs is ended


def test_only_its_owner_can_read_a_state_file(tmp_path):
    path = tmp_path / "state.json"
    NodeState(Process(1, 2.0), {"clients": 3}, {"password": "x"}).write(path)
    assert path.stat().st_mode & 0o777 == 0o600
    assert NodeState.read(path) == NodeState(Process(1, 2.0), {"clients": 3}, {"password": "x"})
