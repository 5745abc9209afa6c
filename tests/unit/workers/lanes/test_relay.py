"""What a relay makes of errors: whom it says it waits for, and how often it tries again what no absence explains."""

import socket
from uuid import uuid4

import asyncpg
import pytest

from storage.identity import Identity
from tests.platform import eventually
from workers import logs
from workers.lanes.backoff import Backoff
from workers.lanes.outgoing import OutboxMessage, Relayable
from workers.lanes.relay import MOST_ODD_ERRORS, Relay
from workers.settings.model import Settings
from workers.status import LaneStatus, WorkerStatus


class OutputSender:
    """Has a session at once, and is its own for a lane alone."""

    name = "mine"

    def alone(self, lane):
        return self

    async def session(self):
        return object()

    async def close(self):
        pass


@pytest.fixture
def status():
    return WorkerStatus(lanes={0: LaneStatus(0)})


@pytest.fixture
def make(status):
    """Makes relays of lane 0."""

    def relay(kind=Relay, pool=None):
        return kind(
            status.lanes[0],
            epoch=1,
            settled=0,
            owner="me",
            settings=Settings(),
            identity=Identity(uuid4(), 1, None, None, None),
            pool=pool,
            reader=None,
            sender=OutputSender(),
            states=logs.ChangeOfState(logs.get("test")),
            on_moved=lambda: None,
        )

    return relay


async def test_a_relay_whose_database_refuses_connections_does_not_blame_the_broker(make, status):
    with socket.socket() as nobody:
        nobody.bind(("127.0.0.1", 0))
        port = nobody.getsockname()[1]
        pool = await asyncpg.create_pool(f"postgresql://me@127.0.0.1:{port}/none", min_size=0)
        relay = make(pool=pool)
        relay.start()
        await eventually(lambda: status.lanes[0].relay_detail, within_s=10)
        await relay.stop()
        pool.terminate()
    assert status.lanes[0].relay_detail.startswith("relay waits for the database: ")


class Takeover:
    """Whose lane it is needs no asking."""

    async def require_epoch(self):
        pass


class Stumbling(Relay):
    """Meets an unexpected state of its client each time it has taken over and sent `sends` batches."""

    sends = 0
    stumbled = 0

    async def _take_over(self, session):
        self._left = self.sends
        self._backoff = Backoff()  # as short as it gets

    async def _hint(self):
        pass

    async def _send(self, session, batches):
        if not self._left:
            self.stumbled += 1
            raise AssertionError("an unexpected state")
        self._left -= 1


class Sending(Stumbling):
    sends = 1


def hand_over(relay, batches):
    for batch_seq in range(1, batches + 1):
        relay.hand_over(
            Relayable(batch_seq, [OutboxMessage("payout", 0, b"", b"", ())], 5 * 2**20)
        )  # more than a transaction takes


async def test_a_lane_waits_for_its_relay_when_little_is_left_of_its_share_of_memory(make):
    relay = make()
    relay.hand_over(Relayable(1, [], 3 * 2**20))
    assert relay.has_room
    relay.hand_over(Relayable(2, [], 3 * 2**20))
    assert not relay.has_room


async def test_odd_errors_without_a_batch_between_them_end_the_relay(make):
    relay = make(Stumbling)
    relay._takeover = Takeover()
    hand_over(relay, 1)
    relay.start()
    await eventually(lambda: relay.error, within_s=10)
    assert (relay.stumbled, repr(relay.error)) == (MOST_ODD_ERRORS, "AssertionError('an unexpected state')")


async def test_odd_errors_with_batches_sent_between_them_pass_however_many_they_are(make):
    relay = make(Sending)
    relay._takeover = Takeover()
    batches = 3 * MOST_ODD_ERRORS
    hand_over(relay, batches)
    relay.start()
    await eventually(lambda: relay.relayed == batches or relay.error, within_s=30)
    assert (relay.relayed, relay.error, relay.stumbled) == (batches, None, batches // 2)  # alone it sends one each time
    assert relay.stumbled > MOST_ODD_ERRORS
    await relay.stop()
