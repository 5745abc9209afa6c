import re
from pathlib import Path

import pytest
from aiokafka.errors import KafkaTimeoutError
from typer.testing import CliRunner

from cli import ENTRIES, app
from cli.explaining import explain
from cli.failures import EXIT_MISUSE, Failure
from tests.command import leaves
from workers.settings.model import SettingsError

REPOSITORY = Path(__file__).resolve().parents[3]


def test_every_command_has_its_section_in_the_documentation_in_the_same_order():
    documented = re.findall(r"^## (\S+)$", (REPOSITORY / "docs" / "commands.md").read_text(), flags=re.MULTILINE)
    assert documented == list(ENTRIES)


def test_help_lists_every_command_with_what_it_does():
    shown = CliRunner().invoke(app, ["--help"], env={"COLUMNS": "200"}).output
    for name in ENTRIES:
        assert re.search(rf"^│ {re.escape(name)} +\S", shown, flags=re.MULTILINE), name


@pytest.mark.parametrize("name", ENTRIES)
def test_completion_is_installed_for_postpay_and_not_for_a_command_of_it(name):
    assert "--install-completion" in CliRunner().invoke(app, ["--help"]).output
    shown = CliRunner().invoke(app, [name, "--help"]).output
    assert "--help" in shown
    assert "completion" not in shown


@pytest.mark.parametrize("command", leaves(), ids=" ".join)
def test_help_teaches_with_an_example(command):
    shown = CliRunner().invoke(app, [*command, "--help"])
    assert shown.exit_code == 0, shown.output
    assert "Example" in shown.output


@pytest.mark.parametrize(
    ("typed", "offered"),
    [
        ("postpay dead-l", ["dead-letters"]),
        ("postpay consume li", ["limit-release"]),
        ("postpay consume purchase li", ["limit-release"]),
        ("postpay decision show re", ["return-inspection", "repayment", "rerouted"]),
        ("postpay lane accept-gap 3 pu", ["purchase"]),
        ("postpay parked list --topic pu", ["purchase"]),
        ("postpay dead-letters list --reason bad_", ["bad_origin", "bad_utf8", "bad_version"]),
        ("postpay operator-log list --action accept", ["accept_gap"]),
    ],
)
def test_the_tab_key_completes(typed, offered):
    typing = {"_POSTPAY_COMPLETE": "complete_bash", "COMP_WORDS": typed, "COMP_CWORD": str(typed.count(" "))}
    assert CliRunner().invoke(app, prog_name="postpay", env=typing).output.split() == offered


def test_the_version_is_shown():
    assert CliRunner().invoke(app, ["--version"]).output.strip().count(".") >= 2


def test_what_a_person_can_mend_is_one_line_and_a_defect_keeps_its_traceback():
    assert explain(SettingsError("POSTPAY_LANES: …")) == ("error: POSTPAY_LANES: …", EXIT_MISUSE)
    assert explain(Failure("no such account", 1)) == ("error: no such account", 1)
    assert explain(KeyError("x")) is None


def test_the_line_ends_with_what_is_known_of_the_server():
    error = KafkaTimeoutError("no answer")
    error.add_note("the brokers are kafka:9092 (POSTPAY_KAFKA__BOOTSTRAP)")
    said = "error: Kafka: KafkaTimeoutError: no answer; the brokers are kafka:9092 (POSTPAY_KAFKA__BOOTSTRAP)"
    assert explain(error) == (said, EXIT_MISUSE)
