"""Growth measured in a size too small to mean anything: what is copied is as valid as what a worker settled."""

import json
import signal
import subprocess
import sys
from pathlib import Path

import pytest

from cli.processes import stop_left_over
from devstack import stack as devstack

pytestmark = [
    pytest.mark.campaign,
    pytest.mark.slow,
    pytest.mark.timeout(600),
]

CHECKOUT = Path(__file__).parents[3]
SIZE = ("--accounts", "1000,3000", "--decisions", "0,12000", "--timers", "300", "--messages", "1000")


def test_each_stage_is_told_when_it_is_done_and_sigterm_ends_all(tmp_path):
    directory = tmp_path / "stack"
    size = ("--accounts", "1000,200000", "--decisions", "0,200000", "--timers", "300", "--messages", "1000")
    command = [sys.executable, "-m", "benchmarks.growth", *size, "--dir", directory]
    try:
        with subprocess.Popen(command, cwd=CHECKOUT, stderr=subprocess.PIPE, text=True) as run:
            assert run.stderr is not None
            told = next((line for line in run.stderr if "messages a second" in line), "")
            assert told.startswith("1,000 accounts with 2,000 decisions, filled in "), run.stderr.read()
            run.send_signal(signal.SIGTERM)
            run.communicate()
        assert run.returncode not in {0, -signal.SIGTERM}
        assert not devstack.status(directory).is_running
    finally:
        stop_left_over(directory / "workers")
        devstack.down(directory, wipe=True)


def test_a_worker_goes_on_from_what_was_copied_and_the_audit_holds(tmp_path):
    figures_file = tmp_path / "figures.json"
    directory = tmp_path / "stack"
    command = [sys.executable, "-m", "benchmarks.growth", *SIZE]
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
    figures = json.loads(figures_file.read_text())
    first, last = figures.pop("stages")
    assert all(value > 0 for value in [*figures.values(), *first.values(), *last.values()])
    assert list(first) == [
        "accounts",
        "decisions",
        "fill_s",
        "database_mib",
        "postpay_per_s",
        "latency_50_p50_ms",
        "latency_50_p99_ms",
        "latency_500_p50_ms",
        "latency_500_p99_ms",
        "worker_rss_mib",
    ]
    assert (first["accounts"], last["accounts"]) == (1_000, 3_000)
    assert first["decisions"] == 2_000  # the openings of accounts, and a thousand merchants
    assert last["decisions"] == pytest.approx(12_000, rel=0.1)
    assert figures["timers"] == 300
    assert figures["archived_decisions"] == pytest.approx(last["decisions"] / 2, rel=0.5)
    assert "the audit found nothing" in ran.stdout
    assert ran.stdout.count("reached: ") == 2
    told = [line for line in ran.stderr.splitlines() if "messages a second" in line]
    assert [line.partition(" with ")[0].partition(":")[0] for line in told] == [
        "1,000 accounts",
        "3,000 accounts",
        "the first stage once more",
    ]
    before, behind, large = first["postpay_per_s"], figures["first_again_per_s"], last["postpay_per_s"]
    assert figures["ratio_last_stage"] == pytest.approx(2 * large / (before + behind), abs=0.001)
