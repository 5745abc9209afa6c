"""Which errors are worth another try later: of the database, of the broker, of either."""

import asyncpg
import pytest
from aiokafka.errors import KafkaConnectionError, NodeNotReadyError, UnknownTopicOrPartitionError

from storage.database import first_line, is_transient
from workers.kafka.clients import BrokerUnreachableError, is_broker_away
from workers.lanes.backoff import is_passing


def fatal(error: asyncpg.PostgresError) -> asyncpg.PostgresError:
    error.severity_en = "FATAL"
    return error


BOTH, DATABASE, BROKER, NEITHER = (True, True), (True, False), (False, True), (False, False)


@pytest.mark.parametrize(
    ("error", "of"),
    [
        (ConnectionRefusedError(), BOTH),
        (OSError("no route to host"), BOTH),
        (TimeoutError(), BOTH),
        (asyncpg.LockNotAvailableError(), DATABASE),
        (asyncpg.CannotConnectNowError(), DATABASE),
        (asyncpg.TooManyConnectionsError(), DATABASE),
        (asyncpg.AdminShutdownError(), DATABASE),
        (asyncpg.DeadlockDetectedError(), DATABASE),
        (asyncpg.ReadOnlySQLTransactionError(), DATABASE),
        (asyncpg.InterfaceError("connection is closed"), DATABASE),
        (fatal(asyncpg.ObjectNotInPrerequisiteStateError()), DATABASE),
        (asyncpg.ObjectNotInPrerequisiteStateError(), NEITHER),
        (asyncpg.ClientConfigurationError("mysql"), NEITHER),
        (asyncpg.DatabaseDroppedError(), NEITHER),
        (asyncpg.InvalidPasswordError(), NEITHER),
        (asyncpg.UniqueViolationError(), NEITHER),
        (asyncpg.DataError("invalid input"), NEITHER),
        (KafkaConnectionError(), BROKER),
        (NodeNotReadyError(), BROKER),
        (UnknownTopicOrPartitionError(), BROKER),
        (BrokerUnreachableError("Kafka at 127.0.0.1:1 cannot be reached"), BROKER),
        (ValueError("ours"), NEITHER),
        (AssertionError(), NEITHER),
    ],
    ids=lambda given: type(given).__name__ if isinstance(given, Exception) else None,
)
def test_what_passes(error, of):
    assert (is_transient(error), is_broker_away(error)) == of
    assert is_passing(error) == any(of)


@pytest.mark.parametrize(
    ("error", "told"),
    [
        (OSError("no route to host\nDETAIL: row"), "no route to host"),
        (TimeoutError(), "TimeoutError"),
        (asyncpg.DataError('value "a: b" is out of range: c'), 'value "…" is out of range'),
        (asyncpg.UndefinedTableError('relation "lane" does not exist'), 'relation "lane" does not exist'),
        (ValueError("x" * 10_000), "x" * 500),
    ],
    ids=lambda given: type(given).__name__ if isinstance(given, Exception) else None,
)
def test_what_is_told_of_an_error(error, told):
    assert first_line(error) == told
