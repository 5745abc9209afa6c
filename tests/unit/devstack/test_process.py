import os
import signal
import subprocess
import sys

import psutil
import pytest

from devstack.errors import DevstackError
from devstack.process import Process, log_tail, run, start_detached, wait_until

# Say "ready" and sleep; with "deaf", ignore the request to end.
SLEEPER = """
import signal, sys, time
if "deaf" in sys.argv:
    signal.signal(signal.SIGTERM, signal.SIG_IGN)
print("ready", flush=True)
time.sleep(60)
"""


@pytest.fixture
def log(tmp_path):
    return tmp_path / "log"


@pytest.fixture
def sleeper(log):
    started = []

    def start(*arguments):
        process = start_detached([sys.executable, "-c", SLEEPER, *arguments], log)
        started.append(process)
        assert wait_until(lambda: "ready" in log_tail(log), 10)
        return process

    yield start
    for process in started:
        process.send(signal.SIGKILL)


def test_a_detached_process_is_in_a_session_of_its_own_and_no_child_of_ours(sleeper):
    process = sleeper()
    assert process.is_running
    assert os.getsid(process.pid) != os.getsid(0)
    with pytest.raises(ChildProcessError):
        os.waitpid(process.pid, os.WNOHANG)


def test_a_process_ends_when_asked(sleeper):
    process = sleeper()
    assert process.stop(signal.SIGTERM, 10)
    assert not process.is_running


def test_a_process_that_does_not_listen_is_killed_in_the_end(sleeper):
    process = sleeper("deaf")
    assert not process.stop(signal.SIGTERM, 0.2)
    assert not process.is_running


def test_a_paused_process_ends_when_asked(sleeper):
    process = sleeper()
    process.send(signal.SIGSTOP)
    assert process.stop(signal.SIGTERM, 10)


def test_another_process_with_the_same_pid_is_neither_taken_for_it_nor_signalled(sleeper):
    stranger = sleeper()
    remembered = Process(stranger.pid, stranger.started_at - 3600)
    assert not remembered.is_running
    assert remembered.stop(signal.SIGKILL, 1)
    assert stranger.is_running


def test_a_process_that_ended_and_was_not_reaped_does_not_run():
    child = subprocess.Popen([sys.executable, "-c", "input()"], stdin=subprocess.PIPE)
    process = Process.of(child.pid)
    assert process.is_running
    child.kill()
    os.waitid(os.P_PID, child.pid, os.WEXITED | os.WNOWAIT)
    assert not process.is_running
    child.communicate()


def test_a_command_that_cannot_start_leaves_its_reason_in_the_log(log):
    process = start_detached(["/nowhere/postgres"], log)
    assert wait_until(lambda: not process.is_running, 10)
    assert "/nowhere/postgres" in log_tail(log)


def test_a_failed_command_is_told_with_the_end_of_what_it_printed():
    with pytest.raises(DevstackError, match=r"exit code 3:\n(.*\n)*out of luck"):
        run(["/bin/sh", "-c", "echo out of luck; exit 3"])


FIRST_THREAD_ENDS = """
import ctypes, threading
threading.Thread(target=input).start()
ctypes.CDLL(None).pthread_exit(None)
"""


def test_a_process_runs_until_its_last_thread_has_ended():
    child = subprocess.Popen([sys.executable, "-c", FIRST_THREAD_ENDS], stdin=subprocess.PIPE)
    process = Process.of(child.pid)
    assert wait_until(lambda: psutil.Process(child.pid).status() == psutil.STATUS_ZOMBIE, 10)
    assert process.is_running
    child.kill()
    assert wait_until(lambda: not process.is_running, 10)
    child.communicate()
