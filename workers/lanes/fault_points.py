"""Named points of the exactly-once protocol at which a test can have the process killed.

A no-op unless POSTPAY_FAULT is set to `name:nth`: then the process sends itself SIGKILL at the nth passage of that
point, as if the machine had lost power there. docs/protocol.md names the points.
"""

import os
import signal

CHECKPOINTS = (
    "claimed",
    "fetched",
    "loaded",
    "before_commit",
    "after_commit",
    "before_kafka_transaction",
    "in_kafka_transaction",
    "before_kafka_commit",
    "after_kafka_commit",
    "others_fenced",
    "after_claim_record",
)
"""A worker's."""

REDRIVE_CHECKPOINTS = ("redrive_intended", "redrive_sent")
"""Those of a command that sends dead letters again (operating/redriving.py)."""

REBUILD_CHECKPOINTS = ("rebuild_prepared", "rebuild_copied", "rebuild_sound", "rebuild_exchanged")
"""Those of a rebuild (workers/replay/rebuild.py): the new schema is empty; a lane's process has copied all but the
lane's own row; all is there and proven; it is in the old one's place, and not committed."""

SPLIT_CHECKPOINTS = ("split_filled", "split_partitions_added", "split_logged")
"""Those of the command that splits lanes (operating/more_lanes.py)."""

ARCHIVE_CHECKPOINTS = ("archive_written", "archive_prepared", "archive_exchanged")
"""Those of the command that archives (operating/archiving.py): files are written; what stays is copied, and what is
needed of the rest carried forward; partitions are exchanged, and that is not committed."""


class UnknownCheckpointError(ValueError):
    """POSTPAY_FAULT names no checkpoint; the message lists them."""


def parse(fault: str) -> tuple[str, int]:
    """Read `name:nth`; without a number the first passage is meant.

    Raises:
        UnknownCheckpointError: no checkpoint has that name, or the number is none.
    """
    name, _, number = fault.partition(":")
    known_names = (*CHECKPOINTS, *REDRIVE_CHECKPOINTS, *REBUILD_CHECKPOINTS, *SPLIT_CHECKPOINTS, *ARCHIVE_CHECKPOINTS)
    if name not in known_names or not (number or "1").isdigit():
        known = ", ".join(known_names)
        msg = f"POSTPAY_FAULT: expected NAME or NAME:NUMBER with NAME one of {known}; got {fault!r}"
        raise UnknownCheckpointError(msg)
    return name, int(number or 1)


_fault = parse(os.environ["POSTPAY_FAULT"]) if os.environ.get("POSTPAY_FAULT") else None
_passages = 0


def reached(name: str) -> None:
    """Die here if the test asked for it."""
    if _fault is not None and _fault[0] == name:
        _die_when_due(_fault[1])


def _die_when_due(nth: int) -> None:
    global _passages  # noqa: PLW0603  one process dies once; there is nothing to own this number
    _passages += 1
    if _passages == nth:
        os.kill(os.getpid(), signal.SIGKILL)
