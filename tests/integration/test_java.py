"""What Java keeps of a first run, for those after it."""

import os
import subprocess

import pytest

from devstack import jars
from devstack.errors import DevstackError
from devstack.java import Java
from devstack.node import silent

TOOL = ("kafka.tools.StorageTool", "random-uuid")


def ran(*command):
    # Java tells of this variable, and what is told is looked at.
    environment = {name: value for name, value in os.environ.items() if name != "JDK_JAVA_OPTIONS"}
    return subprocess.run([*map(str, command)], env=environment, capture_output=True, text=True, check=False)


@pytest.fixture(scope="module")
def java(tmp_path_factory):
    java = Java(jars.class_path(silent), tmp_path_factory.mktemp("classes"))
    java.run_once(TOOL)
    return java


def test_classes_that_were_kept_are_those_that_are_run(java):
    # Java refuses to start with classes that do not fit, if told to.
    used = ran(*java.command(), "-XX:AOTMode=on", *TOOL)
    assert (used.returncode, used.stderr) == (0, "")
    (kept,) = java.directory.iterdir()
    before = kept.stat()
    java.run_once(TOOL)
    assert kept.stat().st_mtime_ns == before.st_mtime_ns


def test_classes_that_do_not_fit_are_left_out(java, tmp_path):
    (kept,) = java.directory.iterdir()
    (tmp_path / kept.name).write_bytes(b"something else")
    damaged = Java(java.class_path, tmp_path)
    assert ran(*damaged.command(), "-XX:AOTMode=on", *TOOL).returncode != 0
    assert ran(*damaged.command(), *TOOL).returncode == 0


def test_a_program_that_fails_leaves_nothing_behind(java, tmp_path):
    broken = Java(java.class_path, tmp_path)
    with pytest.raises(DevstackError, match="no-such-command"):
        broken.run_once(("kafka.tools.StorageTool", "no-such-command"))
    assert list(tmp_path.iterdir()) == []
