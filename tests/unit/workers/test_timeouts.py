"""Time-outs that stand in relation to one another, with the settings' defaults."""

import re
from pathlib import Path

import pytest

from storage import database, logins, sessions
from workers import worker
from workers.kafka import clients, membership, transport
from workers.kafka.membership import Membership
from workers.lanes import assignment, backoff, claims, lane, lanelog, open_transactions, relay, sender, watchdog
from workers.ops import endpoints
from workers.settings.model import Engine

REPOSITORY = Path(__file__).resolve().parents[3]
ENGINE = Engine()
LEAST_SESSION_S = 6.0
"""Of a broker as it comes: group.min.session.timeout.ms."""
END_S = 30.0
"""What docs/operations.md promises for an end by SIGTERM."""


def grace_s():
    compose = (REPOSITORY / "docker-compose.yml").read_text(encoding="utf-8")
    return float(re.search(r"stop_grace_period: (\d+)s", compose)[1])


RELAY_STEPS = {
    "start": sender.START_TIMEOUT_S,
    "send": sender.SEND_TIMEOUT_S,
    "read the log": lanelog.READ_TIMEOUT_S,
}
STATEMENT_S = database.COMMAND_TIMEOUT_S
CLAIM_S = claims.CHECK_TIMEOUT_S + clients.STOP_TIMEOUT_S

RELATIONS = [
    # Kafka transactions: we give up before the broker does, and a request that got lost is sent once more before.
    ("request, twice", 2 * sender.REQUEST_TIMEOUT_S, "send", sender.SEND_TIMEOUT_S),
    ("send, less", sender.SEND_TIMEOUT_S + 1, "transaction", sender.TRANSACTION_TIMEOUT_S),
    ("transaction of a killed worker", sender.TRANSACTION_TIMEOUT_S, "told", open_transactions.TOLD_AFTER_S),
    # Database: the server says why before the client gives up; its lock is gone about when the group gives the lane on.
    ("lock, less", sessions.LOCK_TIMEOUT_S + 1, "statement", STATEMENT_S),
    ("idle transaction", sessions.IDLE_IN_TRANSACTION_TIMEOUT_S, "session", ENGINE.session_timeout_s),
    ("dead host", sessions.TCP_TIMEOUT_S, "watchdog", ENGINE.watchdog_s),
    ("signs of life", sessions.KEEPALIVE_S * (1 + sessions.KEEPALIVES), "watchdog", ENGINE.watchdog_s),
    # The group. A claim, its database's part included, may take longer than a session: heartbeats do not wait for it,
    # and a rebalance waits for CLAIM_WAIT_S only.
    ("three heartbeats", 3 * Membership(1).heartbeat_s, "session", 1),
    ("rest", assignment.REST_TIMEOUT_S, "least rebalance", Membership(LEAST_SESSION_S).rebalance_s),
    (
        "lanes given up, claims",
        lane.GIVE_UP_TIMEOUT_S + assignment.CLAIM_WAIT_S,
        "Faust's waiting for us",
        Membership(LEAST_SESSION_S).request_s,
    ),
    ("rebalance", Membership(60).rebalance_s, "request", Membership(60).request_s),
    ("watchdog, ending", watchdog.MOST_PATIENT * ENGINE.watchdog_s, "poll", membership.MAX_POLL_INTERVAL_S),
    # The watchdog: nothing that is bounded and shows that it moves at its end may look still before.
    *((name, most_s, "watchdog", ENGINE.watchdog_s) for name, most_s in RELAY_STEPS.items()),
    ("claim", CLAIM_S, "watchdog", ENGINE.watchdog_s),
    ("connect, statement, lock", 2 * STATEMENT_S + sessions.LOCK_TIMEOUT_S, "watchdog", ENGINE.watchdog_s),
    ("backoff", backoff.LONGEST_WAIT_S, "watchdog", ENGINE.watchdog_s),
    # What docs/runbooks/servers-away.md promises of a log-in that is let in again.
    ("log-in, connect, backoff", logins.LOGIN_AGAIN_S + STATEMENT_S + backoff.LONGEST_WAIT_S, "healed", 60),
    ("asking a broker", watchdog.BROKER_ANSWER_S, "half the patience", watchdog.ASK_AFTER * ENGINE.watchdog_s),
    ("rebalance, asked", Membership(ENGINE.session_timeout_s).rebalance_s, "watchdog", ENGINE.watchdog_s),
    # What waits for an end waits longer than that may take.
    ("producer, reader", sender.PRODUCER_STOP_TIMEOUT_S + clients.STOP_TIMEOUT_S, "relay", relay.END_TIMEOUT_S),
    ("relay, release", relay.END_TIMEOUT_S + relay.RELEASE_TIMEOUT_S, "lane", lane.GIVE_UP_TIMEOUT_S),
    ("claim's consumer", clients.STOP_TIMEOUT_S, "lane", lane.GIVE_UP_TIMEOUT_S),
    ("hint beside them", transport.COMMIT_TIMEOUT_S, "lane", lane.GIVE_UP_TIMEOUT_S),
    (
        "lanes, group, endpoints with their look, consumers, pool",
        lane.GIVE_UP_TIMEOUT_S
        + worker.LEAVE_TIMEOUT_S
        + endpoints.SHUTDOWN_TIMEOUT_S
        + clients.STOP_TIMEOUT_S
        + clients.STOP_TIMEOUT_S
        + worker.CLOSE_TIMEOUT_S,
        "ending",
        worker.ENDING_S,
    ),
    ("ending, twice", 2 * worker.ENDING_S, "stop", ENGINE.stop_timeout_s),
    ("stop, less", ENGINE.stop_timeout_s + 1, "promised end", END_S),
    ("promised end, less", END_S + 1, "grace of the compose file", grace_s()),
]


@pytest.mark.parametrize(
    ("least_s", "most_s"),
    [pytest.param(least_s, most_s, id=f"{less} <= {more}") for less, least_s, more, most_s in RELATIONS],
)
def test_one_ends_before_the_other(least_s, most_s):
    assert least_s <= most_s


def test_an_end_within_30_s_is_promised():
    assert "exit 0 within 30 s" in (REPOSITORY / "docs" / "operations.md").read_text(encoding="utf-8")
