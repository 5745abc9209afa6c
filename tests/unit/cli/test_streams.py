import os

import pytest

from cli.streams import reader_is_gone
from tests.command import Sink, run_into


@pytest.mark.parametrize(
    ("sink", "code", "complaint"),
    [
        (Sink.NOBODY, 0, ""),
        (Sink.FULL, 2, "error: cannot write to standard output: No space left on device\n"),
        (Sink.CLOSED, 2, "error: standard output is closed; where nobody wants it, redirect it: >/dev/null\n"),
    ],
)
def test_a_command_ends_well_whatever_becomes_of_its_output(sink, code, complaint, tmp_path):
    assert run_into(sink, tmp_path, "worker", "--help") == (code, complaint)


def test_a_reader_that_is_gone_is_noticed(monkeypatch):
    reader, writer = os.pipe()
    with os.fdopen(writer, "w") as output:
        monkeypatch.setattr("sys.stdout", output)
        assert not reader_is_gone()
        os.close(reader)
        assert reader_is_gone()
