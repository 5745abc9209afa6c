"""Transactions that somebody holds open in a lane's topics: nobody gets what lies behind them before they end.

It is told from when it was first seen here; that the broker does not say how old a transaction is a reader can't help.
"""

import time

from workers import logs
from workers.kafka.chunks import Ends

TOLD_AFTER_S = 30.0
"""As long as a transaction of ours may be open when its worker was killed (workers/lanes/takeover.py): what is open for
longer is somebody else's, and no accident of the moment."""


class OpenTransactions:
    """Of one lane, looked at now and then.

    Args:
        lane: its number.
        states: says what lasts once.
    """

    def __init__(self, lane: int, states: logs.ChangeOfState) -> None:
        self._lane = lane
        self._states = states
        self._seen: dict[str, tuple[int, float]] = {}
        """By topic, where the first open transaction begins, and since when it has been seen."""

    def look(self, topic: str, ends: Ends | None) -> tuple[int, float]:
        """How many records lie behind an open transaction of the topic, and for how long it has been seen."""
        records = ends.last - ends.stable if ends is not None else 0
        if ends is None or records <= 0:
            self._seen.pop(topic, None)
            self._states.leave(
                ("open transaction", self._lane, topic), "no transaction is open any more", lane=self._lane, topic=topic
            )
            return 0, 0.0
        begin, since = self._seen.get(topic, (ends.stable, time.monotonic()))
        if begin != ends.stable:  # another one
            since = time.monotonic()
        self._seen[topic] = ends.stable, since
        seconds = time.monotonic() - since
        if seconds > TOLD_AFTER_S:
            self._states.enter(
                ("open transaction", self._lane, topic),
                "a transaction that nobody ends holds records back",
                lane=self._lane,
                topic=topic,
                offset=ends.stable,
                records=records,
            )
        return records, seconds
