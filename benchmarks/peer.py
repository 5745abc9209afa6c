"""Runs the plain agent (benchmarks/plain_agent.py) in a process of its own and hears what it did."""

import json
import os
import signal
import subprocess
import sys
import time
from collections.abc import Callable, Mapping
from pathlib import Path
from typing import Any

from benchmarks.errors import BenchmarkError
from devstack.places import project_directory
from workers.settings.model import Settings

START_TIMEOUT_S = 160.0
"""Until its first message, and for its answer: with the processor shared by ten others that took 40 s (measured)."""
POLL_S = 0.05


def plain_agent_settles(
    settings: Settings,
    concurrency: int,
    messages: int,
    seconds: float,
    log: Path,
    say: Callable[[str], object],
) -> float:
    """Messages a second, from its first message to its last.

    On a busy machine Faust was seen to hang before its first message; one that says nothing is started once more.

    Args:
        settings: of its topics and database; the messages lie in `purchase` already.
        concurrency: how many it settles side by side.
        messages: how many at most.
        seconds: it stops earlier than at its last message when this is over; what it did until then counts.
        log: where its errors go.
        say: told that it had to be started once more.

    Raises:
        BenchmarkError: it failed, or said nothing in time twice.
    """
    orders: dict[str, Any] = {
        "bootstrap": settings.kafka.bootstrap,
        "dsn": settings.postgres.dsn,
        "prefix": settings.topics.prefix,
        "lanes": settings.lanes,
        "concurrency": concurrency,
        "messages": messages,
        "seconds": seconds,
    }
    found = _run(orders, START_TIMEOUT_S + seconds, log)
    if found is None and not _failed(log):
        say(f"the plain agent said nothing in {START_TIMEOUT_S + seconds:.0f} s and was started once more")
        found = _run(orders, START_TIMEOUT_S + seconds, log)
    if found is None or _failed(log):
        raise BenchmarkError(f"the plain agent failed, or did not say what it settled; see {log}")
    return float(found["messages"] / found["seconds"])


def _run(orders: Mapping[str, Any], timeout_s: float, log: Path) -> dict[str, float] | None:
    """Start it, hear what it says, end it; None if it says nothing."""
    command = [sys.executable, "-m", "benchmarks.plain_agent", "-L", "uvloop", "worker", "-l", "error", "--without-web"]
    with log.open("wb") as errors:
        agent = subprocess.Popen(
            command,
            env=os.environ | {"POSTPAY_BENCHMARK": json.dumps(orders)},
            cwd=project_directory(),
            stdout=subprocess.PIPE,
            stderr=errors,
        )
    try:
        return _first_json_line(agent, timeout_s)
    finally:
        _end(agent)


def _failed(log: Path) -> bool:
    return b"Traceback" in log.read_bytes()


def _end(agent: "subprocess.Popen[bytes]") -> None:
    agent.send_signal(signal.SIGINT)
    try:
        agent.wait(timeout=20)
    except subprocess.TimeoutExpired:
        agent.kill()
        agent.wait()


def _first_json_line(agent: "subprocess.Popen[bytes]", timeout_s: float) -> dict[str, float] | None:
    if agent.stdout is None:
        return None
    os.set_blocking(agent.stdout.fileno(), False)
    deadline = time.monotonic() + timeout_s
    said = b""
    while time.monotonic() < deadline and agent.poll() is None:
        said += agent.stdout.read() or b""
        for line in said.splitlines():
            if line.startswith(b"{") and line.endswith(b"}"):
                found: dict[str, float] = json.loads(line)
                return found
        time.sleep(POLL_S)
    return None
