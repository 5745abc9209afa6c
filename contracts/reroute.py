"""Records that a producer's partitioner put on the wrong lane, sent on to their home.

Source: docs/messages.md, Re-routed records.
"""

from contracts import headers
from contracts.records import OutgoingMessage, RawRecord
from contracts.topics import Topic

MAX_HEADER_BYTES = 16 * 1024
"""Headers are hints; where there are more of them than this, only the trace context is carried on."""


def encode_reroute(record: RawRecord) -> OutgoingMessage:
    """Wrap a record for `rerouted`: its key, value and headers as they came, and headers that say where it came from.

    Raises:
        ValueError: it was re-routed already, or has no value; neither is ever sent on.
    """
    if record.topic == Topic.REROUTED or record.value is None:
        name = f"{record.topic}/{record.partition}/{record.offset}"
        raise ValueError(f"{name} can't be re-routed: it was already, or has no value")
    origin = (
        (headers.ORIGIN_TOPIC, record.topic.encode()),
        (headers.ORIGIN_PARTITION, b"%d" % record.partition),
        (headers.ORIGIN_OFFSET, b"%d" % record.offset),
        (headers.ORIGIN_TIMESTAMP, b"%d" % record.timestamp_ms),
    )
    return OutgoingMessage(Topic.REROUTED.value, record.key, record.value, origin + _carried(record.headers))


def _carried(given: headers.Headers) -> tuple[tuple[str, bytes], ...]:
    carried = tuple((name, value) for name, value in given[: headers.MAX_READ] if name not in headers.ORIGIN)
    size = sum(len(name) + len(value or b"") for name, value in carried)
    if len(given) <= headers.MAX_READ and size <= MAX_HEADER_BYTES:
        return carried
    trace = headers.traceparent_of(given)
    return ((headers.TRACEPARENT, trace.encode()),) if trace else ()
