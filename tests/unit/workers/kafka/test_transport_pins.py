"""Private parts of Faust and aiokafka that workers/kafka/transport.py and workers/kafka/app.py touch.

Nobody promises them. When an upgrade moves one, this fails and names it; then transport.py has to be read against the
new source, and these lines with it.
"""

import asyncio
import inspect
import time
from importlib.metadata import version

import pytest
from aiokafka import AIOKafkaConsumer, AIOKafkaProducer
from aiokafka.consumer import fetcher, group_coordinator, subscription_state
from aiokafka.producer import message_accumulator
from faust.app.base import App, BootStrategy
from faust.tables import recovery
from faust.transport import consumer
from faust.transport.drivers import aiokafka as driver

from workers.kafka.pacing import paced


def source(thing):
    return inspect.getsource(thing)


def test_the_versions_are_those_that_were_read():
    assert version("faust-streaming") == "0.15.3"
    assert version("mode-streaming") == "0.7.1"
    assert version("aiokafka") == "0.14.0"


@pytest.mark.parametrize(
    ("owner", "names"),
    [
        (fetcher.Fetcher, ["_create_fetch_waiter", "_notify", "error_future", "seek_to"]),
        (fetcher.FetchResult, ["check_assignment", "has_more"]),
        (fetcher.PartitionRecords, ["__next__"]),
        (subscription_state.SubscriptionState, ["reassignment_in_progress", "is_assigned", "fetch_context"]),
        (subscription_state.Assignment, ["state_value"]),
        (subscription_state.TopicPartitionState, ["position", "has_valid_position", "consumed_to"]),
        (driver.AIOKafkaConsumerThread, ["_create_worker_consumer", "_ensure_consumer", "on_partitions_revoked"]),
        (consumer.Consumer, ["_drain_messages", "seek_to_committed", "wait_empty", "verify_all_partitions_active"]),
        (consumer.Consumer, ["_get_active_partitions", "pause_partitions", "resume_partitions", "commit"]),
        (driver.Consumer, ["_new_consumer_thread"]),
        (App, ["_new_transport", "_create_directories"]),
        (BootStrategy, ["enable_kafka_producer", "enable_web"]),
    ],
)
def test_what_we_override_or_call_is_there(owner, names):
    missing = [name for name in names if not hasattr(owner, name)]
    assert missing == []


@pytest.mark.parametrize(
    ("place", "line"),
    [
        # Records wait here by partition; a seek drops them.
        (fetcher.Fetcher.__init__, "self._records = collections.OrderedDict()"),
        (fetcher.Fetcher.__init__, "self._prefetch_backoff = prefetch_backoff"),
        (fetcher.Fetcher.__init__, "self._fetch_waiters = set()"),
        (fetcher.Fetcher.seek_to, "del self._records[tp]"),
        (fetcher.Fetcher._fetch_requests_routine, "self._wait_consume_future = create_future()"),
        (fetcher.Fetcher._fetch_requests_routine, "self._proc_fetch_request(assignment, node_id, request)"),
        (fetcher.Fetcher._fetch_requests_routine, "has_new_data = any(fut.result() for fut in done_pending)"),
        (fetcher.Fetcher._get_actions_per_node, "elif node_id in self._in_flight:"),
        (fetcher.Fetcher._proc_fetch_request, "tp_state.lso = lso"),
        (fetcher.Fetcher._proc_fetch_request, "tp_state.position != fetch_offset"),
        # Records are decoded lazily, and the position after the last one read is kept beside them.
        (fetcher.PartitionRecords._unpack_records, "self.next_fetch_offset = record.offset + 1"),
        (fetcher.PartitionRecords._unpack_records, "self.next_fetch_offset = next_batch.next_offset"),
        (fetcher.FetchResult.check_assignment, "position != self._partition_records.next_fetch_offset"),
        (fetcher.FetchError.__init__, "self._error = error"),
        # The trap that keeps us from fetched_records: A's records are taken, then B raises.
        (fetcher.Fetcher.fetched_records, "res_or_error.check_raise()"),
        # A commit in an old generation is told apart from a broker that doesn't answer.
        (group_coordinator.GroupCoordinator.commit_offsets, "raise Errors.CommitFailedError("),
        # Faust's recovery loop seeks after everything else, and forgets an exception of ours.
        (recovery.Recovery._resume_streams, "consumer.perform_seek()"),
        (recovery.Recovery._resume_streams, "consumer.resume_flow()"),
        (consumer.Consumer.perform_seek, "await self.seek_to_committed()"),
        (driver.AIOKafkaConsumerThread.on_start, "self._create_consumer(loop=self.thread_loop)"),
        (driver.AIOKafkaConsumerThread.on_start, "await self._consumer.start()"),
        (consumer.Fetcher._fetcher.fun, "await consumer._drain_messages(self)"),
        # Batches of our own work in transactions, and are bounded by the producer's batch size.
        (message_accumulator.MessageAccumulator._append_batch, "maybe_add_partition_to_txn(tp)"),
        (message_accumulator.MessageAccumulator.create_builder, "is_transactional=is_transactional"),
    ],
)
def test_the_lines_we_rely_on_stand_where_they_stood(place, line):
    assert line in source(place)


def test_clients_take_the_arguments_we_give():
    taken = inspect.signature(AIOKafkaConsumer.__init__).parameters
    assert {"isolation_level", "auto_offset_reset", "fetch_max_wait_ms", "rebalance_timeout_ms"} <= taken.keys()
    assert {"transactional_id", "transaction_timeout_ms", "max_batch_size"} <= (
        inspect.signature(AIOKafkaProducer.__init__).parameters.keys()
    )


async def test_fetches_from_one_broker_keep_their_distance_and_those_from_others_do_not_wait():
    begun = []

    async def fetch(_assignment, node_id, _request):
        begun.append((node_id, time.monotonic()))
        return True

    at_pace = paced(fetch, 0.5)
    await asyncio.gather(*(at_pace(None, node_id, None) for node_id in (1, 2, 1)))
    assert [node_id for node_id, _ in begun] == [1, 2, 1]
    assert begun[2][1] - begun[0][1] > 0.4
    assert begun[1][1] - begun[0][1] < 0.4


async def test_a_fetch_cancelled_while_it_waits_its_turn_ends_as_one_that_brought_nothing():
    async def fetch(*_):
        return True

    at_pace = paced(fetch, 60.0)
    await at_pace(None, 1, None)
    waiting = asyncio.create_task(at_pace(None, 1, None))
    await asyncio.sleep(0)
    waiting.cancel()
    assert await waiting is False
