"""`postpay demo` from end to end, in a small size: its own stack, real workers, one of them killed."""

import json
import os
import signal
import subprocess
from pathlib import Path

import psutil
import pytest

from cli.processes import POSTPAY, stop_left_over
from devstack import stack as devstack
from devstack.process import wait_until

pytestmark = [pytest.mark.slow, pytest.mark.timeout(400)]

SMALL = ("--accounts", "120", "--merchants", "10", "--days", "20")


def environment() -> dict[str, str]:
    """As on a machine where something else is set, which is none of the demo's business."""
    return os.environ | {"POSTPAY_KAFKA__BOOTSTRAP": "127.0.0.1:1", "POSTPAY_LANES": "3", "POSTPAY_CLOCK": "wall"}


@pytest.fixture
def folder(tmp_path):
    yield tmp_path
    stop_left_over(tmp_path / "workers")
    devstack.down(tmp_path, wipe=True)


def test_the_demo_settles_its_quarter_proves_it_and_leaves_nothing_running(folder):
    summary_file = folder / "summary.json"
    ran = subprocess.run(
        [POSTPAY, "demo", "--dir", folder, "--json", summary_file, *SMALL],
        env=environment(),
        capture_output=True,
        text=True,
        check=False,
    )

    assert ran.returncode == 0, ran.stdout + ran.stderr
    summary = json.loads(summary_file.read_text())
    told = {"inputs", "outputs", "audit", "workers", "messages", "seconds", "replay", "rebuild", "simulation"}
    assert set(summary) == told
    assert summary["messages"] == sum(summary["inputs"].values()) > 300
    assert summary["audit"]["ok"] and summary["audit"]["checks"]
    assert summary["replay"]["equal"] and summary["replay"]["messages"] >= summary["messages"]
    assert summary["rebuild"]["same"] and summary["rebuild"]["audit"]["ok"] and summary["rebuild"]["audit"]["checks"]
    assert summary["rebuild"]["messages"] == summary["replay"]["messages"]
    assert not summary["simulation"]["equal"] and summary["simulation"]["parties_apart"] > 0
    assert Path(summary["simulation"]["page"]).read_text().startswith("<!doctype html>")
    assert summary["workers"] == 3
    assert {"applied", "declined", "dead_lettered"} <= set(summary["inputs"])
    assert {"notification.requested", "limit.released", "dead_letter.recorded"} <= set(summary["outputs"])
    for line in (
        "killed by SIGKILL",
        "none of them twice",
        "all of it the same",
        "What people were told",
        "One merchant's quarter",
        "limit_available",
        "All balances and hashes are those of before",
        "purchases accepted",
        summary["simulation"]["page"],
    ):
        assert line in ran.stdout
    assert not devstack.status(folder).kafka.is_running
    assert not devstack.status(folder).postgres.is_running
    assert workers_of(folder) == []


def test_a_terminated_demo_stops_what_it_started(folder):
    demo = subprocess.Popen(
        [POSTPAY, "demo", "--dir", folder, *SMALL], env=environment(), stdout=subprocess.DEVNULL, stderr=subprocess.PIPE
    )
    assert wait_until(lambda: workers_of(folder) or demo.poll() is not None, 120), "no worker was started"
    assert demo.poll() is None, demo.stderr.read()

    demo.send_signal(signal.SIGTERM)

    assert demo.wait(timeout=90) != 0
    assert workers_of(folder) == []
    assert not devstack.status(folder).is_running


def workers_of(folder: Path) -> list[psutil.Process]:
    """Running workers whose logs are in the folder."""
    found = []
    for process in psutil.process_iter(["cwd", "cmdline"]):
        command = process.info["cmdline"] or []
        if process.info["cwd"] == str(folder / "workers") and command[-1:] == ["worker"]:
            found.append(process)
    return found
