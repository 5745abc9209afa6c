"""Spans, kept in memory: what belongs to what, and what a span says."""

import subprocess
import sys
import threading
import time

import pytest
from opentelemetry.sdk.trace.export import SimpleSpanProcessor
from opentelemetry.sdk.trace.export.in_memory_span_exporter import InMemorySpanExporter

from workers import exporting, tracing
from workers.exporting import Spans
from workers.tracing import UNTRACED

ONE, OTHER = ("a" * 32, "b" * 16), ("c" * 32, "d" * 16)


def header(trace, span, flags="01"):
    return f"00-{trace}-{span}-{flags}"


@pytest.fixture
def exporter():
    return InMemorySpanExporter()


@pytest.fixture
def spans(exporter):
    return Spans("host/7", SimpleSpanProcessor(exporter))


@pytest.fixture
def finished(exporter):
    return lambda: {span.name: span for span in exporter.get_finished_spans()}


def settle(spans, batch_seq, *records):
    trace = spans.of_batches(3)
    trace.begin()
    with trace.step("decide"):
        pass
    with trace.step("commit"):
        pass
    trace.committed(batch_seq, iter(records))


def written_before(seconds):
    return time.time_ns() // 10**6 - seconds * 1000


def test_a_batch_of_one_trace_is_part_of_it_with_its_steps(spans, finished):
    settle(spans, 7, (written_before(5), header(*ONE)), (written_before(2), None))
    made = finished()
    batch = made["settle batch"]
    assert f"{batch.context.trace_id:032x}" == ONE[0]
    assert f"{batch.parent.span_id:016x}" == ONE[1]
    assert dict(batch.attributes) == {"postpay.lane": 3, "postpay.batch_seq": 7, "postpay.records": 2}
    assert {made[name].parent.span_id for name in ("fetch", "decide", "commit")} == {batch.context.span_id}
    assert 4.9 < (made["fetch"].end_time - made["fetch"].start_time) / 1e9 < 6
    assert batch.start_time == made["fetch"].start_time
    assert made["fetch"].end_time <= made["decide"].end_time <= made["commit"].start_time <= batch.end_time


def test_a_batch_of_several_traces_is_one_of_its_own_linked_to_them(spans, finished):
    settle(spans, 7, (0, header(*ONE)), (0, header(*OTHER, flags="00")), (0, header(*ONE)), (0, "no context"))
    batch = finished()["settle batch"]
    assert batch.parent is None
    linked = [(f"{each.context.trace_id:032x}", f"{each.context.span_id:016x}") for each in batch.links]
    assert linked == [ONE, OTHER]


def test_links_are_bounded(spans, finished):
    settle(spans, 7, *((0, header(f"{number:032x}", "b" * 16)) for number in range(1, 5_000)))
    assert len(finished()["settle batch"].links) == exporting.MOST_LINKS


def test_a_trace_that_is_not_sampled_stays_so(spans, finished):
    settle(spans, 7, (0, header(*ONE, flags="00")))
    assert finished() == {}


def test_what_is_sent_hangs_on_its_batch_and_names_its_topics(spans, finished, exporter):
    settle(spans, 7, (0, header(*ONE)))
    first = finished()["settle batch"].context.span_id
    exporter.clear()
    settle(spans, 8)
    second = finished()["settle batch"].context.span_id
    relay = spans.of_relay(3)
    relay.begin()
    with relay.step("commit"):
        pass
    relay.sent([7, 8], iter(["notification", "lane-log", "notification"]))
    made = finished()
    assert made["relay"].parent.span_id == first
    assert [link.context.span_id for link in made["relay"].links] == [second]
    below = {
        name for name, span in made.items() if span.parent and span.parent.span_id == made["relay"].context.span_id
    }
    assert {"output notification", "output lane-log"} < below
    assert made["output notification"].attributes["postpay.messages"] == 2
    assert not spans.batches, "what is sent is forgotten"


def test_batches_that_are_never_sent_from_here_are_forgotten_in_the_end(spans, monkeypatch):
    monkeypatch.setattr(exporting, "REMEMBERED", 3)
    for batch_seq in range(9):
        settle(spans, batch_seq)
    assert [batch_seq for _, batch_seq in spans.batches] == [6, 7, 8]


def test_steps_of_a_batch_that_came_to_nothing_are_forgotten(spans, exporter):
    trace = spans.of_batches(3)
    with pytest.raises(TimeoutError), trace.step("decide"):
        raise TimeoutError
    with trace.step("write"):
        pass
    trace.begin()
    trace.committed(7, iter(()))
    assert [span.name for span in exporter.get_finished_spans()] == ["fetch", "settle batch"]


def test_spans_name_the_worker_unless_it_is_called_otherwise(monkeypatch):
    monkeypatch.setenv("OTEL_RESOURCE_ATTRIBUTES", "deployment.environment=test,service.instance.id=blue")
    monkeypatch.setenv("OTEL_SERVICE_NAME", "pay")
    named = Spans("host/7", SimpleSpanProcessor(InMemorySpanExporter())).resource.attributes
    assert (named["service.name"], named["service.instance.id"]) == ("pay", "blue")
    assert named["deployment.environment"] == "test"


def test_a_collector_that_hangs_holds_up_no_end(spans, monkeypatch):
    hanging = threading.Event()
    monkeypatch.setattr(spans._provider, "shutdown", hanging.wait)
    begun = time.monotonic()
    spans.close(0.05)
    assert time.monotonic() - begun < 5
    hanging.set()


@pytest.mark.parametrize(
    ("given", "wanted"),
    [
        ({}, False),
        ({"OTEL_EXPORTER_OTLP_ENDPOINT": "http://collector:4318"}, True),
        ({"OTEL_EXPORTER_OTLP_TRACES_ENDPOINT": "http://collector:4318/v1/traces"}, True),
        ({"OTEL_TRACES_EXPORTER": "otlp"}, True),
        ({"OTEL_TRACES_EXPORTER": "none", "OTEL_EXPORTER_OTLP_ENDPOINT": "http://collector:4318"}, False),
        ({"OTEL_SDK_DISABLED": "true", "OTEL_TRACES_EXPORTER": "otlp"}, False),
    ],
)
def test_traces_are_off_unless_the_standard_variables_ask_for_them(monkeypatch, given, wanted):
    for name in ("OTEL_SDK_DISABLED", "OTEL_TRACES_EXPORTER", *tracing.WANTED_BY):
        monkeypatch.delenv(name, raising=False)
    for name, value in given.items():
        monkeypatch.setenv(name, value)
    assert tracing.is_wanted() is wanted
    if not wanted:
        assert tracing.configured("me") is UNTRACED


def test_where_the_extra_is_not_installed_a_worker_says_so_and_settles(monkeypatch):
    def missing(name):
        raise ModuleNotFoundError("No module named 'opentelemetry'", name="opentelemetry")

    monkeypatch.setenv("OTEL_TRACES_EXPORTER", "otlp")
    monkeypatch.setattr(tracing.importlib, "import_module", missing)
    assert tracing.configured("me") is UNTRACED


def test_what_is_off_goes_through_nothing_that_it_is_given():
    def untouchable():
        raise AssertionError
        yield

    UNTRACED.of_batches(0).committed(1, untouchable())
    UNTRACED.of_relay(0).sent([1], untouchable())


def test_without_the_extra_everything_but_the_exporter_can_be_imported():
    script = "import sys; sys.modules['opentelemetry'] = None; import cli, demo, workers.worker"
    tried = subprocess.run([sys.executable, "-c", script], capture_output=True, text=True, check=False)
    assert tried.returncode == 0, tried.stderr
