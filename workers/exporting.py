"""Traces by OpenTelemetry, an extra (`postpay[tracing]`): spans are made once a batch or a transaction is through.

What they tell is measured meanwhile, so a batch that is tried again makes no span of its own, and nothing here awaits.
A thread of the SDK's sends them; a collector that is away costs spans, never a batch.
"""

import re
import threading
import time
from collections import Counter, OrderedDict
from collections.abc import Iterable, Iterator, Sequence
from contextlib import contextmanager
from importlib.metadata import version

from opentelemetry.exporter.otlp.proto.http.trace_exporter import OTLPSpanExporter
from opentelemetry.sdk.resources import OTELResourceDetector, Resource
from opentelemetry.sdk.trace import SpanProcessor, TracerProvider
from opentelemetry.sdk.trace.export import BatchSpanProcessor
from opentelemetry.trace import Link, NonRecordingSpan, SpanContext, SpanKind, TraceFlags, Tracer, set_span_in_context

MOST_LINKS = 100
"""Of a batch: more are looked at by nobody, and each is a line in the collector."""
REMEMBERED = 1_000
"""Batches whose span a relay may still hang on; of later ones the relay's span is a trace of its own."""
NS_PER_MS = 1_000_000

_TRACEPARENT = re.compile(r"[0-9a-f]{2}-(?P<trace>[0-9a-f]{32})-(?P<span>[0-9a-f]{16})-(?P<flags>[0-9a-f]{2})")


def otlp(worker: str) -> "Spans":
    """Spans that go to the collector which OTEL_EXPORTER_OTLP_… name, sampled and bounded as OTEL_… say."""
    return Spans(worker, BatchSpanProcessor(OTLPSpanExporter()))


class Spans:
    """Makes spans (`workers.tracing.Tracing`).

    Args:
        worker: its name.
        processor: takes the spans.
    """

    def __init__(self, worker: str, processor: SpanProcessor) -> None:
        about = {"service.name": "postpay", "service.version": version("postpay"), "service.instance.id": worker}
        resource = Resource.create(about).merge(OTELResourceDetector().detect())  # what OTEL_ variables say goes before
        self.resource = resource
        self._provider = TracerProvider(resource=resource, shutdown_on_exit=False)
        self._provider.add_span_processor(processor)
        self.tracer = self._provider.get_tracer("postpay", version("postpay"))
        self.batches: OrderedDict[tuple[int, int], SpanContext] = OrderedDict()
        """By lane and batch, those of the last batches."""

    def of_batches(self, lane: int) -> "BatchSpans":
        """Of one claim of a lane."""
        return BatchSpans(self, lane)

    def of_relay(self, lane: int) -> "RelaySpans":
        """Of one claim's relay."""
        return RelaySpans(self, lane)

    def remember(self, lane: int, batch_seq: int, context: SpanContext) -> None:
        """Keep a batch's span for its relay."""
        self.batches[lane, batch_seq] = context
        while len(self.batches) > REMEMBERED:
            self.batches.popitem(last=False)

    def close(self, timeout_s: float) -> None:
        """Send what is left, within bounds. Blocks."""
        closing = threading.Thread(target=self._provider.shutdown, daemon=True)  # a hanging collector holds up no end
        closing.start()
        closing.join(timeout_s)


class Steps:
    """Steps of something in progress, with begin and end in nanoseconds since 1970."""

    def __init__(self) -> None:
        self.begun_ns = time.time_ns()
        self._steps: list[tuple[str, int, int]] = []

    def begin(self) -> None:
        """Forget them, and measure from now on."""
        self.begun_ns = time.time_ns()
        self._steps.clear()

    @contextmanager
    def step(self, name: str) -> Iterator[None]:
        """Measure one; one that fails is forgotten."""
        begun_ns = time.time_ns()
        yield
        self._steps.append((name, begun_ns, time.time_ns()))

    def write(self, tracer: Tracer, parent: SpanContext, kind: SpanKind = SpanKind.INTERNAL) -> None:
        """Make a span of each below a parent."""
        for name, begun_ns, ended_ns in self._steps:
            context = set_span_in_context(NonRecordingSpan(parent))
            tracer.start_span(name, context, kind=kind, start_time=begun_ns).end(ended_ns)


class BatchSpans(Steps):
    """Of one lane's batches."""

    def __init__(self, spans: Spans, lane: int) -> None:
        super().__init__()
        self._spans = spans
        self._lane = lane

    def committed(self, batch_seq: int, records: Iterable[tuple[int, str | None]]) -> None:
        """Make the batch's span and those of its steps; `fetch` begins when the oldest record was written."""
        ended_ns, tracer, known = time.time_ns(), self._spans.tracer, list(records)
        begun_ns = min([self.begun_ns, *(written_ms * NS_PER_MS for written_ms, _ in known)])
        causes = _causes(traceparent for _, traceparent in known if traceparent is not None)
        parent, links = None, [Link(cause) for cause in causes]
        if len({cause.trace_id for cause in causes}) == 1:
            parent, links = set_span_in_context(NonRecordingSpan(causes[0])), links[1:]
        span = tracer.start_span(
            "settle batch",
            parent,
            kind=SpanKind.CONSUMER,
            links=links,
            start_time=begun_ns,
            attributes={"postpay.lane": self._lane, "postpay.batch_seq": batch_seq, "postpay.records": len(known)},
        )
        own = span.get_span_context()
        fetch = set_span_in_context(span)
        tracer.start_span("fetch", fetch, kind=SpanKind.CONSUMER, start_time=begun_ns).end(self.begun_ns)
        self.write(tracer, own)
        span.end(ended_ns)
        self._spans.remember(self._lane, batch_seq, own)


class RelaySpans(Steps):
    """Of one lane's Kafka transactions."""

    def __init__(self, spans: Spans, lane: int) -> None:
        super().__init__()
        self._spans = spans
        self._lane = lane

    def sent(self, batches: Sequence[int], messages: Iterable[str]) -> None:
        """Make a transaction's span below its first batch's, linked to the others', and one for each topic written."""
        ended_ns, tracer = time.time_ns(), self._spans.tracer
        causes = [self._spans.batches.pop((self._lane, batch_seq), None) for batch_seq in batches]
        first, *others = causes
        span = tracer.start_span(
            "relay",
            None if first is None else set_span_in_context(NonRecordingSpan(first)),
            kind=SpanKind.PRODUCER,
            links=[Link(each) for each in others[:MOST_LINKS] if each is not None],
            start_time=self.begun_ns,
            attributes={"postpay.lane": self._lane, "postpay.batches": len(batches)},
        )
        below = set_span_in_context(span)
        for topic, number in sorted(Counter(messages).items()):
            output = tracer.start_span(
                f"output {topic}",
                below,
                kind=SpanKind.PRODUCER,
                start_time=self.begun_ns,
                attributes={"messaging.destination.name": topic, "postpay.messages": number},
            )
            output.end(ended_ns)
        self.write(tracer, span.get_span_context())
        span.end(ended_ns)


def _causes(traceparents: Iterable[str]) -> list[SpanContext]:
    """The different contexts of messages, in their order, up to MOST_LINKS."""
    found: dict[tuple[int, int], SpanContext] = {}
    for traceparent in traceparents:
        if len(found) >= MOST_LINKS:
            break
        match = _TRACEPARENT.fullmatch(traceparent)
        if match is not None:
            trace_id, span_id, flags = (int(match[name], 16) for name in ("trace", "span", "flags"))
            context = SpanContext(trace_id, span_id, is_remote=True, trace_flags=TraceFlags(flags & 1))
            found.setdefault((trace_id, span_id), context)
    return list(found.values())
