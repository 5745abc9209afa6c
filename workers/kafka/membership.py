"""How long the group waits for a member and a member for the group: all of it follows from one setting.

A worker that is gone loses its lanes after the session; one that lives must not lose them by being slow. Heartbeats are
sent by the consumer's own thread, so what lanes do on the main loop, claims included, never delays one. Only joining
itself pauses them, and we do nothing meanwhile.
"""

from dataclasses import dataclass

HEARTBEATS_PER_SESSION = 5
"""Kafka's advice is three at least: one may be lost and one late. At worst a worker whose network drops for a session
loses its lanes, and claims them again when it is back."""
REBALANCE_SESSIONS = 2
"""A rebalance waits so many sessions for a member to join: it lets its batches in flight end first. At worst the others
stand still that long for one that hangs."""
LEAST_REQUEST_TIMEOUT_S = 20.0
"""Of a request, and of Faust's waiting until the lanes of a new assignment are claimed. A broker holds the request to
join back for the whole rebalance, so it grows with that. At worst a half-open connection is noticed this late."""
MAX_POLL_INTERVAL_S = 300.0
"""aiokafka leaves the group when nothing was fetched for so long. The watchdog ends the process long before."""


@dataclass(frozen=True, slots=True)
class Membership:
    """The time-outs of a member.

    Args:
        session_s: a member silent this long is taken out of the group.
    """

    session_s: float

    @property
    def heartbeat_s(self) -> float:
        """From one sign of life to the next."""
        return self.session_s / HEARTBEATS_PER_SESSION

    @property
    def rebalance_s(self) -> float:
        """How long the group waits for members to join anew."""
        return REBALANCE_SESSIONS * self.session_s

    @property
    def request_s(self) -> float:
        """How long an answer of the broker is waited for; never less than the broker may keep a join."""
        return max(LEAST_REQUEST_TIMEOUT_S, self.rebalance_s)
