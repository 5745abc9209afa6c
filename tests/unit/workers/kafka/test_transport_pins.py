"""Private parts of Faust and aiokafka that workers/kafka/transport.py, joining.py and app.py touch.

Nobody promises them. When an upgrade moves one, this fails and names it; then transport.py has to be read against the
new source, and these lines with it.
"""

import inspect
from importlib.metadata import version

import pytest
from aiokafka import AIOKafkaConsumer, AIOKafkaProducer, client
from aiokafka.consumer import fetcher, group_coordinator, subscription_state
from aiokafka.producer import message_accumulator
from aiokafka.protocol import fetch
from faust.app.base import App, BootStrategy
from faust.tables import recovery
from faust.transport import consumer
from faust.transport.drivers import aiokafka as driver

from workers.kafka import login, metadata
from workers.kafka.fetch_sessions import SESSIONS_SINCE


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
        (consumer.Consumer, ["on_partitions_assigned"]),
        (driver.Consumer, ["_new_consumer_thread"]),
        (group_coordinator.GroupCoordinator, ["request_rejoin", "_push_error_to_user"]),
        (client.AIOKafkaClient, ["coordinator_lookup"]),
        (App, ["_new_transport", "_create_directories"]),
        (BootStrategy, ["enable_kafka_producer", "enable_web"]),
    ],
)
def test_what_we_override_or_call_is_there(owner, names):
    missing = [name for name in names if not hasattr(owner, name)]
    assert missing == []


@pytest.mark.parametrize("connects", [client.AIOKafkaClient.bootstrap, client.AIOKafkaClient._get_conn])
def test_every_connection_is_made_by_way_of_ours(connects):
    assert client.create_conn is login._connect
    assert "await create_conn(" in source(connects)
    for argument in ("ssl_context=self._ssl_context", "sasl_plain_password=self._sasl_plain_password"):
        assert argument in source(connects), "what workers/kafka/login.py puts its own in place of"


def test_every_question_about_leaders_is_asked_by_way_of_ours():
    assert client.AIOKafkaClient._metadata_update is metadata._ask_in_time
    assert "await self._metadata_update(self.cluster, topics)" in source(client.AIOKafkaClient._md_synchronizer)
    assert "force_metadata_update()" in source(fetcher.Fetcher._fetch_requests_routine)


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
        # A broker is asked for more when the last fetch has ended; of what it still has, aiokafka asks for nothing.
        (fetcher.Fetcher._get_actions_per_node, "if tp in self._records:"),
        (fetcher.Fetcher._get_actions_per_node, "elif node_id in self._in_flight:"),
        (fetcher.Fetcher._get_actions_per_node, "position = tp_state.position"),
        (fetcher.Fetcher._fetch_requests_routine, "self._in_flight.discard(node_id)"),
        (fetcher.Fetcher._fetch_requests_routine, "with contextlib.suppress(asyncio.CancelledError):"),
        (fetcher.Fetcher._proc_fetch_request, "self._records[tp] = FetchResult("),
        (fetcher.Fetcher._proc_fetch_request, "tp_state.lso = lso"),
        (fetcher.Fetcher._proc_fetch_request, "tp_state.position != fetch_offset"),
        # Its requests pass workers/kafka/fetch_sessions.py; an answer is looked at by what was asked.
        (fetcher.Fetcher._proc_fetch_request, "response = await self._client.send(node_id, request)"),
        (fetcher.Fetcher._proc_fetch_request, "for topic, partitions in request.topics:"),
        (fetcher.Fetcher._proc_fetch_request, "fetch_offset = fetch_offsets[tp]"),
        (fetcher.Fetcher._proc_fetch_request, "for partition, error_code, highwater, *part_data in partitions:"),
        (fetch.FetchRequest.build, "args.append([])  # forgotten_topics_data"),
        # Records are decoded lazily, and the position after the last one read is kept beside them.
        (fetcher.PartitionRecords._unpack_records, "self.next_fetch_offset = record.offset + 1"),
        (fetcher.PartitionRecords._unpack_records, "self.next_fetch_offset = next_batch.next_offset"),
        (fetcher.FetchResult.check_assignment, "position != self._partition_records.next_fetch_offset"),
        (fetcher.FetchError.__init__, "self._error = error"),
        # The trap that keeps us from fetched_records: A's records are taken, then B raises.
        (fetcher.Fetcher.fetched_records, "res_or_error.check_raise()"),
        # A commit in an old generation is told apart from a broker that doesn't answer.
        (group_coordinator.GroupCoordinator.commit_offsets, "raise Errors.CommitFailedError("),
        # What keeps a member out is given to whoever asks for records, and waited for; joining starts heartbeats again.
        (group_coordinator.GroupCoordinator.__init__, "self._closing = create_future()"),
        (
            group_coordinator.GroupCoordinator.__init__,
            "self._coordination_task = create_task(self._coordination_routine())",
        ),
        (
            group_coordinator.GroupCoordinator._GroupCoordinator__coordination_routine,
            "await self._push_error_to_user(exc)",
        ),
        (group_coordinator.GroupCoordinator.ensure_active_group, "self._start_heartbeat_task()"),
        (group_coordinator.GroupCoordinator.ensure_coordinator_known, "await self._client.coordinator_lookup("),
        # Nothing assigned, nothing sought: so an empty assignment is told to us apart.
        (recovery.Recovery._resume_streams, 'self.log.info("Resuming streams with empty assignment")'),
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


def test_fetches_of_sessions_are_made_of_what_aiokafka_knows():
    assert list(inspect.signature(fetch.FetchRequest.__init__).parameters) == [
        *("self", "max_wait_time", "min_bytes", "max_bytes", "isolation_level", "topics", "rack_id"),
    ]
    request = fetch.FetchRequest(1, 2, 3, 1, [("t", [(0, 5, 6)])], "rack")
    kept = (request._max_wait_ms, request._min_bytes, request._max_bytes, request._isolation_level, request._rack_id)
    assert kept == (1, 2, 3, 1, "rack")
    for spoken in range(SESSIONS_SINCE, 12):
        built = request.prepare({1: (spoken, spoken)})
        assert (built.session_id, built.session_epoch, built.forgotten_topics_data) == (0, -1, [])
        assert built.RESPONSE_TYPE.SCHEMA.names[:3] == ("throttle_time_ms", "error_code", "session_id")


def test_clients_take_the_arguments_we_give():
    taken = inspect.signature(AIOKafkaConsumer.__init__).parameters
    assert {"isolation_level", "auto_offset_reset", "fetch_max_wait_ms", "rebalance_timeout_ms"} <= taken.keys()
    assert {"transactional_id", "transaction_timeout_ms", "max_batch_size"} <= (
        inspect.signature(AIOKafkaProducer.__init__).parameters.keys()
    )
