"""Spans of what lanes do, for whoever collects traces. Off unless OTEL_ variables ask for it; then they cost a look.

A batch is one span with its steps, not a message: messages are settled thousands at a time. A batch whose messages all
belong to one trace is a part of that; any other is a trace of its own, linked to those of its messages. Outputs keep
the traceparent of the message that caused them, as it came: with a span's own id nothing decided again would be equal.

Source: docs/operations.md, Traces; docs/decisions/0025.
"""

import importlib
import os
from collections.abc import Iterable, Sequence
from contextlib import AbstractContextManager, nullcontext
from typing import Protocol, cast

from workers import logs

WANTED_BY = ("OTEL_EXPORTER_OTLP_ENDPOINT", "OTEL_EXPORTER_OTLP_TRACES_ENDPOINT")
MISSING = "traces are asked for and can't be sent: install postpay[tracing]"
EXPORTER = "workers.exporting"
"""The one module that imports OpenTelemetry, an extra: so it is imported by name, and only when it is wanted."""

LOG = logs.get(__name__)


class BatchTrace(Protocol):
    """What one lane does with one batch after the other."""

    def step(self, name: str) -> AbstractContextManager[None]:
        """Measure a step of the batch in progress."""

    def begin(self) -> None:
        """Forget steps of a batch that came to nothing, and measure from now on."""

    def committed(self, batch_seq: int, records: Iterable[tuple[int, str | None]]) -> None:
        """Tell of the batch in progress; `records` are when each was written, in ms since 1970, and its traceparent."""


class RelayTrace(Protocol):
    """What one lane's relay does with one Kafka transaction after the other."""

    def step(self, name: str) -> AbstractContextManager[None]:
        """Measure a step of the transaction in progress."""

    def begin(self) -> None:
        """Forget steps of a transaction that came to nothing, and measure from now on."""

    def sent(self, batches: Sequence[int], messages: Iterable[str]) -> None:
        """Tell of the transaction in progress: which batches, and of each message the topic."""


class Tracing(Protocol):
    """Makes traces."""

    def of_batches(self, lane: int) -> BatchTrace:
        """Of one claim of a lane."""

    def of_relay(self, lane: int) -> RelayTrace:
        """Of one claim's relay."""

    def close(self, timeout_s: float) -> None:
        """Send what is left, within bounds. Blocks."""


class Untraced:
    """Nothing is wanted: all three, doing nothing."""

    _STEP = nullcontext()

    def of_batches(self, lane: int) -> BatchTrace:
        """Itself."""
        return self

    def of_relay(self, lane: int) -> RelayTrace:
        """Itself."""
        return self

    def step(self, name: str) -> AbstractContextManager[None]:
        """Nothing."""
        return self._STEP

    def begin(self) -> None:
        """Nothing."""

    def committed(self, batch_seq: int, records: Iterable[tuple[int, str | None]]) -> None:
        """Nothing: what is given is not gone through."""

    def sent(self, batches: Sequence[int], messages: Iterable[str]) -> None:
        """Nothing."""

    def close(self, timeout_s: float) -> None:
        """Nothing."""


UNTRACED = Untraced()


def is_wanted() -> bool:
    """Whether the standard variables ask for traces, by OTLP."""
    if os.environ.get("OTEL_SDK_DISABLED", "").lower() == "true":
        return False
    exporter = os.environ.get("OTEL_TRACES_EXPORTER", "")
    return exporter == "otlp" or (not exporter and any(os.environ.get(name) for name in WANTED_BY))


def configured(worker: str) -> Tracing:
    """What the OTEL_ variables ask for: where to send it and how much of it is the exporter's own to read.

    Args:
        worker: its name in traces, unless they give another (`service.instance.id`).
    """
    if not is_wanted():
        return UNTRACED
    try:
        exporting = importlib.import_module(EXPORTER)
    except ModuleNotFoundError as missing:
        if not (missing.name or "").startswith("opentelemetry"):
            raise
        # Such variables are often set for a whole cluster: no reason not to settle.
        LOG.warning(MISSING, error=str(missing))
        return UNTRACED
    LOG.info("traces are sent by OTLP")
    return cast("Tracing", exporting.otlp(worker))
