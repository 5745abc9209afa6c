"""A real worker that sends its traces to a collector, from the message's own trace to its outputs."""

from aiohttp import web
from opentelemetry.proto.collector.trace.v1.trace_service_pb2 import ExportTraceServiceRequest

from contracts.topics import Topic
from devstack import ports
from tests.platform import Messages, eventually, platform

TRACE, CAUSE = "4bf92f3577b34da6a3ce929d0e0e4736", "00f067aa0ba902b7"
TRACEPARENT = f"00-{TRACE}-{CAUSE}-01"


async def test_a_message_is_followed_from_its_producer_to_its_outputs(stack, tmp_path):
    spans, port = [], ports.choose()

    async def collect(request):
        told = ExportTraceServiceRequest.FromString(await request.read())
        for resource in told.resource_spans:
            for scope in resource.scope_spans:
                spans.extend(span for span in scope.spans if span.trace_id.hex() == TRACE)
        return web.Response(content_type="application/x-protobuf")

    def named(name):
        return [span for span in spans if span.name == name]

    def below(parent):
        return sorted(span.name for span in spans if span.parent_span_id == parent.span_id)

    application = web.Application()
    application.add_routes([web.post("/v1/traces", collect)])
    runner = web.AppRunner(application)
    await runner.setup()
    await web.TCPSite(runner, "127.0.0.1", port).start()
    async with platform(stack.bootstrap, stack.dsn, tmp_path, lanes=1) as made:
        messages = Messages()
        await made.send([messages.line_opened("acc-1")])
        worker = made.worker(OTEL_EXPORTER_OTLP_ENDPOINT=f"http://127.0.0.1:{port}", OTEL_BSP_SCHEDULE_DELAY="100")
        await made.settled(1)
        placed = messages.purchase_placed("acc-1", "order-1")
        placed.headers = [("traceparent", TRACEPARENT.encode())]
        await made.send([placed])
        await made.settled(2)
        await eventually(lambda: named("relay"), state=lambda: f"{spans}\n{worker.tail()}")
        assert await worker.stopped() == 0
        sent = await made.read(Topic.NOTIFICATION)
    await runner.cleanup()
    (batch,), (relay,) = named("settle batch"), named("relay")
    assert batch.parent_span_id.hex() == CAUSE
    assert below(batch) == ["commit", "decide", "fetch", "relay", "write"]
    assert below(relay) == ["commit", "output lane-log", "output notification"]
    assert batch.end_time_unix_nano <= relay.start_time_unix_nano < relay.end_time_unix_nano
    traces = [dict(record.headers)["traceparent"] for record in sent]
    assert traces == [TRACEPARENT.encode()], "as it came"
