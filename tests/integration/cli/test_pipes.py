"""Every command on a settled platform, with nobody to read it and on a full disk."""

import pytest

from tests.command import Sink, leaves, run_into

HELP = ["--help"]
"""Of commands that start, stop or change something, or run for ever; their words go the same way."""

# How each command is made to say something, and its exit code then.
GIVEN = {
    ("dev", "up"): (HELP, 0),
    ("dev", "status"): (["--dir", "."], 1),
    ("dev", "env"): (HELP, 0),
    ("dev", "down"): (HELP, 0),
    ("demo",): (HELP, 0),
    ("migrate",): ([], 0),
    ("topics", "create"): ([], 0),
    ("topics", "check"): ([], 0),
    ("terms", "show"): ([], 0),
    ("terms", "publish"): (HELP, 0),
    ("worker",): (HELP, 0),
    ("produce",): (["-"], 0),
    ("consume",): (["purchase", "--follow"], 0),
    ("lag",): ([], 0),
    ("account", "show"): (["a-1"], 0),
    ("merchant", "show"): (["m-1"], 0),
    ("decision", "show"): (["purchase", "p-e1"], 0),
    ("dead-letters", "redrive"): (["--reason", "nul", "--dry-run"], 1),
    ("dead-letters", "close"): (HELP, 0),
    ("dead-letters", "reopen"): (HELP, 0),
    ("dead-letters", "list"): (["--json"], 0),
    ("dead-letters", "show"): (["purchase/0/4"], 0),
    ("conflicts", "list"): ([], 0),
    ("conflicts", "show"): (HELP, 0),
    ("parked", "list"): ([], 0),
    ("payouts", "list"): ([], 0),
    ("suspense", "list"): ([], 0),
    ("suspense", "show"): (HELP, 0),
    ("suspense", "assign"): (HELP, 0),
    ("lane", "split"): (HELP, 0),
    ("lane", "accept-gap"): (HELP, 0),
    ("operator-log", "list"): ([], 0),
    ("console",): (HELP, 0),
    ("console", "user", "add"): (HELP, 0),
    ("console", "user", "remove"): (HELP, 0),
    ("console", "user", "list"): (HELP, 0),
    ("audit",): ([], 0),
    ("archive", "write"): (HELP, 0),
    ("archive", "check"): (["./archive"], 0),
    ("archive", "list"): ([], 0),
    ("history", "export"): (["./history"], 0),
    ("history", "check"): (["./history"], 0),
    ("replay", "rebuild"): (HELP, 0),
    ("replay", "simulate"): (HELP, 0),
    ("replay", "verify"): (["--no-outputs"], 0),
}


def test_no_command_is_forgotten():
    assert list(GIVEN) == leaves()


@pytest.mark.parametrize("leaf", GIVEN, ids=" ".join)
async def test_a_command_whose_reader_is_gone_does_what_it_was_asked_to(leaf, shop, folder):
    arguments, code = GIVEN[leaf]
    assert run_into(Sink.NOBODY, folder, *leaf, *arguments, settings=shop.postpay.environment) == (code, "")


@pytest.mark.parametrize("leaf", GIVEN, ids=" ".join)
async def test_a_command_whose_output_takes_nothing_says_so_in_one_line(leaf, shop, folder):
    arguments, _ = GIVEN[leaf]
    said = (2, "error: cannot write to standard output: No space left on device\n")
    assert run_into(Sink.FULL, folder, *leaf, *arguments, settings=shop.postpay.environment) == said


@pytest.fixture(scope="module")
def folder(tmp_path_factory):
    return tmp_path_factory.mktemp("pipes")
