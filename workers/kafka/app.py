"""The Faust application: group membership, subscription, rebalancing and supervision for the lanes.

What Faust would do besides is switched off: its producer (each lane has a transactional one), its web pages (they show
tables and routes to anyone), its leader topic, its tables' folders, declaring topics.
"""

from collections.abc import Sequence
from typing import Any, cast

import faust
from faust.app.base import BootStrategy

from workers.kafka.chunks import Owner
from workers.kafka.membership import Membership
from workers.kafka.transport import LaneConsumer, LaneTransport
from workers.settings.model import Settings


class LaneBootStrategy(BootStrategy):
    """Which of Faust's services start."""

    enable_kafka_producer = False
    enable_web = False


class LaneApp(faust.App):
    """Faust with our transport.

    Args:
        settings: of the worker.
        topics: names, with prefix, of all topics a lane reads.
        owner: claims lanes and takes over what is fetched.
    """

    BootStrategy = LaneBootStrategy

    def __init__(self, settings: Settings, topics: Sequence[str], owner: Owner) -> None:
        self.postpay_settings = settings
        self.lane_topics = tuple(topics)
        self.lane_owner = owner
        membership = Membership(settings.worker.session_timeout_s)
        super().__init__(
            settings.group,
            broker=f"aiokafka://{settings.kafka.bootstrap.split(',')[0]}",
            key_serializer="raw",
            value_serializer="raw",
            autodiscover=False,
            topic_allow_declare=False,
            topic_disable_leader=True,
            web_enabled=False,
            # Faust bounds its steps of a rebalance by these; the consumer itself is made in workers/kafka/transport.py.
            broker_session_timeout=membership.session_s,
            broker_heartbeat_interval=membership.heartbeat_s,
            broker_rebalance_timeout=membership.rebalance_s,
            broker_request_timeout=membership.request_s,
            stream_recovery_delay=0.0,
            stream_wait_empty=True,
        )
        self.agent(self.topic(*self.lane_topics), name="lanes")(_subscribe)

    @property
    def lane_consumer(self) -> LaneConsumer:
        """Faust's consumer, which is ours."""
        return cast("LaneConsumer", self.consumer)

    async def wait_for_crash(self) -> BaseException | None:
        """Wait until the consumer has broken; why."""
        await self._crashed.wait()  # mode has no public way to wait for it
        return self.crash_reason

    def _new_transport(self) -> LaneTransport:
        return LaneTransport(self.conf.broker_consumer, self)

    def _create_directories(self) -> None:
        """No folders: there are no tables."""


async def _subscribe(stream: Any) -> None:
    """Subscribe to the topics; records go to the lanes and never come here."""
    async for _ in stream:
        msg = "a record came through Faust's streams instead of the lanes"
        raise RuntimeError(msg)
