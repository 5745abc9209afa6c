"""Where partitions are led: a client that misses a leader asks again, and not without a pause."""

import asyncio
import time
from itertools import pairwise
from uuid import uuid4

import pytest
from aiokafka import TopicPartition

from cli.embedded import settings_of
from workers.kafka.clients import reading
from workers.kafka.metadata import PACE_S

ASKED = 6
LEAST_S = 0.9 * PACE_S
"""Between two answers: a question takes time, too, but clocks are not exact."""


@pytest.fixture
def settings(stack):
    return settings_of(stack, clock="wall")


def gone():
    return f"gone-{uuid4().hex[:8]}"


async def pauses(client):
    """Seconds from one answer about leaders to the next, of some that come from now on."""
    answers, take = asyncio.Queue(), client.cluster.update_metadata

    def noted(answer):
        take(answer)
        answers.put_nowait(time.monotonic())

    client.cluster.update_metadata = noted
    async with asyncio.timeout(60):
        at = [await answers.get() for _ in range(ASKED)]
    return [later - earlier for earlier, later in pairwise(at)]


async def test_a_reader_of_a_topic_that_is_gone_asks_for_its_leader_with_pauses(settings):
    async with reading(settings.kafka) as consumer:
        tp = TopicPartition(gone(), 0)
        consumer.assign([tp])
        consumer.seek(tp, 0)
        assert min(await pauses(consumer._client)) >= LEAST_S


async def test_about_another_topic_it_asks_at_once(settings):
    async with reading(settings.kafka) as consumer:
        client = consumer._client

        async def took(asking):
            begun = time.monotonic()
            await asking()
            return time.monotonic() - begun

        await client.force_metadata_update()
        assert min([await took(lambda: client.add_topic(gone())) for _ in range(ASKED)]) < PACE_S / 2
        assert min([await took(client.force_metadata_update) for _ in range(ASKED)]) >= LEAST_S
