import signal

import pytest

from cli.processes import Fleet, WorkerFailedError, WorkerProcess, environment_with, stop_left_over
from devstack.process import Process

UNREADABLE = {"POSTPAY_LANES": "none"}
"""A worker that reads this ends at once, and says why."""


def test_only_the_settings_that_are_given_reach_a_worker(monkeypatch):
    monkeypatch.setenv("POSTPAY_CLOCK", "event")
    monkeypatch.setenv("SHELL", "/bin/sh")
    environment = environment_with({"POSTPAY_LANES": "2"})
    assert {name: value for name, value in environment.items() if name.startswith("POSTPAY_")} == {"POSTPAY_LANES": "2"}
    assert environment["SHELL"] == "/bin/sh"


def test_a_worker_that_ends_before_it_is_ready_is_told_with_the_end_of_its_log(tmp_path):
    worker = WorkerProcess.start("worker", tmp_path, UNREADABLE)
    with pytest.raises(WorkerFailedError, match=r"(?s)worker has ended; the end of .*worker\.log:.*POSTPAY_LANES"):
        worker.await_ready()
    assert (worker.is_running, worker.exit_code, worker.url) == (False, 2, None)
    assert worker.readiness() == "it does not listen yet"


def test_a_worker_that_is_killed_has_ended_when_the_call_returns(tmp_path):
    worker = WorkerProcess.start("worker", tmp_path, {})
    worker.kill()
    assert worker.exit_code == -signal.SIGKILL
    worker.send(signal.SIGTERM)  # nobody is there, and nobody is hit


def test_workers_that_were_left_over_are_stopped_by_a_later_command(tmp_path):
    worker = Fleet(tmp_path, {}).start()
    left = Process.of(worker.pid)
    try:
        stop_left_over(tmp_path)
        assert not left.is_running
        stop_left_over(tmp_path)  # nothing is listed any more
    finally:
        worker.kill()


def test_where_a_worker_listens_is_read_from_its_log(tmp_path):
    worker = WorkerProcess.start("worker", tmp_path, UNREADABLE)
    worker.child.wait()
    worker.log.write_text('{"event": "ops endpoints", "host": "127.0.0.1", "port": 7')
    assert worker.url is None, "half a line"
    worker.log.write_text('Traceback\n{"event": "ops endpoints", "host": "127.0.0.1", "port": 7000}\n')
    assert worker.url == "http://127.0.0.1:7000"
