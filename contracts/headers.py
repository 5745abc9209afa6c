"""Kafka headers postpay reads and writes. They are hints: no header changes what is decided.

Source: docs/messages.md, Headers.
"""

import re
from collections.abc import Sequence

TRACEPARENT = "traceparent"
ORIGIN_TOPIC = "postpay-origin-topic"
ORIGIN_PARTITION = "postpay-origin-partition"
ORIGIN_OFFSET = "postpay-origin-offset"
ORIGIN_TIMESTAMP = "postpay-origin-timestamp"
ORIGIN = (ORIGIN_TOPIC, ORIGIN_PARTITION, ORIGIN_OFFSET, ORIGIN_TIMESTAMP)
REDRIVE_OF = "postpay-redrive-of"
"""The id of the dead letter that a record is sent again for."""

MAX_READ = 100
"""Headers looked at per record; a record with a hundred thousand costs no more than one with a hundred."""

Headers = Sequence[tuple[str, bytes]]

_TRACEPARENT = re.compile(r"(?!ff)[0-9a-f]{2}-(?!0{32})[0-9a-f]{32}-(?!0{16})[0-9a-f]{16}-[0-9a-f]{2}")


def traceparent_of(headers: Headers) -> str | None:
    """Return the W3C trace context, or None when there is none that is well-formed."""
    for name, value in headers[:MAX_READ]:
        if name == TRACEPARENT and isinstance(value, bytes):
            text = value.decode("ascii", "replace")
            if _TRACEPARENT.fullmatch(text):
                return text
    return None
