"""The benchmark in a size too small to mean anything: it measures all it promises and leaves nothing running."""

import asyncio
import json
import subprocess
import sys
from pathlib import Path

import pytest

from cli.processes import stop_left_over
from devstack import stack as devstack

pytestmark = [
    pytest.mark.slow,
    pytest.mark.timeout(600),
]

CHECKOUT = Path(__file__).parents[3]


def figures_of(tmp_path: Path, *arguments: str) -> dict[str, float]:
    figures_file = tmp_path / "figures.json"
    directory = tmp_path / "stack"
    command = [sys.executable, "-m", "benchmarks", "--messages", "1000", *arguments]
    try:
        ran = subprocess.run(
            [*command, "--dir", directory, "--json", figures_file],
            cwd=CHECKOUT,
            capture_output=True,
            text=True,
            check=False,
        )
        assert ran.returncode == 0, ran.stdout + ran.stderr
        assert not devstack.status(directory).is_running
    finally:
        stop_left_over(directory / "workers")
        devstack.down(directory, wipe=True)
    return json.loads(figures_file.read_text())


@pytest.mark.campaign
def test_a_hot_merchant_and_a_hot_account_are_measured_against_many(tmp_path):
    figures = figures_of(tmp_path, "--hot-merchant", "--hot-account")
    assert list(figures) == [
        "spread_per_s",
        *("hot_merchant_per_s", "ratio_hot_merchant", "hot_account_per_s", "ratio_hot_account"),
    ]
    assert all(value > 0 for value in figures.values())


def test_every_figure_is_measured_in_one_run(tmp_path):
    figures = figures_of(tmp_path)
    assert list(figures) == [
        "floor_per_s",
        "plain_agent_1_per_s",
        "plain_agent_8_per_s",
        "postpay_per_s",
        "ratio_floor",
        "ratio_plain_8",
        "latency_p50_ms",
        "latency_p99_ms",
        "latency_50_p50_ms",
        "latency_50_p99_ms",
        "cores_50",
        "latency_500_p50_ms",
        "latency_500_p99_ms",
        "cores_500",
        "latency_floor_p50_ms",
        "latency_floor_p99_ms",
        "cores_floor_50",
        "latency_floor_500_p50_ms",
        "latency_floor_500_p99_ms",
        "cores_floor_500",
        "worker_rss_mib",
        "workers",
        "replay_per_s",
        "ratio_replay",
        "replay_rss_mib",
    ]
    assert all(value > 0 for value in figures.values())
    assert figures["ratio_floor"] == pytest.approx(figures["postpay_per_s"] / figures["floor_per_s"], rel=0.01)
    assert figures["latency_p50_ms"] <= figures["latency_p99_ms"]


@pytest.mark.campaign
def test_replay_is_measured_by_itself(tmp_path):
    figures = figures_of(tmp_path, "--replay")
    assert list(figures) == [
        "postpay_per_s",
        "worker_rss_mib",
        "workers",
        "replay_per_s",
        "ratio_replay",
        "replay_rss_mib",
    ]
    assert all(value > 0 for value in figures.values())


@pytest.mark.campaign
async def test_a_named_database_is_measured_by_itself(tmp_path, empty_database):
    figures = await asyncio.to_thread(figures_of, tmp_path, "--dsn", empty_database.dsn)
    assert list(figures) == ["postpay_per_s", "latency_p50_ms", "latency_p99_ms", "worker_rss_mib", "workers"]
    assert all(value > 0 for value in figures.values())
